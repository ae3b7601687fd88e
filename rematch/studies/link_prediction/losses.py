"""Losses on scores of node pairs, and the exact loss over all pairs of a graph."""

from __future__ import annotations

import math
from typing import NamedTuple

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


def squared(positive: Tensor, negative: Tensor, negative_weight: float = 1.0) -> Tensor:
    """The mean of (s - 1)^2 over positives plus `negative_weight` times the mean of s^2 over negatives."""
    return (positive - 1).square().mean() + negative_weight * negative.square().mean()


LOSSES = {"cross-entropy": cross_entropy, "squared-hinge": squared_hinge, "squared": squared}


def diversity(h: Tensor, sample: Tensor) -> Tensor:
    """The mean absolute cosine similarity between different rows of h (n, d) named by `sample` (k,)."""
    rows = normalize(h[sample], dim=1)
    similarity = rows @ rows.T
    return (similarity - torch.diag(torch.diagonal(similarity))).abs().mean()


class Pairs(NamedTuple):
    """Which pairs of nodes count, and how: those of `graph` are no negatives, those of `positives` are positives."""

    graph: Graph
    positives: Graph  # some or all edges of the graph
    negative_weight: float = 1.0
    loss: str = "cross-entropy"

    def weights(self) -> tuple[float, float]:
        """What one positive and one negative count, so that each kind adds up to a mean."""
        n, edges = self.graph.n, len(self.graph.indices) // 2
        return (
            1 / max(len(self.positives.indices) // 2, 1),
            self.negative_weight / max(n * (n - 1) // 2 - edges, 1),
        )


def all_pairs(h: Tensor, bias: Tensor, pairs: Pairs, columns: Tensor | None = None, rows: int = 512) -> Tensor:
    """`cross_entropy` or `squared` of the scores h diag(columns) h^T + bias over every pair, without sampling.

    Negatives are all pairs of different nodes that are no edge; edges that are not among the positives are left out.
    Scores exist for `rows` rows at a time only, so memory stays at rows x n. h (n, d), columns (d,).
    """
    return _AllPairs.apply(h, bias, columns, pairs, rows)


class _AllPairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, bias, columns, pairs, rows):
        h = h.detach()
        every = h if columns is None else h * columns.detach()
        compiled = h.device.type == "cpu" and h.dtype == torch.float32
        tile_of = _compiled_tile if compiled and pairs.loss == "cross-entropy" else _torch_tile
        loss, slope, gradient = 0.0, 0.0, torch.zeros_like(h)
        for start in range(0, pairs.graph.n, rows):
            left, right = h[start : start + rows], h[start:]
            value, slopes = tile_of(left @ every[start:].T + bias.detach(), pairs, start)
            loss += value
            slope += float(slopes.sum(dtype=torch.float64))
            gradient[start : start + rows] += slopes @ right
            gradient[start:] += slopes.T @ left
        ctx.save_for_backward(h, columns, gradient, torch.full_like(bias, slope))
        return torch.tensor(loss, dtype=h.dtype, device=h.device)

    @staticmethod
    def backward(ctx, upstream):
        h, columns, gradient, slope = ctx.saved_tensors
        if columns is None:
            return upstream * gradient, upstream * slope, None, None, None
        # `gradient` holds every pair in the rows of both of its ends, so the sum over rows counts it twice.
        of_columns = upstream * 0.5 * (gradient * h).sum(0)
        return upstream * gradient * columns, upstream * slope, of_columns, None, None


Tile = tuple[float, Tensor]  # the loss of the tile's pairs, and its derivative by each score (r, n - start)


def _compiled_tile(scores: Tensor, pairs: Pairs, start: int) -> Tile:
    """The tile of rows start .. start + r against columns start .. n; only pairs right of the diagonal count."""
    array, (one_positive, one_negative) = scores.numpy(), pairs.weights()
    edges, positives = ((graph.indptr, graph.indices, start) for graph in (pairs.graph, pairs.positives))
    of_edges, of_positives = kernels.edge_scores(*edges, array), kernels.edge_scores(*positives, array)
    loss = kernels.upper_slopes(array, np.float32(one_negative))
    loss -= kernels.without_edges(*edges, of_edges, array, one_negative)
    return loss + kernels.positive_slopes(*positives, of_positives, array, one_positive), scores


def _torch_tile(scores: Tensor, pairs: Pairs, start: int) -> Tile:
    """The same in torch, for the squared loss and for devices and types that the compiled loops do not serve."""
    one_positive, one_negative = pairs.weights()
    edges, positives = (_edges_of_tile(graph, start, scores) for graph in (pairs.graph, pairs.positives))
    of_positives = scores.view(-1)[positives]
    lost, slopes = POINTWISE[pairs.loss](scores, 0)
    for values in (lost, slopes):
        values.view(-1)[edges] = 0
        values.triu_(1)
    lost_positives, slopes_positives = POINTWISE[pairs.loss](of_positives, 1)
    slopes.mul_(one_negative).view(-1)[positives] = one_positive * slopes_positives
    total = one_negative * lost.sum(dtype=torch.float64) + one_positive * lost_positives.sum(dtype=torch.float64)
    return float(total), slopes


def _cross_entropy_of(scores: Tensor, target: int) -> tuple[Tensor, Tensor]:
    return softplus(-scores if target else scores), torch.sigmoid(scores) - target


def _squared_of(scores: Tensor, target: int) -> tuple[Tensor, Tensor]:
    return (scores - target).square(), 2 * (scores - target)


POINTWISE = {"cross-entropy": _cross_entropy_of, "squared": _squared_of}  # the loss of each score, its derivative


def _edges_of_tile(graph: Graph, start: int, scores: Tensor) -> Tensor:
    """Positions, in the flattened tile of scores (r, n - start), of the edges from row i to a column beyond i."""
    stop = start + len(scores)
    row = np.repeat(np.arange(start, stop), graph.degree[start:stop])
    column = graph.indices[graph.indptr[start] : graph.indptr[stop]].astype(np.int64)
    upper = column > row
    return torch.from_numpy((row[upper] - start) * (graph.n - start) + column[upper] - start).to(scores.device)
