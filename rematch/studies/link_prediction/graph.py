"""Undirected graphs in CSR form, and the two products that training needs: propagation and dot products of node pairs.

On the CPU both run in compiled loops; on other devices they are plain torch. The gradients are exact on both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from rematch.studies.link_prediction import kernels


@dataclass(frozen=True, eq=False)
class Graph:
    """A simple undirected graph: every edge stands in the rows of both ends, columns sorted.

    indptr (n + 1,) int64, indices (2 m,) int32, edge (2 m,) int32: the number of the edge behind each entry.
    """

    indptr: np.ndarray
    indices: np.ndarray
    edge: np.ndarray | None = None

    @classmethod
    def from_edges(cls, edges: np.ndarray, n: int) -> Graph:
        """The graph of edges (m, 2), each given once, on nodes 0 .. n - 1."""
        m = len(edges)
        rows = np.concatenate([edges[:, 0], edges[:, 1]]).astype(np.int64)
        columns = np.concatenate([edges[:, 1], edges[:, 0]]).astype(np.int64)
        order = np.argsort(rows * n + columns, kind="stable")
        indptr = np.zeros(n + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=n), out=indptr[1:])
        edge = np.tile(np.arange(m, dtype=np.int32), 2)[order]
        return cls(indptr, columns[order].astype(np.int32), edge)

    @property
    def n(self) -> int:
        """The number of nodes."""
        return len(self.indptr) - 1

    @cached_property
    def degree(self) -> np.ndarray:
        """The number of neighbours of each node, (n,) int64."""
        return np.diff(self.indptr)

    @cached_property
    def scale(self) -> np.ndarray:
        """degree^-1/2 per node, 0 where a node has no neighbour; (n,) float32."""
        return np.where(self.degree > 0, 1 / np.sqrt(np.maximum(self.degree, 1)), 0).astype(np.float32)

    def keeping(self, keep: np.ndarray) -> Graph:
        """The graph of the edges whose `keep` (m,) is true, on the same nodes."""
        return Graph(*kernels.kept_rows(self.indptr, self.indices, self.edge, keep))

    def has(self, pairs: np.ndarray) -> np.ndarray:
        """Whether each pair (p, 2) is an edge, (p,) bool; a node paired with itself counts as one."""
        return kernels.are_edges(self.indptr, self.indices, pairs)


def propagate(graph: Graph, x: Tensor) -> Tensor:
    """D^-1/2 A D^-1/2 x (Kipf & Welling 2017, without self-loops) for x (n, d)."""
    if x.device.type == "cpu" and x.dtype == torch.float32:
        return _Propagate.apply(x, graph)
    return _Sparse.apply(x, graph)


def pair_dots(pairs: np.ndarray, h: Tensor, weight: Tensor | None = None) -> Tensor:
    """The dot products (p,) of the rows of h (n, d) named by pairs (p, 2), each column counted `weight` (d,) times."""
    if h.device.type == "cpu" and h.dtype == torch.float32:
        return _PairDots.apply(h, weight, pairs)
    ends = torch.from_numpy(np.ascontiguousarray(pairs, dtype=np.int64)).to(h.device)
    right = h[ends[:, 1]] if weight is None else weight * h[ends[:, 1]]
    return (h[ends[:, 0]] * right).sum(1)


class _Propagate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, graph):
        ctx.graph = graph
        return _neighbour_sum(x, graph)

    @staticmethod
    def backward(ctx, gradient):
        return _neighbour_sum(gradient, ctx.graph), None  # the matrix is symmetric


def _neighbour_sum(x: Tensor, graph: Graph) -> Tensor:
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    source = np.ascontiguousarray(x.detach().numpy())
    kernels.neighbour_sum(graph.indptr, graph.indices, source, graph.scale, out.numpy())
    return out


class _Sparse(torch.autograd.Function):
    """The same product by torch's sparse matrices, for devices and types that the compiled loops do not serve."""

    @staticmethod
    def forward(ctx, x, graph):
        rows = torch.from_numpy(np.repeat(np.arange(graph.n), graph.degree))
        scale = torch.from_numpy(graph.scale)
        columns = torch.from_numpy(graph.indices.astype(np.int64))
        values = (scale[rows] * scale[columns]).to(x.dtype)
        # The rows are sorted and within bounds by construction, so torch need not check them.
        index, shape = torch.stack([rows, columns]), (graph.n, graph.n)
        matrix = torch.sparse_coo_tensor(index, values, shape, is_coalesced=True, check_invariants=False)
        ctx.matrix = matrix.to(x.device)
        return torch.sparse.mm(ctx.matrix, x)

    @staticmethod
    def backward(ctx, gradient):
        return torch.sparse.mm(ctx.matrix, gradient), None


class _PairDots(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, weight, pairs):
        rows = kernels.pair_rows(pairs, h.shape[0])
        h = h.detach().contiguous()
        ctx.save_for_backward(h, weight)
        ctx.rows = rows
        out = torch.empty(len(pairs))
        right = h if weight is None else h * weight.detach()
        kernels.pair_dots(*rows, h.numpy(), right.numpy(), out.numpy())
        return out

    @staticmethod
    def backward(ctx, gradient):
        h, weight = ctx.saved_tensors
        out = torch.empty_like(h)
        kernels.pair_dots_backward(*ctx.rows, gradient.contiguous().numpy(), h.numpy(), out.numpy())
        if weight is None:
            return out, None, None
        # Every pair stands in the rows of both of its ends, so the sum over rows counts it twice.
        return out * weight, 0.5 * (out * h).sum(0), None
