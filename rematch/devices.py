"""Which device a run may use. The parse-time part needs no torch; `open_device` is called inside the job."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

DEVICES = ("cpu", "cuda", "mps")


def visible() -> list[str]:
    """Devices this machine seems to have, found without torch: an nvidia-smi that is not hidden, an Apple chip."""
    found = ["cpu"]
    if shutil.which("nvidia-smi") and os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() not in ("", "-1"):
        found.append("cuda")
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        found.append("mps")
    return found


def resolve(wanted: Any, forbidden: Mapping[str, str], where: str) -> str:
    """The device for a study: `wanted`, or for `auto` the first of cuda, mps, cpu that is there and allowed."""
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if name in visible() and name not in forbidden)
    if wanted not in DEVICES:
        raise ValueError(f"{where}: device: expected one of auto, {', '.join(DEVICES)}, found {wanted!r}")
    if wanted in forbidden:
        raise ValueError(f"{where}: device: {wanted} is not allowed for this study: {forbidden[wanted]}")
    return wanted


def open_device(name: str, threads: int) -> torch.device:
    """The torch device, with torch limited to `threads` CPU threads and to deterministic algorithms.

    Raises `ValueError` that says what is available if the device is not there.
    """
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=name != "cpu")
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
        about |= {"name": torch.cuda.get_device_name(device), "cuda": torch.version.cuda}
    else:
        about["name"] = platform.processor() or platform.machine()
    return about
