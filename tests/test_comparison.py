"""The comparison table from small frames of scores."""

import numpy as np
import pandas as pd
import pytest

from rematch.comparability import why_not_comparable
from rematch.comparison import COLUMNS, arm_pairs, comparison, gatekept, sample_comparison
from rematch.statistics import holm

METRICS = {
    "rmse": {"better": "lower", "equal_within": 0.02, "depends_on": ["split"]},
    "auc": {"better": "higher", "equal_within": 0.01},
}


def arm(kind, version, **settings):
    return {"kind": kind, "version": version, "changes": [], "settings": settings, "trained_as": None}


ARMS = {
    "v1": arm("version", "v1", split="a"),
    "v2": arm("version", "v2", split="a"),
    "untrained": arm("control", "v2", split="a"),
}


def scores(values, n=200):
    """(arm, metric) -> values of seeds 1, 2, ..."""
    rows = [
        (name, "cpu", seed, "test", metric, value, n, "ok")
        for (name, metric), listed in values.items()
        for seed, value in enumerate(listed, start=1)
    ]
    return pd.DataFrame(rows, columns=["arm", "device", "seed", "split", "name", "value", "n", "status"])


V1 = [1.0, 1.1, 0.9, 1.05, 0.95]
V2 = [0.8, 0.92, 0.71, 0.83, 0.77]
PAIR = [("v1", "v2")]


def test_one_metric_by_hand():
    row = comparison("s", METRICS, ARMS, scores({("v1", "rmse"): V1, ("v2", "rmse"): V2}), PAIR).iloc[0]
    assert list(row.index) == COLUMNS
    assert (row.before_mean, row.after_mean) == pytest.approx((1.0, 0.806))
    assert row.difference == pytest.approx(-0.194)
    assert row.low < -0.194 < row.high < 0
    assert (row.pairs, row.improvement_probability, row.answer) == (5, 1.0, "better")


def test_holm_runs_over_the_metrics_of_a_pair():
    table = comparison(
        "s", METRICS, ARMS, scores({(a, m): v for m in METRICS for a, v in (("v1", V1), ("v2", V2))}), PAIR
    )
    assert list(table["p_holm"]) == pytest.approx(list(2 * table["p"]))
    assert list(table["answer"]) == ["better", "worse"]


def test_a_real_but_small_difference_is_equal():
    table = scores({("v1", "rmse"): V1, ("v2", "rmse"): [value + 0.005 + 0.001 * i for i, value in enumerate(V1)]})
    assert comparison("s", METRICS, ARMS, table, PAIR).iloc[0].answer == "equal"


def test_too_few_pairs_and_too_few_samples():
    few = comparison("s", METRICS, ARMS, scores({("v1", "rmse"): V1[:4], ("v2", "rmse"): V2[:4]}), PAIR).iloc[0]
    assert (few.answer, few.note) == ("too few pairs", "4 pairs, 5 are needed for a sentence")
    small = comparison("s", METRICS, ARMS, scores({("v1", "rmse"): V1, ("v2", "rmse"): V2}, n=29), PAIR).iloc[0]
    assert (small.answer, small.note) == ("too few samples", "rests on 29 samples, 30 are needed")


def test_a_failed_run_takes_its_pair_along_and_is_named():
    table = scores({("v1", "rmse"): [*V1, 1.0], ("v2", "rmse"): [*V2, 0.8]})
    table.loc[(table["arm"] == "v2") & (table["seed"] == 3), ["value", "status"]] = [
        np.nan,
        "failed: diverged at step 7",
    ]
    row = comparison("s", METRICS, ARMS, table, PAIR).iloc[0]
    assert (row.pairs, row.note) == (5, "v2 seed 3 failed: diverged at step 7")


def test_a_failed_run_without_scores_counts_too():
    table = scores({("v1", "rmse"): V1, ("v2", "rmse"): V2[:4]})
    failed = pd.DataFrame([("v2", "cpu", 5, "", "", np.nan, 0, "failed: out of memory")], columns=table.columns)
    row = comparison("s", METRICS, ARMS, pd.concat([table, failed]), PAIR).iloc[0]
    assert (row.pairs, row.answer) == (4, "too few pairs")


def test_a_bin_without_a_sample_in_one_seed_leaves_that_pair_out():
    table = scores(
        {("v1", "rmse"): [*V1, 1.0], ("v2", "rmse"): [*V2, 0.8], ("v1", "auc"): [0.5] * 6, ("v2", "auc"): [0.5] * 6}
    )
    table = table[~((table["arm"] == "v2") & (table["name"] == "rmse") & (table["seed"] == 6))]
    row = comparison("s", METRICS, ARMS, table, PAIR).iloc[0]
    assert (row.metric, row.pairs, row.note) == ("rmse", 5, "1 pairs without a finite value")


