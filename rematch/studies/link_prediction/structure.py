"""Structural features of nodes: what a graph tells about a node without any learning."""

from __future__ import annotations

import numba
import numpy as np

from rematch.studies.link_prediction import kernels
from rematch.studies.link_prediction.graph import Graph

NAMES = ("log_degree", "clustering", "core_number", "log_pagerank", "neighbour_degree_mean", "neighbour_degree_max")


def features(graph: Graph) -> np.ndarray:
    """The standardised columns NAMES, (n, 6) float32; a column without spread is 0."""
    degree = graph.degree.astype(float)
    columns = [np.log1p(degree), clustering(graph), core_numbers(graph.indptr, graph.indices), np.log(pagerank(graph))]
    columns += [
        neighbour_reduce(graph, degree, np.add) / np.maximum(degree, 1),
        neighbour_reduce(graph, degree, np.maximum),
    ]
    table = np.stack(columns, axis=1)
    spread = table.std(axis=0)
    return ((table - table.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32)


def clustering(graph: Graph) -> np.ndarray:
    """The share of pairs of neighbours that are neighbours of each other, (n,); 0 below two neighbours (Watts &
    Strogatz 1998)."""
    rows = np.repeat(np.arange(graph.n, dtype=np.int32), graph.degree)
    once = rows < graph.indices
    pairs = np.stack([rows[once], graph.indices[once]], axis=1)
    closed = kernels.common_neighbour_sums(graph.indptr, graph.indices, pairs, np.ones(graph.n))
    corners = np.bincount(pairs[:, 0], closed, graph.n) + np.bincount(pairs[:, 1], closed, graph.n)
    return corners / np.maximum(graph.degree * (graph.degree - 1), 1)


def pagerank(graph: Graph, damping: float = 0.85, rounds: int = 50) -> np.ndarray:
    """The stationary probabilities (n,) of a walk that jumps with probability 1 - damping (Page et al. 1999)."""
    rank = np.full(graph.n, 1 / graph.n)
    for _ in range(rounds):
        spread = neighbour_reduce(graph, rank / np.maximum(graph.degree, 1), np.add)
        rank = (1 - damping) / graph.n + damping * (spread + rank[graph.degree == 0].sum() / graph.n)
    return rank


def neighbour_reduce(graph: Graph, values: np.ndarray, operation: np.ufunc) -> np.ndarray:
    """`operation` (np.add, np.maximum) over the values (n,) of each node's neighbours, (n,); 0 for a node without
    any."""
    out = np.zeros(graph.n)
    some = graph.degree > 0
    if some.any():
        out[some] = operation.reduceat(values[graph.indices], graph.indptr[:-1][some])
    return out


@numba.njit(cache=True)
def core_numbers(indptr, indices):
    """The largest k for which the node lies in a subgraph of minimum degree k, (n,) int64 (Batagelj & Zaversnik
    2003)."""
    n = indptr.shape[0] - 1
    degree = indptr[1:] - indptr[:-1]
    start = np.zeros(degree.max() + 2, np.int64)
    for i in range(n):
        start[degree[i] + 1] += 1
    start = np.cumsum(start)
    order, place, cursor = np.empty(n, np.int64), np.empty(n, np.int64), start.copy()
    for i in range(n):
        place[i] = cursor[degree[i]]
        order[place[i]] = i
        cursor[degree[i]] += 1
    for at in range(n):
        i = order[at]
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            if degree[j] > degree[i]:  # move j to the front of its bucket, then the bucket's front past it
                front = start[degree[j]]
                other = order[front]
                order[place[j]], order[front] = other, j
                place[other], place[j] = place[j], front
                start[degree[j]] += 1
                degree[j] -= 1
    return degree
