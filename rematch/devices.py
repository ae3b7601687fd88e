"""Devices inside a job: opened with a clear refusal, described for the manifest."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rematch.machine import cores

if TYPE_CHECKING:
    import torch


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
