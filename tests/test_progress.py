"""A bar for whoever looks at a terminal, one at a time; lines in the log for everybody else."""

import fcntl
import io
import logging
import os
import pty
import select
import struct
import termios
import time

import pytest

from rematch import progress
from rematch.progress import Progress, stage


@pytest.fixture
def terminal():
    """The writing end of a terminal of 24 x 80 letters, and a function that returns what was written to it."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def seen() -> str:
        parts = []
        while select.select([leader], [], [], 0.5)[0]:  # a terminal hands out what it has in pieces
            parts.append(os.read(leader, 100_000))
        return b"".join(parts).decode()

    with os.fdopen(follower, "w") as stream:
        yield stream, seen
    os.close(leader)


def test_a_terminal_gets_a_bar_that_is_cleared_at_the_end(terminal):
    stream, seen = terminal
    with Progress("training v2", 4, stream) as bar:
        bar.at(2)
        time.sleep(0.15)
        bar.at(4)
    shown = seen()
    assert "training v2" in shown and "4/4" in shown and "\n" not in shown.strip("\r\n")


def test_a_second_job_leaves_the_terminal_alone_until_the_first_is_done(terminal):
    stream, seen = terminal
    with Progress("first", 4, stream), Progress("second", 4, stream) as other:
        other.at(1)
    with Progress("third", 4, stream):
        pass
    shown = seen()
    assert "first" in shown and "second" not in shown and "third" in shown


def test_without_a_terminal_the_log_gets_lines(caplog, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    stream = io.StringIO()
    with caplog.at_level(logging.INFO), Progress("training v2", 4, stream) as bar:
        bar.at(0)
        bar.at(1)
    assert [record.getMessage().split(",")[0] for record in caplog.records] == ["training v2: 1 of 4"]
    assert stream.getvalue() == ""


def test_a_stage_says_in_the_log_how_long_it_took(caplog):
    with caplog.at_level(logging.INFO), stage("preparing data"):
        pass
    assert caplog.records[-1].getMessage().startswith("preparing data: 0.")
