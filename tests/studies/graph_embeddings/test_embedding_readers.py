"""Readers: TUDataset text and its one-file form, with what users get wrong."""

import gzip
import re

import numpy as np
import pytest

from rematch.card import Card
from rematch.studies.graph_embeddings.readers import read_tu, read_tu_one_file


def write(folder, **files):
    """A triangle with edge labels 5, 6, 7 and a path of two nodes; `files` replace or (None) remove parts."""
    parts = {
        "A": "1, 2\n2, 1\n2, 3\n3, 2\n1, 3\n3, 1\n4, 5\n5, 4\n",
        "graph_indicator": "1\n1\n1\n2\n2\n",
        "node_labels": "0\n0\n1\n1\n0\n",
        "edge_labels": "5\n5\n6\n6\n7\n7\n5\n5\n",
        "graph_labels": "1\n-1\n",
    } | files
    for name, text in parts.items():
        if text is not None:
            (folder / f"X_{name}.txt").write_text(text)
    return folder


def test_tu_by_hand(tmp_path):
    card = Card("t")
    graphs, targets = read_tu(write(tmp_path), "X", card)
    assert graphs.node_offsets.tolist() == [0, 3, 5] and graphs.edge_offsets.tolist() == [0, 3, 4]
    assert graphs.edges.tolist() == [[0, 1], [0, 2], [1, 2], [0, 1]]
    assert graphs.edge_codes.ravel().tolist() == [5, 7, 6, 5]
    assert targets["graph_labels"].tolist() == [1, -1] and card.findings == []


def test_no_edge_labels_gives_no_column(tmp_path):
    graphs, _ = read_tu(write(tmp_path, edge_labels=None), "X", Card("t"))
    assert graphs.edge_codes.shape == (4, 0)


def test_packed_files_are_read(tmp_path):
    write(tmp_path)
    plain = (tmp_path / "X_A.txt").read_bytes()
    (tmp_path / "X_A.txt").unlink()
    (tmp_path / "X_A.txt.gz").write_bytes(gzip.compress(plain))
    assert len(read_tu(tmp_path, "X", Card("t"))[0]) == 2


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"A": "1, 2\n2, 1\n2, 2\n", "edge_labels": None}, "loop"),
        ({"A": "1, 2\n2, 1\n2, 3\n", "edge_labels": None}, "one-way"),
        ({"A": "1, 2\n2, 1\n1, 2\n", "edge_labels": None}, "repeated"),
        ({"A": "1, 2\n2, 1\n", "edge_labels": "5\n6\n"}, "two-labels"),
    ],
)
def test_oddities_are_counted(tmp_path, files, code):
    card = Card("t")
    read_tu(write(tmp_path, **files), "X", card)
    assert [(f.code, f.level, f.count) for f in card.findings] == [(code, "warning", 1)]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"A": "1, 2\n9, 1\n"}, "X_A.txt: line 2: expected nodes 1 to 5, found 9, 1"),
        ({"A": "1, 4\n"}, "X_A.txt: line 1: edge 1, 4 joins nodes of two graphs"),
        ({"edge_labels": "5\n5\n"}, "X_edge_labels.txt: expected 8 lines, one per edge, found 2"),
        ({"node_labels": "5\n5\n"}, "X_node_labels.txt: expected 5 lines, one per node, found 2"),
        (
            {"edge_labels": "5\n5, 6\n" + "6\n" * 6},
            "X_edge_labels.txt: expected the same number of numbers on every line",
        ),
        ({"edge_labels": "5, 1\n5\n" + "6, 1\n" * 6}, "X_edge_labels.txt: line 2: expected 2 numbers, found fewer"),
        ({"graph_labels": "1\n"}, "X_graph_labels.txt: expected 2 lines, one per graph, found 1"),
        (
            {"graph_indicator": "2\n1\n1\n1\n1\n"},
            "X_graph_indicator.txt: expected graph numbers from 1 in rising order",
        ),
        ({"graph_indicator": None}, "X_graph_indicator.txt: no such file"),
    ],
)
def test_mistakes_are_one_clear_line(tmp_path, files, text):
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        read_tu(write(tmp_path, **files), "X", Card("t"))
    assert "\n" not in str(caught.value)


def test_one_file_form(tmp_path):
    (tmp_path / "Y.txt").write_text("2\n3 1\n0 2 1 2\n0 2 0 2\n1 2 0 1\n1 0\n7 0\n")
    graphs, targets = read_tu_one_file(tmp_path, "Y.txt", Card("t"))
    assert graphs.node_counts.tolist() == [3, 1] and graphs.edge_counts.tolist() == [3, 0]
    assert graphs.node_codes.ravel().tolist() == [0, 0, 1, 7] and targets["graph_labels"].tolist() == [1, 0]
    assert np.array_equal(graphs.edges, [[0, 1], [0, 2], [1, 2]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3\n1 1\n0 0\n2 1\n0 1 1\n", "Y.txt: expected 3 graphs, found 1: is the file truncated?"),
        ("1\n2 1\n0 2 1\n0 1 0\n", "Y.txt: line 3: expected 2 neighbours, found 1"),
        ("1\n2 1\n\n0 1 0\n", "Y.txt: line 3: expected at least 2 whole numbers, found ''"),
        ("two\n", "Y.txt: line 1: expected at least 1 whole numbers, found 'two'"),
    ],
)
def test_one_file_mistakes(tmp_path, text, message):
    (tmp_path / "Y.txt").write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_tu_one_file(tmp_path, "Y.txt", Card("t"))
