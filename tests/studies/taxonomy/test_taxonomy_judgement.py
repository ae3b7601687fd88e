"""Scores by hand, by a second way to compute them, and where they must fail."""

import geoopt
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from small_hierarchies import DIAMOND, TREE, prepared, random_tree, settings

from rematch.studies.taxonomy.evaluate import embeddings, evaluate
from rematch.studies.taxonomy.holdout import leaf_parents, pair_classification
from rematch.studies.taxonomy.measures import depth_correlations, distances, distortion, separation
from rematch.studies.taxonomy.ranking import rank_ancestors

CPU = torch.device("cpu")


def _table(count, seed=0, dim=3):
    x = np.random.default_rng(seed).normal(size=(count, dim))
    return x / np.linalg.norm(x, axis=1, keepdims=True) * np.random.default_rng(seed + 1).uniform(0.1, 0.9, (count, 1))


def test_ranks_by_hand():
    # a line 0 - 1 - 2 - 3 - 4 of points; node 0 has the ancestors 1 (one step) and 3 (two steps)
    table = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    closure = np.array([0, 2, 2, 2, 2, 2]), np.array([1, 3], np.int32), np.array([1, 2], np.uint8)
    found = rank_ancestors(table, np.array([0]), *closure, hyperbolic=False)
    # by distance: 1 (ancestor), 2 (not), 3 (ancestor): precisions 1/1 and 2/3, ranks 1 and 2
    np.testing.assert_allclose(found.precision[0], [(1 + 2 / 3) / 2, 1, 0.5, np.nan])
    np.testing.assert_allclose(found.rank[0], [1.5, 1, 2, np.nan])
    assert found.count[0].tolist() == [2, 1, 1, 0]


def test_a_collapsed_table_gets_the_worst_rank():
    closure = np.array([0, 0, 1, 1, 1]), np.array([0], np.int32), np.array([1], np.uint8)
    found = rank_ancestors(np.zeros((4, 2)), np.array([1]), *closure, hyperbolic=True)
    assert found.rank[0, 0] == 3 and found.precision[0, 0] == 1 / 3


@given(st.integers(5, 60), st.integers(0, 100))
@budget(max_examples=20, deadline=None)
def test_ranks_equal_a_plain_computation(tmp_path_factory, count, seed):
    train = prepared(tmp_path_factory.mktemp("t"), random_tree(count, seed)).train
    offsets, ancestors = train["offsets"], train["ancestors"]
    table = _table(count, seed)
    anchors = np.flatnonzero(np.diff(offsets))
    found = rank_ancestors(table, anchors, offsets, ancestors, train["steps"], hyperbolic=True)
    points = torch.from_numpy(table)
    far = geoopt.PoincareBall().dist(points[:, None], points[None]).numpy()
    for row, u in enumerate(anchors):
        mine = ancestors[offsets[u] : offsets[u + 1]]
        others = np.setdiff1d(np.arange(count), [*mine, u])
        before = np.array([(far[u, others] <= far[u, a]).sum() for a in sorted(mine, key=lambda a: far[u, a])])
        k = np.arange(1, len(mine) + 1)
        np.testing.assert_allclose(found.precision[row, 0], (k / (k + before)).mean())
        np.testing.assert_allclose(found.rank[row, 0], 1 + before.mean())


def test_better_tables_rank_better():
    closure = np.array([0, 0, 1, 1, 1]), np.array([0], np.int32), np.array([1], np.uint8)
    maps = []
    for gap in (0.1, 0.45, 0.8):
        table = np.array([[0.0, 0.0], [gap, 0.0], [0.4, 0.0], [0.7, 0.0]])
        maps.append(rank_ancestors(table, np.array([1]), *closure, hyperbolic=False).precision[0, 0])
    assert maps[0] > maps[1] >= maps[2]


def test_distances_are_geoopts():
    x = _table(30)
    i, j = np.arange(15), np.arange(15, 30)
    ball = geoopt.PoincareBall().dist(torch.from_numpy(x[i]), torch.from_numpy(x[j])).numpy()
    np.testing.assert_allclose(distances(x, i, j, True), ball, rtol=1e-9)
    np.testing.assert_allclose(distances(x, i, j, False), np.linalg.norm(x[i] - x[j], axis=1))


def test_depth_correlation_sees_what_saturation_hides():
    depth = np.arange(30)
    radius = np.tanh(depth / 2)[:, None] * np.array([[1.0, 0.0]])
    found = depth_correlations(radius[:15], depth, np.arange(15), hyperbolic=True)
    assert found["depth_radius_spearman"] == pytest.approx(1) and found["depth_radius_pearson"] == pytest.approx(1)
    assert found["depth_norm_pearson"] < 0.8 and found["norm_spread"] > 0
    flat = depth_correlations(np.full((5, 2), 0.5), depth, np.arange(5), hyperbolic=True)
    assert np.isnan(flat["depth_norm_pearson"]) and flat["norm_spread"] == pytest.approx(0)


def test_separation_is_the_ratio_of_mean_distances():
    table = np.array([[0.0, 0.0], [0.1, 0.0], [0.6, 0.0], [0.7, 0.0], [9.0, 9.0]])
    group = np.array([0, 0, 1, 1, -1])
    found, pairs = separation(table, group, hyperbolic=False)
    assert found == pytest.approx(0.6 / 0.1, rel=0.01) and pairs > 1000
    shuffled, _ = separation(np.random.default_rng(0).normal(size=(400, 3)), np.repeat([0, 1], 200), hyperbolic=False)
    assert shuffled == pytest.approx(1, abs=0.02)
    assert separation(table, np.array([0, 0, 0, 0, -1]), False)[1] == 0  # one group: undefined


