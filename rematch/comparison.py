"""The comparison table: every metric of every pair of arms that belong together, with interval, effect and answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from rematch.comparability import why_not_comparable
from rematch.statistics import (
    FEWEST_PAIRS,
    FEWEST_SAMPLES,
    TOO_FEW_PAIRS,
    TOO_FEW_SAMPLES,
    Interval,
    answer,
    holm,
    improvement_probability,
    paired,
    sample_interval,
)

COLUMNS = [
    "study",
    "device",
    "metric",
    "before",
    "after",
    "before_mean",
    "after_mean",
    "difference",
    "low",
    "high",
    "pairs",
    "samples",
    "improvement_probability",
    "effect",
    "p",
    "p_holm",
    "answer",
    "note",
]
NOT_COMPARABLE = "not comparable"


def comparison(
    study: str,
    metrics: Mapping[str, Mapping[str, Any]],
    arms: Mapping[str, Mapping[str, Any]],
    scores: pd.DataFrame,
    pairs: Iterable[tuple[str, str]] | None = None,
    interval: Interval = "t",
    primary: str | None = None,
) -> pd.DataFrame:
    """The table with `COLUMNS` for one study: `difference` is after - before in the metric's unit, per paired seed.

    `metrics`: name -> better, equal_within, depends_on. `arms`: name -> kind, version, settings, trained_as. `scores`:
    columns arm, device, seed, split, name, value, n, status; the test split is used. p values are corrected
    over the metrics of one pair of arms on one device (`gatekept`). `pairs`: default `arm_pairs(arms)`.
    """
    scores = scores[(scores["split"] == "test") | (scores["split"] == "") | (scores["status"] != "ok")]
    by_device = {device: Runs.of(here) for device, here in scores.groupby("device")}
    rows = []
    for before, after in arm_pairs(arms) if pairs is None else pairs:
        for device, runs in by_device.items():
            rows += _compare_pair(study, device, metrics, arms, runs, before, after, interval, primary)
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class Runs:
    """The scores of one device, for quick look-up by trained arm: seed -> status, and (arm, metric) -> seed -> value,
    n."""

    status: Mapping[str, Mapping[int, str]]
    scores: Mapping[tuple[str, str], Mapping[int, tuple[float, float]]]

    @staticmethod
    def of(table: pd.DataFrame) -> Runs:
        """From rows with arm, seed, name, value, n, status."""
        status: dict[str, dict[int, str]] = {}
        scores: dict[tuple[str, str], dict[int, tuple[float, float]]] = {}
        columns = (table[name] for name in ("arm", "seed", "name", "value", "n", "status"))
        for arm, seed, name, value, count, state in zip(*columns, strict=True):
            status.setdefault(arm, {})[seed] = state
            if state == "ok":
                scores.setdefault((arm, name), {})[seed] = (value, count)
        return Runs(status, scores)


def arm_pairs(arms: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Each version with the one before it, the last with v1, then every reference, control and baseline with its
    version."""
    versions = [name for name, arm in arms.items() if arm["kind"] == "version"]
    chain = list(pairwise(versions))
    if len(versions) > 2:
        chain.append((versions[0], versions[-1]))
    beside = [
        name for kind in ("reference", "control", "baseline") for name, arm in arms.items() if arm["kind"] == kind
    ]
    return chain + [(arms[name]["version"], name) for name in beside if arms[name]["version"] in versions]


def gatekept(p_values: Sequence[float], names: Sequence[str], primary: str | None) -> list[float]:
    """p values corrected over the metrics of one pair of arms; nan stays nan.

    The primary metric, named before anything was trained, is tested alone. The others follow after Holm, and count only
    if the primary one did: theirs is never smaller (fixed-sequence gatekeeping, Westfall and Krishen 2001), so that the
    chance of any false word for the pair stays at 5 %. Without a primary metric all are corrected after Holm.
    """
    if primary not in names or not np.isfinite(p_values[names.index(primary)]):
        return list(holm(p_values))
    gate = p_values[names.index(primary)]
    others = holm([np.nan if name == primary else p for name, p in zip(names, p_values, strict=True)])
    return [gate if name == primary else float(np.maximum(gate, p)) for name, p in zip(names, others, strict=True)]


