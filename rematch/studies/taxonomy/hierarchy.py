"""A hierarchy as read, checked and renumbered so that parents come before their children."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from rematch.card import Card


@dataclass
class Hierarchy:
    """Nodes 0 ... n - 1 with names, and direct edges (child, parent); labels are empty where a source has none."""

    names: list[str]
    edges: np.ndarray  # (edges, 2) int64: child, parent
    ranks: list[str] = field(default_factory=list)  # per node, "" if unknown
    groups: dict[str, list[str]] = field(default_factory=dict)  # "phylum", "class": label per node, "" if none
    findings: list[tuple] = field(default_factory=list)  # arguments for Card.add, counted while reading
    held_out: dict[str, np.ndarray] = field(default_factory=dict)  # official splits, pairs (descendant, ancestor)
    extra: np.ndarray | None = None  # further training pairs (descendant, ancestor) of an official split

    @property
    def count(self) -> int:
        """Number of nodes."""
        return len(self.names)


@dataclass(frozen=True)
class Order:
    """The numbering used from here on."""

    parent_starts: np.ndarray  # (n + 1,) int64 into parents
    parents: np.ndarray  # (edges,) int32, in new numbers
    depth: np.ndarray  # (n,) int32: edges on the longest way to a root
    ends: np.ndarray  # (n,) int32: one past the last descendant, on a tree in pre-order; (0,) on a DAG
    old: np.ndarray  # (n,) int64: the number a node had as read


def clean(hierarchy: Hierarchy, card: Card, single_root: bool = False) -> Hierarchy:
    """The hierarchy without self-parents and repeated edges, all counted in the card; unusable input is refused."""
    edges, names = hierarchy.edges, hierarchy.names
    for finding in hierarchy.findings:
        card.add(*finding[:3], **finding[3])
    if hierarchy.count < 2:
        raise ValueError(f"hierarchy: expected at least two nodes, found {hierarchy.count}")
    own = edges[:, 0] == edges[:, 1]
    if own.sum() > 1:
        shown = [names[i] for i in edges[own, 0][:5]]
        card.add("warning", "self-parent", "nodes that are their own parent; those edges were dropped.", own.sum(),
                 shown, source="S2-80")  # fmt: skip
    edges = edges[~own]
    unique, first = np.unique(edges, axis=0, return_index=True)
    if len(unique) < len(edges):
        card.add("warning", "duplicate-edge", "child-parent edges listed more than once; kept once.",
                 len(edges) - len(unique))  # fmt: skip
    edges = edges[np.sort(first)]
    if len(edges) == 0:
        raise ValueError(
            f"hierarchy: expected child-parent edges, found none between {hierarchy.count} nodes (depth 0 only)"
        )
    has_parent = np.zeros(hierarchy.count, bool)
    has_parent[edges[:, 0]] = True
    has_child = np.zeros(hierarchy.count, bool)
    has_child[edges[:, 1]] = True
    roots = np.flatnonzero(~has_parent & has_child)
    orphans = np.flatnonzero(~has_parent & ~has_child)
    if len(orphans):
        card.add("warning", "orphan", "nodes with neither parent nor child; they stay, but no pair speaks of them.",
                 len(orphans), [names[i] for i in orphans[:5]], source="S2-80")  # fmt: skip
    if len(roots) > 1 and single_root:
        raise ValueError(f"hierarchy: expected one root, found {len(roots)}: {', '.join(names[i] for i in roots[:5])}")
    if len(roots) > 1:
        card.add("warning", "several-roots", "roots: a forest, distances between its trees mean nothing.",
                 len(roots), [names[i] for i in roots[:5]])  # fmt: skip
    hierarchy.edges = edges
    return hierarchy


def order(hierarchy: Hierarchy) -> Order:
    """Numbers nodes so that parents come first: in pre-order on a tree, by depth on a DAG. Refuses cycles."""
    n, edges = hierarchy.count, hierarchy.edges
    starts, parents = _group(edges[:, 0], edges[:, 1], n)
    child_starts, children = _group(edges[:, 1], edges[:, 0], n)
    depth = _depths(starts, child_starts, children)
    if (depth < 0).any():
        ids = _cycle(starts, parents, depth)
        raise ValueError(f"hierarchy: expected no cycle, found {' -> '.join(hierarchy.names[i] for i in ids)}")
    tree = bool((np.diff(starts) <= 1).all())
    by_depth = np.argsort(depth, kind="stable")
    if tree:
        parent = np.full(n, -1, np.int64)
        parent[edges[:, 0]] = edges[:, 1]
        new, ends = preorder(by_depth, parent)
    else:
        new = np.empty(n, np.int64)
        new[by_depth] = np.arange(n)
        ends = np.empty(0, np.int32)
    old = np.empty(n, np.int64)
    old[new] = np.arange(n)
    new_starts, new_parents = _group(new[edges[:, 0]], new[edges[:, 1]], n)
    return Order(new_starts, new_parents.astype(np.int32), depth[old].astype(np.int32), ends, old)


def levels(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(level_starts (levels + 1,) int64, level_nodes (n,) int32): the nodes of depth d are the d-th slice."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(depth))]).astype(np.int64)
    return starts, np.argsort(depth, kind="stable").astype(np.int32)


def _group(keys, values, n):
    by_key = np.argsort(keys, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=n))]).astype(np.int64)
    return starts, values[by_key].astype(np.int64)


@njit(cache=True)
def _depths(starts, child_starts, children):
    n = starts.shape[0] - 1
    depth = np.full(n, -1, np.int64)
    waiting = starts[1:] - starts[:-1]
    queue = np.empty(n, np.int64)
    longest = np.zeros(n, np.int64)
    end = 0
    for x in range(n):
        if waiting[x] == 0:
            queue[end] = x
            end += 1
    at = 0
    while at < end:
        x = queue[at]
        at += 1
        depth[x] = longest[x]
        for k in range(child_starts[x], child_starts[x + 1]):
            c = children[k]
            longest[c] = max(longest[c], longest[x] + 1)
            waiting[c] -= 1
            if waiting[c] == 0:
                queue[end] = c
                end += 1
    return depth


@njit(cache=True)
def preorder(by_depth, parent):
    """(new number by node, one past the last descendant by new number) of a forest; `by_depth`: parents first."""
    n = parent.shape[0]
    size = np.ones(n, np.int64)
    for i in range(n - 1, -1, -1):
        x = by_depth[i]
        if parent[x] >= 0:
            size[parent[x]] += size[x]
    new = np.empty(n, np.int64)
    free = np.empty(n, np.int64)  # next number to give among a node's descendants
    ends = np.empty(n, np.int32)
    root = 0
    for i in range(n):
        x = by_depth[i]
        if parent[x] >= 0:
            new[x] = free[parent[x]]
            free[parent[x]] += size[x]
        else:
            new[x] = root
            root += size[x]
        free[x] = new[x] + 1
        ends[new[x]] = new[x] + size[x]
    return new, ends


def _cycle(starts, parents, depth) -> list[int]:
    """The nodes of one cycle, the first repeated at the end. Nodes without depth lie on a cycle or below one."""
    seen: dict[int, int] = {}
    x = int(np.flatnonzero(depth < 0)[0])
    path = []
    while x not in seen:
        seen[x] = len(path)
        path.append(x)
        above = parents[starts[x] : starts[x + 1]]
        x = int(above[depth[above] < 0][0])
    loop = path[seen[x] :]
    return [*loop[:8], x] if len(loop) <= 8 else loop[:9]
