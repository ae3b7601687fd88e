"""The five affinity bins, by one function for loss, split, scores and figures (upstream had two that disagreed)."""

from __future__ import annotations

import numpy as np

EDGES = (0.0, 5.0, 7.0, 9.0, 11.0, 16.0)  # pKd; from the document's public repository, not from the document
NAMES = ("very_weak", "weak", "moderate", "strong", "very_strong")


def bin_index(pkd: np.ndarray) -> np.ndarray:
    """The bin `(n,)` of each affinity `(n,)` in pKd: 0 for [0, 5), ... 4 for [11, 16]."""
    pkd = np.asarray(pkd, dtype=float)
    outside = ~((pkd >= EDGES[0]) & (pkd <= EDGES[-1]))
    if outside.any():
        raise ValueError(f"affinity: expected pKd from {EDGES[0]:g} to {EDGES[-1]:g}, found {pkd[outside][0]:g}")
    return np.digitize(pkd, EDGES[1:-1])


def inverse_frequency_weights(counts: np.ndarray, extreme: float = 1.0) -> np.ndarray:
    """One weight per bin `(5,)`: total / (number of bins * count), times `extreme` for the first and the last bin.

    A bin without a sample weighs 0. While no bin is empty and `extreme` is 1, sum(1 / (5 * weight)) is 1 (S4-90).
    """
    counts = np.asarray(counts, dtype=float)
    weights = np.divide(counts.sum(), len(counts) * counts, out=np.zeros_like(counts), where=counts > 0)
    weights[[0, -1]] *= extreme
    return weights
