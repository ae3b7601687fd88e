"""The share of every change in the difference between a version and the one before it, with intervals.

leave-one-out: what is lost without the change. one-at-a-time: what it brings alone. shapley: the mean of what it brings
over orders of switching the changes on (Shapley 1953; Castro et al. 2009), all orders or antithetic pairs of drawn
ones. Single shares need not add up to the whole; the rest is reported as `interaction`. Shapley shares always do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rematch.comparability import why_not_comparable
from rematch.evidence import sets_of_changes
from rematch.statistics import FEWEST_PAIRS, Better, answer, holm, mean_interval, p_value, paired
from rematch.subsets import is_exact, orders, prefixes

COLUMNS = [
    "study",
    "device",
    "metric",
    "version",
    "method",
    "change",
    "share",
    "low",
    "high",
    "pairs",
    "p",
    "p_holm",
    "answer",
    "note",
]
Worth = Callable[[frozenset[str]], np.ndarray]  # set of changes -> metric per seed (seeds,)


def attribution(
    study: str,
    metrics: Mapping[str, Mapping[str, Any]],
    arms: Mapping[str, Mapping[str, Any]],
    scores: pd.DataFrame,
    version: str = "v2",
    budget: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """The table with `COLUMNS`: for each metric and each method whose arms were trained, one row per change, and rows
    `total` (the whole difference) and `interaction` (what the single shares leave over).

    `arms`: name -> kind, version, changes, settings, trained_as. `budget` and `seed` are those with which the Shapley
    arms were drawn. Seeds whose runs are not all there are left out, with a note.
    """
    sets = sets_of_changes(version, arms)
    rows = []
    for device in sorted(scores["device"].unique()):
        for metric, about in metrics.items():
            values, note = _by_set(scores[scores["device"] == device], arms, sets, metric)
            if frozenset(arms[version]["changes"]) not in values or frozenset() not in values:
                continue
            reason = next(filter(None, (_guard(metric, metrics, arms, sets, subset) for subset in values)), "")
            head = (study, device, metric, version)
            if reason:
                rows.append((*head, "none", "total", *(np.nan,) * 3, 0, np.nan, np.nan, "not comparable", reason))
                continue
            rows += [(*head, *row) for row in _shares(values, arms[version]["changes"], about, budget, seed, note)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _by_set(
    scores, arms, sets: Mapping[frozenset[str], str], metric: str
) -> tuple[dict[frozenset[str], np.ndarray], str]:
    rows = scores[(scores["name"] == metric) & (scores["split"] == "test") & (scores["status"] == "ok")]
    rows = rows[np.isfinite(rows["value"].astype(float))]
    wide = rows.pivot_table(index="seed", columns="arm", values="value", aggfunc="first")
    trained = {subset: arms[name].get("trained_as") or name for subset, name in sets.items()}
    there = {subset: arm for subset, arm in trained.items() if arm in wide.columns}
    columns = list(dict.fromkeys(there.values()))
    complete = wide[columns].dropna()
    lost = len(wide) - len(complete)
    note = f"{lost} seeds left out: not every arm has a value" if lost else ""
    return {subset: complete[arm].to_numpy(float) for subset, arm in there.items()}, note


def _guard(metric, metrics, arms, sets, subset: frozenset[str]) -> str:
    one, other = (arms[sets[part]].get("settings", {}) for part in (frozenset(), subset))
    return why_not_comparable(metric, metrics, one, other)


def _shares(values, changes: Sequence[str], about, budget: int, seed: int, note: str) -> list[tuple[Any, ...]]:
    """Rows from `method` on, for every method whose sets are all there."""
    full, none = frozenset(changes), frozenset()
    total = values[full] - values[none]
    methods: list[tuple[str, dict[str, np.ndarray], str]] = []
    if all(full - {change} in values for change in changes):
        methods.append(("leave-one-out", {change: values[full] - values[full - {change}] for change in changes}, ""))
    if all(frozenset({change}) in values for change in changes):
        methods.append(
            ("one-at-a-time", {change: values[frozenset({change})] - values[none] for change in changes}, "")
        )
    rows = []
    for method, shares, remark in methods:
        tested = {change: _interval(share) for change, share in shares.items()}
        rows += _rows(method, tested, total, about, "; ".join(filter(None, (note, remark))))
        rest = total - sum(shares.values())
        rows.append((method, "interaction", rest.mean(), *mean_interval(rest), len(rest), np.nan, np.nan, "", note))
    if 2 ** len(changes) == len(values):
        tested = {change: _interval(share) for change, share in exact_shapley(values.__getitem__, changes).items()}
        rows += _rows("shapley", tested, total, about, "; ".join(filter(None, (note, "all sets of changes"))))
    elif budget and not is_exact(changes, budget):
        drawn = orders(changes, budget, seed)
        if all(subset in values for order in drawn for subset in prefixes(order)):
            sampled = sampled_shapley(values.__getitem__, drawn)
            tested = {change: order_interval(parts) for change, parts in sampled.items()}
            remark = f"{len(drawn)} orders drawn, in antithetic pairs"
            rows += _rows("shapley", tested, total, about, "; ".join(filter(None, (note, remark))))
    return rows


def _rows(method: str, tested, total: np.ndarray, about, note: str) -> list[tuple[Any, ...]]:
    better, band = about["better"], about.get("equal_within", 0.0)
    adjusted = holm([p for *_, p in tested.values()])
    rows = []
    for (change, (share, low, high, p)), p_holm in zip(tested.items(), adjusted, strict=True):
        word = _word(len(total), share, low, high, p_holm, better, band)
        rows.append((method, change, share, low, high, len(total), p, p_holm, word, note))
    whole = paired(np.zeros_like(total), total)
    word = answer(whole, better, band)
    rows.append((method, "total", whole.difference, whole.low, whole.high, whole.pairs, whole.p, whole.p, word, note))
    return rows


def _word(pairs: int, share: float, low: float, high: float, p_holm: float, better: Better, band: float) -> str:
    """helps, hurts, equal, inconclusive or too few pairs, by the rules of `statistics.answer`."""
    if pairs < FEWEST_PAIRS:
        return "too few pairs"
    if -band <= low and high <= band:
        return "equal"
    if p_holm <= 0.05 and (low > 0 or high < 0):
        return "helps" if (share > 0) == (better == "higher") else "hurts"
    return "inconclusive"


def _interval(share: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, interval and p value of a share per seed `(seeds,)`."""
    return (float(share.mean()), *mean_interval(share), p_value(share))


