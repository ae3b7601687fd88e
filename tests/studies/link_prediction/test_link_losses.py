"""Losses against what a person can write down, and the exact loss against all pairs one by one."""

import math

import numpy as np
import pytest
import torch

from rematch.studies.link_prediction.graph import Graph
from rematch.studies.link_prediction.losses import (
    CONSTANT,
    LOSSES,
    Pairs,
    all_pairs,
    cross_entropy,
    diversity,
    squared,
    squared_hinge,
)
from tests.studies.link_prediction.small_graphs import SQUARE_WITH_TAIL, random_graph


def one_by_one(h, bias, edges, weight, loss="cross-entropy", columns=1.0, positives=None):
    n = len(h)
    scores = (columns * h) @ h.T + bias
    is_edge, is_positive = torch.zeros(n, n, dtype=torch.bool), torch.zeros(n, n, dtype=torch.bool)
    for mask, pairs in ((is_edge, edges), (is_positive, edges if positives is None else positives)):
        mask[pairs[:, 0], pairs[:, 1]] = mask[pairs[:, 1], pairs[:, 0]] = True
    upper = torch.triu(torch.ones(n, n, dtype=torch.bool), 1)
    return LOSSES[loss](scores[upper & is_positive], scores[upper & ~is_edge], weight)


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_exact_loss_is_that_of_all_pairs_one_by_one(rows, dtype, loss, signed, share):
    edges = random_graph(0)
    graph = Graph.from_edges(edges, 70)
    keep = np.random.default_rng(1).random(len(edges)) < share
    draw = torch.Generator().manual_seed(0)
    h = (2 * torch.randn(70, 6, dtype=dtype, generator=draw)).requires_grad_()
    bias = torch.tensor(-0.3, dtype=dtype, requires_grad=True)
    columns = torch.randn(6, dtype=dtype, generator=draw).requires_grad_() if signed else None
    inputs = [h, bias] + [columns] * signed
    mine = all_pairs(h, bias, Pairs(graph, graph.keeping(keep), 1.5, loss), columns, rows)
    theirs = one_by_one(h, bias, edges, 1.5, loss, columns if signed else 1.0, edges[keep])
    assert mine.item() == pytest.approx(theirs.item(), rel=1e-5)
    for found, expected in zip(torch.autograd.grad(mine, inputs), torch.autograd.grad(theirs, inputs), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)


def test_the_exact_loss_survives_huge_scores():
    h = torch.tensor([[300.0], [300.0], [-300.0], [0.0], [1e-20], [5.0]], requires_grad=True)
    graph = Graph.from_edges(SQUARE_WITH_TAIL, 6)
    loss = all_pairs(h, torch.zeros(()), Pairs(graph, graph))
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


def test_squared_is_the_distance_to_one_and_to_zero():
    assert squared(torch.tensor([1.0, 3.0]), torch.tensor([0.5, -0.5]), 2.0).item() == pytest.approx(2 + 2 * 0.25)


def test_diversity_is_the_mean_absolute_cosine_of_different_rows():
    h = torch.tensor([[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0]])
    assert diversity(h, torch.arange(3)).item() == pytest.approx(2 / 9)  # one opposite pair, counted twice, of 3 x 3
    assert diversity(h, torch.tensor([0, 2])).item() == 0
    assert np.isfinite(diversity(torch.zeros(3, 2), torch.arange(3)).item())
