"""A smaller graph: without nodes that have no edge, and with at most so many nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rematch.card import Card
from rematch.studies.drug_repurposing.readers import Graph


def kept_nodes(graph: Graph, treats: str, limit: int, card: Card) -> np.ndarray:
    """Numbers of the nodes to keep, ascending: those with an edge and, with a `limit`, the nodes of a treatment first,
    then those with most edges. What goes is counted in `card`."""
    count = len(graph.nodes)
    degree = np.zeros(count, np.int64)
    for item in graph.relations:
        degree += np.bincount(item.pairs.ravel(), minlength=count)
    keep = np.flatnonzero(degree)
    if len(keep) < count:
        text = "nodes without any edge, dropped: no message can reach them"
        card.add("warning", "isolated-nodes", text, count - len(keep))
    if not limit or len(keep) <= limit:
        return keep
    treated = np.unique(graph.relation(treats).pairs)
    if limit < len(treated):
        raise ValueError(
            f"limit_nodes: expected at least the {len(treated)} nodes that have a treatment, found {limit}"
        )
    rank = degree.astype(np.float64)
    rank[treated] = np.inf
    chosen = np.sort(keep[np.argsort(-rank[keep], kind="stable")[:limit]])
    card.add(
        "note",
        "nodes-limited",
        f"limit_nodes {limit}: nodes with fewest edges dropped",
        len(keep) - limit,
        source="S3-24",
    )
    return chosen


def renumber(graph: Graph, keep: np.ndarray, aside: np.ndarray) -> tuple[Graph, np.ndarray]:
    """The graph on `keep` alone, with new numbers, and the pairs `aside` of kept nodes with the second end as it was.

    Second ends of `aside` (classes) need not be kept: they only say which pairs belong together.
    """
    place = np.full(len(graph.nodes), -1, np.int64)
    place[keep] = np.arange(len(keep))
    relations = []
    for item in graph.relations:
        pairs = place[item.pairs]
        relations.append(replace(item, pairs=pairs[:, (pairs >= 0).all(axis=0)]))
    nodes = graph.nodes.iloc[keep].reset_index(drop=True)
    # A class relation lists class and member in either order; members are the ends that stay in the graph.
    if aside.shape[1] and (place[aside[0]] >= 0).sum() < (place[aside[1]] >= 0).sum():
        aside = aside[::-1]
    member = place[aside[0]]
    return Graph(nodes, tuple(relations)), np.stack([member, aside[1]])[:, member >= 0]
