"""The support vector machine that the literature on unsupervised graph embeddings is measured with."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from rematch.studies.graph_embeddings.probes import split, standardiser

COSTS = tuple(10.0 ** np.arange(-3, 4))  # the published grid of C
INNER_FOLDS = 5
INNER_ROWS = 1000  # C is chosen on at most so many training rows, which 4,000 graphs make affordable


def fold_accuracy(features: np.ndarray, values: np.ndarray, folds: np.ndarray, costs=COSTS) -> float:
    """Accuracy of a radial SVM on frozen features `(n, width)`, mean over the folds `(n,)`.

    As in InfoGraph (Sun et al. 2020, https://arxiv.org/abs/1908.01000), C is chosen by cross-validation within the
    training folds. What differs: columns are standardised by the training folds, and C is chosen on at most
    `INNER_ROWS` of their rows.
    """
    found = []
    for train, held in split(folds):
        scale = standardiser(features[train])
        distances = squared_distances(scale(features[train]), scale(features))
        kernel = np.exp(
            -distances / max(1, features.shape[1])
        )  # gamma = 1 / (width x variance) of standardised columns
        within = kernel[:, train]
        model = _fit(within, values[train], choose_cost(within, values[train], costs))
        found.append(float((model.predict(kernel[:, held].T) == values[held]).mean()))
    return float(np.mean(found))


def choose_cost(kernel: np.ndarray, values: np.ndarray, costs=COSTS) -> float:
    """The C with the best accuracy in stratified folds of these rows alone, `kernel` `(n, n)`; the smallest on ties."""
    rows = np.arange(len(values))
    if len(rows) > INNER_ROWS:
        rows = np.linspace(0, len(rows) - 1, INNER_ROWS).astype(np.int64)
    fewest = np.unique(values[rows], return_counts=True)[1].min()
    folds = min(INNER_FOLDS, int(fewest))
    if folds < 2:
        return costs[len(costs) // 2]
    parts = list(StratifiedKFold(folds).split(rows, values[rows]))
    right = {cost: np.mean([_score(kernel, values, rows[a], rows[b], cost) for a, b in parts]) for cost in costs}
    return max(right, key=right.get)


def squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`(n, m)` squared Euclidean distances of rows `(n, width)` and `(m, width)`."""
    out = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    return np.maximum(out, 0, out=out)


def _score(kernel: np.ndarray, values: np.ndarray, train: np.ndarray, held: np.ndarray, cost: float) -> float:
    model = _fit(kernel[np.ix_(train, train)], values[train], cost)
    return float((model.predict(kernel[np.ix_(held, train)]) == values[held]).mean())


def _fit(kernel: np.ndarray, values: np.ndarray, cost: float) -> SVC:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # a large C on classes that overlap; a rough optimum ranks too
        return SVC(C=cost, kernel="precomputed", cache_size=500, max_iter=200_000).fit(kernel, values)
