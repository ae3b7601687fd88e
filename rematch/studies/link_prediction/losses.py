"""Losses on scores of node pairs, and the exact loss over all pairs of a graph."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from rematch.studies.link_prediction import kernels
from rematch.studies.link_prediction.graph import Graph

CONSTANT = 2 * math.log(2)  # what `cross_entropy` gives a predictor that says 1/2 of every pair


def cross_entropy(positive: Tensor, negative: Tensor, negative_weight: float = 1.0) -> Tensor:
    """The mean of -log sigmoid(s) over positives plus the mean of -log(1 - sigmoid(s)) over negatives.

    A sum of two means, so the constant predictor 1/2 scores 2 ln 2 = 1.386, not ln 2. The second counts
    `negative_weight`.
    """
    return softplus(-positive).mean() + negative_weight * softplus(negative).mean()


def squared_hinge(positive: Tensor, negative: Tensor, negative_weight: float = 1.0) -> Tensor:
    """The mean of max(0, 1 - (s+ - s-))^2 over positives each set against one negative (Wang et al. 2021, PLNLP)."""
    return negative_weight * torch.clamp(1 - (positive - negative), min=0).square().mean()


LOSSES = {"cross-entropy": cross_entropy, "squared-hinge": squared_hinge}


def diversity(h: Tensor, sample: Tensor) -> Tensor:
    """The mean absolute cosine similarity between different rows of h (n, d) named by `sample` (k,)."""
    rows = normalize(h[sample], dim=1)
    similarity = rows @ rows.T
    return (similarity - torch.diag(torch.diagonal(similarity))).abs().mean()


def all_pairs(h: Tensor, bias: Tensor, graph: Graph, negative_weight: float = 1.0, rows: int = 512) -> Tensor:
    """`cross_entropy` of the scores h h^T + bias over every edge and every non-edge, without sampling.

    The graph's edges are the positives, all other pairs of different nodes the negatives; the mean over the negatives
    counts `negative_weight` times. Scores exist for `rows` rows at a time only, so memory stays at rows x n.
    """
    return _AllPairs.apply(h, bias, graph, negative_weight, rows)


class _AllPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, bias, graph, negative_weight, rows):
        n, edges = graph.n, len(graph.indices) // 2
        weights = 1 / max(edges, 1), negative_weight / max(n * (n - 1) // 2 - edges, 1)
        tile_of = _compiled_tile if h.device.type == "cpu" and h.dtype == torch.float32 else _torch_tile
        loss, slope, gradient = 0.0, 0.0, torch.zeros_like(h)
        for start in range(0, n, rows):
            left, right = h[start : start + rows], h[start:]
            value, slopes = tile_of(left @ right.T + bias, graph, start, weights)
            loss += value
            slope += float(slopes.sum(dtype=torch.float64))
            gradient[start : start + rows] += slopes @ right
            gradient[start:] += slopes.T @ left
        ctx.save_for_backward(gradient, torch.full_like(bias, slope))
        return torch.tensor(loss, dtype=h.dtype, device=h.device)

    @staticmethod
    def backward(ctx, upstream):
        gradient, slope = ctx.saved_tensors
        return upstream * gradient, upstream * slope, None, None, None


Tile = tuple[float, Tensor]  # the loss of the tile's pairs, and its derivative by each score (r, n - start)


def _compiled_tile(scores: Tensor, graph: Graph, start: int, weights: tuple[float, float]) -> Tile:
    """The tile of rows start .. start + r against columns start .. n; only pairs right of the diagonal count."""
    rows = graph.indptr, graph.indices, start
    array = scores.numpy()
    positive = kernels.edge_scores(*rows, array)
    loss = kernels.upper_slopes(array, np.float32(weights[1]))
    return loss + kernels.edge_slopes(*rows, positive, array, weights[0], weights[1]), scores


def _torch_tile(scores: Tensor, graph: Graph, start: int, weights: tuple[float, float]) -> Tile:
    """The same in torch, for devices and types that the compiled loops do not serve."""
    edges = _edges_of_tile(graph, start, start + len(scores), scores.device)
    positive = scores.view(-1)[edges]
    odds, slopes = softplus(scores), torch.sigmoid(scores).mul_(weights[1])
    odds.view(-1)[edges] = 0
    slopes.view(-1)[edges] = torch.sigmoid(-positive) * -weights[0]
    odds.triu_(1)
    loss = odds.sum(dtype=torch.float64) * weights[1] + softplus(-positive).sum(dtype=torch.float64) * weights[0]
    return float(loss), slopes.triu_(1)


def _edges_of_tile(graph: Graph, start: int, stop: int, device: torch.device) -> Tensor:
    """Positions, in the flattened (stop - start, n - start) tile, of the edges from row i to a column beyond i."""
    row = np.repeat(np.arange(start, stop), graph.degree[start:stop])
    column = graph.indices[graph.indptr[start] : graph.indptr[stop]].astype(np.int64)
    upper = column > row
    return torch.from_numpy((row[upper] - start) * (graph.n - start) + column[upper] - start).to(device)
