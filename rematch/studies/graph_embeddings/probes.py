"""Linear probes: how much a frozen embedding tells about a target to a linear model, by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score

RIDGE_PENALTIES = 10.0 ** np.arange(-2, 5)
LOGISTIC_STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # inverse penalties


def probe(
    features: np.ndarray, changed: np.ndarray, values: np.ndarray, folds: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Out-of-fold predictions on `features` and, by the same models, on `changed`; both `(n, width)` in.

    Out: `(n,)` each for regression; `(n, classes)` probabilities each for classification. Columns are standardised by
    the training folds. The penalty is chosen within the training folds: by generalised cross-validation for ridge
    regression, on every fifth row for logistic regression. Regression never predicts beyond the training targets: one
    molecule far larger than the others would decide R² alone.
    """
    values = values if kind == "regression" else np.searchsorted(np.unique(values), values)
    width = 1 if kind == "regression" else int(values.max()) + 1
    out = np.zeros((2, len(values), width))
    for number, (train, held) in enumerate(split(folds)):
        if len(held) == 0 or len(train) < 2:
            raise ValueError(f"fold {number}: expected at least 1 row and 2 others, found {len(held)} and {len(train)}")
        scale = standardiser(features[train])
        model = FITS[kind](scale(features[train]), values[train])
        for place, rows in ((0, features[held]), (1, changed[held])):
            out[place, held] = model(scale(rows), width)
    return (out[0, :, 0], out[1, :, 0]) if kind == "regression" else (out[0], out[1])


def split(folds: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training and held-out row numbers, one pair for each fold."""
    for number in range(int(folds.max()) + 1):
        yield np.flatnonzero(folds != number), np.flatnonzero(folds == number)


def standardiser(train: np.ndarray):
    """A function that centres and scales columns as in `train`; constant columns become 0."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    factor = np.where(deviation > 1e-8, 1 / np.maximum(deviation, 1e-8), 0)
    return lambda rows: ((rows - mean) * factor).astype(np.float64)


def r2(values: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the variance explained; 0 for the mean, at most 1, without lower limit."""
    return float(1 - np.square(values - predicted).sum() / np.square(values - values.mean()).sum())


def fold_auc(positive: np.ndarray, scores: np.ndarray, folds: np.ndarray) -> float:
    """Area under the ROC curve, mean over the folds that hold both classes; NaN if none does."""
    found = [
        roc_auc_score(positive[held], scores[held]) for _, held in split(folds) if 0 < positive[held].sum() < len(held)
    ]
    return float(np.mean(found)) if found else float("nan")


def _fit_ridge(rows: np.ndarray, values: np.ndarray):
    model = RidgeCV(alphas=RIDGE_PENALTIES).fit(rows, values)
    return lambda held, width: model.predict(held).clip(values.min(), values.max())[:, None]


def _fit_logistic(rows: np.ndarray, values: np.ndarray):
    inner = np.arange(len(rows)) % 5 == 0
    strength = LOGISTIC_STRENGTHS[0]
    if len(np.unique(values[~inner])) > 1:
        right = {
            c: (_logistic(c, rows[~inner], values[~inner]).predict(rows[inner]) == values[inner]).mean()
            for c in LOGISTIC_STRENGTHS
        }
        strength = max(right, key=right.get)  # the strongest penalty on ties
    model = _logistic(strength, rows, values)

    def predict(held: np.ndarray, width: int) -> np.ndarray:
        out = np.zeros((len(held), width))
        out[:, model.classes_] = model.predict_proba(held)
        return out

    return predict


def _logistic(strength: float, rows: np.ndarray, values: np.ndarray) -> LogisticRegression:
    if len(np.unique(values)) < 2:
        raise ValueError(f"probe: expected at least 2 classes among {len(values)} training rows, found 1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a rough optimum ranks penalties as well
        return LogisticRegression(C=strength, max_iter=200).fit(rows, values)


FITS = {"regression": _fit_ridge, "classification": _fit_logistic}
