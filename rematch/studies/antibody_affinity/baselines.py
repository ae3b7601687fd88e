"""Regressors that a user would try first, fitted in one go; their fitted numbers are tensors like any other weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rematch.learner import Criterion

Arrays = Mapping[str, np.ndarray]


def fit_mean(data: Arrays, seed: int) -> dict[str, Tensor]:
    """The mean of the training affinities."""
    return {"mean": torch.tensor(float(data["y_train"].mean()), dtype=torch.float64)}


def predict_mean(weights: Mapping[str, Tensor], x: np.ndarray) -> np.ndarray:
    """The same affinity `(n,)` for every row of features `(n, features)`."""
    return np.full(len(x), float(weights["mean"]))


def fit_ridge(data: Arrays, seed: int) -> dict[str, Tensor]:
    """Ridge regression, its penalty chosen on the validation rows."""
    from sklearn.linear_model import Ridge

    fits = [Ridge(penalty).fit(data["x_train"], data["y_train"]) for penalty in 10.0 ** np.arange(-2, 5)]
    best = min(fits, key=lambda fit: float(np.mean((fit.predict(data["x_valid"]) - data["y_valid"]) ** 2)))
    coefficients = np.append(best.coef_, best.intercept_).astype(np.float64)
    return {"coefficients": torch.from_numpy(coefficients)}


def predict_ridge(weights: Mapping[str, Tensor], x: np.ndarray) -> np.ndarray:
    """Affinity `(n,)` of features `(n, features)`."""
    coefficients = weights["coefficients"].numpy()
    return x.astype(np.float64) @ coefficients[:-1] + coefficients[-1]


def fit_trees(data: Arrays, seed: int) -> dict[str, Tensor]:
    """Gradient-boosted trees (XGBoost), stopped on the validation rows; the model is stored as its own binary JSON."""
    import xgboost

    train = xgboost.DMatrix(data["x_train"], data["y_train"])
    valid = xgboost.DMatrix(data["x_valid"], data["y_valid"])
    options = {"tree_method": "hist", "eta": 0.1, "max_depth": 6, "subsample": 0.8, "seed": seed % 2**31}
    options["nthread"] = torch.get_num_threads()
    trees = xgboost.train(options, train, 500, evals=[(valid, "valid")], early_stopping_rounds=20, verbose_eval=False)
    whole = trees[: trees.best_iteration + 1]
    return {"booster": torch.frombuffer(bytearray(whole.save_raw("ubj")), dtype=torch.uint8)}


def predict_trees(weights: Mapping[str, Tensor], x: np.ndarray) -> np.ndarray:
    """Affinity `(n,)` of features `(n, features)`."""
    import xgboost

    return xgboost.Booster(model_file=bytearray(weights["booster"].numpy().tobytes())).predict(xgboost.DMatrix(x))


FITS: dict[str, Callable[[Arrays, int], dict[str, Tensor]]] = {"mean": fit_mean, "ridge": fit_ridge, "trees": fit_trees}
PREDICTIONS: dict[str, Callable[[Mapping[str, Tensor], np.ndarray], np.ndarray]] = {
    "mean": predict_mean,
    "ridge": predict_ridge,
    "trees": predict_trees,
}


class OneShot:
    """A learner whose single step fits a baseline (see `rematch.learner.Learner`)."""

    steps_per_epoch = 1
    criterion = Criterion("rmse", "lower")

    def __init__(self, model: str, data: Arrays, seed: int):
        self._model, self._data, self._seed = model, data, seed
        self._weights: dict[str, Tensor] = {}

    def step(self, epoch: int, step: int) -> dict[str, float]:
        self._weights = FITS[self._model](self._data, self._seed)
        return {}

    def validate(self, epoch: int) -> dict[str, float]:
        error = PREDICTIONS[self._model](self._weights, self._data["x_valid"]) - self._data["y_valid"]
        return {"rmse": float(np.sqrt(np.mean(error**2)))}

    def end_epoch(self, epoch: int, validation: Mapping[str, float]) -> dict[str, float]:
        return {}

    def weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self._weights.items()}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self._weights = dict(weights)
