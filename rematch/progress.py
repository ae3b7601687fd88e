"""How far a long step is: a bar where a terminal is attached, otherwise a line in the log now and then."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

SECONDS_BETWEEN_LINES = 10.0

_log = logging.getLogger(__name__)


class Progress:
    """A count up to `total`, shown as a bar on `stream` if that is a terminal which no other job's bar occupies.

    Jobs of one workflow share the terminal: the first to come draws, the others only write lines to their logs.
    """

    def __init__(self, label: str, total: int, stream: TextIO | None = None):
        self.label, self.total, self.done = label, total, 0
        self._started = self._said = time.monotonic()
        stream = sys.stderr if stream is None else stream
        self._lock = _occupy(stream)
        self._bar = _bar(label, total, stream) if self._lock is not None else None

    def at(self, done: int) -> None:
        """So much is done by now."""
        self.done, before = done, self.done
        if self._bar is not None:
            self._bar.update(done - before)
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES and done:
            self._said = now
            left = (now - self._started) / done * (self.total - done)
            _log.info("%s: %d of %d, about %.0f s left", self.label, done, self.total, max(left, 0))

    def close(self) -> None:
        """Clears the bar and leaves the terminal to others."""
        if self._bar is not None:
            self._bar.close()
        if self._lock is not None:
            os.close(self._lock)
        self._bar = self._lock = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def stage(label: str) -> Iterator[None]:
    """A step whose length nobody knows: named on the terminal while it lasts, with its seconds in the log."""
    started = time.monotonic()
    with Progress(label, 0):
        yield
    _log.info("%s: %.1f s", label, time.monotonic() - started)


def _bar(label: str, total: int, stream: TextIO) -> Any:
    from tqdm import tqdm  # only where somebody looks: each job would pay for the import

    form = None if total else "{desc} ..."
    return tqdm(total=total or None, desc=label, file=stream, leave=False, dynamic_ncols=True, bar_format=form)


def _occupy(stream: TextIO) -> int | None:
    """A descriptor that holds the terminal behind `stream` for this job; None without one, or if it is taken."""
    try:
        import fcntl

        if not stream.isatty():
            return None
        handle = os.open(os.ttyname(stream.fileno()), os.O_WRONLY | os.O_NOCTTY)
    except (ImportError, OSError, ValueError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
