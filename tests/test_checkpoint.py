"""The state folder: what it gives back, and what it does with files that cannot be trusted."""

from __future__ import annotations

import json
import logging
import math
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from rematch.checkpoint import Pace, StateFolder, clean, encode, fingerprint, weights_bytes

STATE = {"weights": {"a": torch.arange(6.0).reshape(2, 3)}, "learner": {"rate": 0.1}, "progress": {"epoch": 3}}


@pytest.fixture(autouse=True)
def no_sync(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def two_states(folder):
    """A folder with an older and a newer state; their paths."""
    states = StateFolder(folder, "f")
    return states.save(STATE | {"number": 1}), states.save(STATE | {"number": 2})


def test_gives_back_the_newest(tmp_path):
    two_states(tmp_path)
    state = StateFolder(tmp_path, "f").load()
    assert state["number"] == 2 and torch.equal(state["weights"]["a"], STATE["weights"]["a"])


def test_nothing_there(tmp_path):
    assert StateFolder(tmp_path / "never", "f").load() is None


def test_keeps_five_and_counts_on_after_a_restart(tmp_path):
    for number in range(4):
        StateFolder(tmp_path, "f").save(STATE | {"number": number})  # a name taken twice would lose a state
    states = StateFolder(tmp_path, "f")
    states.load()
    for number in range(4, 9):
        states.save(STATE | {"number": number})
    assert len(list(tmp_path.iterdir())) == 5 and StateFolder(tmp_path, "f").load()["number"] == 8


def test_every_truncation_falls_back_with_one_warning(tmp_path, caplog):
    size = two_states(tmp_path)[1].stat().st_size
    for length in sorted({0, 1, 7, 8, 9, size // 2, size - 1}):
        folder = tmp_path / str(length)
        _, newest = two_states(folder)
        newest.write_bytes(newest.read_bytes()[:length])
        caplog.clear()
        assert StateFolder(folder, "f").load()["number"] == 1
        assert len(caplog.records) == 1 and caplog.records[0].levelno == logging.WARNING
        assert "cannot be used (checksum is" in caplog.text and "going on from state-00000001" in caplog.text
        assert not newest.exists()


def test_a_flipped_bit_in_any_byte_falls_back(tmp_path, caplog):
    _, newest = two_states(tmp_path)
    content = newest.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        newest.write_bytes(damaged)
        assert StateFolder(tmp_path, "f").load()["number"] == 1, position
    assert len(content) > 300 and len(caplog.records) == len(content)


def test_a_flipped_bit_in_the_name_falls_back(tmp_path):
    _, newest = two_states(tmp_path)
    newest.rename(newest.with_name(newest.name.replace(newest.name[-14], "f" if newest.name[-14] != "f" else "e")))
    assert StateFolder(tmp_path, "f").load()["number"] == 1


def test_all_states_damaged_start_anew(tmp_path, caplog):
    for path in two_states(tmp_path):
        path.write_bytes(b"")
    assert StateFolder(tmp_path, "f").load() is None
    assert len(caplog.records) == 1 and "no earlier state can be used, training starts anew" in caplog.text


def test_another_fingerprint_is_set_aside_once(tmp_path, caplog):
    two_states(tmp_path)
    assert StateFolder(tmp_path, "g").load() is None
    assert "is of other settings, code or data (fingerprint f, expected g): set aside in" in caplog.text
    assert len(list((tmp_path / "set-aside").iterdir())) == 2 and not list(tmp_path.glob("*.safetensors"))
    StateFolder(tmp_path, "g").save(STATE)
    assert StateFolder(tmp_path, "h").load() is None
    assert len(list((tmp_path / "set-aside").iterdir())) == 1  # in place of the two: disk stays bounded


def test_a_state_of_another_version_is_set_aside(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("rematch.checkpoint.FORMAT", 99)
    two_states(tmp_path)
    monkeypatch.undo()
    assert StateFolder(tmp_path, "f").load() is None
    assert "has format 99, expected 1: set aside" in caplog.text


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "state-1-x.safetensors").write_text("not a state's name")
    assert StateFolder(tmp_path, "f").load() is None
    assert len(list(tmp_path.iterdir())) == 2


def test_a_state_runs_no_code(tmp_path):
    """A pickle under a state's name and with a fitting digest is refused as a file that is no safetensors."""
    import hashlib
    import pickle

    content = pickle.dumps(STATE)
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    (tmp_path / f"state-00000009-{digest}.safetensors").write_bytes(content)
    assert StateFolder(tmp_path, "f").load() is None


def test_states_are_plain_safetensors_with_json(tmp_path):
    path = two_states(tmp_path)[1]
    assert [value.tolist() for value in load_file(path).values()] == [STATE["weights"]["a"].tolist()]
    length = int.from_bytes(path.read_bytes()[:8], "little")
    head = json.loads(json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]["rematch"])
    assert (head["format"], head["fingerprint"]) == (1, "f")


def test_equal_states_have_equal_bytes():
    assert encode(STATE, "f") == encode(STATE, "f") != encode(STATE, "g")


def test_weights_are_readable_by_anyone(tmp_path):
    shared = torch.ones(4)
    (tmp_path / "w").write_bytes(weights_bytes({"b": shared, "a": shared, "t": torch.ones(2, 3).t()}))
    found = load_file(tmp_path / "w")
    assert list(found) == ["a", "b", "t"] and found["t"].shape == (3, 2)


def test_clean(tmp_path):
    two_states(tmp_path)
    clean(tmp_path, "keep")
    assert len(list(tmp_path.iterdir())) == 2
    newest = max(tmp_path.iterdir())
    (tmp_path / "best.safetensors").write_bytes(b"weights")
    clean(tmp_path, "newest")
    assert list(tmp_path.iterdir()) == [newest]
    clean(tmp_path, "remove")
    assert not tmp_path.exists()
    with pytest.raises(
        ValueError, match="policy for finished states must be 'remove', 'newest' or 'keep', found 'burn'"
    ):
        clean(tmp_path, "burn")


def test_fingerprint_sees_values_types_and_bytes_but_not_order():
    base = fingerprint(settings={"a": 1, "b": [1, 2]}, code=b"x")
    assert base == fingerprint(code=b"x", settings={"b": [1, 2], "a": 1})
    others = [
        fingerprint(settings={"a": 1.0, "b": [1, 2]}, code=b"x"),
        fingerprint(settings={"a": 1, "b": [2, 1]}, code=b"x"),
        fingerprint(settings={"a": 1, "b": [1, 2]}, code=b"y"),
    ]
    assert len({base, *others}) == 4
    with pytest.raises(TypeError, match="a fingerprint is made of plain values, found object"):
        fingerprint(settings=object())


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)


def test_pace_by_default_spends_at_most_one_per_cent(monkeypatch):
    clock, spent = Clock(monkeypatch), 0.0
    pace = Pace()
    for _ in range(100_000):
        clock.now += 0.1
        pace.stepped()
        if pace.due():
            clock.now += 0.7
            spent += 0.7
            pace.saved(0.7)
    assert 0.005 < spent / (clock.now - 100.0) <= 0.011


def test_pace_as_asked(monkeypatch):
    clock = Clock(monkeypatch)
    by_seconds, by_steps = Pace(every_seconds=5.0), Pace(every_steps=2)
    by_seconds.saved(1000.0)
    clock.now += 4.9
    by_steps.stepped()
    assert not by_seconds.due() and not by_steps.due()
    clock.now += 0.2
    by_steps.stepped()
    assert by_seconds.due() and by_steps.due()
    by_steps.saved(0.0)
    clock.now += 1e6
    assert not by_steps.due()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(a, b) -> bool:
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=60, deadline=None)
@given(value=values)
def test_nested_values_come_back_exactly(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("state")
    StateFolder(folder, "f").save({"value": value})
    assert same({"value": value}, StateFolder(folder, "f").load())


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(3),
        torch.zeros(0, 4),
        torch.arange(6).reshape(2, 3).t(),
        torch.tensor([1.5], dtype=torch.bfloat16),
        torch.tensor([math.nan, -0.0, math.inf]),
        torch.arange(10.0)[3:5],
        torch.tensor([True, False]),
        np.arange(3, dtype=np.int16),
        np.array(2.5),
        np.zeros((0, 2)),
    ],
    ids=lambda value: f"{value.dtype}{tuple(value.shape)}",
)
def test_tensors_and_arrays_come_back_exactly(tmp_path, value):
    StateFolder(tmp_path, "f").save({"x": value, "again": [value]})
    found = StateFolder(tmp_path, "f").load()
    for other in (found["x"], found["again"][0]):
        assert type(other) is type(value) and other.dtype == value.dtype and other.shape == value.shape
        assert bytes(
            np.asarray(other if isinstance(other, np.ndarray) else other.contiguous().view(-1).view(torch.uint8))
        ) == bytes(
            np.asarray(value if isinstance(value, np.ndarray) else value.contiguous().view(-1).view(torch.uint8))
        )


def test_what_cannot_be_kept_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"found set at state\.learner\[1\]\.x"):
        StateFolder(tmp_path, "f").save({"learner": [0, {"x": {1}}]})
    with pytest.raises(TypeError, match="a state's keys are strings or numbers, found tuple at state"):
        StateFolder(tmp_path, "f").save({(1, 2): 3})
    assert list(tmp_path.iterdir()) == []
