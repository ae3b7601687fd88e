"""Which edges carry messages, and in which directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rematch.streams import numpy_generator


class Edges(NamedTuple):
    """Edges stored once: pairs `(2, edges)` and relation numbers `(edges,)`, sorted by relation."""

    pairs: np.ndarray
    relation: np.ndarray


def stored_edges(data: Mapping[str, np.ndarray]) -> Edges:
    """All edges of the prepared training part."""
    sizes = np.diff(data["relation_ptr"])
    return Edges(data["edges"].astype(np.int64), np.repeat(np.arange(len(sizes)), sizes))


def shuffled(edges: Edges, seed: int) -> Edges:
    """The same edges with the targets of every relation permuted: all degrees stay, who meets whom is lost."""
    rng = numpy_generator(seed, "shuffled edges")
    pairs = edges.pairs.copy()
    for number in np.unique(edges.relation):
        places = np.flatnonzero(edges.relation == number)
        pairs[1, places] = pairs[1, rng.permutation(places)]
    return Edges(pairs, edges.relation)


def message_ends(data: Mapping[str, np.ndarray]) -> list[tuple[int, int]]:
    """Source and target node type of every relation of `message_relations`."""
    ends = []
    for (source, target), directed in zip(data["relation_ends"].tolist(), data["relation_directed"], strict=True):
        ends.append((source, target))
        if source != target or directed:
            ends.append((target, source))
    return ends


def message_relations(data: Mapping[str, np.ndarray], edges: Edges, silent: Sequence[int] = ()) -> list[np.ndarray]:
    """Source and target numbers `(2, edges)` per relation of messages, reverses included; `silent` relations stay
    empty.

    An edge between different types, or with a direction, has a reverse relation of its own; an undirected edge between
    equal types is one relation that carries messages both ways (as `torch_geometric.transforms.ToUndirected` does).
    """
    count = len(data["relation_ends"])
    bounds = np.searchsorted(edges.relation, np.arange(count + 1))
    relations = []
    for number in range(count):
        pairs = edges.pairs[:, bounds[number] : bounds[number + 1]]
        if number in silent:
            pairs = pairs[:, :0]
        (source, target), directed = data["relation_ends"][number], data["relation_directed"][number]
        if source != target or directed:
            relations += [pairs, pairs[::-1]]
        else:
            relations.append(np.concatenate([pairs, pairs[::-1]], axis=1))
    return relations


def draw(ptr: np.ndarray, per_relation: int, seed: int, epoch: int, step: int) -> np.ndarray:
    """Numbers of edges drawn without repetition, at most `per_relation` of each relation, sorted by relation.

    `ptr (relations + 1,)` says where each relation's edges begin. Within a relation the order is random, so that pieces
    of it are random samples too.
    """
    rng = numpy_generator(seed, "edges", epoch, step)
    parts = [np.zeros(0, np.int64)]
    for start, end in zip(ptr[:-1].tolist(), ptr[1:].tolist(), strict=True):
        parts.append(start + rng.choice(end - start, min(per_relation, end - start), replace=False))
    return np.concatenate(parts)


def piece(relation: np.ndarray, part: int, parts: int) -> np.ndarray:
    """Places of the `part`-th of `parts` about equal pieces of each run of `relation (edges,)`, which is sorted."""
    starts = np.searchsorted(relation, relation)
    size = np.bincount(relation)[relation] if len(relation) else relation
    return np.flatnonzero((np.arange(len(relation)) - starts) * parts // np.maximum(size, 1) == part)
