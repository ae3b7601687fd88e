"""What was measured on all setups as one table, with a recommendation per study."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rematch.device_comparison.plan import Setup
from rematch.statistics import answer, paired

COLUMNS = [
    *("study", "arm", "device", "threads", "status", "name", "reference", "compared", "loss_difference"),
    *("loss_tolerance", "difference", "tolerance", "worst", "agrees", "seconds_per_epoch", "times_as_fast"),
    *("peak_memory_mb", "device_memory_mb", "criterion", "steps", "quality", "quality_difference", "low", "high"),
    *("pairs", "quality_answer", "recommended"),
]
WORTH = 1.1  # times as fast: what is less lies within the noise of timing
BASE = ("cpu", 1)

Measured = Mapping[tuple[str, str, str, int], Mapping[str, Any]]


def read_measured(files: Sequence[str]) -> dict[tuple[str, str, str, int], dict[str, Any]]:
    """(study, arm, device, threads) -> what was measured, from `.../<study>/<arm>/<device>-<threads>.json`."""
    found = {}
    for path in map(Path, files):
        device, threads = path.stem.split("-")
        found[path.parts[-3], path.parts[-2], device, int(threads)] = json.loads(path.read_text())
    return found


def device_table(
    study: str,
    arms: Sequence[str],
    setups: Mapping[Setup, str],
    measured: Measured,
    metrics: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """One row per arm and setup, those that are skipped too, with `COLUMNS`. Quality is compared with one CPU thread.

    `setups`: setup -> reason why it is skipped, empty if it is not.
    """
    rows = []
    for arm in arms:
        base = measured.get((study, arm, *BASE), {})
        for setup, reason in setups.items():
            row = {"study": study, "arm": arm, "device": setup.device, "threads": setup.threads}
            found = measured.get((study, arm, *setup), {})
            if reason or not found:
                row["status"] = f"skipped: {reason or 'nothing was measured'}"
            elif found["status"] != "ok":
                row["status"] = found["status"]
            else:
                row |= _row(found, base, metrics)
            rows.append(row)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["recommended"] = [Setup(*key) == recommend(table)[0] for key in zip(table["device"], table["threads"])]
    return table


def _row(found: Mapping[str, Any], base: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    agreement = found["agreement"]
    name, better = found["criterion"]
    row = {
        **{key: found.get(key) for key in ("status", "name", "steps", "peak_memory_mb", "device_memory_mb")},
        "reference": agreement["reference"],
        "compared": agreement["kind"],
        "loss_difference": agreement["loss"],
        "loss_tolerance": agreement["loss_tolerance"],
        "difference": agreement["rest"],
        "tolerance": agreement["tolerance"],
        "worst": agreement["worst"],
        "agrees": bool(agreement["holds"]),
        "seconds_per_epoch": statistics.median(found["seconds_per_epoch"].values()),
        "criterion": name,
        "quality": statistics.mean(found["quality"].values()),
    }
    if base.get("status") == "ok":
        row["times_as_fast"] = statistics.median(base["seconds_per_epoch"].values()) / row["seconds_per_epoch"]
        row |= _quality(found["quality"], base["quality"], better, metrics.get(name, {}).get("equal_within", 0.0))
    return row


def _quality(found: Mapping[str, float], base: Mapping[str, float], better: str, band: float) -> dict[str, Any]:
    """Paired by seed; `identical` where not one bit differs."""
    seeds = [seed for seed in base if seed in found]
    result = paired([base[seed] for seed in seeds], [found[seed] for seed in seeds])
    same = all(found[seed] == base[seed] for seed in seeds)
    numbers = {"quality_difference": result.difference, "low": result.low, "high": result.high, "pairs": result.pairs}
    return numbers | {"quality_answer": "identical" if same else answer(result, better, band)}


def recommend(table: pd.DataFrame) -> tuple[Setup | None, str]:
    """The setup for a study, and why, in a sentence.

    Among the setups on which every version was measured, agrees and is not worse, the fastest over all versions
    (geometric mean). An accelerator or more threads must be `WORTH` it; CPU threads must be better used by one run than
    by as many runs beside each other, too, for a study is many runs.
    """
    fit, out = {}, []
    for (device, threads), rows in table.groupby(["device", "threads"], sort=False):
        setup, problem = Setup(device, int(threads)), _problem(rows)
        if problem:
            out += [f"{setup.name}: {problem}"] if not problem.startswith("skipped") else []
        else:
            fit[setup] = math.exp(np.log(rows["times_as_fast"].astype(float)).mean())
    if not fit:
        return None, "No device computed every version as it should. " + "; ".join(out)
    best = max(fit, key=lambda setup: fit[setup])
    chosen, reason = best, f"{best.name} is the fastest that agrees with the reference"
    base = Setup(*BASE)
    if base in fit and best != base:
        if fit[best] < WORTH:
            chosen, reason = base, f"the fastest, {best.name}, is only {fit[best]:.2f} times as fast as one CPU thread"
        elif best.device == "cpu" and fit[best] < best.threads / WORTH:
            chosen = base
            reason = f"{best.name} train one run {fit[best]:.2f} times as fast; {best.threads} runs beside each other "
            reason += "on one thread each do more work. For a single run take the threads"
        else:
            reason += f", {fit[best]:.2f} times as fast as one CPU thread"
    elif best == base:
        reason = "one CPU thread is the fastest that was measured"
    return chosen, "; ".join([reason, *out])


def _problem(rows: pd.DataFrame) -> str:
    bad = rows[rows["status"] != "ok"]
    if len(bad):
        return f"{bad['arm'].iloc[0]} {bad['status'].iloc[0]}" if bad["status"].iloc[0][0] == "f" else "skipped"
    if not rows["agrees"].all():
        row = rows[~rows["agrees"].astype(bool)].iloc[0]
        return f"the first step of {row['arm']} differs from the reference beyond tolerance"
    worse = rows[rows["quality_answer"] == "worse"]
    if len(worse):
        return f"{worse['arm'].iloc[0]} is worse after equal steps"
    return "nothing to compare its speed with" if rows["times_as_fast"].isna().any() else ""


def device_scores(table: pd.DataFrame, measured: Measured) -> pd.DataFrame:
    """Seconds per epoch and peak memory by seed, in the form that claims are judged by; of each device the fastest
    setup."""
    rows = []
    good = table[table["status"] == "ok"]
    for (study, arm, device), part in good.groupby(["study", "arm", "device"], sort=False):
        threads = int(part.loc[part["seconds_per_epoch"].astype(float).idxmin(), "threads"])
        found = measured[study, arm, device, threads]
        memory = found["device_memory_mb"] or found["peak_memory_mb"]
        for seed, value in found["seconds_per_epoch"].items():
            for name, number in (("seconds_per_epoch", value), ("peak_memory_mb", memory)):
                rows.append((study, arm, device, int(seed), "run", name, number, 1, "ok"))
    return pd.DataFrame(rows, columns=["study", "arm", "device", "seed", "split", "name", "value", "n", "status"])
