"""Being asked to stop: signals and a wall-clock limit, seen between two steps, never in the middle of one."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

EXIT_INTERRUPTED = getattr(os, "EX_TEMPFAIL", 75)  # sysexits.h: "temporary failure, try again"

# INT: Ctrl-C. TERM: schedulers and Snakemake. HUP: the terminal or the laptop was closed. USR1, USR2: what people ask
# of SLURM with --signal. XCPU: a CPU-time limit.
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")


class Interrupted(Exception):
    """Training ended early on request; run the same command again and it goes on where `saved` stands."""

    def __init__(self, reason: str, epoch: int, step: int, saved: Path | None):
        self.reason, self.epoch, self.step, self.saved = reason, epoch, step, saved
        kept = f"saved in {saved}, run again to go on" if saved else "nothing saved, no state folder was given"
        super().__init__(f"interrupted by {reason} before epoch {epoch}, step {step}: {kept}")


class Watch:
    """While entered, remembers the first request to stop in `reason` (empty: go on).

    `max_seconds` counts from entering. A second signal of the same kind ends the program at once, as without a watch.
    Outside the main thread Python forbids signal handlers; there only the time limit is watched.
    """

    def __init__(self, max_seconds: float | None = None):
        self.max_seconds = max_seconds
        self._signal = ""
        self._before: dict[int, object] = {}
        self._start = 0.0

    @property
    def reason(self) -> str:
        if self._signal:
            return self._signal
        if self.max_seconds is not None and time.monotonic() - self._start >= self.max_seconds:
            return f"max_seconds ({self.max_seconds:g} s)"
        return ""

    def __enter__(self) -> Watch:
        self._start = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            for name in SIGNALS:
                number = getattr(signal, name, None)
                # nohup ignores SIGHUP on purpose; leave that as it is.
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: object) -> None:
        self._signal = self._signal or signal.Signals(number).name
        signal.signal(number, self._before[number])
