"""Atomic files: whole or not there, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from rematch.atomic import sweep, write_bytes, write_text


def die_in(monkeypatch, target, name, when="before"):
    """Makes the next call of `target.name` end the process as SIGKILL does."""
    inner = getattr(target, name)

    def dying(*arguments, **options):
        if when == "after":
            inner(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(target, name, dying)


def killed_while_writing(path: Path, content: bytes, monkeypatch, *place: object) -> None:
    """Writes in a child that is killed at `place`."""
    child = os.fork()
    if child == 0:
        die_in(monkeypatch, *place)
        write_bytes(path, content)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@pytest.mark.parametrize(
    ("place", "new"),
    [
        ((os, "fdopen"), False),
        ((os, "fsync"), False),
        ((os, "fsync", "after"), False),
        ((Path, "replace"), False),
        ((Path, "replace", "after"), True),
    ],
    ids=["empty", "unsynced", "synced", "before rename", "after rename"],
)
def test_killed_anywhere_leaves_the_old_or_the_new_and_the_next_writer_tidies(tmp_path, monkeypatch, place, new):
    path = tmp_path / "table.csv"
    write_text(path, "old")
    killed_while_writing(path, b"new", monkeypatch, *place)
    assert path.read_text() == ("new" if new else "old")
    write_text(path, "newest")
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"] and path.read_text() == "newest"


def test_sweep_removes_what_the_dead_left_and_nothing_else(tmp_path, monkeypatch):
    killed_while_writing(tmp_path / "a.csv", b"x", monkeypatch, os, "fsync")
    keep = {"b.csv", ".hidden", "c.tmp"}
    for name in keep:
        (tmp_path / name).write_text("")
    assert len(list(tmp_path.iterdir())) == 4
    sweep(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == keep
    sweep(tmp_path / "never")


def test_sweep_spares_a_living_writer(tmp_path, monkeypatch):
    seen = []

    def look(self, target, inner=Path.replace):
        sweep(tmp_path)
        seen.append(self.exists())
        return inner(self, target)

    monkeypatch.setattr(Path, "replace", look)
    write_text(tmp_path / "a.csv", "x")
    assert seen == [True] and (tmp_path / "a.csv").read_text() == "x"


def test_a_failed_write_leaves_the_old_file_and_names_it(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    write_text(path, "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.csv'"):
        write_text(path, "new")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_long_names_and_permissions(tmp_path):
    path = tmp_path / "sub" / ("é" * 120 + ".csv")
    write_text(path, "x")
    assert path.read_text() == "x" and path.stat().st_mode & 0o777 == 0o644