def test_a_path_is_embedded_without_distortion(tmp_path):
    train = prepared(tmp_path, [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")]).train
    closure = train["offsets"], train["ancestors"], train["steps"]
    line = np.arange(5.0)[:, None] * 3
    assert distortion(line, *closure, hyperbolic=False)[0] == pytest.approx(0)
    assert distortion(line**2, *closure, hyperbolic=False)[0] > 0.1


def test_path_lengths_go_through_the_best_common_ancestor(tmp_path):
    result = prepared(tmp_path, DIAMOND)
    names = result.names["name"].tolist()
    from rematch.studies.taxonomy.measures import _path_lengths

    pairs = {("left", "right"): 2, ("tip", "left"): 2, ("tip", "top"): 1, ("bottom", "bottom"): 0}
    first, second = (np.array([names.index(p[i]) for p in pairs]) for i in (0, 1))
    found = _path_lengths(first, second, *(result.train[k] for k in ("offsets", "ancestors", "steps")))
    assert found.tolist() == list(pairs.values())


def test_held_out_leaves_are_not_in_training_and_have_their_pool(tmp_path):
    result = prepared(tmp_path, random_tree(300, 8), holdout="leaf-parents")
    train, test = result.train, result.test
    offsets, ancestors = train["offsets"], train["ancestors"]
    owner = np.repeat(np.arange(300), np.diff(offsets))
    assert set(zip(owner[train["held"]], ancestors[train["held"]])) == set(
        zip(test["held_leaves"], test["held_parents"])
    )
    for q, parent in enumerate(test["held_parents"]):
        pool = test["pool_nodes"][test["pool_starts"][q] : test["pool_starts"][q + 1]]
        grandparent = ancestors[offsets[parent]]
        assert parent in pool and all(ancestors[offsets[c]] == grandparent for c in pool) and len(pool) >= 2
    scores = {s.name: s.value for s in leaf_parents(_table(300), test, True)}
    assert scores["heldout_rank_closure"] == pytest.approx(0.5)
    pools = np.diff(test["pool_starts"])
    assert scores["heldout_hit_closure"] == pytest.approx((1 / pools).mean())
    oracle = _table(300)
    oracle[test["held_leaves"]] = oracle[test["held_parents"]]
    perfect = {s.name: s.value for s in leaf_parents(oracle, test, True)}
    assert perfect["heldout_rank"] == 0 and perfect["heldout_hit"] == 1


def test_on_a_closed_split_the_known_edges_win(tmp_path):
    result = prepared(tmp_path, random_tree(200, 9))
    offsets, ancestors = result.train["offsets"], result.train["ancestors"]
    owner = np.repeat(np.arange(200), np.diff(offsets))
    true = np.stack([owner, ancestors], 1)[result.train["steps"] > 1].astype(np.int32)
    draw = np.random.default_rng(0)
    related = set(map(tuple, np.stack([owner, ancestors], 1).tolist()))
    false = np.array(
        [p for p in draw.integers(0, 200, (900, 2)).tolist() if tuple(p) not in related and p[0] != p[1]], np.int32
    )
    train = result.train | {"split_valid_positive": true[::2], "split_valid_negative": false[::2]}
    test = {"split_test_positive": true[1::2], "split_test_negative": false[1::2]}
    scores = {s.name: s.value for s in pair_classification(_table(200), train, test, True)}
    assert scores["heldout_auc_closure"] == scores["heldout_f1_closure"] == scores["heldout_ap_closure"] == 1.0
    assert scores["heldout_auc"] < 0.9 and 0 <= scores["heldout_f1"] <= 1
    assert 0.5 < scores["heldout_auc_size"] < 1  # a large subtree holds more of the true pairs, and that is all it says


def test_anchors_of_validation_and_test_are_apart(tmp_path):
    result = prepared(tmp_path, random_tree(100, 2), validation_anchors=10, test_anchors=30)
    validation, test = result.train["validation_anchors"], result.test["anchors"]
    assert len(validation) == 10 and len(test) == 30 and not set(validation) & set(test)
    assert any(f.code == "sampled-anchors" for f in result.card.findings)


def test_evaluate_names_every_score_and_pairs_by_sample(tmp_path, root):
    declared = set(__import__("yaml").safe_load((root / "config/studies/taxonomy.yaml").read_text())["metrics"])
    result = prepared(tmp_path, TREE)
    weights = {"embedding": torch.from_numpy(_table(8))}
    found = evaluate(settings(), weights, result.train, result.test, result.names, CPU)
    table = found.table()
    assert set(table["name"]) <= declared
    assert {"map", "mean_rank", "map_parent", "distortion", "depth_norm_pearson"} <= set(table["name"])
    assert isinstance(found.predictions, pd.DataFrame) and found.predictions["sample"].is_unique
    mean = table[(table["name"] == "map") & (table["split"] == "test")]["value"].item()
    assert mean == pytest.approx(found.predictions["average_precision"].mean())


def test_embeddings_leave_with_names_and_depths(tmp_path):
    data = prepared(tmp_path, TREE)
    count = len(data.train["depth"])
    points = _table(count)
    table = embeddings(settings(), {"embedding": torch.from_numpy(points)}, data.train, data.test, data.names)
    assert list(table.columns) == ["id", "name", "depth", "dim_0", "dim_1", "dim_2"]
    assert (
        table.name.is_unique and (table.loc[table.depth == 0, "id"] == np.flatnonzero(data.train["depth"] == 0)).all()
    )
    np.testing.assert_array_equal(table.dim_2, points[:, 2])
