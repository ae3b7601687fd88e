"""Losses against what a person can write down, and the exact loss against all pairs one by one."""

import math

import numpy as np
import pytest
import torch

from rematch.studies.link_prediction.graph import Graph
from rematch.studies.link_prediction.losses import CONSTANT, all_pairs, cross_entropy, diversity, squared_hinge
from tests.studies.link_prediction.small_graphs import SQUARE_WITH_TAIL, random_graph


def one_by_one(h, bias, edges, weight):
    n = len(h)
    scores = h @ h.T + bias
    is_edge = torch.zeros(n, n, dtype=torch.bool)
    is_edge[edges[:, 0], edges[:, 1]] = is_edge[edges[:, 1], edges[:, 0]] = True
    upper = torch.triu(torch.ones(n, n, dtype=torch.bool), 1)
    return cross_entropy(scores[upper & is_edge], scores[upper & ~is_edge], weight)


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_exact_loss_is_that_of_all_pairs_one_by_one(rows, dtype):
    edges = random_graph(0)
    graph = Graph.from_edges(edges, 70)
    h = 2 * torch.randn(70, 6, dtype=dtype, generator=torch.Generator().manual_seed(0))
    h, bias = h.requires_grad_(), torch.tensor(-0.3, dtype=dtype, requires_grad=True)
    found = torch.autograd.grad(all_pairs(h, bias, graph, 1.5, rows), (h, bias))
    expected = torch.autograd.grad(one_by_one(h, bias, edges, 1.5), (h, bias))
    assert all_pairs(h, bias, graph, 1.5, rows).item() == pytest.approx(
        one_by_one(h, bias, edges, 1.5).item(), rel=1e-5
    )
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_the_exact_loss_survives_huge_scores():
    h = torch.tensor([[300.0], [300.0], [-300.0], [0.0], [1e-20], [5.0]], requires_grad=True)
    loss = all_pairs(h, torch.zeros(()), Graph.from_edges(SQUARE_WITH_TAIL, 6))
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(h.grad).all()
    assert loss.item() == pytest.approx(one_by_one(h, torch.zeros(()), SQUARE_WITH_TAIL, 1.0).item(), rel=1e-5)


def test_a_constant_predictor_has_the_constant_loss():
    zero = torch.zeros(5)
    assert cross_entropy(zero, zero).item() == pytest.approx(CONSTANT)
    assert abs(CONSTANT - 1.3863) < 1e-4


def test_squared_hinge_is_zero_beyond_the_margin():
    assert squared_hinge(torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.5])).item() == pytest.approx(1.5**2 / 2)


def test_diversity_is_the_mean_absolute_cosine_of_different_rows():
    h = torch.tensor([[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0]])
    assert diversity(h, torch.arange(3)).item() == pytest.approx(2 / 9)  # one opposite pair, counted twice, of 3 x 3
    assert diversity(h, torch.tensor([0, 2])).item() == 0
    assert np.isfinite(diversity(torch.zeros(3, 2), torch.arange(3)).item())
