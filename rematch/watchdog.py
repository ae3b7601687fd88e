"""The end of a training that hangs: a device that never answers, a lock that nobody gives back."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable

LOOKS = 20  # times the watchdog looks within its limit
PATIENCE_OF_LAST_RESORT = 4  # times the limit

_log = logging.getLogger(__name__)


class Watchdog:
    """While entered, ends the process once no sign of life came for `seconds`; None never does.

    `on_hang(line)` is called with one line for a person in a thread of its own, since the hanging one cannot be
    interrupted, and returns the exit code. Time in which the whole process was stopped does not count. Should the
    hanging code also keep Python from running, the interpreter's own alarm, which needs no Python, leaves a traceback
    on standard error and ends the process with code 1 after four times as long.
    """

    def __init__(self, seconds: float | None, what: str, on_hang: Callable[[str], int]):
        self.seconds, self.what, self.on_hang = seconds, what, on_hang
        self._place = "before the first step"
        self._signs = 0
        self._done = threading.Event()
        self._rearm = 0.0

    def alive(self, epoch: int, step: int) -> None:
        """A sign of life: the run stands before this step."""
        self._place = f"at epoch {epoch}, step {step}"
        self._signs += 1
        if self.seconds is not None and time.monotonic() >= self._rearm:
            self._set_alarm()

    def __enter__(self) -> Watchdog:
        if self.seconds is not None:
            self._set_alarm()
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self.seconds is not None:
            faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        pause = self.seconds / LOOKS
        seen, silent = self._signs, 0
        while not self._done.wait(pause):
            silent = 0 if seen != self._signs else silent + 1
            seen = self._signs
            if silent >= LOOKS:
                self._end()

    def _end(self) -> None:
        line = (
            f"hangs: no step within {self.seconds:g} s (hang_seconds) {self._place} of {self.what}; "
            "run again to go on from the last saved state, choose another `device:`, or raise hang_seconds"
        )
        code, main = 1, sys._current_frames()[threading.main_thread().ident]
        try:
            _log.info("the main thread stands at\n%s", "".join(traceback.format_stack(main)))
            code = self.on_hang(line)
        finally:
            logging.shutdown()
            os._exit(code)  # the hanging thread would keep sys.exit waiting for ever

    def _set_alarm(self) -> None:
        """Sets the interpreter's alarm anew, but rarely: each setting starts a thread."""
        faulthandler.dump_traceback_later(
            PATIENCE_OF_LAST_RESORT * self.seconds, exit=True, file=sys.__stderr__ or sys.stderr
        )
        self._rearm = time.monotonic() + self.seconds / 4