def exact_shapley(worth: Worth, changes: Sequence[str]) -> dict[str, np.ndarray]:
    """Change -> Shapley value per seed `(seeds,)`, from the worth of all 2^k sets.

    phi_i = sum over sets S without i of (worth(S + i) - worth(S)) / (k * C(k - 1, |S|)).
    """
    count = len(changes)
    shares = {}
    for change in changes:
        others = [other for other in changes if other != change]
        parts = []
        for size in range(count):
            weight = 1 / (count * comb(count - 1, size))
            sets = (frozenset(part) for part in combinations(others, size))
            parts += [weight * (worth(subset | {change}) - worth(subset)) for subset in sets]
        shares[change] = np.sum(parts, axis=0)
    return shares


def sampled_shapley(worth: Worth, drawn: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    """Change -> what it brings, `(order pairs, seeds)`: the mean over each drawn order and its reverse.

    The mean over both axes estimates the Shapley value; summed over changes it is worth(all) - worth(none) exactly.
    """
    gains: dict[str, list[np.ndarray]] = {change: [] for change in drawn[0]}
    for order in drawn:
        sets = prefixes(order)
        for change, before, after in zip(order, sets, sets[1:], strict=False):
            gains[change].append(worth(after) - worth(before))
    return {change: np.stack(parts).reshape(-1, 2, len(parts[0])).mean(axis=1) for change, parts in gains.items()}


def order_interval(parts: np.ndarray, level: float = 0.95) -> tuple[float, float, float, float]:
    """Mean, interval and p value of gains `(order pairs, seeds)`, with the uncertainty of seeds and of the draw of
    orders.

    Variance of the mean: (MS_orders + MS_seeds) / (orders * seeds) (two-way layout; the residual is counted twice, so
    it errs on the wide side), degrees of freedom after Satterthwaite (1946).
    """
    orders_drawn, seeds = parts.shape
    mean = float(parts.mean())
    if orders_drawn < 2 or seeds < 2:
        return _interval(parts.mean(axis=0))
    by_order = seeds * parts.mean(axis=1).var(ddof=1)
    by_seed = orders_drawn * parts.mean(axis=0).var(ddof=1)
    if by_order + by_seed <= 1e-30:
        return mean, mean, mean, float(mean == 0)
    degrees = (by_order + by_seed) ** 2 / (by_order**2 / (orders_drawn - 1) + by_seed**2 / (seeds - 1))
    error = np.sqrt((by_order + by_seed) / parts.size)
    half = stats.t.ppf((1 + level) / 2, degrees) * error
    return mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, degrees))
