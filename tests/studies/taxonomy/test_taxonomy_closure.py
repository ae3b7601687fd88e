import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from small_hierarchies import DIAMOND, TREE, ancestor_names, prepared, random_tree

from rematch.studies.taxonomy.closure import closure, tree_closure


def test_a_tree_by_hand(tmp_path):
    result = prepared(tmp_path)
    found = ancestor_names(result)
    assert found["g"] == {"c", "a", "root"} and found["f"] == {"b", "root"} and found["root"] == set()
    facts = result.card.facts
    assert (facts["parent-child pairs"], facts["grandparent pairs"], facts["deeper pairs"]) == (7, 5, 1)
    assert facts["parent-child pairs"] == facts["nodes"] - facts["roots"]
    assert facts["closure pairs"] == result.train["depth"].sum()


def test_a_diamond_keeps_the_shortest_way_and_the_longest_depth(tmp_path):
    result = prepared(tmp_path, DIAMOND)
    names = result.names["name"].tolist()
    tip, top = names.index("tip"), names.index("top")
    offsets, ancestors, steps = (result.train[k] for k in ("offsets", "ancestors", "steps"))
    mine = slice(offsets[tip], offsets[tip + 1])
    assert ancestor_names(result)["tip"] == {"bottom", "left", "right", "top"}
    assert steps[mine][ancestors[mine] == top] == 1  # a direct edge, although it is also three steps away
    assert result.train["depth"][tip] == 3 and len(result.train["ends"]) == 0
    assert result.card.facts["kind"] == "directed acyclic graph"


@given(st.integers(2, 60), st.integers(0, 1000))
@budget(max_examples=25, deadline=None)
def test_closure_equals_networkx(count, seed):
    draw = np.random.default_rng(seed)
    edges = {(i, int(p)) for i in range(1, count) for p in draw.integers(0, i, draw.integers(1, 4))}
    pairs = np.array(sorted(edges))
    starts = np.concatenate([[0], np.cumsum(np.bincount(pairs[:, 0], minlength=count))])
    offsets, ancestors, steps = closure(starts, pairs[:, 1].astype(np.int32))
    graph = networkx.DiGraph(sorted(edges))
    lengths = dict(networkx.all_pairs_shortest_path_length(graph))
    for i in range(count):
        mine = slice(offsets[i], offsets[i + 1])
        expected = {a: d for a, d in lengths[i].items() if a != i}
        assert dict(zip(ancestors[mine].tolist(), steps[mine].tolist())) == expected


@given(st.integers(2, 80), st.integers(0, 1000))
@budget(max_examples=20, deadline=None)
def test_the_tree_and_the_general_closure_agree(count, seed):
    draw = np.random.default_rng(seed)
    parent = np.array([-1] + [int(draw.integers(0, i)) for i in range(1, count)], np.int32)
    starts = np.concatenate([[0, 0], np.arange(1, count)])
    offsets, ancestors = tree_closure(parent)
    # a doubled edge makes it take the general way
    general = closure(np.append(starts[:-1], starts[-1] + 1), np.append(parent[1:], parent[-1]))
    assert np.array_equal(general[0], offsets)
    for i in range(count):
        assert set(ancestors[offsets[i] : offsets[i + 1]]) == set(general[1][offsets[i] : offsets[i + 1]])


def test_a_dense_graph_outgrows_the_first_guess():
    count = 400  # a complete order: 399 parents each would fit, so every node names only its two predecessors
    pairs = np.array([(i, p) for i in range(1, count) for p in (i - 1, i - 2) if p >= 0])
    starts = np.concatenate([[0], np.cumsum(np.bincount(pairs[:, 0], minlength=count))])
    offsets, ancestors, steps = closure(starts, pairs[:, 1].astype(np.int32))
    assert offsets[-1] == count * (count - 1) // 2 > 32 * len(pairs)
    for i in range(count):
        mine = slice(offsets[i], offsets[i + 1])
        order = np.argsort(ancestors[mine])
        assert (ancestors[mine][order] == np.arange(i)).all()
        np.testing.assert_array_equal(steps[mine][order], -(-(i - np.arange(i)) // 2))


def test_preorder_makes_descendants_an_interval(tmp_path):
    result = prepared(tmp_path, random_tree(200, 3))
    ends, offsets, ancestors = (result.train[k] for k in ("ends", "offsets", "ancestors"))
    for x in range(200):
        above = set(ancestors[offsets[x] : offsets[x + 1]])
        assert above == {a for a in range(200) if a < x < ends[a]}


@pytest.mark.parametrize("edges", [TREE, DIAMOND])
def test_parents_are_numbered_before_children(tmp_path, edges):
    result = prepared(tmp_path, edges)
    offsets, ancestors = result.train["offsets"], result.train["ancestors"]
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    assert (ancestors < owner).all()
