"""What a table of coordinates says about depth, groups and distances in the hierarchy."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.stats import rankdata

from rematch.streams import numpy_generator
from rematch.studies.taxonomy.ranking import plain

PAIRS = 100_000  # sampled node pairs behind separation and distortion
_SEED = 0  # the sample is fixed, so that arms are judged on the same pairs


def distances(table: np.ndarray, first: np.ndarray, second: np.ndarray, hyperbolic: bool) -> np.ndarray:
    """Distance (pairs,) between rows `first` and `second` of `table` (n, dim), in the Poincaré ball or Euclidean."""
    u, x = table[first].astype(np.float64), table[second].astype(np.float64)
    gap = ((u - x) ** 2).sum(1)
    if not hyperbolic:
        return np.sqrt(gap)
    q = 2 * gap / ((1 - (u**2).sum(1)) * (1 - (x**2).sum(1)))
    return np.log1p(q + np.sqrt(q * (q + 2)))


def depth_correlations(table: np.ndarray, depth: np.ndarray, nodes: np.ndarray, hyperbolic: bool) -> dict[str, float]:
    """Correlations of depth with the norm (Pearson, the document's) and with the hyperbolic radius (Pearson, Spearman).

    The norm saturates at 1 in the ball, so Pearson on it understates and Spearman on the radius does not. `norm_spread`
    is the standard deviation of the norm: 0 means that the model cannot tell depths by radius at all.
    """
    norm = np.linalg.norm(table[nodes].astype(np.float64), axis=1)
    radius = 2 * np.arctanh(norm) if hyperbolic else norm
    deep = depth[nodes].astype(np.float64)
    return {
        "depth_norm_pearson": _pearson(deep, norm),
        "depth_radius_pearson": _pearson(deep, radius),
        "depth_radius_spearman": _pearson(rankdata(deep), rankdata(radius)),
        "norm_spread": float(norm.std()),
    }


def separation(table: np.ndarray, group: np.ndarray, hyperbolic: bool) -> tuple[float, int]:
    """(separation, number of pairs): how much farther apart nodes of different groups are than nodes of one group.

    separation = mean of d(i, j) over sampled pairs with group(i) != group(j), divided by the mean over sampled pairs
    of distinct nodes with group(i) = group(j). Nodes are drawn uniformly among those with a label (`group` (n,), -1:
    none), the pairs within groups by drawing a node and then another of its group. 1: groups do not show.
    """
    draw = numpy_generator(_SEED, "taxonomy", "separation")
    nodes = np.flatnonzero(group >= 0)
    order = nodes[np.argsort(group[nodes], kind="stable")]
    sizes = np.bincount(group[nodes])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    i = draw.integers(0, len(order), PAIRS)
    own = group[order[i]]
    other = starts[own] + draw.integers(0, sizes[own])
    within = other != i
    j = draw.integers(0, len(order), PAIRS)
    between = group[order[j]] != own
    if not within.any() or not between.any():
        return float("nan"), 0
    inside = distances(table, order[i[within]], order[other[within]], hyperbolic).mean()
    outside = distances(table, order[i[between]], order[j[between]], hyperbolic).mean()
    return float(outside / inside) if inside > 0 else float("nan"), int(within.sum() + between.sum())


def distortion(table, offsets, ancestors, steps, hyperbolic: bool) -> tuple[float, int]:
    """(mean relative distortion, number of pairs) of sampled node pairs: mean of |c d(i, j) - t(i, j)| / t(i, j).

    t is the number of edges between the two nodes through their best common ancestor (on a tree: the path length), and
    c the one scale that minimises the sum of squares of those relative errors. Pairs without a common ancestor are left
    out. 0: the distances are the path lengths up to scale.
    """
    n = len(offsets) - 1
    draw = numpy_generator(_SEED, "taxonomy", "distortion")
    first, second = draw.integers(0, n, PAIRS), draw.integers(0, n, PAIRS)
    true = _path_lengths(first, second, plain(offsets), plain(ancestors), plain(steps))
    keep = true > 0
    if not keep.any():
        return float("nan"), 0
    ratio = distances(table, first[keep], second[keep], hyperbolic) / true[keep]
    square = (ratio**2).sum()
    scale = ratio.sum() / square if square > 0 else 0.0
    return float(np.abs(scale * ratio - 1).mean()), int(keep.sum())


@njit(cache=True)
def _path_lengths(first, second, offsets, ancestors, steps):
    """Edges between nodes through their best common ancestor or self, -1 without one."""
    n = offsets.shape[0] - 1
    up = np.full(n, -1, np.int64)
    found = np.full(first.shape[0], -1, np.int64)
    for p in range(first.shape[0]):
        i, j = first[p], second[p]
        up[i] = 0
        for k in range(offsets[i], offsets[i + 1]):
            up[ancestors[k]] = steps[k]
        best = up[j]
        for k in range(offsets[j], offsets[j + 1]):
            a = up[ancestors[k]]
            if a >= 0 and (best < 0 or a + steps[k] < best):
                best = a + steps[k]
        found[p] = best
        up[i] = -1
        for k in range(offsets[i], offsets[i + 1]):
            up[ancestors[k]] = -1
    return found


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else float("nan")
