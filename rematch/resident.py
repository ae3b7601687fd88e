"""How much memory this process holds, and whether it grows from epoch to epoch. Standard library only."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path


def resident_mb() -> float:
    """The resident memory of this process now, in MB (10^6 bytes); its peak so far where only that is known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return peak_mb()
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """The largest resident memory of this process so far, in MB (10^6 bytes).

    Not by getrusage where the kernel says better: its value includes the process that started this one, from before
    the start.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    except (OSError, ValueError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def growth_mb(resident: Sequence[float]) -> float:
    """MB that `resident (epochs,)` grew by over its second half, as the difference of the medians of its two quarters.

    The first half is left out: caches and the optimizer's state fill up there. A leak goes on. 0 for fewer than 8.
    """
    if len(resident) < 8:
        return 0.0
    late = list(resident[len(resident) // 2 :])
    first, last = (sorted(part)[len(part) // 2] for part in (late[: len(late) // 2], late[len(late) // 2 :]))
    return last - first
