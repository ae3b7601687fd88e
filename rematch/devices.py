"""Which device a run may use. The parse-time part needs no torch; `open_device` is called inside the job."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

DEVICES = ("cpu", "cuda", "mps")


def visible() -> list[str]:
    """Devices this machine seems to have, found without torch: an nvidia-smi that is not hidden, an Apple chip."""
    return [name for name in DEVICES if not absent(name)]


def absent(name: str) -> str:
    """Why a device does not seem to be here; empty if it does."""
    if name == "cuda":
        if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
            return "CUDA_VISIBLE_DEVICES hides every GPU"
        return "" if shutil.which("nvidia-smi") else "no NVIDIA GPU was found (nvidia-smi is missing)"
    if name == "mps":
        return "" if platform.system() == "Darwin" and platform.machine() == "arm64" else "this is no Apple chip"
    return ""


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve(wanted: Any, forbidden: Mapping[str, str], where: str) -> tuple[str, ...]:
    """The devices for a study: those of `wanted`, a name or a list of names; `auto` is the first of cuda, mps, cpu
    that is there and allowed."""
    names = wanted if isinstance(wanted, list) else [wanted]
    if not names:
        raise ValueError(f"{where}: device: expected at least one of auto, {', '.join(DEVICES)}, found []")
    found = tuple(_resolve_one(name, forbidden, where) for name in names)
    if len(set(found)) < len(found):
        raise ValueError(f"{where}: device: expected different devices, found {', '.join(found)}")
    return found


def _resolve_one(wanted: Any, forbidden: Mapping[str, str], where: str) -> str:
    if wanted == "auto":
        allowed = [name for name in ("cuda", "mps", "cpu") if name in visible() and name not in forbidden]
        if not allowed:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in forbidden.items())
            raise ValueError(f"{where}: device: auto finds none of {', '.join(visible())} allowed ({reasons})")
        return allowed[0]
    if wanted not in DEVICES:
        raise ValueError(f"{where}: device: expected one of auto, {', '.join(DEVICES)}, found {wanted!r}")
    if wanted in forbidden:
        raise ValueError(f"{where}: device: {wanted} is not allowed for this study: {forbidden[wanted]}")
    return wanted


def check_machine(devices: Iterable[str], threads: int, where: str) -> None:
    """Raises `ValueError` if this machine lacks a device or has fewer cores than `threads`; for calls that run here."""
    for name in devices:
        if reason := absent(name):
            raise ValueError(
                f"{where}: device: {name} is not here, {reason}; available: {', '.join(visible())}. "
                "Set `device:` to one of them or to auto"
            )
    if threads > cores():
        raise ValueError(f"{where}: threads: expected at most the {cores()} cores of this machine, found {threads}")


def open_device(name: str, threads: int) -> torch.device:
    """The torch device, with torch limited to `threads` CPU threads and to deterministic algorithms.

    Raises `ValueError` that says what is available if the device is not there.
    """
    import torch

    if threads > cores():
        raise ValueError(f"threads: expected at most the {cores()} cores that this job may use, found {threads}")
    torch.set_num_threads(threads)
    # what use_deterministic_algorithms does, without its import of torch's compiler, as long as that of torch itself
    torch.set_deterministic_debug_mode("error" if name == "cpu" else "warn")
    # filling fresh memory finds reads of unset values, which is a debugger's work; here it took 13 % of a training step
    torch.utils.deterministic.fill_uninitialized_memory = False
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[name]:
        have = ", ".join(key for key, value in there.items() if value)
        hidden = " (CUDA_VISIBLE_DEVICES is set to nothing)" if os.environ.get("CUDA_VISIBLE_DEVICES") == "" else ""
        raise ValueError(
            f"device {name} is not available here{hidden}; available: {have}. Set `device:` in the config."
        )
    return torch.device(name)


def describe(device: torch.device) -> dict[str, Any]:
    """Name, driver, threads and precision of a device, for the manifest."""
    import torch

    about: dict[str, Any] = {"device": device.type, "threads": torch.get_num_threads(), "torch": torch.__version__}
    about["float32_matmul_precision"] = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        about |= {"name": torch.cuda.get_device_name(device), "cuda": torch.version.cuda, "driver": _driver()}
    else:
        about["name"] = _cpu_name()
    return about


def _driver() -> str:
    """The version of the NVIDIA driver; empty if nvidia-smi does not tell."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return ""
    return found[0] if found else ""


def _cpu_name() -> str:
    """The model of the processor, or its architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()
