"""Budgets side by side and how trainings went: equal steps, samples and seconds, time to v1's best, not converged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rematch.statistics import Better, mean_interval

LATE = 0.05  # best epoch in the last 5 % of the epochs: not converged
RUN = ["study", "arm", "device", "seed"]
LOGGED = {  # our words -> names in the history that `rematch.engine` and `rematch.torch_learner` write
    "loss": "train_loss",
    "validation_loss": "validation_loss",
    "gradient_norm": "train_gradient_norm",
    "clipped_share": "train_clipped",
}
BUDGET_COLUMNS = [
    "study",
    "arm",
    "device",
    "metric",
    "budget",
    "amount",
    "v1_value",
    "arm_value",
    "difference",
    "low",
    "high",
    "pairs",
    "epochs_to_v1_best",
    "seconds_to_v1_best",
    "reached",
    "not_converged",
]


def curves(histories: pd.DataFrame, timings: pd.DataFrame, criterion: str, better: Better) -> pd.DataFrame:
    """One row per run and epoch: the validation value, the best so far, and what was spent up to there.

    `histories`: columns study, arm, device, seed, step (updates done), name, value; `criterion` names the validation
    value, logged once per epoch. `timings`: study, arm, device, seed, epoch (from 0), seconds (of that epoch) and, if
    known, samples. Columns of the result: study, arm, device, seed, epochs (from 1), steps, seconds, samples, value,
    best.
    """
    rows = histories[histories["name"] == criterion].sort_values([*RUN, "step"], ignore_index=True)
    rows = rows.rename(columns={"step": "steps"})[[*RUN, "steps", "value"]]
    rows["epoch"] = rows.groupby(RUN).cumcount()
    spent = timings.sort_values([*RUN, "epoch"]).copy()
    for column in ("seconds", "samples"):
        spent[column] = spent.groupby(RUN)[column].cumsum() if column in spent else np.nan
    table = rows.merge(spent[[*RUN, "epoch", "seconds", "samples"]], on=[*RUN, "epoch"], how="left")
    table = table.sort_values([*RUN, "epoch"], ignore_index=True)
    table["epochs"] = table.pop("epoch") + 1
    so_far = table.groupby(RUN)["value"]
    table["best"] = so_far.cummin() if better == "lower" else so_far.cummax()
    return table


def budgets(table: pd.DataFrame, criterion: str, better: Better, baseline: str = "v1") -> pd.DataFrame:
    """The table with `BUDGET_COLUMNS`: each arm against `baseline` after equal steps, samples and seconds.

    `table` comes from `curves`. The amount is what the shorter of the two runs of a seed spent; values are the best
    validation values within it, means over paired seeds. `epochs_to_v1_best` and `seconds_to_v1_best` are medians
    over the seeds that got there, `reached` says how many did; `not_converged` counts runs whose best epoch is among
    the last 5 %.
    """
    rows: list[tuple[Any, ...]] = []
    for (study, device), here in table.groupby(["study", "device"], sort=False):
        runs = dict(iter(here.groupby(["arm", "seed"], sort=False)))
        arms = list(dict.fromkeys(arm for arm, _ in runs))
        for arm in arms:
            pairs = [
                (runs[baseline, seed], run)
                for (name, seed), run in runs.items()
                if name == arm and (baseline, seed) in runs
            ]
            if not pairs:
                continue
            reach = [reaching(run, float(v1["best"].iloc[-1]), better) for v1, run in pairs]
            epochs = np.array([one[0] for one in reach])
            seconds = np.array([one[1] for one in reach])
            late = sum(not_converged(run) for _, run in pairs)
            tail = (
                _median(epochs),
                _median(seconds),
                f"{np.isfinite(epochs).sum()} of {len(pairs)}",
                f"{late} of {len(pairs)}",
            )
            for budget in ("steps", "samples", "seconds"):
                within = [_within(v1, run, budget) for v1, run in pairs]
                amounts, one, other = (np.array(column, dtype=float) for column in zip(*within, strict=True))
                if np.isnan(amounts).any():
                    continue
                gap = other - one
                numbers = (np.median(amounts), one.mean(), other.mean(), gap.mean(), *mean_interval(gap), len(gap))
                rows.append((study, arm, device, criterion, budget, *numbers, *tail))
    return pd.DataFrame(rows, columns=BUDGET_COLUMNS)


def _within(v1: pd.DataFrame, run: pd.DataFrame, budget: str) -> tuple[float, float, float]:
    """The common amount of a budget and the best values of both runs within it."""
    amount = min(v1[budget].iloc[-1], run[budget].iloc[-1])
    if not np.isfinite(amount):
        return np.nan, np.nan, np.nan
    best = []
    for one in (v1, run):
        inside = one.loc[one[budget] <= amount * (1 + 1e-9), "best"]
        best.append(inside.iloc[-1] if len(inside) else np.nan)
    return float(amount), *best


def reaching(run: pd.DataFrame, target: float, better: Better) -> tuple[float, float]:
    """Epochs and seconds until a run is as good as `target`; infinite if it never is."""
    there = run["best"] <= target if better == "lower" else run["best"] >= target
    if not there.any():
        return np.inf, np.inf
    first = run[there].iloc[0]
    return float(first["epochs"]), float(first["seconds"])


def best_epoch(run: pd.DataFrame) -> int:
    """The epoch, from 1, at which the best value of a run was first seen."""
    return int(run.loc[run["best"] == run["best"].iloc[-1], "epochs"].iloc[0])


def not_converged(run: pd.DataFrame) -> bool:
    """Whether the best epoch lies in the last 5 % of the epochs; one epoch is always too few to say anything else."""
    return best_epoch(run) > (1 - LATE) * len(run)


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else np.nan


def run_scores(
    table: pd.DataFrame,
    histories: pd.DataFrame,
    timings: pd.DataFrame,
    better: Better,
    names: Mapping[str, str] | None = None,
    baseline: str = "v1",
) -> pd.DataFrame:
    """The metrics of `rematch.run_metrics` that history and timings give, in the columns of `scores` with split `run`.

    `table` comes from `curves`. `names` maps our words to the names that the study logs under, where these differ.
    """
    names = {**LOGGED, **(names or {})}
    targets = {
        key: run["best"].iloc[-1] for key, run in table[table["arm"] == baseline].groupby(["study", "device", "seed"])
    }
    seconds = dict(iter(timings.groupby(RUN)["seconds"]))
    logged = dict(iter(histories.groupby([*RUN, "name"])["value"]))
    rows = []
    for key, run in table.groupby(RUN, sort=False):
        study, _, device, seed = key
        found = _training_scores(run, better)
        found |= _logged_scores(
            {word: logged[*key, name] for word, name in names.items() if (*key, name) in logged}, run
        )
        if key in seconds:
            found["seconds_per_epoch"] = float(seconds[key].median())
            found["seconds_trained"] = float(seconds[key].sum())
        if (study, device, seed) in targets:
            reached = reaching(run, float(targets[study, device, seed]), better)
            found["epochs_to_v1_best"], found["seconds_to_v1_best"] = reached
        rows += [(*key, "run", name, value, len(run), "ok") for name, value in found.items() if np.isfinite(value)]
    return pd.DataFrame(rows, columns=[*RUN, "split", "name", "value", "n", "status"])


def _training_scores(run: pd.DataFrame, better: Better) -> dict[str, float]:
    late = run["value"].to_numpy(float)[-max(len(run) // 10, 2) :]
    fall = run["value"].iloc[-1] - run["best"].iloc[-1]
    found = {"epochs_trained": float(len(run)), "best_epoch": float(best_epoch(run))}
    found["best_epoch_share"] = found["best_epoch"] / found["epochs_trained"]
    found["late_spread"] = float(late.std(ddof=1)) if len(late) > 1 else np.nan
    found["after_best_loss"] = float(fall if better == "lower" else -fall)
    return found


def _logged_scores(logged: Mapping[str, pd.Series], run: pd.DataFrame) -> dict[str, float]:
    found = {}
    if "gradient_norm" in logged:
        found["gradient_norm_max"] = float(logged["gradient_norm"].max())
        found["gradient_norm_median"] = float(logged["gradient_norm"].median())
    if "clipped_share" in logged:
        found["clipped_share"] = float(logged["clipped_share"].mean())
    if (
        "loss" in logged
        and "validation_loss" in logged
        and len(logged["loss"]) == len(logged["validation_loss"]) == len(run)
    ):
        at = best_epoch(run) - 1
        found["loss_gap"] = float(logged["validation_loss"].iloc[at] - logged["loss"].iloc[at])
    if "loss" in logged and len(logged["loss"]) > 1:
        values = logged["loss"].to_numpy(float)
        if (values > 0).all():  # a ratio of losses means nothing once they may be negative
            rises = values[1:] / values[:-1]
            found["loss_spike"], found["early_loss_spike"] = float(rises.max()), float(rises[:4].max())
    return found
