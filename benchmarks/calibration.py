"""How often the comparison cries wolf, how often its intervals hold the truth, and how small a difference it finds.

v1 is compared with v1 under other seeds, many times: every "better" or "worse" is a false alarm. The noise of a score
is normal, heavy-tailed (Student's t with 3 degrees of freedom) or skewed (log-normal); one experiment has eight
metrics, whose p values are corrected together after Holm. The arithmetic is vectorised over experiments and checked
against `rematch.statistics` on some of them.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.recorded import report
from rematch.attribution import exact_shapley, order_interval, sampled_shapley
from rematch.statistics import answer, holm, paired, smallest_found
from rematch.subsets import attribution_arms, is_exact, orders, prefixes

METRICS = 8
PAIRS = (5, 10)
SHAPES = ("normal", "heavy-tailed", "skewed")
EFFECTS = np.arange(0.0, 5.01, 0.25)  # in standard deviations of the paired difference


def noise(shape: str, size: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Noise of a score around its mean, mean 0, of the given size."""
    if shape == "normal":
        return generator.standard_normal(size)
    if shape == "heavy-tailed":
        return generator.standard_t(3, size)
    return generator.lognormal(0.0, 0.8, size) - np.exp(0.32)


def intervals(difference: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Student's interval (low, high) and p value along the last axis of `(..., pairs)`, as `statistics.paired` has
    them."""
    pairs = difference.shape[-1]
    mean, error = difference.mean(axis=-1), stats.sem(difference, axis=-1)
    half = stats.t.ppf(0.975, pairs - 1) * error
    return mean - half, mean + half, 2 * stats.t.sf(np.abs(mean) / error, pairs - 1)


def check(before: np.ndarray, after: np.ndarray, called: np.ndarray) -> None:
    """Compares the vectorised answers `(experiments, metrics)` with those of the library; stops if one differs."""
    for one, other, words in zip(before, after, called, strict=True):
        results = [paired(x, y) for x, y in zip(one, other, strict=True)]
        adjusted = holm([result.p for result in results])
        for result, p_holm, word in zip(results, adjusted, words, strict=True):
            assert (answer(result, "higher", 0.0, p_holm) in ("better", "worse")) == word


def false_alarms(shape: str, pairs: int, experiments: int, generator: np.random.Generator) -> tuple[float, float]:
    """Share of A/A experiments with at least one false alarm among their metrics, and coverage of the intervals."""
    before, after = noise(shape, (2, experiments, METRICS, pairs), generator)
    low, high, p_values = intervals(after - before)
    called = (holm(p_values) <= 0.05) & ((low > 0) | (high < 0))
    check(before[:20], after[:20], called[:20])
    return float(called.any(axis=1).mean()), float(((low <= 0) & (high >= 0)).mean())


def bca_coverage(difference: np.ndarray) -> float:
    """Share of BCa bootstrap intervals of the mean that hold 0, over rows of `(experiments, pairs)`."""
    with np.errstate(all="ignore"):
        low, high = stats.bootstrap(
            (difference,), np.mean, axis=-1, method="BCa", n_resamples=999, batch=100, rng=1
        ).confidence_interval
    return float(((low <= 0) & (high >= 0)).mean())


def lopsided_coverage(shape: str, pairs: int, experiments: int, generator: np.random.Generator) -> float:
    """Coverage when the noise sits in the difference itself, as when only one of the two arms is noisy."""
    low, high, _ = intervals(noise(shape, (experiments, pairs), generator))
    return float(((low <= 0) & (high >= 0)).mean())


def power(pairs: int, experiments: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Share of experiments that find an effect in the first of eight metrics: corrected with the others, and alone."""
    difference = generator.standard_normal((experiments, METRICS, pairs))
    corrected, alone = [], []
    for effect in EFFECTS:
        shifted = difference.copy()
        shifted[:, 0] += effect
        low, _, p_values = intervals(shifted)
        corrected.append(((holm(p_values)[:, 0] <= 0.05) & (low[:, 0] > 0)).mean())
        alone.append((low[:, 0] > 0).mean())
    return np.array(corrected), np.array(alone)


def share_coverage(count: int, arms: int, trials: int, generator: np.random.Generator) -> tuple[float, float]:
    """Coverage of Shapley shares of `count` changes with 5 seeds, and how often a change that does nothing is called.

    The response has additive effects, interactions between pairs, noise shared by the arms of a seed and noise of each.
    """
    changes = [f"c{number}" for number in range(count)]
    exact = is_exact(changes, arms)
    covered, called = [], []
    for trial in range(trials):
        drawn = [] if exact else orders(changes, arms, seed=trial)
        sets = {part for order in drawn for part in prefixes(order)}
        sets |= {frozenset(), frozenset(changes), *attribution_arms(changes, "shapley", arms, seed=trial)}
        effects = dict(zip(changes, generator.normal(0, 0.03, count), strict=True)) | {"c0": 0.0}
        pairs = {pair: generator.normal(0, 0.03) for pair in combinations(changes[1:], 2) if generator.random() < 0.3}
        truth = {c: effects[c] + sum(value / 2 for pair, value in pairs.items() if c in pair) for c in changes}
        shared = generator.normal(0, 0.05, 5)
        worth = {
            part: sum(effects[c] for c in part)
            + sum(value for pair, value in pairs.items() if part.issuperset(pair))
            + shared
            + generator.normal(0, 0.01, 5)
            for part in sorted(sets, key=sorted)
        }
        shares = (exact_shapley if exact else sampled_shapley)(worth.__getitem__, changes if exact else drawn)
        found = {c: order_interval(np.atleast_2d(parts)) for c, parts in shares.items()}
        covered += [found[c][1] <= truth[c] <= found[c][2] for c in changes]
        called.append(found["c0"][3] <= 0.05)
    return float(np.mean(covered)), float(np.mean(called))


def main() -> None:
    """Prints the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000 experiments per row instead of 20,000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="put the results into config/benchmarks.csv")
    options = parser.parse_args()
    experiments = 1000 if options.quick else 20_000
    generator = np.random.default_rng(options.seed)

    print(f"{experiments:,} experiments v1 against v1 per row, {METRICS} metrics each, corrected together after Holm")
    print(f"{'noise':<14}{'pairs':>6}{'false alarms':>14}{'coverage':>10}{'BCa':>8}{'noise in one arm':>18}")
    alarms, coverage = [], {pairs: [] for pairs in PAIRS}
    for pairs in PAIRS:
        for shape in SHAPES:
            alarm, covered = false_alarms(shape, pairs, experiments, generator)
            one, other = noise(shape, (2, min(experiments, 2000), pairs), generator)
            bca, lopsided = bca_coverage(one - other), lopsided_coverage(shape, pairs, experiments, generator)
            print(f"{shape:<14}{pairs:>6}{alarm:>14.3f}{covered:>10.3f}{bca:>8.3f}{lopsided:>18.3f}")
            alarms.append(alarm)
            coverage[pairs].append(covered)
    print("\nsmallest effect found in 80 % of trials, in standard deviations of the paired difference (normal noise)")
    results = {"false_alarm_rate": float(np.mean(alarms)), "false_alarm_rate_worst": max(alarms)}
    for pairs in PAIRS:
        results[f"coverage_{pairs}"] = float(np.mean(coverage[pairs]))
    for pairs in PAIRS:
        corrected, alone = power(pairs, min(experiments, 4000), generator)
        results[f"smallest_found_{pairs}"] = smallest_found(EFFECTS, corrected)
        print(
            f"{pairs:>3} pairs: {smallest_found(EFFECTS, alone):.2f} as the only claim, "
            f"{results[f'smallest_found_{pairs}']:.2f} as one of {METRICS}"
        )
    print(
        "\nShapley shares, 5 seeds: intervals that hold the truth, and how often no effect is called one (uncorrected)"
    )
    trials = 60 if options.quick else 600
    for name, count, arms in (("exact", 5, 32), ("sampled", 9, 48)):
        covered, called = share_coverage(count, arms, trials, generator)
        results[f"share_coverage_{name}"] = covered
        print(f"{count:>3} changes, {arms} arms ({name}): {covered:.3f}, {called:.3f}")
    print()
    report("calibration", results, options.record)


if __name__ == "__main__":
    main()
