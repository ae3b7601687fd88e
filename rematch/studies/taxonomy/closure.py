"""The transitive closure of a hierarchy: every (node, ancestor) pair, stored by node."""

import numpy as np
from numba import njit

from rematch.studies.taxonomy.lanes import COUNT, load, pointer, store


def closure(parent_starts: np.ndarray, parents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(offsets (n + 1,) int64, ancestors (pairs,) int32, steps (pairs,) uint8) of nodes numbered parents first.

    The parents of node x are `parents[parent_starts[x]:parent_starts[x + 1]]`, all smaller than x; its ancestors are
    `ancestors[offsets[x]:offsets[x + 1]]`, nearest first on a tree. `steps` is the length of the shortest way up
    (1: parent, 2: grandparent), cut at 255. Works on trees and on directed acyclic graphs.
    """
    counts = np.diff(parent_starts)
    if len(counts) and counts.max(initial=0) <= 1:
        parent = np.full(len(counts), -1, np.int32)
        parent[counts == 1] = parents
        offsets, ancestors = tree_closure(parent)
        return offsets, ancestors, _tree_steps(offsets)
    return _dag_closure(parent_starts, parents)


def tree_closure(parent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(offsets, ancestors) of a forest from `parent` (n,) int32, -1 for a root, parents numbered before children.

    A node's list is its parent followed by the parent's list, so each pair is one copied number.
    """
    depth = np.empty(len(parent), np.int32)
    pairs = _tree_depths(parent, depth)
    offsets = np.empty(len(parent) + 1, np.int64)
    ancestors = np.empty(pairs + COUNT, np.int32)  # lists are copied sixteen numbers at a time, beyond the end too
    _tree_fill(parent, depth, offsets, ancestors)
    return offsets, ancestors[:pairs]


@njit(cache=True, boundscheck=False)
def _tree_depths(parent, depth):
    """Fills `depth`, the number of ancestors of each node; returns their sum."""
    pairs = 0
    for x in range(parent.shape[0]):
        p = parent[x]
        depth[x] = depth[np.uint32(p)] + 1 if p >= 0 else 0
        pairs += depth[x]
    return pairs


@njit(cache=True, boundscheck=False)
def _tree_fill(parent, depth, offsets, ancestors):
    lists = pointer(ancestors)
    at = 0
    for x in range(parent.shape[0]):
        offsets[x] = at
        if depth[x] > 0:
            p = np.uint32(parent[x])
            source, count = offsets[p], depth[x]
            lists[at] = parent[x]
            # what is copied beyond the list is overwritten by the next node's list
            store(lists, at + 1, load(lists, source))
            for k in range(16, count - 1, 16):
                store(lists, at + 1 + k, load(lists, source + k))
            at += count
    offsets[parent.shape[0]] = at


@njit(cache=True, boundscheck=False)
def _tree_steps(offsets):
    steps = np.empty(offsets[-1], np.uint8)
    for x in range(offsets.shape[0] - 1):
        for k in range(offsets[x], offsets[x + 1]):
            steps[k] = min(k - offsets[x] + 1, 255)
    return steps


@njit(cache=True, boundscheck=False)
def _dag_closure(parent_starts, parents):
    n = parent_starts.shape[0] - 1
    offsets = np.zeros(n + 1, np.int64)
    room = max(4 * parents.shape[0], 16)
    ancestors = np.empty(room, np.int32)
    steps = np.empty(room, np.uint8)
    place = np.full(n, -1, np.int64)  # where the current node's list holds an ancestor; valid from offsets[x] on
    for x in range(n):
        start = offsets[x]
        end = start
        most = 0
        for i in range(parent_starts[x], parent_starts[x + 1]):
            p = parents[i]
            most += offsets[p + 1] - offsets[p] + 1
        if end + most > room:
            # growing by half keeps old and new together below three times the output
            room = max(room + room // 2, end + most)
            more, more_steps = np.empty(room, np.int32), np.empty(room, np.uint8)
            more[:end] = ancestors[:end]
            more_steps[:end] = steps[:end]
            ancestors, steps = more, more_steps
        for i in range(parent_starts[x], parent_starts[x + 1]):
            p = parents[i]
            for k in range(offsets[p] - 1, offsets[p + 1]):
                a = p if k < offsets[p] else ancestors[k]
                s = 1 if k < offsets[p] else min(np.int64(steps[k]) + 1, 255)
                if place[a] >= start:
                    if s < steps[place[a]]:
                        steps[place[a]] = s
                else:
                    place[a] = end
                    ancestors[end] = a
                    steps[end] = s
                    end += 1
        offsets[x + 1] = end
    return offsets, ancestors[: offsets[n]].copy(), steps[: offsets[n]].copy()
