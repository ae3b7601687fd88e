"""Scores of node pairs that need no training: what a model has to beat."""

from __future__ import annotations

import numpy as np

from rematch.studies.link_prediction import kernels
from rematch.studies.link_prediction.graph import Graph


def common_neighbours(graph: Graph, pairs: np.ndarray) -> np.ndarray:
    """The number of nodes that both ends of a pair (p, 2) are joined to, (p,)."""
    return _shared(graph, pairs, np.ones(graph.n))


def adamic_adar(graph: Graph, pairs: np.ndarray) -> np.ndarray:
    """Common neighbours, each counting 1 / log degree (Adamic & Adar 2003), (p,)."""
    return _shared(graph, pairs, 1 / np.log(np.maximum(graph.degree, 2)))


def resource_allocation(graph: Graph, pairs: np.ndarray) -> np.ndarray:
    """Common neighbours, each counting 1 / degree (Zhou et al. 2009), (p,)."""
    return _shared(graph, pairs, 1 / np.maximum(graph.degree, 1))


def degree_product(graph: Graph, pairs: np.ndarray) -> np.ndarray:
    """The product of the two degrees, which knows nothing of the pair (preferential attachment), (p,)."""
    return graph.degree[pairs[:, 0]] * graph.degree[pairs[:, 1]].astype(float)


def _shared(graph: Graph, pairs: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return kernels.common_neighbour_sums(graph.indptr, graph.indices, pairs, weight)


HEURISTICS = {
    "common-neighbours": common_neighbours,
    "adamic-adar": adamic_adar,
    "resource-allocation": resource_allocation,
    "degree-product": degree_product,
}
