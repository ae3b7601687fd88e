"""Prepared data survive writing and reading, and equal data leave equal bytes."""

import json

import numpy as np
import pandas as pd
import pytest

from rematch.card import Card
from rematch.prepared import Prepared, read, write


@pytest.fixture
def paths(tmp_path):
    return [
        tmp_path / "deep" / name for name in ("train.safetensors", "test.safetensors", "names.parquet", "card.json")
    ]


def example(facts=None):
    train = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "edges": np.arange(4).reshape(2, 2)}
    names = pd.DataFrame({"sample": ["a", "b"]})
    return Prepared(
        train, {"y": np.array([1.5])}, Card("t", facts or {"n": np.int64(3), "w": np.array([1.0, 2.0])}), names
    )


def test_round_trip_keeps_values_types_and_shapes(paths):
    write(example(), *paths)
    train, test = read(paths[0]), read(paths[1])
    for name, value in example().train.items():
        assert np.array_equal(train[name], value) and train[name].dtype == value.dtype
    assert test["y"].dtype == np.float64
    assert list(pd.read_parquet(paths[2])["sample"]) == ["a", "b"]
    assert json.loads(paths[3].read_text())["facts"] == {"n": 3, "w": [1.0, 2.0]}


def test_equal_data_leave_equal_bytes(paths, tmp_path):
    write(example(), *paths)
    others = [tmp_path / f"other-{i}" for i in range(4)]
    write(example(), *others)
    assert [p.read_bytes() for p in paths] == [p.read_bytes() for p in others]


def test_views_that_are_not_contiguous_are_stored_as_they_look(paths):
    prepared = example()
    prepared.train = {"x": np.arange(12.0).reshape(3, 4).T}
    write(prepared, *paths)
    assert np.array_equal(read(paths[0])["x"], np.arange(12.0).reshape(3, 4).T)


def test_a_card_with_an_object_is_refused_by_type(paths):
    with pytest.raises(TypeError, match="a data card holds plain values, found set"):
        write(example({"x": {1}}), *paths)
    assert not paths[3].exists()
