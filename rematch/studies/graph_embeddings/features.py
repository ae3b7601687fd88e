"""Vectors of graphs without learning: what a user would try first, and what a learned embedding must beat."""

from __future__ import annotations

import numpy as np

from rematch.studies.graph_embeddings.flat import FlatGraphs

FINGERPRINT_BINS = 1024
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def counts(graphs: FlatGraphs) -> np.ndarray:
    """Numbers of nodes and edges, and edges a node, `(G, 3)`: nothing but size."""
    nodes, edges = graphs.node_counts, graphs.edge_counts
    return np.column_stack([nodes, edges, edges / np.maximum(nodes, 1)]).astype(np.float32)


def circular_fingerprint(graphs: FlatGraphs, radius: int = 2, bins: int = FINGERPRINT_BINS) -> np.ndarray:
    """Counts of circular neighbourhoods folded into `bins`, `(G, bins)` float32 (Morgan 1965; Rogers and Hahn 2010,
    https://doi.org/10.1021/ci100050t), over node and edge labels; neighbourhoods that coincide are counted each time.

    An identifier is refined `radius` times by the multiset of (edge label, identifier of the neighbour).
    """
    _, starts = np.repeat(graphs.node_offsets[:-1], graphs.node_counts), graphs.node_offsets[:-1]
    edge_starts = np.repeat(starts, graphs.edge_counts)[:, None]
    first, second = (graphs.edges.astype(np.int64) + edge_starts).T
    graph = np.repeat(np.arange(len(graphs)), graphs.node_counts)
    bond = _hash_rows(graphs.edge_codes)
    identifier = _hash_rows(graphs.node_codes)
    folded = np.zeros(len(graphs) * bins)
    for step in range(radius + 1):
        place = graph * bins + (identifier % np.uint64(bins)).astype(np.int64)
        folded += np.bincount(place, minlength=len(folded))
        if step < radius:
            around = np.zeros(len(identifier), np.uint64)
            np.add.at(around, first, _mix(_mix(identifier[second]) + bond))
            np.add.at(around, second, _mix(_mix(identifier[first]) + bond))
            identifier = _mix(_mix(identifier + np.uint64(step + 1)) ^ around)
    return folded.reshape(len(graphs), bins).astype(np.float32)


def without_edges(graphs: FlatGraphs, share: float, generator: np.random.Generator) -> FlatGraphs:
    """The graphs with each undirected edge left out with probability `share`; all nodes stay."""
    keep = generator.random(len(graphs.edges)) >= share
    graph = np.repeat(np.arange(len(graphs)), graphs.edge_counts)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(graph[keep], minlength=len(graphs)))]).astype(np.int64)
    return FlatGraphs(graphs.node_offsets, offsets, graphs.edges[keep], graphs.node_codes, graphs.edge_codes[keep])


def _hash_rows(codes: np.ndarray) -> np.ndarray:
    value = np.full(len(codes), 1, np.uint64)
    for column in codes.T:
        value = _mix(value * np.uint64(257) + column.astype(np.uint64))
    return value


def _mix(value: np.ndarray) -> np.ndarray:
    """A bijection of 64-bit integers that spreads its input (splitmix64, Steele et al. 2014); wraps on purpose."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * _MIX[0]
    value = (value ^ (value >> np.uint64(27))) * _MIX[1]
    return value ^ (value >> np.uint64(31))
