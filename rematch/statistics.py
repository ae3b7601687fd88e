"""Paired statistics of two arms: how large the difference is, how sure we can be, and the word for it.

The interval is Student's t over the paired differences. It was chosen by measurement (`benchmarks/calibration.py`):
with 5 and 10 pairs the BCa bootstrap covers the truth in 80-90 % of trials where 95 % are announced, Student's t in
95-97 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Interval = Literal["t", "bca"]
Better = Literal["lower", "higher"]

FEWEST_PAIRS = 5  # below this no sentence is made
FEWEST_SAMPLES = 30  # below this a score gets no verdict (S4-91)
TOO_FEW_PAIRS = "too few pairs"
TOO_FEW_SAMPLES = "too few samples"


@dataclass(frozen=True)
class Paired:
    """What paired runs say about `after - before`, in the unit of the metric."""

    pairs: int
    before: float  # mean
    after: float  # mean
    difference: float  # mean of the paired differences
    low: float  # interval of the difference; nan with fewer than 2 pairs
    high: float
    improved: float  # share of pairs in which `after` is larger, ties counted half
    effect: float  # standardised: mean over standard deviation of the differences, with Hedges' correction
    p: float  # two-sided p value of Student's paired test; 0 or 1 where the differences do not vary


def paired(before, after, level: float = 0.95, interval: Interval = "t", seed: int = 0) -> Paired:
    """The comparison of two arrays `(pairs,)` whose entries at one position share a seed.

    `interval="t"` is Student's interval of the mean difference, `"bca"` the bias-corrected and accelerated bootstrap
    (Efron 1987) that resamples pairs. `seed` matters to the bootstrap only.
    """
    before, after = _finite_pair(before, after)
    difference = after - before
    count = len(difference)
    mean = float(difference.mean()) if count else np.nan
    low, high = mean_interval(difference, level, interval, seed)
    wins = np.count_nonzero(difference > 0) + 0.5 * np.count_nonzero(difference == 0)
    return Paired(
        pairs=count,
        before=float(before.mean()) if count else np.nan,
        after=float(after.mean()) if count else np.nan,
        difference=mean,
        low=low,
        high=high,
        improved=float(wins / count) if count else np.nan,
        effect=standardised(difference),
        p=p_value(difference),
    )


def mean_interval(values, level: float = 0.95, interval: Interval = "t", seed: int = 0) -> tuple[float, float]:
    """Interval of the mean of `(n,)` values; both ends are nan for n < 2, and the mean where nothing varies."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.nan, np.nan
    mean = float(values.mean())
    if constant(values):
        return mean, mean
    if interval == "t":
        low, high = stats.t.interval(level, len(values) - 1, loc=mean, scale=stats.sem(values))
    elif interval == "bca":
        result = stats.bootstrap((values,), np.mean, confidence_level=level, method="BCa", rng=seed, vectorized=True)
        low, high = result.confidence_interval
    else:
        raise ValueError(f"interval: expected t or bca, found {interval}")
    return float(low), float(high)


def p_value(values, against: float = 0.0, side: Literal["two-sided", "less", "greater"] = "two-sided") -> float:
    """p value of Student's test that the mean of `(n,)` values is `against`; nan for n < 2."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.nan
    if constant(values):
        mean = values.mean()
        holds = {"two-sided": mean != against, "less": mean < against, "greater": mean > against}[side]
        return 0.0 if holds else 1.0
    return float(stats.ttest_1samp(values, against, alternative=side).pvalue)


def standardised(difference) -> float:
    """Hedges' g of paired differences `(n,)`: mean / sd * (1 - 3 / (4 (n - 1) - 1)); nan where nothing varies."""
    difference = np.asarray(difference, dtype=float)
    degrees = len(difference) - 1
    if degrees < 1 or constant(difference):
        return np.nan
    return float(difference.mean() / difference.std(ddof=1) * (1 - 3 / (4 * degrees - 1)))


def constant(values: np.ndarray) -> bool:
    """Whether values differ by no more than rounding: 1e-12 of their size, since differences inherit that of their
    parts."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max(initial=0.0))


def holm(p_values) -> np.ndarray:
    """Holm-adjusted p values (Holm 1979) `(..., n)`, corrected along the last axis: the i-th smallest of m, counted
    from 0,
    times m - i, never below the ones before it, at most 1. A nan (no test made) stays nan and does not count as a test.

    statsmodels' `multipletests` gives the same numbers (tested) but collects garbage on each call, up to 0.2 s.
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, axis=-1)  # nan comes last
    ranked = np.take_along_axis(p_values, order, axis=-1)
    left = np.count_nonzero(~np.isnan(p_values), axis=-1, keepdims=True) - np.arange(p_values.shape[-1])
    adjusted = np.minimum(np.maximum.accumulate(left * ranked, axis=-1), 1.0)
    result = np.empty_like(p_values)
    np.put_along_axis(result, order, adjusted, axis=-1)
    return result


def answer(result: Paired, better: Better, equal_within: float = 0.0, p_holm: float | None = None) -> str:
    """One of better, worse, equal, inconclusive, or "too few pairs".

    equal: the whole interval lies within +-`equal_within` (two one-sided tests, Schuirmann 1987), even if its middle
    differs from 0 beyond doubt, for then the difference is real but does not matter.
    better, worse: the adjusted p value is at most 0.05 and the interval leaves out 0.
    """
    if result.pairs < FEWEST_PAIRS:
        return TOO_FEW_PAIRS
    if -equal_within <= result.low and result.high <= equal_within:
        return "equal"
    p_holm = result.p if p_holm is None else p_holm
    if p_holm <= 0.05 and (result.low > 0 or result.high < 0):
        return "better" if (result.difference > 0) == (better == "higher") else "worse"
    return "inconclusive"


def improvement_probability(result: Paired, better: Better) -> float:
    """Share of pairs in which `after` is better, ties counted half."""
    return result.improved if better == "higher" else 1.0 - result.improved


def smallest_found(effects, found, share: float = 0.8) -> float:
    """The smallest effect at which at least `share` of trials found it, interpolated on a rising power curve.

    `effects` and `found` are `(n,)`: effect sizes in rising order and the share of trials that found each.
    """
    effects, found = np.asarray(effects, dtype=float), np.maximum.accumulate(np.asarray(found, dtype=float))
    if found[-1] < share:
        return np.nan
    return float(np.interp(share, found, effects))


def sample_interval(
    before: np.ndarray,
    after: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Difference (after - before) of a score of per-sample losses and its percentile interval, resampling samples.

    `before` and `after` are per-sample losses `(n,)` of the same samples; `statistic` maps the mean loss to the score,
    for example `np.sqrt` for the RMSE of squared errors. Both arms see the same resample (paired).
    """
    before, after = _finite_pair(before, after)
    count = len(before)
    point = float(statistic(after.mean()) - statistic(before.mean()))
    generator = np.random.default_rng(seed)
    losses = np.stack([before, after], axis=1)
    means = np.empty((resamples, 2))
    for start in range(0, resamples, 64):  # 64 rows of counts at a time keep memory at 64 n numbers
        stop = min(start + 64, resamples)
        counts = generator.multinomial(count, np.full(count, 1 / count), size=stop - start)
        means[start:stop] = counts @ losses / count
    differences = statistic(means[:, 1]) - statistic(means[:, 0])
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return point, float(low), float(high)


def _finite_pair(before, after) -> tuple[np.ndarray, np.ndarray]:
    before, after = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError(f"pairs: expected two equally long lists, found shapes {before.shape} and {after.shape}")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ValueError("pairs: expected finite numbers, found nan or infinity")
    return before, after