def test_values_that_are_not_finite_are_left_out_and_counted():
    row = comparison(
        "s", METRICS, ARMS, scores({("v1", "rmse"): [*V1, 1.0], ("v2", "rmse"): [*V2, np.nan]}), PAIR
    ).iloc[0]
    assert (row.pairs, row.note) == (5, "1 pairs without a finite value")


def test_unequal_seeds_are_refused():
    with pytest.raises(
        ValueError, match=r"^s: arms v1 and v2 need equal seeds on cpu, found \[1, 2, 3, 4, 5\] and \[1, 2, 3\]$"
    ):
        comparison("s", METRICS, ARMS, scores({("v1", "rmse"): V1, ("v2", "rmse"): V2[:3]}), PAIR)


def test_arms_on_another_scale_are_refused_with_the_reason():
    arms = {**ARMS, "v2": arm("version", "v2", split="b")}
    row = comparison("s", METRICS, arms, scores({("v1", "rmse"): V1, ("v2", "rmse"): V2}), PAIR).iloc[0]
    assert (row.answer, row.note) == ("not comparable", "the scale of rmse depends on split (a and b)")
    assert np.isnan(row.difference) and np.isnan(row.p_holm)
    assert why_not_comparable("auc", METRICS, {"split": "a"}, {"split": "b"}) == ""


def test_pairs_of_arms():
    arms = {**ARMS, "v3": arm("version", "v3"), "ridge": arm("baseline", "v1")}
    assert arm_pairs(arms) == [("v1", "v2"), ("v2", "v3"), ("v1", "v3"), ("v2", "untrained"), ("v1", "ridge")]


def test_an_arm_trained_under_another_name_is_found():
    arms = {**ARMS, "v2": {**ARMS["v2"], "trained_as": "v1"}}
    assert comparison("s", METRICS, arms, scores({("v1", "rmse"): V1}), PAIR).iloc[0].answer == "equal"


def predictions(error, groups=None):
    target = np.linspace(0, 1, len(error))
    frame = pd.DataFrame({"sample": range(len(error)), "target": target, "prediction": target + error})
    return frame.assign(group=groups) if groups is not None else frame


def test_samples_by_group_and_none_below_thirty():
    generator = np.random.default_rng(0)
    error = generator.normal(size=129)
    groups = ["strong"] * 29 + ["weak"] * 100
    table = sample_comparison(predictions(error, groups), predictions(0.5 * error, groups), resamples=200).set_index(
        "group"
    )
    assert table.loc["all", "before"] == pytest.approx(np.sqrt((error**2).mean()))
    assert table.loc["weak", "answer"] == "better"
    assert table.loc["strong", "answer"] == "too few samples" and np.isnan(table.loc["strong", "low"])


def test_other_samples_are_refused():
    with pytest.raises(ValueError, match=r"^predictions: expected the same samples, found 40 and 30, 30 shared$"):
        sample_comparison(predictions(np.ones(40)), predictions(np.ones(30)))


def test_the_primary_metric_is_tested_alone_and_keeps_the_gate():
    names = ["main", "a", "b"]
    assert gatekept([0.04, 0.01, 0.30], names, "main") == pytest.approx([0.04, 0.04, 0.30])
    assert gatekept([0.20, 0.001, 0.001], names, "main") == pytest.approx([0.20, 0.20, 0.20])
    assert gatekept([0.01, 0.02, 0.03], names, None) == pytest.approx(list(holm([0.01, 0.02, 0.03])))
    left = gatekept([np.nan, 0.01, 0.03], names, "main")
    assert np.isnan(left[0]) and left[1:] == pytest.approx([0.02, 0.03])


def test_an_arm_whose_every_run_failed_is_a_row_with_the_reason():
    runs = [("v1", seed, "rmse", 1.0 + seed / 100, 100, "ok") for seed in range(1, 6)]
    runs += [("v2", seed, None, np.nan, 0, "failed: loss is inf") for seed in range(1, 6)]
    frame = pd.DataFrame(runs, columns=["arm", "seed", "name", "value", "n", "status"])
    table = comparison("toy", METRICS, ARMS, frame.assign(study="toy", device="cpu", split="test"), [("v1", "v2")])
    assert table["metric"].tolist() == ["rmse"]
    assert table["answer"].tolist() == ["too few pairs"] and "v2 seed 1 failed: loss is inf" in table["note"].iloc[0]
