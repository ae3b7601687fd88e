"""Requests to stop: noticed, remembered, and handed back to whoever listened before."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from rematch.interrupt import EXIT_INTERRUPTED, Watch


def test_exit_code_differs_from_failure_and_success():
    assert EXIT_INTERRUPTED == 75


def test_the_first_signal_is_noted_the_second_acts_as_without_a_watch():
    with pytest.raises(KeyboardInterrupt), Watch() as watch:
        assert watch.reason == ""
        os.kill(os.getpid(), signal.SIGINT)
        assert watch.reason == "SIGINT"
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)]
    with Watch():
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)]


def test_ignored_signals_stay_ignored():
    """nohup ignores SIGHUP, and means it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Watch() as watch:
            os.kill(os.getpid(), signal.SIGHUP)
            assert watch.reason == ""
    finally:
        signal.signal(signal.SIGHUP, before)


def test_time_limit(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Watch(max_seconds=5) as watch:
        now[0] = 4.9
        assert watch.reason == ""
        now[0] = 5.0
        assert watch.reason == "max_seconds (5 s)"


def test_outside_the_main_thread_only_the_clock_is_watched():
    seen = []

    def body():
        with Watch(max_seconds=1e-9) as watch:
            seen.append(watch.reason)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == ["max_seconds (1e-09 s)"]
