"""Verdicts: the golden ledger, every verdict from small hand-written scores, and what the table says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rematch.claims import read_claims
from rematch.comparison import comparison
from rematch.evidence import Evidence
from rematch.published import published_tiers, published_verdicts
from rematch.tiers import read_published, read_tiers
from rematch.verdicts import COLUMNS, describe, ledger, tier_table
from rematch.yamlfile import load_mapping

LEDGERS = Path(__file__).parents[1] / "config" / "claims"
METRICS = {
    "rmse": {"better": "lower", "equal_within": 0.02, "depends_on": ["split"]},
    "auc": {"better": "higher", "equal_within": 0.01},
}
SEEDS = (1, 2, 3, 4, 5)


def golden(study, kind="measured"):
    text = load_mapping(LEDGERS / f"{study}.yaml")
    claims = read_claims(text["claims"])
    metrics = {
        test.metric: {"better": "lower" if test.metric.startswith("rmse") else "higher", "equal_within": 0.0}
        for claim in claims
        for test in claim.tests
    }
    return text, metrics, published_verdicts(claims, read_published(text["published"], study), metrics, kind)


@pytest.mark.parametrize("claim", ["C4.9", "C4.10", "C4.11", "C4.12", "C4.17", "C4.18"])
def test_golden_the_later_measurement_refutes_the_antibody_claims(claim):
    assert golden("antibody_affinity")[2][claim].verdict == "refuted"


def test_golden_the_later_measurement_is_below_the_minimum_tier():
    text, metrics, _ = golden("antibody_affinity")
    scales = read_tiers(text["tiers"], metrics, "s")
    assert published_tiers(scales, read_published(text["published"], "s")) == {"success": "below minimum"}


@pytest.mark.parametrize("claim", [f"C4.{number}" for number in range(9, 19)])
def test_golden_the_wishes_fed_as_if_measured_are_supported(claim):
    assert golden("antibody_affinity", "wish")[2][claim].verdict == "supported"


@pytest.mark.parametrize("claim", ["C2.11", "C2.12", "C2.13"])
def test_golden_the_later_measurement_refutes_the_taxonomy_claims(claim):
    assert golden("taxonomy")[2][claim].verdict == "refuted"


def test_golden_v2_is_worse_is_inconclusive_by_the_documents_own_numbers():
    found = golden("link_prediction")[2]["C1.10"]
    assert found.verdict == "inconclusive"
    assert found.reason == "unequal budget, unsourced baseline"
    assert found.value == "-0.0974 to -0.0474"


# --- verdicts from runs ---


def arm(kind="version", version="v2", changes=(), **settings):
    return {"kind": kind, "version": version, "changes": list(changes), "settings": settings, "trained_as": None}


ARMS = {
    "v1": arm(version="v1", split="a"),
    "v2": arm(changes=("gelu", "deeper"), split="a"),
    "v2-minus-gelu": arm("minus", changes=("deeper",), split="a"),
    "v2-minus-deeper": arm("minus", changes=("gelu",), split="a"),
    "elsewhere": arm("reference", split="b"),
    "untrained": arm("control", split="a"),
    "common": arm("baseline", split="a"),
}
WOBBLE = np.array([0.01, -0.02, 0.0, 0.02, -0.01])


def scores(**means):
    """Five seeds per arm around a mean, with the same wobble for each arm and a little of its own."""
    rows = []
    for name, value in means.items():
        arm_name, _, metric = name.replace("__", "-").partition("_")
        for seed, wobble in zip(SEEDS, WOBBLE, strict=True):
            own = 0.002 * np.sin(seed * (1 + len(arm_name)))
            rows.append((arm_name, "cpu", seed, "test", metric or "rmse", value + wobble + own, 200, "ok"))
    return pd.DataFrame(rows, columns=["arm", "device", "seed", "split", "name", "value", "n", "status"])


def verdict(test, table, arms=ARMS, **more):
    text = {"claims": [{"id": "C9.1", "source": "S4-52", "says": "x", "test": test}], **more}
    return ledger("study", text, Evidence("study", table, arms, METRICS)).iloc[0]


def test_supported_refuted_and_inconclusive_by_the_interval():
    table = scores(v2=0.9)
    assert verdict({"metric": "rmse", "at_most": 1.0}, table).verdict == "supported"
    assert verdict({"metric": "rmse", "at_most": 0.8}, table).verdict == "refuted"
    row = verdict({"metric": "rmse", "at_most": 0.905}, table)
    assert row.verdict == "inconclusive"
    assert row.low < 0.905 < row.high
    assert verdict({"metric": "rmse", "between": [0.8, 1.0]}, table).verdict == "supported"
    assert verdict({"metric": "rmse", "between": [0.95, 1.0]}, table).verdict == "refuted"


def test_a_range_is_kept_only_if_both_its_ends_are():
    row = verdict({"metric": "rmse", "between": [0.2, 0.905]}, scores(v2=0.9))
    assert row.verdict == "inconclusive"
    assert row.p == pytest.approx(verdict({"metric": "rmse", "at_most": 0.905}, scores(v2=0.9)).p)


def test_words_between_two_arms():
    table = scores(v1=1.0, v2=0.9)
    assert verdict({"metric": "rmse", "is": "better"}, table).verdict == "supported"
    assert verdict({"metric": "rmse", "is": "worse"}, table).verdict == "refuted"
    assert verdict({"metric": "rmse", "is": "not-worse"}, table).verdict == "supported"
    assert verdict({"metric": "rmse", "is": "equal"}, table).verdict == "refuted"
    alike = scores(v1=1.0, v2=1.001)
    assert verdict({"metric": "rmse", "is": "equal"}, alike).verdict == "supported"
    assert verdict({"metric": "rmse", "is": "better"}, alike).verdict == "refuted"


def test_relations_between_two_arms():
    table = scores(v1=1.0, v2=0.5)
    row = verdict({"metric": "rmse", "against": "v1", "relation": "relative_change", "at_most": -0.3}, table)
    assert row.verdict == "supported"
    assert row.measured == pytest.approx(-0.5, abs=0.01)
    assert verdict({"metric": "rmse", "against": "v1", "relation": "ratio", "at_most": 0.3}, table).verdict == "refuted"


def test_a_change_is_judged_with_and_without_it():
    row = verdict({"metric": "rmse", "change": "gelu", "is": "better"}, scores(v2=0.9, v2__minus__gelu=1.0))
    assert (row.verdict, row.arm, row.against) == ("supported", "v2", "v2-minus-gelu")
    assert row.reason == "left out of the version"


def test_a_change_without_arms_of_its_own_is_not_testable():
    arms = {name: ARMS[name] for name in ("v1", "v2")}
    row = verdict({"metric": "rmse", "change": "gelu", "is": "better"}, scores(v1=1.0, v2=0.9), arms)
    assert row.reason == "no arm with or without gelu was trained; see `attribution` in the configuration"


def test_a_change_of_drawn_subsets_is_the_mean_over_pairs_that_differ_in_it_alone():
    every = ("gelu", "deeper", "wide", "long")
    arms = {
        "v1": ARMS["v1"],
        "v2": arm(changes=every, split="a"),
        "v1-plus-deeper+wide": arm("subset", changes=("deeper", "wide"), split="a"),
        "v1-plus-deeper+gelu+wide": arm("subset", changes=("deeper", "wide", "gelu"), split="a"),
        "v1-plus-long": arm("subset", changes=("long",), split="a"),
        "v1-plus-gelu+long": arm("subset", changes=("gelu", "long"), split="a"),
    }
    means = {"v1-plus-deeper+wide": 1.0, "v1-plus-deeper+gelu+wide": 0.9, "v1-plus-long": 1.2, "v1-plus-gelu+long": 0.9}
    row = verdict({"metric": "rmse", "change": "gelu", "is": "better"}, scores(v1=1.3, v2=0.7, **means), arms)
    assert row.measured == pytest.approx(-0.2, abs=0.01)
    assert row.verdict == "supported"
    assert row.reason == "mean over 2 pairs of arms that differ in this change alone"


def test_two_changes_in_one_claim_add_up_where_no_arm_leaves_out_both():
    arms = {
        **ARMS,
        "v2": arm(changes=("gelu", "deeper", "wide"), split="a"),
        "v2-minus-gelu": arm("minus", changes=("deeper", "wide"), split="a"),
        "v2-minus-deeper": arm("minus", changes=("gelu", "wide"), split="a"),
    }
    table = scores(v2=0.8, v2__minus__gelu=0.9, v2__minus__deeper=1.0)
    row = verdict({"metric": "rmse", "changes": ["gelu", "deeper"], "at_most": -0.2}, table, arms)
    assert row.measured == pytest.approx(-0.3, abs=0.01)
    assert row.verdict == "supported"
    assert "sum of the single effects" in row.reason


def test_four_seeds_are_too_few():
    table = scores(v2=0.9)
    row = verdict({"metric": "rmse", "at_most": 1.0}, table[table["seed"] < 5])
    assert (row.verdict, row.reason) == ("inconclusive", "4 runs, 5 are needed for a sentence")


def test_a_bin_of_29_samples_gets_no_verdict():
    row = verdict({"metric": "rmse", "at_most": 1.0}, scores(v2=0.9).assign(n=29))
    assert (row.verdict, row.reason) == ("inconclusive", "rests on 29 samples, 30 are needed")


def test_circular_when_an_untrained_control_passes_too():
    """S2-79: a metric written into the initialisation."""
    table = scores(v2_auc=0.98, untrained_auc=0.97)
    row = verdict({"metric": "auc", "above": 0.5}, table)
    assert row.verdict == "circular"
    assert row.reason == "untrained, which must fail, reaches 0.9699 and passes too"
    assert row.controls == "untrained 0.9699 (passes)"


def test_circular_is_seen_with_three_seeds():
    table = scores(v2_auc=0.98, untrained_auc=0.97)
    assert verdict({"metric": "auc", "above": 0.5}, table[table["seed"] <= 3]).verdict == "circular"


def test_a_criterion_that_a_control_passes_is_circular_even_where_the_arm_fails():
    row = verdict({"metric": "auc", "above": 0.5, "criterion": True}, scores(v2_auc=0.1, untrained_auc=0.97))
    assert row.verdict == "circular"
    assert row.reason == "untrained, which must fail, reaches 0.9699 and passes"


def test_not_circular_when_the_control_fails_or_the_claim_does():
    assert verdict({"metric": "auc", "above": 0.5}, scores(v2_auc=0.98, untrained_auc=0.02)).verdict == "supported"
    row = verdict({"metric": "auc", "above": 0.5}, scores(v2_auc=0.1, untrained_auc=0.97))
    assert row.verdict == "refuted"
    assert row.controls == "untrained 0.9699 (passes)"


def test_a_control_that_is_worse_as_it_should_be_does_not_make_worse_circular():
    table = scores(v1_auc=0.9, v2_auc=0.6, untrained_auc=0.1)
    assert verdict({"metric": "auc", "is": "worse"}, table).verdict == "supported"


def test_a_difference_is_circular_when_the_control_differs_as_much():
    row = verdict({"metric": "auc", "is": "better"}, scores(v1_auc=0.5, v2_auc=0.9, untrained_auc=0.8))
    assert row.verdict == "circular"


def test_vacuous_when_a_baseline_that_learns_nothing_wins():
    test = {"metric": "auc", "above": 0.5, "vacuous": ["common"]}
    row = verdict(test, scores(v2_auc=0.9, untrained_auc=0.1, common_auc=0.95))
    assert row.verdict == "circular"
    assert row.reason.startswith("vacuous: common, which learns nothing, reaches 0.95")
    assert verdict(test, scores(v2_auc=0.9, untrained_auc=0.1, common_auc=0.6)).verdict == "supported"


def test_vacuous_when_a_rule_without_learning_is_as_good_in_the_same_runs():
    metrics = {**METRICS, "auc_closure": {"better": "higher"}}
    table = pd.concat([scores(v2_auc=0.9), scores(v2_auc=1.0).assign(name="auc_closure")])
    test = {"metric": "auc", "above": 0.5, "baseline_metric": "auc_closure"}
    text = {"claims": [{"id": "C9.1", "source": "S4-52", "says": "x", "test": test}]}
    row = ledger("s", text, Evidence("s", table, ARMS, metrics)).iloc[0]
    assert (row.verdict, row.reason) == ("circular", "vacuous: without learning, auc_closure is 1")
    table.loc[table["name"] == "auc_closure", "value"] -= 0.3
    assert ledger("s", text, Evidence("s", table, ARMS, metrics)).iloc[0].verdict == "supported"


def test_not_comparable_when_the_scale_moves():
    row = verdict({"metric": "rmse", "arm": "elsewhere", "is": "better"}, scores(v1=1.0, elsewhere=0.1))
    assert row.verdict == "not comparable"
    assert row.reason == "the scale of rmse depends on split (a and b)"


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ({"metric": "rmse", "at_most": 1.0, "arm": "v7"}, "arm v7 is not part of this experiment"),
        ({"metric": "auc", "at_least": 1.0}, "v2 has no auc"),
        ({"metric": "rmse", "at_most": 1.0, "device": "mps"}, "nothing was run on mps"),
        ({"metric": "rmse", "change": "wide", "is": "better"}, "v2 has no change wide"),
        (
            {"metric": "x_speedup", "at_least": 2, "benchmark": "closure"},
            "run `python benchmarks/closure.py`, which prints x_speedup",
        ),
    ],
)
def test_not_testable_here_says_why(test, reason):
    row = verdict(test, scores(v1=1.0, v2=0.9))
    assert (row.verdict, row.reason) == ("not testable here", reason)


def test_failed_runs_are_named():
    table = scores(v2=0.9).assign(status="failed: out of memory")
    assert verdict({"metric": "rmse", "at_most": 1.0}, table).reason == "every run of v2 failed: out of memory"


def test_a_count_is_decided_by_one_run():
    table = scores(v1=1.0, v2=3.49).query("seed == 3")
    test = {"metric": "rmse", "against": "v1", "relation": "ratio", "between": [2.9, 3.1], "exact": True}
    assert verdict(test, table).verdict == "refuted"


def test_a_benchmark_line_decides():
    lines = pd.DataFrame([("closure", "x_speedup", 3.0)], columns=["program", "name", "value"])
    text = {
        "claims": [
            {
                "id": "C9.1",
                "source": "S2-54",
                "says": "x",
                "test": {"metric": "x_speedup", "at_least": 2, "benchmark": "closure"},
            }
        ]
    }
    assert ledger("s", text, Evidence("s", scores(v2=1.0), ARMS, METRICS, lines)).iloc[0].verdict == "supported"


def test_holm_is_taken_over_the_studys_claims():
    table = scores(v2=0.9)
    test = {"metric": "rmse", "at_most": 0.9235}
    one = verdict(test, table)
    assert one.verdict == "supported"
    many = [{"id": f"C9.{i}", "source": "S4-52", "says": "x", "test": test} for i in range(10)]
    found = ledger("s", {"claims": many}, Evidence("s", table, ARMS, METRICS))
    assert set(found["verdict"]) == {"inconclusive"}
    assert found["p_holm"].iloc[0] == pytest.approx(10 * one.p)
    assert set(found["reason"]) == {f"the interval does not decide (corrected p {10 * one.p:.2g})"}


def test_the_studys_own_question_is_answered_as_the_comparison_answers_it():
    wide = scores(v1=1.0, v2=1.0)
    rising = np.linspace(-0.20, -0.01, 5)  # Student's p is about 0.03: decided alone, not among eleven
    wide.loc[wide["arm"] == "v2", "value"] += rising
    question = {"metric": "rmse", "arm": "v2", "against": "v1", "is": "worse"}
    others = [{**question, "is": "better", "arm": "v2-minus-gelu"}, {**question, "against": "common"}]
    claims = [
        {"id": f"C9.{i}", "source": "S4-52", "says": "x", "test": test} for i, test in enumerate([question, *others])
    ]
    claims += [{**claims[1], "id": f"C9.{i}"} for i in range(3, 12)]
    table = pd.concat([wide, scores(v2__minus__gelu=1.0, common=1.0)])
    found = ledger("s", {"claims": claims}, Evidence("s", table, ARMS, METRICS), "rmse")
    compared = comparison("s", METRICS, ARMS, table, [("v1", "v2")], primary="rmse").iloc[0]
    assert (compared.answer, compared.p) == ("better", found.iloc[0].p) and 0.005 < compared.p < 0.05
    assert (found.iloc[0].verdict, found.iloc[0].p_holm) == ("refuted", compared.p_holm)
    without = ledger("s", {"claims": claims}, Evidence("s", table, ARMS, METRICS))
    assert without.iloc[0].verdict == "inconclusive"
    tested = [row.p for row in found.iloc[1:].itertuples() if row.p == row.p]
    assert found.iloc[1:].p_holm.min() == pytest.approx(min(1, len(tested) * min(tested)))


def test_a_claim_of_parts_is_refuted_by_one_of_them():
    parts = [{"metric": "rmse", "at_most": 1.0}, {"metric": "rmse", "at_most": 0.5}]
    text = {"claims": [{"id": "C9.1", "source": "S4-52", "says": "x", "all_of": parts}]}
    row = ledger("s", text, Evidence("s", scores(v2=0.9), ARMS, METRICS)).iloc[0]
    assert row.verdict == "refuted"
    assert row.test == "rmse of v2 <= 1 and rmse of v2 <= 0.5"


def test_expected_and_measured_stand_in_columns_apart_and_the_next_step_is_printed():
    steps = [{"claims": ["C9.1"], "verdict": ["refuted"], "do": "Try again.", "source": "S4-79"}]
    text = {
        "claims": [
            {
                "id": "C9.1",
                "source": "S4-52",
                "says": "x",
                "expected": [0.5, 0.6],
                "test": {"metric": "rmse", "at_most": 0.6},
            }
        ],
        "next_steps": steps,
        "published": [{"what": "x", "arm": "v2", "metric": "rmse", "value": 0.7, "source": "S4-86"}],
    }
    row = ledger("s", text, Evidence("s", scores(v2=0.9), ARMS, METRICS)).iloc[0]
    assert list(row.index) == COLUMNS
    assert (row.expected, row.next_step) == ("0.5 to 0.6", "Try again. (S4-79)")
    assert row.measured == pytest.approx(0.9, abs=0.01)
    assert (row.published, row.published_verdict) == ("0.7 (published single run, S4-86)", "refuted")


def test_an_arm_trained_under_another_name_is_found():
    arms = {**ARMS, "v2": {**ARMS["v2"], "trained_as": "twin"}}
    assert verdict({"metric": "rmse", "at_most": 1.0}, scores(twin=0.9), arms).verdict == "supported"


def test_tiers_of_measured_values():
    text = {
        "tiers": [
            {
                "scale": "success",
                "kind": "ladder",
                "levels": [{"name": "good", "source": "S4-75", "all": [{"metric": "rmse", "below": 0.905}]}],
            }
        ],
        "next_steps": [{"scale": "success", "tier": "good", "do": "Use it.", "source": "S4-77"}],
    }
    row = tier_table("s", text, Evidence("s", scores(v2=0.9), ARMS, METRICS)).iloc[0]
    assert (row.tier, row.next_step) == ("good", "Use it. (S4-77)")
    assert row.seeds == "3 of 5"


def test_tests_are_told_in_words():
    def words(**test):
        return describe(read_claims([{"id": "C", "source": "S4-52", "says": "x", "test": test}])[0].tests[0])

    assert words(metric="rmse", at_most=1.0) == "rmse of v2 <= 1"
    assert words(**{"metric": "rmse", "is": "not-worse"}) == "rmse of v2 against v1 is not worse"
    assert (
        words(metric="rmse", change="gelu", relation="ratio", between=[0.5, 1])
        == "rmse with against without gelu, ratio >= 0.5 and <= 1"
    )
