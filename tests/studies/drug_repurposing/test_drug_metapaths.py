"""Path features against a walk over all paths by hand, and the regression on them."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from typed_graphs import settings, small_raw

from rematch.studies.drug_repurposing import losses
from rematch.studies.drug_repurposing.data import prepare
from rematch.studies.drug_repurposing.messages import stored_edges
from rematch.studies.drug_repurposing.metapaths import Metapaths, kinds
from rematch.studies.drug_repurposing.questions import PENALTY, divide, fit_weights, questions

# Types 0 compound (numbers 0-2), 1 disease (3-4), 2 gene (5-6); relations CtD, CbG, DaG, CrC, DrD.
EDGES = {
    0: [(0, 3), (1, 4)],
    1: [(0, 5), (1, 5), (2, 6)],
    2: [(3, 5), (4, 5), (4, 6)],
    3: [(0, 1), (1, 2)],
    4: [(3, 4)],
}
SMALL = {
    "type_ptr": np.array([0, 3, 5, 7]),
    "relation_ends": np.array([[0, 1], [0, 2], [1, 2], [0, 0], [1, 1]]),
    "relation_directed": np.zeros(5, bool),
    "relation_ptr": np.array([0, 2, 5, 8, 10, 11]),
    "edges": np.array([pair for pairs in EDGES.values() for pair in pairs]).T,
    "treats": np.array([0]),
    "compounds": np.array([0, 3]),
}


def walk(kind: tuple[int, int]) -> np.ndarray:
    """Counts of paths of one kind, over all sequences of edges, each weighted by the degrees of its ends."""
    both = {r: [*pairs, *(pair[::-1] for pair in pairs)] for r, pairs in EDGES.items()}

    def weight(relation: int, a: int, b: int) -> float:
        degree = [sum(pair[0] == node for pair in both[relation]) for node in (a, b)]
        return (degree[0] * degree[1]) ** -0.5

    def steps(relation: int) -> list[tuple[int, ...]]:
        """Node sequences of the part of a path that belongs to one relation."""
        if relation == 0 or relation in (3, 4):
            return both[relation]
        return [(a, b, c) for (a, b), (b2, c) in product(both[relation], repeat=2) if b == b2 and a != c]

    found = np.zeros((3, 2))
    direct = 0 not in kind
    parts = [both[r] if direct else steps(r) for r in kind]
    for first, second in product(*parts):
        if first[-1] == second[0] and first[0] < 3 and 3 <= second[-1] < 5:
            edges = [(kind[0], *e) for e in pairwise(first)] + [(kind[1], *e) for e in pairwise(second)]
            found[first[0], second[-1] - 3] += np.prod([weight(*edge) for edge in edges])
    return found


def test_features_equal_a_walk_over_all_paths():
    paths = Metapaths(SMALL, stored_edges(SMALL))
    features = paths.features(np.array(EDGES[0]).T).numpy()
    assert [tuple(kind) for kind in kinds(SMALL)] == [(1, 2), (1, 0), (3, 0), (0, 2), (0, 4)]
    for place, kind in enumerate(kinds(SMALL)):
        count = walk(kind)
        expected = np.arcsinh(count / count.mean())
        assert features[..., place] == pytest.approx(expected / expected.std(), rel=1e-5), kind


def test_a_treatment_is_no_evidence_for_itself():
    paths = Metapaths(SMALL, stored_edges(SMALL))
    alone = paths.features(np.array([[0], [3]])).numpy()
    assert (alone[0, 0, 1:] == 0).all() and (alone[1, 0, 1:] > 0).any()


@example_settings(max_examples=20)
@given(st.integers(5, 60), st.integers(0, 9))
def test_every_treatment_is_asked_for_once(count, seed):
    assert (np.sum(divide(count, seed), axis=0) == 1).all()


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    data = prepare(small_raw(tmp_path_factory.mktemp("raw")), {}, settings(), 1).train
    edges = stored_edges(data)
    known, paths = edges.pairs[:, edges.relation == data["treats"].item()], Metapaths(data, edges)
    return questions(known, divide(known.shape[1], 1), paths.compounds, paths, torch.device("cpu"))


def test_questions_ask_by_graphs_that_lack_the_answers(asked):
    together = torch.stack([question.asked for question in asked])
    assert (together.sum(0) == asked[0].treated).all()
    assert not torch.equal(asked[0].features, asked[1].features)


def test_fitted_weights_are_a_minimum(asked):
    def loss(weights):
        parts = [losses.ranking_loss(q.features @ weights, q.treated, q.asked) for q in asked]
        return float(sum(parts) / len(parts) + PENALTY * weights.square().sum())

    weights = fit_weights(asked)
    assert loss(weights) < loss(torch.zeros_like(weights))
    for place, change in product(range(len(weights)), (-0.05, 0.05)):
        other = weights.clone()
        other[place] += change
        assert loss(other) >= loss(weights) - 1e-4
