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
def _descends(x, a, offsets, ancestors, ends):
    """Whether `a` is an ancestor of `x`."""
    if ends.shape[0] > 0:
        return a < x and x < ends[a]
    for k in range(offsets[x], offsets[x + 1]):  # noqa: SIM110 - compiled: a generator would allocate
        if ancestors[k] == a:
            return True
    return False


@njit(error_model="numpy")
def draw(
    flat, stride, mark, stamp, offsets, ancestors, ends, depth, level_starts, level_nodes,
    u, v, position, key, wanted, uniform, from_ancestor, rows, at,
):  # fmt: skip
    """The count m of entries filled in `rows[at:]`: the positive `v`, then up to `wanted` distinct negatives of `u`.

    The first `uniform` negatives come from all nodes; the others from the depth of `v`. Excluded are `u`, `v` and the
    relatives of `u` on the positive's side: its ancestors, or its descendants if `from_ancestor`. `mark` (n,) holds
    the stamp of the pair that last saw a node, so that neither exclusion nor distinctness needs a search. The arrays
    of `Relations` come one by one: a tuple of arrays is reference-counted at every call, which is ten times slower.
    """
    if not from_ancestor:
        for k in range(offsets[u], offsets[u + 1]):
            mark[ancestors[k]] = stamp
    mark[u] = stamp
    mark[v] = stamp
    rows[at] = v
    counter = mix(key + _u64(position) * _GOLDEN)
    nodes = _u64(mark.shape[0])
    first = level_starts[depth[v]]
    size = _u64(level_starts[depth[v] + 1] - first)
    m = 1
    tries = TRIES * wanted
    while m <= wanted and tries > 0:
        counter += _GOLDEN
        bits = mix(counter)
        for _ in range(2):  # one 64-bit number gives two draws
            if m <= wanted:
                tries -= 1
                if m <= uniform:
                    x = np.int64(((bits & _LOW) * nodes) >> _HALF)
                else:
                    x = np.int64(level_nodes[first + np.int64(((bits & _LOW) * size) >> _HALF)])
                bits = bits >> _HALF
                if mark[x] != stamp and not (from_ancestor and _descends(x, u, offsets, ancestors, ends)):
                    mark[x] = stamp
                    rows[at + m] = x
                    m += 1
                    prefetch(flat, x * stride)
    return m
