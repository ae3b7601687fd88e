"""What a comparison of devices measures: setups (a device with a number of CPU threads), epochs, seeds. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rematch.machine import DEVICES, absent, cores
from rematch.settings import suggestion

KEYS = ("threads", "epochs", "seeds")
MOST_THREADS = 8  # of the default 1, 2, 4, 8: more is for those who ask for it


class Setup(NamedTuple):
    """Where a training runs."""

    device: str
    threads: int

    @property
    def name(self) -> str:
        """For people, such as `cpu, 2 threads`."""
        return self.device if self.device != "cpu" else f"cpu, {self.threads} thread{'s' * (self.threads != 1)}"


class Plan(NamedTuple):
    """How much is measured. The first epoch of each training is warm-up."""

    threads: tuple[int, ...]  # CPU threads that are compared
    epochs: int = 3
    seeds: int = 5  # the first so many of the experiment's


def read_plan(item: Any, where: str = "config: device_comparison") -> Plan:
    """The plan that a config asks for. Default: 1, 2, 4, 8 threads as far as there are cores, 3 epochs, 5 seeds."""
    if not isinstance(item, Mapping):
        raise ValueError(f"{where}: expected keys such as `threads: [1, 2]`, found {item!r:.60}")
    for key in item:
        if key not in KEYS:
            raise ValueError(f"{where}: unknown key {key!r}{suggestion(key, KEYS)}")
    threads = item.get("threads", [n for n in (1, 2, 4, MOST_THREADS) if n <= cores()])
    if not isinstance(threads, list) or not threads or not all(type(n) is int and n >= 1 for n in threads):
        raise ValueError(f"{where}: threads: expected a list such as [1, 2], found {threads!r:.60}")
    for key, least in (("epochs", 2), ("seeds", 1)):
        if key in item and (type(item[key]) is not int or item[key] < least):
            raise ValueError(f"{where}: {key}: expected a whole number >= {least}, found {item[key]!r:.60}")
    numbers = {key: item[key] for key in ("epochs", "seeds") if key in item}
    return Plan(tuple(sorted({1, *threads})), **numbers)  # 1 thread is what the others are compared with


def setups(plan: Plan, forbidden: Mapping[str, str]) -> dict[Setup, str]:
    """Every setup, with the reason why it is skipped; empty for those that are measured."""
    found = {}
    for device in DEVICES:
        for threads in plan.threads if device == "cpu" else (1,):
            reason = f"not allowed for this study: {forbidden[device]}" if device in forbidden else absent(device)
            if not reason and threads > cores():
                reason = f"{threads} threads were asked for, this machine has {cores()} cores"
            found[Setup(device, threads)] = reason
    return found
