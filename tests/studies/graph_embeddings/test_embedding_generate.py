"""The generator: planted, balanced, readable, repeatable."""

import json
from itertools import combinations

import numpy as np
import pytest

from rematch.card import Card
from rematch.studies.graph_embeddings.features import circular_fingerprint, counts
from rematch.studies.graph_embeddings.flat import FlatGraphs
from rematch.studies.graph_embeddings.generate import MOTIF_LABELS, MOTIFS, PATTERNS, generate
from rematch.studies.graph_embeddings.probes import probe
from rematch.studies.graph_embeddings.readers import read_tu


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("graphs")
    generate(out, seed=3, graphs=20, probe_graphs=400, nodes=14)
    return out


def test_motifs_have_equal_size_and_differ():
    shapes = []
    for edges in MOTIFS.values():
        assert len(set(map(frozenset, edges))) == 7 and {n for e in edges for n in e} == set(range(6))
        labels = np.array(MOTIF_LABELS, np.uint8)[:, None]
        none = np.zeros((7, 0), np.uint8)
        graph = FlatGraphs(np.array([0, 6]), np.array([0, 7]), np.array(edges, np.uint16), labels * 0, none)
        shapes.append(circular_fingerprint(graph, radius=4)[0])
    for one, other in combinations(shapes, 2):
        assert not np.array_equal(one, other)  # told apart by refinement even without labels
    assert sorted(PATTERNS[0]) == sorted(PATTERNS[1]) and PATTERNS[0] != PATTERNS[1]


def test_read_back_without_a_finding(folder):
    card = Card("t")
    graphs, targets = read_tu(folder, "probe", card)
    assert len(graphs) == len(targets) == 400 and card.findings == []
    assert (graphs.edge_counts == graphs.node_counts + 1).all()  # a tree, a motif with two cycles, one link
    assert graphs.node_counts.min() >= 9 and graphs.node_counts.max() <= 18
    assert json.loads((folder / "truth.json").read_text())["motifs"] == list(MOTIFS)


def test_motif_is_not_in_the_size_but_in_the_structure(folder):
    graphs, targets = read_tu(folder, "probe", Card("t"))
    values, folds = targets["graph_labels"].to_numpy(), np.arange(400) % 4
    classes = np.unique(values)

    def accuracy(rows):
        return (classes[probe(rows, rows, values, folds, "classification")[0].argmax(axis=1)] == values).mean()

    labels = np.stack(
        [np.bincount(part.ravel(), minlength=5) for part in np.split(graphs.node_codes, graphs.node_offsets[1:-1])]
    )
    assert accuracy(counts(graphs)) < 0.35
    assert accuracy(labels) < 0.35
    assert accuracy(circular_fingerprint(graphs)) > 0.9


def test_same_seed_same_bytes_other_seed_other(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        generate(tmp_path / name, seed=seed, graphs=5, probe_graphs=5, nodes=12)
    a, b, c = ((tmp_path / name / "probe_A.txt").read_bytes() for name in "abc")
    assert a == b != c


def test_impossible_sizes():
    with pytest.raises(ValueError, match="sizes: nodes: expected at least 12, found 3"):
        generate(None, seed=1, graphs=5, probe_graphs=5, nodes=3)
