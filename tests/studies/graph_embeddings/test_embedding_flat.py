"""Flat graph stores: selection, storage, checksum."""

import numpy as np
import pytest
from flat_samples import random_graphs, triangle_path_dot
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.studies.graph_embeddings.flat import from_arrays, ranges


def test_select_reorders_whole_graphs():
    picked = triangle_path_dot().select(np.array([2, 0, 0]))
    assert picked.node_counts.tolist() == [1, 3, 3]
    assert picked.edge_counts.tolist() == [0, 3, 3]
    assert picked.edges[:3].tolist() == picked.edges[3:].tolist() == [[0, 1], [1, 2], [0, 2]]
    assert picked.edge_codes.ravel().tolist() == [1, 2, 1] * 2


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 100), st.data())
def test_selecting_twice_is_selecting_the_selection(count, seed, data):
    graphs = random_graphs(count, seed)
    first = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=8)))
    second = np.array(data.draw(st.lists(st.integers(0, len(first) - 1), min_size=1, max_size=8)))
    one, other = graphs.select(first).select(second), graphs.select(first[second])
    assert all(np.array_equal(one.arrays("x")[key], other.arrays("x")[key]) for key in one.arrays("x"))


def test_ranges_by_loop():
    offsets, items = np.array([0, 2, 2, 5]), np.array([2, 1, 0, 2])
    new, rows = ranges(offsets, items)
    assert rows.tolist() == [r for i in items for r in range(offsets[i], offsets[i + 1])]
    assert new.tolist() == [0, 3, 3, 5, 8]


def test_stored_and_read_back():
    graphs = triangle_path_dot()
    again = from_arrays(graphs.arrays("train"), "train")
    assert len(again) == 3 and np.array_equal(again.edges, graphs.edges)
    assert graphs.bytes == 4 * 8 + 4 * 8 + 4 * 4 + 6 + 4


@pytest.mark.parametrize("name", ["node_offsets", "edge_offsets", "edges", "node_codes", "edge_codes"])
def test_one_changed_value_is_noticed(name):
    stored = triangle_path_dot().arrays("train")
    stored[f"train.{name}"] = stored[f"train.{name}"].copy()
    stored[f"train.{name}"].flat[0] += 1
    with pytest.raises(
        ValueError, match=r"train: corrupt graph store, expected checksum .+, found .+; prepare it again"
    ):
        from_arrays(stored, "train")
