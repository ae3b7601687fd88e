"""How well positives are told from negatives."""

from __future__ import annotations

import numpy as np


def hits_at(positive: np.ndarray, negative: np.ndarray, k: int) -> float:
    """The share of positives scored strictly above the k-th highest negative (Hu et al. 2020, the evaluator of OGB).

    positive (p,), negative (q,). With fewer than k negatives every positive counts as a hit, as in OGB.
    """
    if len(negative) < k:
        return 1.0
    threshold = np.partition(negative, len(negative) - k)[len(negative) - k]
    return float(np.mean(positive > threshold))


def reciprocal_ranks(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """1 / rank of each positive (p,) among all negatives; of equal scores the mean of best and worst rank counts, as
    in OGB."""
    ordered = np.sort(negative)
    above = len(ordered) - np.searchsorted(ordered, positive, side="right")
    not_below = len(ordered) - np.searchsorted(ordered, positive, side="left")
    return 1 / (1 + (above + not_below) / 2)


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The probability that a random positive is scored above a random negative; ties count one half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).mean() / 2 / len(ordered))
