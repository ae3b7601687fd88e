"""The transitive closure of a hierarchy: every (node, ancestor) pair, stored by node."""

import numpy as np
from numba import njit

from rematch.studies.taxonomy.lanes import COUNT, load, pointer, store

# Functions that use `lanes` are not cached: Numba would not notice when that file changes.


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


@njit(boundscheck=False)
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


def _dag_closure(parent_starts: np.ndarray, parents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`closure` of a directed acyclic graph: lists are merged where a node has several parents, else copied."""
    n = len(parent_starts) - 1
    offsets = np.zeros(n + 1, np.int64)
    place = np.full(n, -1, np.int64)
    # room that is never written to costs no memory, so the first guess is generous
    room = 32 * max(len(parents), 16)
    ancestors, steps = np.empty(room + COUNT, np.int32), np.empty(room, np.uint8)
    done = _dag_fill(parent_starts, parents, 0, offsets, ancestors, steps, place)
    while done < n:
        filled, room = offsets[done], 2 * room + n
        more, more_steps = np.empty(room + COUNT, np.int32), np.empty(room, np.uint8)
        more[:filled], more_steps[:filled] = ancestors[:filled], steps[:filled]
        ancestors, steps = more, more_steps
        done = _dag_fill(parent_starts, parents, done, offsets, ancestors, steps, place)
    return offsets, ancestors[: offsets[n]], steps[: offsets[n]]


@njit(boundscheck=False)
def _dag_fill(parent_starts, parents, first, offsets, ancestors, steps, place):
    """Fills the lists of the nodes from `first` on; returns the first node for which there may be no room. `place` (n,)
    is where the list of the current node holds an ancestor: valid from offsets[x] on."""
    lists = pointer(ancestors)
    for x in range(first, parent_starts.shape[0] - 1):
        start = offsets[x]
        most = 0
        for i in range(parent_starts[x], parent_starts[x + 1]):
            most += offsets[parents[i] + 1] - offsets[parents[i]] + 1
        if start + most > steps.shape[0]:
            return x
        end = start
        if parent_starts[x + 1] - parent_starts[x] == 1:
            p = parents[parent_starts[x]]
            source, end = offsets[p], start + most
            lists[start], steps[start] = p, 1
            for k in range(0, most - 1, COUNT):
                store(lists, start + 1 + k, load(lists, source + k))
            for k in range(most - 1):
                steps[start + 1 + k] = min(np.int64(steps[source + k]) + 1, 255)
        else:
            for i in range(parent_starts[x], parent_starts[x + 1]):
                end = _merge(parents[i], offsets, ancestors, steps, place, start, end)
        offsets[x + 1] = end
    return parent_starts.shape[0] - 1


@njit(cache=True, boundscheck=False)
def _merge(p, offsets, ancestors, steps, place, start, end):
    """The end of a list from `start` to `end` after adding `p` and its ancestors that are not in it."""
    for k in range(offsets[p] - 1, offsets[p + 1]):
        a = p if k < offsets[p] else ancestors[k]
        s = 1 if k < offsets[p] else min(np.int64(steps[k]) + 1, 255)
        if place[a] >= start:
            steps[place[a]] = min(np.int64(steps[place[a]]), s)
        else:
            place[a] = end
            ancestors[end] = a
            steps[end] = s
            end += 1
    return end
