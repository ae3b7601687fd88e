"""What this machine has and which device a study may use. The Snakefile imports this: standard library only."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

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
