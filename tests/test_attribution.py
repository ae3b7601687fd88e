"""Shares of changes: hand-written worths, two ways to compute them, and planted shares that must be recovered."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rematch.attribution import attribution, exact_shapley, order_interval, sampled_shapley
from rematch.statistics import holm, mean_interval
from rematch.subsets import attribution_arms, orders, prefixes

ABC = ("a", "b", "c")
METRICS = {"auc": {"better": "higher", "equal_within": 0.0}}


def worth(subset, effects, interactions=()):
    """Sum of the effects of the changes in a set, and of the interactions whose changes are all there."""
    total = sum(effects[change] for change in subset)
    return np.atleast_1d(total + sum(value for pair, value in interactions if set(pair) <= subset))


def test_additive_changes_get_their_effect():
    effects = {"a": 0.3, "b": -0.1, "c": 0.0}
    shares = exact_shapley(lambda subset: worth(subset, effects), ABC)
    assert {change: share[0] for change, share in shares.items()} == pytest.approx(effects)


def test_an_interaction_is_shared_in_halves():
    shares = exact_shapley(lambda subset: worth(subset, {"a": 0.2, "b": 0.1, "c": 0.0}, [("ab", 0.4)]), ABC)
    assert [shares[change][0] for change in ABC] == pytest.approx([0.4, 0.3, 0.0])


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_exact_is_the_mean_over_all_orders(seed):
    generator = np.random.default_rng(seed)
    table = {frozenset(part): generator.normal(size=2) for order in permutations(ABC) for part in prefixes(order)}
    exact = exact_shapley(table.__getitem__, ABC)
    for change in ABC:
        gains = [
            table[frozenset(order[: order.index(change) + 1])] - table[frozenset(order[: order.index(change)])]
            for order in permutations(ABC)
        ]
        assert exact[change] == pytest.approx(np.mean(gains, axis=0))
    assert sum(exact.values()) == pytest.approx(table[frozenset(ABC)] - table[frozenset()])


def test_drawn_orders_share_out_the_whole():
    changes = [f"c{number}" for number in range(7)]
    drawn = orders(changes, 40, seed=1)
    generator = np.random.default_rng(0)
    table = {part: generator.normal(size=5) for order in drawn for part in prefixes(order)}
    shares = sampled_shapley(table.__getitem__, drawn)
    assert shares["c0"].shape == (len(drawn) // 2, 5)
    whole = table[frozenset(changes)] - table[frozenset()]
    assert sum(share.mean(axis=0) for share in shares.values()) == pytest.approx(whole)


def test_one_pair_of_orders_leaves_the_interval_of_seeds():
    parts = np.array([[1.0, 2.0, 3.0]])
    mean, low, high, _ = order_interval(parts)
    assert (mean, low, high) == pytest.approx((2.0, *mean_interval([1.0, 2.0, 3.0])))


def test_the_interval_grows_with_the_spread_of_orders():
    seeds = np.array([0.1, -0.1, 0.05, -0.05, 0.0])
    alike = order_interval(np.stack([1 + seeds] * 4))
    apart = order_interval(np.stack([1 + seeds + shift for shift in (-0.5, 0.5, -0.3, 0.3)]))
    assert apart[2] - apart[1] > 2 * (alike[2] - alike[1])
    assert order_interval(np.ones((3, 4)))[1:] == (1.0, 1.0, 0.0)


# --- from frames of scores ---


def frames(sets, effects, interactions=(), noise=0.01, seeds=5, seed=0, rate=0.0):
    """Arms and scores of v1, v2 and the given sets; noise shared by the arms of a seed, and a little of their own."""
    generator = np.random.default_rng(seed)
    every = frozenset(effects)
    arms = {"v1": {"kind": "version", "version": "v1", "changes": [], "settings": {"rate": 0}}}
    arms["v2"] = {"kind": "version", "version": "v2", "changes": sorted(every), "settings": {"rate": rate}}
    for subset in sets:
        arms["v1-plus-" + "+".join(sorted(subset))] = {
            "kind": "subset",
            "version": "v2",
            "changes": sorted(subset),
            "settings": {"rate": rate},
        }
    shared = generator.normal(0, 5 * noise, seeds)
    rows = []
    for name, arm in arms.items():
        values = worth(frozenset(arm["changes"]), effects, interactions) + shared + generator.normal(0, noise, seeds)
        rows += [(name, "cpu", seed, "test", "auc", value, 500, "ok") for seed, value in enumerate(values)]
    return arms, pd.DataFrame(rows, columns=["arm", "device", "seed", "split", "name", "value", "n", "status"])


def table(method, effects, interactions=(), budget=0, **more):
    sets = attribution_arms(sorted(effects), method, budget)
    arms, scores = frames(sets, effects, interactions, **more)
    found = attribution("s", METRICS, arms, scores, budget=budget)
    return found[found["method"] == method].set_index("change")


EFFECTS = {"a": 0.3, "b": -0.2, "c": 0.0}


def test_leave_one_out_and_one_at_a_time_differ_by_the_interaction():
    interactions = [("ab", 0.1)]
    out, single = (table(method, EFFECTS, interactions) for method in ("leave-one-out", "one-at-a-time"))
    assert out.loc["a", "share"] == pytest.approx(0.4, abs=0.02)
    assert single.loc["a", "share"] == pytest.approx(0.3, abs=0.02)
    assert out.loc["total", "share"] == pytest.approx(0.2, abs=0.02)
    assert out.loc["interaction", "share"] == pytest.approx(-0.1, abs=0.04)
    assert single.loc["interaction", "share"] == pytest.approx(0.1, abs=0.04)


def test_words_for_shares():
    shares = table("shapley", EFFECTS, budget=8)
    assert list(shares["answer"]) == ["helps", "hurts", "inconclusive", "better"]
    assert shares["share"][["a", "b", "c"]].sum() == pytest.approx(shares.loc["total", "share"], abs=1e-12)
    assert shares.loc["a", "note"] == "all sets of changes"


def test_the_sum_of_drawn_shares_is_the_difference():
    effects = {f"c{number}": 0.1 * number for number in range(6)}
    shares = table("shapley", effects, [(("c1", "c5"), 0.2)], budget=24)
    assert shares.drop("total")["share"].sum() == pytest.approx(shares.loc["total", "share"], abs=1e-12)
    assert "in antithetic pairs" in shares.loc["c1", "note"]


def test_too_few_seeds_get_no_word():
    assert set(table("one-at-a-time", EFFECTS, seeds=4)["answer"]) == {"too few pairs", ""}


def test_a_seed_with_a_missing_arm_is_left_out_and_named():
    arms, scores = frames([frozenset("a")], {"a": 0.3, "b": 0.1})
    scores.loc[0, "status"] = "failed: out of memory"
    arms["v1-plus-b"] = {**arms["v1-plus-a"], "changes": ["b"]}
    found = attribution(
        "s", METRICS, arms, pd.concat([scores, scores[scores["arm"] == "v1-plus-a"].assign(arm="v1-plus-b")])
    )
    assert set(found["pairs"]) == {4}
    assert found["note"].str.startswith("1 seeds left out").all()


def test_incomparable_metrics_get_no_shares():
    arms, scores = frames([], {"a": 0.3}, rate=1)
    found = attribution("s", {"auc": {**METRICS["auc"], "depends_on": ["rate"]}}, arms, scores)
    assert list(found["answer"]) == ["not comparable"]
    assert found["note"].iloc[0] == "the scale of auc depends on rate (0 and 1)"


def planted(trials, seeds=5, noise=0.01, seed=0):
    """Metric of every set of changes, `(trials, seeds)` each: additive effects, one interaction, noise in every arm."""
    generator = np.random.default_rng(seed)
    effects, interactions = {"a": 0.03, "b": -0.02, "c": 0.0}, [("ab", 0.02)]
    shared = generator.normal(0, 5 * noise, (trials, seeds))
    sets = [frozenset(), *attribution_arms(ABC, "shapley", 8), frozenset(ABC)]
    return {
        part: worth(part, effects, interactions) + shared + generator.normal(0, noise, (trials, seeds)) for part in sets
    }


def test_planted_shares_are_covered_and_nothing_is_not_called_helpful():
    """2,000 trials of exact Shapley over 3 changes with 5 seeds: 95 % intervals cover the truth in 95 +- 1.5 %."""
    truth = {"a": 0.04, "b": -0.01, "c": 0.0}
    shares = exact_shapley(planted(2000).__getitem__, ABC)
    half = {c: stats.t.ppf(0.975, 4) * share.std(axis=1, ddof=1) / 5**0.5 for c, share in shares.items()}
    for change, share in shares.items():
        assert 0.935 <= np.mean(abs(share.mean(axis=1) - truth[change]) <= half[change]) <= 0.965
    p_values = np.stack([stats.ttest_1samp(share, 0.0, axis=1).pvalue for share in shares.values()], axis=1)
    assert np.mean(holm(p_values)[:, 2] <= 0.05) <= 0.05
    one = {part: values[0] for part, values in planted(2000).items()}  # the vectorised interval is that of the table
    assert mean_interval(exact_shapley(one.__getitem__, ABC)["a"])[1] == pytest.approx(
        shares["a"][0].mean() + half["a"][0]
    )
