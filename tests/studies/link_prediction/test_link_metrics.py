"""Metrics against second ways to compute them, and laws they obey."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.studies.link_prediction import heuristics
from rematch.studies.link_prediction.graph import Graph
from rematch.studies.link_prediction.metrics import auc, hits_at, reciprocal_ranks
from tests.studies.link_prediction.small_graphs import SQUARE_WITH_TAIL, random_graph

scores = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30).map(np.array)


def test_hits_by_hand():
    positive, negative = np.array([0.9, 0.5, 0.4, 0.1]), np.array([0.8, 0.5, 0.3])
    assert hits_at(positive, negative, 1) == 0.25
    assert hits_at(positive, negative, 2) == 0.25  # a tie with the second highest negative is no hit
    assert hits_at(positive, negative, 3) == 0.75
    assert hits_at(positive, negative, 4) == 1.0  # fewer negatives than k, as in OGB


@settings(max_examples=80, deadline=None)
@given(scores, scores, st.integers(1, 20))
def test_hits_counted_one_by_one(positive, negative, k):
    if len(negative) >= k:
        expected = np.mean([p > sorted(negative, reverse=True)[k - 1] for p in positive])
    else:
        expected = 1.0
    assert hits_at(positive, negative, k) == pytest.approx(expected)


@settings(max_examples=80, deadline=None)
@given(scores, scores)
def test_auc_and_ranks_counted_one_by_one(positive, negative):
    wins = [(p > q) + 0.5 * (p == q) for p in positive for q in negative]
    assert auc(positive, negative) == pytest.approx(np.mean(wins))
    ranks = [1 + (np.sum(negative > p) + np.sum(negative >= p)) / 2 for p in positive]
    np.testing.assert_allclose(reciprocal_ranks(positive, negative), 1 / np.array(ranks))
    assert auc(positive, negative) == pytest.approx(1 - auc(negative, positive))


@settings(max_examples=40, deadline=None)
@given(scores, scores, st.integers(1, 9))
def test_a_growing_transformation_of_the_scores_changes_nothing(positive, negative, k):
    bend = lambda s: s**3 + 2 * s  # noqa: E731
    assert hits_at(positive, negative, k) == hits_at(bend(positive), bend(negative), k)
    assert auc(positive, negative) == auc(bend(positive), bend(negative))


def scores_with_ties(seed):
    draw = np.random.default_rng(seed)
    positive, negative = draw.normal(1, 1, 500), draw.normal(0, 1, 400)
    return (positive.round(1), negative.round(1)) if seed > 1 else (positive, negative)


@pytest.mark.parametrize(("seed", "theirs"), [(0, 0.314), (1, 0.192), (2, 0.246), (3, 0.294)])
def test_the_values_that_the_evaluator_of_ogb_gave(seed, theirs):
    """Recorded with ogb 1.3.6, `Evaluator(name="ogbl-ddi")`; seeds 2 and 3 have ties."""
    assert hits_at(*scores_with_ties(seed), 20) == pytest.approx(theirs)


def test_agreement_with_the_evaluator_of_ogb():
    evaluators = pytest.importorskip("ogb.linkproppred", reason="ogb is not installed; its recorded values are tested")
    evaluator = evaluators.Evaluator(name="ogbl-ddi")
    for seed in range(4):
        positive, negative = scores_with_ties(seed)
        theirs = evaluator.eval({"y_pred_pos": positive, "y_pred_neg": negative})["hits@20"]
        assert hits_at(positive, negative, 20) == pytest.approx(theirs)


def test_heuristics_by_hand():
    graph = Graph.from_edges(SQUARE_WITH_TAIL, 6)
    pairs = np.array([[0, 2], [1, 3], [2, 4], [0, 5]], dtype=np.int32)  # shared: {1, 3}, {0, 2}, {3}, none
    assert heuristics.common_neighbours(graph, pairs).tolist() == [2, 2, 1, 0]
    np.testing.assert_allclose(
        heuristics.adamic_adar(graph, pairs), [1 / np.log(2) + 1 / np.log(3), 2 / np.log(2), 1 / np.log(3), 0]
    )
    np.testing.assert_allclose(heuristics.resource_allocation(graph, pairs), [1 / 2 + 1 / 3, 1, 1 / 3, 0])
    assert heuristics.degree_product(graph, pairs).tolist() == [4, 6, 2, 0]


def test_heuristics_are_the_squared_adjacency_matrix():
    edges = random_graph(6)
    graph, a = Graph.from_edges(edges, 70), np.zeros((70, 70))
    a[edges[:, 0], edges[:, 1]] = a[edges[:, 1], edges[:, 0]] = 1
    pairs = np.stack(np.triu_indices(70, 1), 1).astype(np.int32)
    for name, weight in (
        ("common-neighbours", np.ones(70)),
        ("resource-allocation", 1 / a.sum(1)),
        ("adamic-adar", 1 / np.log(a.sum(1))),
    ):
        expected = (a * weight @ a)[pairs[:, 0], pairs[:, 1]]
        np.testing.assert_allclose(heuristics.HEURISTICS[name](graph, pairs), expected, rtol=1e-9)
