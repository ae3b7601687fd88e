"""Reconstruction: for each anchor, where its ancestors stand among all nodes ordered by distance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

CLASSES = ("all", "parent", "grandparent", "deeper")  # by the number of steps up: any, 1, 2, more


class Ranks(NamedTuple):
    """Per anchor and class, each (anchors, 4); rows without a positive of the class are nan, and 0 in `count`."""

    precision: np.ndarray  # average precision
    rank: np.ndarray  # mean rank of the positives
    count: np.ndarray  # number of positives


def plain(array: np.ndarray) -> np.ndarray:
    """The array, copied only if read-only, unaligned or not contiguous: to Numba those are types of their own, for
    which it would compile everything again."""
    return np.require(array, requirements=("C", "A", "W"))


def rank_ancestors(table, anchors, offsets, ancestors, steps, hyperbolic: bool) -> Ranks:
    """Full ranking of the ancestors of `anchors` (a,) against every node of `table` (n, dim) (Nickel and Kiela 2017).

    The rank of a positive is 1 + the number of nodes that are neither the anchor nor an ancestor of it and are at
    most as far: ties count against the model, so a collapsed table gets the worst rank and not the best. Average
    precision is the mean over positives, nearest first, of k / (k + nodes before the k-th); for one class alone, the
    other classes' positives are taken out of the ranking.
    """
    table = np.asarray(table, np.float64)
    inverse = 1 / (1 - (table**2).sum(1)) if hyperbolic else np.ones(len(table))
    closure = (plain(offsets), plain(ancestors), plain(steps))
    return Ranks(*_rank(np.ascontiguousarray(table.T), inverse, plain(np.asarray(anchors, np.int64)), *closure))


@njit
def _sorted_by_key(key, positives, steps):
    """(keys, steps) of the positives, nearest first. Insertion sort: few, and NumPy's sorts take seconds to compile."""
    keys, kinds = np.empty(positives.shape[0]), np.empty(positives.shape[0], np.int64)
    for i in range(positives.shape[0]):
        own, at = key[positives[i]], i
        while at > 0 and keys[at - 1] > own:
            keys[at], kinds[at] = keys[at - 1], kinds[at - 1]
            at -= 1
        keys[at], kinds[at] = own, steps[i]
    return keys, kinds


@njit
def _first_at_least(keys, value):
    """The first index of the ascending `keys` whose key is not below `value`."""
    low, high = 0, keys.shape[0]
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, error_model="numpy")
def _rank(columns, inverse, anchors, offsets, ancestors, steps):
    dim, n = columns.shape
    precision = np.full((anchors.shape[0], 4), np.nan)
    rank = np.full((anchors.shape[0], 4), np.nan)
    count = np.zeros((anchors.shape[0], 4), np.int64)
    key = np.empty(n)
    mark = np.zeros(n, np.int32)
    for a in range(anchors.shape[0]):
        u = anchors[a]
        first, last = offsets[u], offsets[u + 1]
        key[:] = 0.0
        for d in range(dim):
            own = columns[d, u]
            for x in range(n):
                key[x] += (columns[d, x] - own) ** 2
        # monotone in the distance from u: cosh d - 1 up to a factor of u alone
        for x in range(n):
            key[x] *= inverse[x]
        stamp = a + 1
        mark[u] = stamp
        for k in range(first, last):
            mark[ancestors[k]] = stamp
        sorted_keys, sorted_steps = _sorted_by_key(key, ancestors[first:last], steps[first:last])
        before = np.zeros(last - first, np.int64)
        limit = sorted_keys[-1]
        for x in range(n):
            if key[x] <= limit and mark[x] != stamp:
                before[_first_at_least(sorted_keys, key[x])] += 1
        passed = 0
        hits = np.zeros(4, np.int64)
        precisions = np.zeros(4)
        ranks = np.zeros(4)
        for k in range(last - first):
            passed += before[k]
            for c in (0, min(sorted_steps[k], 3)):
                hits[c] += 1
                precisions[c] += hits[c] / (hits[c] + passed)
                ranks[c] += 1 + passed
        for c in range(4):
            count[a, c] = hits[c]
            if hits[c] > 0:
                precision[a, c] = precisions[c] / hits[c]
                rank[a, c] = ranks[c] / hits[c]
    return precision, rank, count