def _compare_pair(study, device, metrics, arms, runs: Runs, before, after, interval, primary) -> list[tuple[Any, ...]]:
    trained = [arms.get(arm, {}).get("trained_as") or arm for arm in (before, after)]
    one, other = (sorted(runs.status.get(arm, {})) for arm in trained)
    if one and other and one != other:
        raise ValueError(f"{study}: arms {before} and {after} need equal seeds on {device}, found {one} and {other}")
    failed = {
        (name, seed): state
        for name, arm in zip((before, after), trained, strict=True)
        for seed, state in runs.status.get(arm, {}).items()
        if state != "ok"
    }
    rows = []
    for metric, about in metrics.items():
        sides = [runs.scores.get((arm, metric), {}) for arm in trained]
        if all(sides) or (any(sides) and failed):  # a failed arm is a row with its reason, never a gap
            rows.append(
                (metric, about, *_measured(metric, metrics, arms, (before, after), sides, one, failed, interval))
            )
    adjusted = gatekept(
        [result.p if word == "" else np.nan for *_, result, _, word, _ in rows], [row[0] for row in rows], primary
    )
    table = []
    for (metric, about, result, samples, word, note), p_holm in zip(rows, adjusted, strict=True):
        word = word or answer(result, about["better"], about.get("equal_within", 0.0), p_holm)
        head = (study, device, metric, before, after)
        if word == NOT_COMPARABLE:
            table.append((*head, *(np.nan,) * 5, result.pairs, samples, *(np.nan,) * 4, word, note))
            continue
        numbers = (result.before, result.after, result.difference, result.low, result.high, result.pairs, samples)
        share = improvement_probability(result, about["better"])
        table.append((*head, *numbers, share, result.effect, result.p, p_holm, word, note))
    return table


def _measured(metric, metrics, arms, names, sides, seeds, failed, interval):
    """Result, fewest samples, the answer if it does not hang on the numbers, and a note.

    A run whose test part has no sample of a bin lacks that bin's score, or has one that is not finite: its pair is
    left out.
    """
    lost = {seed for _, seed in failed}
    good = [s for s in seeds if all(s in side and np.isfinite(side[s][0]) for side in sides)]
    result = paired(*([side[seed][0] for seed in good] for side in sides), interval=interval)
    counts = [side[seed][1] for side in sides for seed in good if np.isfinite(side[seed][1])]
    samples = float(min(counts, default=np.nan))
    notes = [f"{arm} seed {seed} {state}" for (arm, seed), state in failed.items()]
    undefined = len(set(seeds) - lost) - len(good)
    if undefined:
        notes.append(f"{undefined} pairs without a finite value")
    word = ""
    reason = why_not_comparable(metric, metrics, *(arms.get(arm, {}).get("settings", {}) for arm in names))
    if reason:
        word, notes = NOT_COMPARABLE, [reason]
    elif samples < FEWEST_SAMPLES:
        word = TOO_FEW_SAMPLES
        notes.append(f"rests on {samples:.0f} samples, {FEWEST_SAMPLES} are needed")
    elif result.pairs < FEWEST_PAIRS:
        word = TOO_FEW_PAIRS
        notes.append(f"{result.pairs} pairs, {FEWEST_PAIRS} are needed for a sentence")
    return result, samples, word, "; ".join(notes)


def sample_comparison(before: pd.DataFrame, after: pd.DataFrame, seed: int = 0, resamples: int = 1000) -> pd.DataFrame:
    """Test RMSE of two runs of one seed, overall and per group, with an interval that resamples samples.

    `before` and `after`: columns sample, target, prediction and, optional, group. Columns of the result: group, n,
    before, after, difference, low, high, answer. It tells how sure this one pair of models is on these samples, not
    how a new training would do; groups with fewer than 30 samples get no answer (S4-91).
    """
    both = before.merge(
        after[["sample", "prediction"]], on="sample", suffixes=("_before", "_after"), validate="one_to_one"
    )
    if len(both) != len(before) or len(both) != len(after):
        raise ValueError(
            f"predictions: expected the same samples, found {len(before)} and {len(after)}, {len(both)} shared"
        )
    parts = [("all", both)]
    if "group" in both:
        parts += [(str(name), part) for name, part in both.groupby("group", sort=True, observed=True)]
    rows = []
    for name, part in parts:
        losses = [(part[f"prediction_{side}"] - part["target"]).to_numpy(float) ** 2 for side in ("before", "after")]
        scores = [float(np.sqrt(loss.mean())) for loss in losses]
        difference, low, high = sample_interval(*losses, statistic=np.sqrt, resamples=resamples, seed=seed)
        word = "better" if high < 0 else "worse" if low > 0 else "inconclusive"
        if len(part) < FEWEST_SAMPLES:
            low, high, word = np.nan, np.nan, TOO_FEW_SAMPLES
        rows.append((name, len(part), *scores, difference, low, high, word))
    return pd.DataFrame(rows, columns=["group", "n", "before", "after", "difference", "low", "high", "answer"])
