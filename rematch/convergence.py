"""Budgets side by side and how trainings went: equal epochs, samples and seconds, time to v1's best, not converged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rematch.statistics import Better, mean_interval

LATE = 0.05  # best epoch in the last 5 % of the epochs: not converged
RUN = ["study", "arm", "device", "seed"]
BUDGET_COLUMNS = (
    "study arm device metric budget amount v1_value arm_value difference low high pairs epochs_to_v1_best seconds_to_v1_best "
    "reached not_converged"
).split()


def curves(histories: pd.DataFrame, timings: pd.DataFrame, criterion: str, better: Better) -> pd.DataFrame:
    """One row per run and epoch: the validation value, the best so far, and what was spent up to there.

    `histories`: columns study, arm, device, seed, step (epoch), name, value. `timings`: study, arm, device, seed, epoch,
    seconds (of that epoch) and, if known, samples. Columns added: epochs (from 1), value, best, seconds, samples.
    """
    rows = histories[histories["name"] == criterion].rename(columns={"step": "epoch"})[[*RUN, "epoch", "value"]]
    spent = timings.sort_values([*RUN, "epoch"]).copy()
    for column in ("seconds", "samples"):
        spent[column] = spent.groupby(RUN)[column].cumsum() if column in spent else np.nan
    table = rows.merge(spent[[*RUN, "epoch", "seconds", "samples"]], on=[*RUN, "epoch"], how="left")
    table = table.sort_values([*RUN, "epoch"], ignore_index=True)
    table["epochs"] = table.groupby(RUN).cumcount() + 1
    so_far = table.groupby(RUN)["value"]
    table["best"] = so_far.cummin() if better == "lower" else so_far.cummax()
    return table


def budgets(table: pd.DataFrame, criterion: str, better: Better, baseline: str = "v1") -> pd.DataFrame:
    """The table with `BUDGET_COLUMNS`: each arm against `baseline` after equal epochs, samples and seconds.

    `table` comes from `curves`. The amount is what the shorter of the two runs of a seed spent; values are the best
    validation values within it, means over paired seeds. `epochs_to_v1_best` and `seconds_to_v1_best` are medians over the
    seeds that got there, `reached` says how many did; `not_converged` counts runs whose best epoch is among the last 5 %.
    """
    rows: list[tuple[Any, ...]] = []
    for (study, device), here in table.groupby(["study", "device"], sort=False):
        runs = {key: run for key, run in here.groupby(["arm", "seed"], sort=False)}
        arms = list(dict.fromkeys(arm for arm, _ in runs))
        for arm in arms:
            pairs = [(runs[baseline, seed], run) for (name, seed), run in runs.items() if name == arm and (baseline, seed) in runs]
            if not pairs:
                continue
            reach = [reaching(run, float(v1["best"].iloc[-1]), better) for v1, run in pairs]
            epochs = np.array([one[0] for one in reach])
            seconds = np.array([one[1] for one in reach])
            late = sum(not_converged(run) for _, run in pairs)
            tail = (_median(epochs), _median(seconds), f"{np.isfinite(epochs).sum()} of {len(pairs)}", f"{late} of {len(pairs)}")
            for budget in ("epochs", "samples", "seconds"):
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

    `table` comes from `curves`. `names` maps `loss` and `gradient_norm` to the names that the study logs under.
    """
    names = {"loss": "loss", "gradient_norm": "gradient_norm", **(names or {})}
    targets = {key: run["best"].iloc[-1] for key, run in table[table["arm"] == baseline].groupby(["study", "device", "seed"])}
    seconds = dict(iter(timings.groupby(RUN)["seconds"]))
    logged = {key: part for key, part in histories.groupby([*RUN, "name"])["value"]}
    rows = []
    for key, run in table.groupby(RUN, sort=False):
        study, _, device, seed = key
        found = _training_scores(run, better) | _logged_scores(logged.get((*key, names["loss"])), logged.get((*key, names["gradient_norm"])))
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
    found["late_spread"] = float(late.std(ddof=1)) if len(late) > 1 else np.nan
    found["after_best_loss"] = float(fall if better == "lower" else -fall)
    return found


def _logged_scores(loss: pd.Series | None, norm: pd.Series | None) -> dict[str, float]:
    found = {}
    if norm is not None and len(norm):
        found["gradient_norm_max"] = float(norm.max())
    if loss is not None and len(loss) > 1:
        values = loss.to_numpy(float)
        if (values > 0).all():  # a ratio of losses means nothing once they may be negative
            rises = values[1:] / values[:-1]
            found["loss_spike"], found["early_loss_spike"] = float(rises.max()), float(rises[:4].max())
    return found
