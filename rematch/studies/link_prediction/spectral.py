"""The leading eigenvectors of a graph."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import eigsh
from torch import Tensor

from rematch.studies.link_prediction.graph import Graph


def spectrum(graph: Graph, count: int) -> tuple[Tensor, Tensor]:
    """The `count` eigenvalues of the adjacency matrix of largest size, (count,), and their vectors, (n, count).

    The sum of value times vector vector^T is the closest matrix of that rank (Eckart & Young 1936). Negative values
    count as much as positive ones: they stand for nodes that link to each other's neighbours but not to one another.
    Where the graph has fewer than `count` + 1 nodes, the rest is 0. Lanczos from a fixed start, so no randomness.
    """
    found = min(count, graph.n - 1)
    adjacency = csr_matrix((np.ones(len(graph.indices)), graph.indices, graph.indptr), (graph.n, graph.n))
    values, vectors = eigsh(adjacency, k=found, which="LM", v0=np.ones(graph.n), tol=1e-6)
    order = np.argsort(-np.abs(values), kind="stable")
    signs = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(found)])  # a vector and its negative are the same
    values, vectors = values[order], (vectors * signs)[:, order]
    padded = np.pad(values, (0, count - found)), np.pad(vectors, ((0, 0), (0, count - found)))
    return torch.from_numpy(padded[0]).float(), torch.from_numpy(padded[1]).float()
