"""How well scores put treatments above all other pairs of a compound and a disease."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Ranked(NamedTuple):
    """Scores and labels `(n,)` of the pairs that are judged, and per treatment its `rank` among the compounds of its
    disease, how many were ranked (`pool`), and the `disease` column, all `(treatments,)`."""

    scores: np.ndarray
    labels: np.ndarray
    rank: np.ndarray
    pool: np.ndarray
    disease: np.ndarray


def ranked(scores: np.ndarray, treatments: np.ndarray, known: np.ndarray) -> Ranked:
    """Judges `scores (compounds, diseases)`.

    `treatments (2, n)` are the pairs (row, column) to find; `known (2, m)` other treatments, which are left out of
    every comparison. A rank is 1 + the unknown compounds scored higher + half of those scored equal.
    """
    positive = np.zeros(scores.shape, bool)
    positive[tuple(treatments)] = True
    rest = ~positive
    rest[tuple(known)] = False
    own = scores[tuple(treatments)]
    columns = scores[:, treatments[1]]
    others = rest[:, treatments[1]]
    above = ((columns > own) & others).sum(0)
    equal = ((columns == own) & others).sum(0)
    judged = positive | rest
    return Ranked(scores[judged], positive[judged], 1 + above + equal / 2, 1 + others.sum(0), treatments[1])


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """The share of (positive, negative) pairs in the right order, ties one half; NaN without both kinds."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ordered = np.sort(scores[~labels])
    wins = np.searchsorted(ordered, scores[labels], "left") + np.searchsorted(ordered, scores[labels], "right")
    return float(wins.sum() / 2 / positives / negatives)


def auprc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Average precision: the mean over positives of the precision at their score; equal scores enter together."""
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(labels[order])[last_of_tie]
    precision = hits / (last_of_tie + 1)
    return float((np.diff(hits, prepend=0) * precision).sum() / hits[-1])


def summary(result: Ranked, at: tuple[int, ...] = (10,)) -> dict[str, float]:
    """auroc, auprc, the mean reciprocal rank `mrr`, and `hits_at_k`, the share of treatments among the first k."""
    values = {"auroc": auroc(result.scores, result.labels), "auprc": auprc(result.scores, result.labels)}
    values["mrr"] = float((1 / result.rank).mean())
    return values | {f"hits_at_{k}": float((result.rank <= k).mean()) for k in at}
