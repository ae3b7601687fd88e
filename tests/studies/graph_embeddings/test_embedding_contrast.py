"""The contrastive loss and the measures of embeddings."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.studies.graph_embeddings.contrast import (
    alignment,
    contrastive_loss,
    effective_rank,
    mean_reciprocal_rank,
    retrieval_at_k,
    uniformity,
)


def pair(count=6, width=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(count, width, generator=generator, dtype=torch.float64)
    return first, first + 0.3 * torch.randn(count, width, generator=generator, dtype=torch.float64)


def test_nt_xent_by_loops():
    first, second = pair()
    rows = [row / row.norm() for row in [*first, *second]]
    total = 0.0
    for i in range(12):
        partner = (i + 6) % 12
        others = [math.exp(float(rows[i] @ rows[j]) / 0.5) for j in range(12) if j != i]
        total -= math.log(math.exp(float(rows[i] @ rows[partner]) / 0.5) / sum(others))
    assert float(contrastive_loss(first, second, 0.5, True, "all")) == pytest.approx(total / 12)


@pytest.mark.parametrize(("negatives", "chance"), [("all", math.log(2 * 128 - 1)), ("cross-view", math.log(128))])
def test_collapse_is_at_chance(negatives, chance):
    same = torch.ones(128, 4)
    assert float(contrastive_loss(same, same, 0.07, True, negatives)) == pytest.approx(chance, rel=1e-5)


def test_loss_moves_by_orders_of_magnitude_on_identical_embeddings():
    first, second = pair(200, 32)
    losses = [float(contrastive_loss(first, second, t, True, "all")) for t in (0.5, 0.1, 0.07)]
    assert losses[0] > 5 * losses[1] > 10 * losses[2]  # the reason why losses are compared within a group only (S0-72)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_normalised_loss_ignores_length(seed, factor):
    first, second = pair(seed=seed)
    for negatives in ("all", "cross-view"):
        plain = contrastive_loss(first, second, 0.2, True, negatives)
        scaled = contrastive_loss(first * factor, second, 0.2, True, negatives)
        assert float(plain) == pytest.approx(float(scaled), rel=1e-9)


def test_dot_products_do_not():
    first, second = pair()
    assert contrastive_loss(first * 3, second, 0.5, False, "all") != contrastive_loss(first, second, 0.5, False, "all")


def test_bad_input():
    first, second = pair()
    with pytest.raises(ValueError, match="temperature: expected more than 0, found -1"):
        contrastive_loss(first, second, -1.0, True, "all")
    with pytest.raises(ValueError, match="expected at least 2 graphs, found 1"):
        contrastive_loss(first[:1], second[:1], 0.5, True, "all")


def test_retrieval_by_hand():
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    second = torch.tensor([[1.0, 0.1], [1.0, 0.9], [-1.0, 0.1]])  # the second is nearer to the first graph
    assert retrieval_at_k(first, second, 1) == pytest.approx(2 / 3)
    assert retrieval_at_k(first, second, 2) == 1
    assert mean_reciprocal_rank(first, second) == pytest.approx((1 + 1 / 2 + 1) / 3)


def test_collapse_is_not_rewarded():
    same = torch.ones(10, 3)
    assert retrieval_at_k(same, same, 1) == 0
    assert mean_reciprocal_rank(same, same) == pytest.approx(0.1)
    assert alignment(same, same) == 0 and uniformity(same) == pytest.approx(0)
    assert effective_rank(same) == 1


def test_effective_rank_counts_dimensions():
    cross = torch.cat([torch.eye(4), -torch.eye(4)])
    assert effective_rank(cross) == pytest.approx(4)
    assert effective_rank(cross[:, :1] * torch.ones(1, 4)) == pytest.approx(1)


def test_alignment_and_uniformity_of_opposite_points():
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert alignment(points, -points) == pytest.approx(4)
    assert uniformity(points) == pytest.approx(-8)
