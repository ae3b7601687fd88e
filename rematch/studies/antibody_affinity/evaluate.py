"""Scores of one saved model on the test rows: overall, per affinity bin, and within bins and sources."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rematch.scores import Evaluation, Score
from rematch.studies.antibody_affinity.baselines import PREDICTIONS
from rematch.studies.antibody_affinity.bins import NAMES, bin_index
from rematch.studies.antibody_affinity.model import Perceptron, parameter_count
from rematch.studies.antibody_affinity.settings import Settings

SMALLEST_GROUP = 3  # a rank correlation of two points is always 1 or -1


def evaluate(
    settings: Settings,
    weights: Mapping[str, Tensor],
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    names: pd.DataFrame,
    device: torch.device,
) -> Evaluation:
    """Scores in pKd and one row per test sample: sample, target, prediction, bin, source."""
    prediction, parameters = predict(settings, weights, test["x_test"], device)
    target = test["y_test"].astype(np.float64)
    rows = names.iloc[test["row"]].reset_index(drop=True)
    bins = bin_index(target)
    table = pd.DataFrame({"sample": rows["sample"], "target": target, "prediction": prediction.astype(np.float64)})
    table["bin"] = [NAMES[i] for i in bins]
    table["source"] = rows["source"]
    return Evaluation([*score(table), Score("parameters", float(parameters), len(table))], table)


def predict(
    settings: Settings, weights: Mapping[str, Tensor], x: np.ndarray, device: torch.device
) -> tuple[np.ndarray, int]:
    """Affinities `(n,)` in pKd of features `(n, features)`, and the number of trained parameters."""
    if settings.model != "mlp":
        return PREDICTIONS[settings.model](weights, x), sum(value.numel() for value in weights.values())
    model = Perceptron(x.shape[1], settings)
    model.load_state_dict(dict(weights))
    model.to(device).eval()
    with torch.no_grad():
        return model(torch.from_numpy(x).to(device)).cpu().numpy(), parameter_count(model)


def score(table: pd.DataFrame) -> list[Score]:
    """All scores of a table with target, prediction, bin and source.

    Raises `ValueError` if the overall RMSE is not the n-weighted mean square of its bins (S4-89).
    """
    target, prediction = table["target"].to_numpy(), table["prediction"].to_numpy()
    error = prediction - target
    scores = [
        Score("rmse", rmse(error), len(table)),
        Score("mae", float(np.abs(error).mean()), len(table)),
        Score("r2", r2(target, prediction), len(table)),
        Score("pearson", correlation("pearson", target, prediction), len(table)),
        Score("spearman", correlation("spearman", target, prediction), len(table)),
    ]
    per_bin = {name: part for name in NAMES if len(part := table[table["bin"] == name])}
    parts = [
        Score(f"rmse_{name}", rmse((p["prediction"] - p["target"]).to_numpy()), len(p)) for name, p in per_bin.items()
    ]
    check_parts(scores[0], parts)
    scores += parts
    scores += [
        Score(f"bias_{name}", float((p["prediction"] - p["target"]).mean()), len(p)) for name, p in per_bin.items()
    ]
    scores.append(_within("spearman_within_bins", per_bin))
    per_source = {str(name): part for name, part in table.groupby("source", sort=True)}
    scores.append(_within("spearman_within_sources", per_source))
    if 1 < len(per_source) <= 12:
        for name, part in per_source.items():
            value = r2(part["target"].to_numpy(), part["prediction"].to_numpy())
            word = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
            scores.append(Score(f"r2_of_{word}", value, len(part)))
    return scores


def rmse(error: np.ndarray) -> float:
    """Root of the mean square of errors `(n,)`, in their unit."""
    return float(np.sqrt(np.mean(np.square(error))))


def r2(target: np.ndarray, prediction: np.ndarray) -> float:
    """Share of the target's variance that is explained, 1 - SS_res / SS_tot; 0 for a constant target."""
    spread = float(np.sum((target - target.mean()) ** 2))
    return 1.0 - float(np.sum((target - prediction) ** 2)) / spread if spread > 0 else 0.0


def correlation(method: str, target: np.ndarray, prediction: np.ndarray) -> float:
    """A `pearson` or `spearman` correlation; 0 where it is undefined: the mean predictor ranks nothing.

    By pandas, which is loaded anyway; importing scipy.stats would cost each evaluation more than half a second.
    """
    if len(target) < SMALLEST_GROUP or np.ptp(target) == 0 or np.ptp(prediction) == 0:
        return 0.0
    pair = pd.DataFrame({"target": target, "prediction": prediction})
    return float(pair.corr(method=method).iloc[0, 1])


def check_parts(whole: Score, parts: list[Score]) -> None:
    """Raises `ValueError` unless the whole RMSE equals the root of the n-weighted mean square of its parts."""
    mean_square = sum(part.n * part.value**2 for part in parts) / whole.n
    if sum(part.n for part in parts) != whole.n or not np.isclose(np.sqrt(mean_square), whole.value, rtol=1e-6):
        text = f"{whole.name}: {whole.value:.4f} does not equal its parts, which give {np.sqrt(mean_square):.4f}"
        raise ValueError(f"{text} (n {whole.n} and {sum(part.n for part in parts)})")


def _within(name: str, parts: Mapping[str, pd.DataFrame]) -> Score:
    """The n-weighted mean of the rank correlations inside each part, free of level differences (S4-107)."""
    usable = [part for part in parts.values() if len(part) >= SMALLEST_GROUP]
    n = sum(len(part) for part in usable)
    values = [correlation("spearman", p["target"].to_numpy(), p["prediction"].to_numpy()) * len(p) for p in usable]
    return Score(name, sum(values) / n if n else 0.0, n)
