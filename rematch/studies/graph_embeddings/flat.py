"""Many graphs as a handful of arrays: offsets and concatenated rows, no object per graph.

An undirected edge is stored once, with local node numbers. Attributes are category codes, 0 for a value that was
not in the vocabulary; `batch.py` turns them into one-hot columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class FlatGraphs:
    """G graphs with N nodes and E undirected edges in all."""

    node_offsets: np.ndarray  # (G + 1,) int64: graph g owns nodes node_offsets[g]:node_offsets[g + 1]
    edge_offsets: np.ndarray  # (G + 1,) int64
    edges: np.ndarray  # (E, 2) uint16, node numbers within the graph, smaller one first
    node_codes: np.ndarray  # (N, node columns) uint8
    edge_codes: np.ndarray  # (E, edge columns) uint8; no column for graphs without edge attributes

    def __len__(self) -> int:
        return len(self.node_offsets) - 1

    @property
    def node_counts(self) -> np.ndarray:
        """Nodes of each graph, `(G,)`."""
        return np.diff(self.node_offsets)

    @property
    def edge_counts(self) -> np.ndarray:
        """Undirected edges of each graph, `(G,)`."""
        return np.diff(self.edge_offsets)

    @property
    def bytes(self) -> int:
        """Memory of all arrays, in bytes."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def select(self, graphs: np.ndarray) -> FlatGraphs:
        """The graphs with the given numbers `(K,)`, in that order."""
        node_offsets, nodes = ranges(self.node_offsets, graphs)
        edge_offsets, edges = ranges(self.edge_offsets, graphs)
        return FlatGraphs(node_offsets, edge_offsets, self.edges[edges], self.node_codes[nodes], self.edge_codes[edges])

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays under names that start with `prefix`, and a checksum over them."""
        named = {f"{prefix}.{field.name}": getattr(self, field.name) for field in fields(self)}
        return named | {f"{prefix}.checksum": _checksum(named)}


def from_arrays(arrays: Mapping[str, np.ndarray], prefix: str) -> FlatGraphs:
    """The graphs that `FlatGraphs.arrays` stored under `prefix`; refuses what no longer matches its checksum."""
    named = {f"{prefix}.{field.name}": arrays[f"{prefix}.{field.name}"] for field in fields(FlatGraphs)}
    expected, found = bytes(arrays[f"{prefix}.checksum"]).hex(), bytes(_checksum(named)).hex()
    if expected != found:
        raise ValueError(
            f"{prefix}: corrupt graph store, expected checksum {expected}, found {found}; prepare it again"
        )
    return FlatGraphs(*named.values())


def ranges(offsets: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """New offsets `(K + 1,)` of the chosen items, and the row numbers that belong to them, concatenated."""
    counts = offsets[items + 1] - offsets[items]
    new = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return new, np.repeat(offsets[items] - new[:-1], counts) + np.arange(new[-1])


def _checksum(named: Mapping[str, np.ndarray]) -> np.ndarray:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(named):
        digest.update(f"{name.rsplit('.', 1)[-1]} {named[name].shape} {named[name].dtype}".encode())
        digest.update(np.ascontiguousarray(named[name]))
    return np.frombuffer(digest.digest(), np.uint8)
