"""The generator writes what a reader reads, the same bytes each time, with the density that was asked for."""

import json

import numpy as np
import pytest

from rematch.studies.link_prediction import readers
from rematch.studies.link_prediction.data import check
from rematch.studies.link_prediction.generate import generate


def test_density_split_and_truth(tmp_path):
    generate(tmp_path, seed=7, nodes=200, communities=6, density=0.15)
    split, truth = readers.read(tmp_path, "plain-split"), json.loads((tmp_path / "truth.json").read_text())
    check(split)
    assert truth["density"] == pytest.approx(0.15, abs=0.01)
    assert truth["edges"] == sum(len(split.parts[part]) for part in ("train_pos", "valid_pos", "test_pos"))
    assert len(split.parts["test_pos"]) == len(split.parts["test_neg"]) == int(0.1 * truth["edges"])
    assert 0.2 < truth["test_hits_at_20_of_the_truth"] < 1
    assert split.names[3] == "node-3"


def test_equal_seeds_equal_bytes_other_seeds_other_graphs(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(tmp_path / name, seed=seed, nodes=80, communities=3)
    a, b, c = ((tmp_path / name / "train_pos.csv.gz").read_bytes() for name in "abc")
    assert a == b != c


def test_communities_hold_together(tmp_path):
    generate(tmp_path, seed=0, nodes=200, communities=2, popularity=0.0)
    parts = readers.read(tmp_path, "plain-split").parts
    a = np.zeros((200, 200))
    edges = parts["train_pos"]
    a[edges[:, 0], edges[:, 1]] = a[edges[:, 1], edges[:, 0]] = 1
    second = np.linalg.eigh(a - a.mean())[1][:, -1] > 0
    same = second[edges[:, 0]] == second[edges[:, 1]]
    assert same.mean() > 0.9


def test_too_small_a_graph_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nodes, density, held_out: expected at least 20 held-out edges, found 10"):
        generate(tmp_path, seed=0, nodes=10, communities=2)
