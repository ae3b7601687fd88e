"""Paired statistics: hand-written cases, a second way to compute, laws, and the words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from rematch.statistics import (
    Paired,
    answer,
    holm,
    improvement_probability,
    mean_interval,
    p_value,
    paired,
    sample_interval,
    smallest_found,
    standardised,
)

BEFORE = [1.0, 1.2, 0.9, 1.1, 1.3]
AFTER = [0.8, 1.1, 0.8, 0.7, 1.2]
NUMBERS = st.lists(st.floats(-100, 100).map(lambda value: round(value, 3)), min_size=5, max_size=12)


def test_five_pairs_by_hand():
    result = paired(BEFORE, AFTER)
    difference = np.array([-0.2, -0.1, -0.1, -0.4, -0.1])
    error = difference.std(ddof=1) / 5**0.5
    assert result.pairs == 5
    assert result.difference == pytest.approx(-0.18)
    assert result.low == pytest.approx(-0.18 - 2.7764451 * error)
    assert result.high == pytest.approx(-0.18 + 2.7764451 * error)
    assert result.effect == pytest.approx(-0.18 / difference.std(ddof=1) * (1 - 3 / 15))
    assert result.improved == 0.0


def test_p_value_is_that_of_scipys_paired_test():
    assert paired(BEFORE, AFTER).p == pytest.approx(stats.ttest_rel(AFTER, BEFORE).pvalue)


@given(NUMBERS, NUMBERS)
def test_swapping_the_arms_turns_the_sign_and_nothing_else(before, after):
    count = min(len(before), len(after))
    one, other = paired(before[:count], after[:count]), paired(after[:count], before[:count])
    assert one.difference == pytest.approx(-other.difference, abs=1e-12)
    assert one.low == pytest.approx(-other.high, abs=1e-9)
    assert one.p == pytest.approx(other.p, abs=1e-9)
    assert one.improved == pytest.approx(1 - other.improved)


@given(NUMBERS)
def test_the_interval_holds_the_mean_and_the_p_value_agrees_with_it(values):
    low, high = mean_interval(values)
    assert low <= np.mean(values) + 1e-9 and np.mean(values) - 1e-9 <= high
    if np.ptp(values) > 0.01 and min(abs(low), abs(high)) > 1e-6:
        assert (low > 0 or high < 0) == (p_value(values) < 0.05)


def test_equal_differences_leave_a_point():
    result = paired([1.0] * 5, [1.5] * 5)
    assert (result.low, result.high, result.p) == (0.5, 0.5, 0.0)
    assert np.isnan(result.effect)
    assert paired([1.0] * 5, [1.0] * 5).p == 1.0


def test_bca_resamples_pairs_and_repeats_for_a_seed():
    difference = [-0.2, -0.1, -0.15, -0.4, -0.1]
    low, high = mean_interval(difference, interval="bca", seed=1)
    assert low < np.mean(difference) < high
    assert (low, high) == mean_interval(difference, interval="bca", seed=1)
    assert high - low < np.subtract(*mean_interval(difference)[::-1])  # why it is not the default


def test_one_pair_has_no_interval_and_none_no_mean():
    assert np.isnan(mean_interval([1.0])).all()
    assert np.isnan(p_value([1.0]))
    assert np.isnan(paired([], []).difference)
    assert np.isnan(standardised([1.0]))


def test_holm_by_hand_and_untested_left_out():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01, np.nan, 0.04]) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize("p_values", [[0.2], [0.04, 0.01, 0.01, 0.5], [1.0, 0.0, 0.3], np.linspace(0.001, 0.2, 9)])
def test_holm_equals_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_works_along_the_last_axis():
    both = holm([[0.01, 0.04, 0.03], [0.02, np.nan, 0.9]])
    assert both == pytest.approx(np.stack([holm([0.01, 0.04, 0.03]), holm([0.02, np.nan, 0.9])]), nan_ok=True)


def _result(low, high, p=0.001, pairs=5):
    return Paired(pairs, 0, 0, (low + high) / 2, low, high, 1.0, 1.0, p)


@pytest.mark.parametrize(
    ("low", "high", "better", "band", "p", "word"),
    [
        (0.1, 0.3, "higher", 0.05, 0.01, "better"),
        (0.1, 0.3, "lower", 0.05, 0.01, "worse"),
        (-0.3, -0.1, "lower", 0.05, 0.01, "better"),
        (0.1, 0.3, "higher", 0.05, 0.06, "inconclusive"),  # Holm took it away
        (-0.1, 0.3, "higher", 0.05, 0.4, "inconclusive"),
        (-0.04, 0.04, "higher", 0.05, 0.9, "equal"),
        (0.01, 0.04, "higher", 0.05, 0.001, "equal"),  # real, but too small to matter
        (0.01, 0.06, "higher", 0.05, 0.001, "better"),
        (-0.01, 0.01, "higher", 0.0, 0.9, "inconclusive"),
    ],
)
def test_the_word(low, high, better, band, p, word):
    assert answer(_result(low, high), better, band, p) == word


def test_four_pairs_get_no_sentence():
    assert answer(_result(0.1, 0.3, pairs=4), "higher", 0.0, 0.001) == "too few pairs"


def test_improvement_counts_the_better_direction():
    result = paired([1, 1, 1, 1], [0, 0, 1, 2])
    assert improvement_probability(result, "lower") == pytest.approx((2 + 0.5) / 4)
    assert improvement_probability(result, "higher") == pytest.approx((1 + 0.5) / 4)


def test_samples_are_resampled_in_pairs():
    generator = np.random.default_rng(0)
    target = generator.normal(size=400)
    noise = generator.normal(size=400)
    before, after = noise**2, (0.9 * noise) ** 2  # errors go together: the difference is sure, each RMSE is not
    point, low, high = sample_interval(before, after, np.sqrt, seed=3)
    assert point == pytest.approx(0.9 * np.sqrt(before.mean()) - np.sqrt(before.mean()))
    assert low < point < high < 0
    assert high - low < 0.02 < 0.1 * np.sqrt((target**2).mean()) * 2
    assert sample_interval(before, after, np.sqrt, seed=3) == (point, low, high)


def test_sample_interval_agrees_with_scipys_bootstrap():
    generator = np.random.default_rng(1)
    before, after = generator.exponential(size=60), generator.exponential(size=60)
    _, low, high = sample_interval(before, after, lambda mean: mean, resamples=4000, seed=0)
    other = stats.bootstrap(
        (after - before,), np.mean, method="percentile", n_resamples=4000, rng=0
    ).confidence_interval
    assert (low, high) == pytest.approx(tuple(other), abs=0.03)


def test_smallest_found_is_read_off_the_curve():
    assert smallest_found([0, 1, 2], [0.0, 0.6, 1.0]) == pytest.approx(1.5)
    assert np.isnan(smallest_found([0, 1], [0.0, 0.5]))


def test_errors_are_one_line():
    with pytest.raises(ValueError, match=r"^pairs: expected two equally long lists, found shapes \(2,\) and \(1,\)$"):
        paired([1, 2], [1])
    with pytest.raises(ValueError, match=r"^pairs: expected finite numbers, found nan or infinity$"):
        paired([1, np.nan], [1, 2])
    with pytest.raises(ValueError, match=r"^interval: expected t or bca, found normal$"):
        mean_interval([1.0, 2.0], interval="normal")
