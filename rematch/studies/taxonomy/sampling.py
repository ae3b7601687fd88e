"""Negatives that are functions of (key, position in the epoch): no generator state, so any chunk can be drawn alone."""

from typing import NamedTuple

import numpy as np
from numba import njit

from rematch.studies.taxonomy.lanes import prefetch

_u64 = np.uint64
_GOLDEN = _u64(0x9E3779B97F4A7C15)
_LOW = _u64(0xFFFFFFFF)
_HALF = _u64(32)
TRIES = 4  # draws per wanted negative before a pair makes do with fewer: near the root there may be none


class Relations(NamedTuple):
    """What is needed to tell a negative from a relative, for `n` nodes numbered parents first."""

    offsets: np.ndarray  # (n + 1,) int64: the ancestors of x are ancestors[offsets[x]:offsets[x + 1]]
    ancestors: np.ndarray  # (pairs,) int32
    ends: np.ndarray  # (n,) int32 on a tree in pre-order: the descendants of x are x + 1 ... ends[x] - 1; (0,) on a DAG
    depth: np.ndarray  # (n,) int32
    level_starts: np.ndarray  # (levels + 1,) int64 into level_nodes
    level_nodes: np.ndarray  # (n,) int32: the nodes by depth


@njit(inline="always")
def mix(x):
    """Finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64-bit numbers that looks random."""
    x = (x ^ (x >> _u64(30))) * _u64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> _u64(27))) * _u64(0x94D049BB133111EB)
    return x ^ (x >> _u64(31))


@njit(error_model="numpy")
def _descends(x, a, offsets, ancestors):
    """Whether `a` is an ancestor of `x`."""
    for k in range(offsets[x], offsets[x + 1]):  # noqa: SIM110 - compiled: a generator would allocate
        if ancestors[k] == a:
            return True
    return False


@njit(error_model="numpy")
def _first_not_below(nodes, first, last, value):
    """The first index of nodes[first:last], ascending, whose node is not below `value`."""
    while first < last:
        middle = (first + last) // 2
        if nodes[middle] < value:
            first = middle + 1
        else:
            last = middle
    return first


@njit(error_model="numpy")
def _add_negatives(
    flat, stride, mark, stamp, offsets, ancestors, level_nodes, u, checked, counter, level, pool, cut, skip, last,
    rows, at, m,
):  # fmt: skip
    """(m, counter) after adding entries to `rows[at:]` until it holds `last` of them or the tries are used up.

    Candidates are `pool` nodes: those numbered 0, 1, ..., or from `level` on in `level_nodes` if that is not negative,
    where from the `cut`-th on `skip` of them are left out.
    """
    tries = TRIES * (last - m) if pool > 0 else 0
    size = _u64(pool)
    while m < last and tries > 0:
        counter += _GOLDEN
        bits = mix(counter)
        for _ in range(2):  # one 64-bit number gives two draws
            if m < last:
                tries -= 1
                x = np.int64(((bits & _LOW) * size) >> _HALF)
                bits = bits >> _HALF
                if x >= cut:
                    x += skip
                if level >= 0:
                    x = np.int64(level_nodes[level + x])
                if mark[x] != stamp and not (checked and _descends(x, u, offsets, ancestors)):
                    mark[x] = stamp
                    rows[at + m] = x
                    m += 1
                    prefetch(flat, x * stride)
    return m, counter


@njit(error_model="numpy")
def draw(
    flat, stride, mark, stamp, where, nodes, tree, u, v, position, key, wanted, uniform, from_ancestor, rows, at
):  # fmt: skip
    """The count m of entries filled in `rows[at:]`: the positive `v`, then up to `wanted` distinct negatives of `u`.

    The first `uniform` negatives come from all nodes; the others from the depth of `v`. Excluded are `u`, `v` and the
    relatives of `u` on the positive's side: its ancestors, or its descendants if `from_ancestor`. On a tree the latter
    follow `u`, among all nodes and within a level, and are stepped over. `mark` (n,) holds the stamp of the pair that
    last saw a node, so that neither exclusion nor distinctness needs a search. All arrays come as pointers, those
    of `Relations` as `where`.
    """
    offsets, ancestors, ends, depth, level_starts, level_nodes = where
    if not from_ancestor:
        for k in range(offsets[u], offsets[u + 1]):
            mark[ancestors[k]] = stamp
    mark[u] = stamp
    mark[v] = stamp
    rows[at] = v
    prefetch(flat, u * stride)
    prefetch(flat, v * stride)
    counter = mix(key + _u64(position) * _GOLDEN)
    below = np.int64(ends[u]) - u if from_ancestor and tree else 0
    checked = from_ancestor and not tree
    m = 1
    if uniform > 0:
        m, counter = _add_negatives(flat, stride, mark, stamp, offsets, ancestors, level_nodes, u, checked, counter,
                                    -1, nodes - below, u, below, 1 + uniform, rows, at, m)  # fmt: skip
    if wanted > uniform:
        first, end = level_starts[depth[v]], level_starts[depth[v] + 1]
        cut, skip = end, end - end
        if below > 0:
            cut = _first_not_below(level_nodes, first, end, u)
            skip = _first_not_below(level_nodes, cut, end, u + below) - cut
        m, counter = _add_negatives(flat, stride, mark, stamp, offsets, ancestors, level_nodes, u, checked, counter,
                                    first, end - first - skip, cut - first, skip, 1 + wanted, rows, at, m)  # fmt: skip
    return m
