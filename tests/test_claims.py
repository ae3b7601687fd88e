"""Claims in a study file: what is read, and what is refused, with the text of the line."""

import copy
import subprocess
import sys

import pytest

from rematch.claims import check_claims, read_claims
from rematch.ledger import check_ledger, check_metrics

METRICS = {"rmse": {"better": "lower", "equal_within": 0.02}, "auc": {"better": "higher"}}
CHANGES = {"v2": ["gelu", "deeper"]}
ARMS = ["v1", "v2", "untrained", "ridge"]
CLAIM = {"id": "C9.1", "source": "S4-52", "says": "It gets better.", "test": {"metric": "rmse", "at_most": 1.0}}


def check(claims):
    check_claims(claims, METRICS, CHANGES, ARMS, "study.yaml")


def claim(**edit):
    return {**copy.deepcopy(CLAIM), **edit}


def with_test(**test):
    return claim(test={"metric": "rmse", **test})


def test_a_value_claim():
    (found,) = read_claims([claim(expected=[0.8, 1.0], tier="target")])
    test = found.tests[0]
    assert (test.relation, test.arm, test.against, test.high) == ("value", "v2", None, 1.0)
    assert (found.low, found.high, found.expected, found.tier) == (0.8, 1.0, "0.8 to 1", "target")


def test_a_claim_about_a_change_compares_and_has_no_controls():
    test = read_claims([with_test(**{"change": "gelu", "is": "better"})])[0].tests[0]
    assert (test.relation, test.changes, test.against, test.controls) == ("difference", ("gelu",), None, ())


def test_a_word_without_an_arm_means_against_v1():
    test = read_claims([with_test(**{"is": "better"})])[0].tests[0]
    assert (test.relation, test.arm, test.against) == ("difference", "v2", "v1")


def test_a_cost_is_known_without_being_declared():
    check([claim(test={"metric": "seconds_per_epoch", "at_most": 120})])
    assert read_claims([claim(test={"metric": "seconds_per_epoch", "at_most": 120})])[0].tests[0].split == "run"


def test_expectations_in_every_form():
    forms = [(0.5, "0.5"), ([0.1, 0.2], "0.1 to 0.2"), ("more", "more"), ({"range": [1, 2], "text": "a few"}, "a few")]
    for given, text in forms:
        assert read_claims([claim(expected=given)])[0].expected == text


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (
            with_test(metric="rsme", at_most=1.0),
            "study.yaml: C9.1: metric: rsme is unknown, did you mean rmse?; known: ",
        ),
        (
            with_test(change="gelo", at_most=1.0),
            "study.yaml: C9.1: change of v2: gelo is unknown, did you mean gelu?; known: deeper, ",
        ),
        (with_test(arm="v3", at_most=1.0), "study.yaml: C9.1: arm: v3 is unknown; known: ridge, untrained, v1, v2"),
        (with_test(change="gelu", version="v4", at_most=1.0), "study.yaml: C9.1: version: v4 is unknown"),
        (
            with_test(controls=["unstrained"], at_most=1.0),
            "study.yaml: C9.1: control: unstrained is unknown, did you mean untrained?",
        ),
        (with_test(between=[1.0, 0.8]), "study.yaml: C9.1: test: between: the range is upside down: [1, 0.8]"),
        (
            with_test(at_least=1.0, at_most=0.8),
            "study.yaml: C9.1: test: the range is upside down: at least 1, at most 0.8",
        ),
        (claim(expected=[1.0, 0.8]), "study.yaml: C9.1: expected: the range is upside down: [1, 0.8]"),
        (
            with_test(),
            "study.yaml: C9.1: test: expected a threshold (at_least, at_most, above, below, between) or `is`, "
            "found none",
        ),
        (with_test(**{"is": "better", "at_most": 1.0}), "study.yaml: C9.1: test: expected a threshold "),
        (
            with_test(**{"is": "nicer"}),
            "study.yaml: C9.1: test: is must be one of better, worse, equal, not-worse, found nicer",
        ),
        (
            with_test(at_most="1e-3"),
            "study.yaml: C9.1: test: at_most: expected a number, found 1e-3 (YAML reads 1e-3 as text; write 1.0e-3)",
        ),
        (with_test(at_most=True), "study.yaml: C9.1: test: at_most: expected a number, found True"),
        (with_test(relation="quotient", at_most=1.0), "study.yaml: C9.1: test: relation must be one of value, "),
        (
            with_test(against="v1", relation="value", at_most=1.0),
            "study.yaml: C9.1: test: relation value has no second arm",
        ),
        (with_test(change="gelu", arm="v1", at_most=1.0), "study.yaml: C9.1: test: a change names its arms itself"),
        (
            with_test(change="gelu", changes=["deeper"], at_most=1.0),
            "study.yaml: C9.1: test: expected change or changes, found both",
        ),
        (with_test(at_mots=1.0), "study.yaml: C9.1: test: unknown key at_mots, did you mean at_most?"),
        (claim(test={"at_most": 1.0}), "study.yaml: C9.1: test: metric is missing"),
        (
            claim(untestable="because"),
            "study.yaml: C9.1: expected exactly one of test, all_of, untestable, found test, untestable",
        ),
        (
            claim(source="somewhere"),
            "study.yaml: C9.1: source: expected an inventory row such as S4-52, found somewhere",
        ),
        (claim(says=" "), "study.yaml: C9.1: says is missing"),
        ({"says": "no id"}, "study.yaml: claims: every claim needs an id, found "),
    ],
)
def test_bad_claims_get_one_line(bad, line):
    with pytest.raises(ValueError) as error:
        check([bad])
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


def test_an_id_is_used_once():
    with pytest.raises(ValueError, match=r"^study.yaml: C9.1: this id is used twice$"):
        check([CLAIM, CLAIM])


def test_claims_must_be_a_list():
    with pytest.raises(ValueError, match=r"^study.yaml: claims: expected a list, found str$"):
        check("all of them")


def test_metrics_need_a_direction_and_a_band_that_is_not_negative():
    with pytest.raises(ValueError, match=r"^s.yaml: metrics: rmse: equal_within must not be negative, found -0.1$"):
        check_metrics({"rmse": {"better": "lower", "equal_within": -0.1}}, "s.yaml")
    with pytest.raises(ValueError, match=r"^s.yaml: metrics: rmse: better must be lower or higher, found smaller$"):
        check_metrics({"rmse": {"better": "smaller"}}, "s.yaml")


def test_the_whole_ledger_is_checked_in_one_call():
    text = {"metrics": METRICS, "claims": [CLAIM], "tiers": [], "next_steps": [], "published": [], "facts": []}
    check_ledger(text, CHANGES, ARMS, "study.yaml")
    tiers = [
        {
            "scale": "success",
            "kind": "ladder",
            "arm": "v9",
            "levels": [{"name": "good", "source": "S4-75", "all": [{"metric": "rmse", "below": 1.0}]}],
        }
    ]
    with pytest.raises(
        ValueError, match=r"^study.yaml: tiers: success: arm v9 is unknown; known: ridge, untrained, v1, v2$"
    ):
        check_ledger({**text, "tiers": tiers}, CHANGES, ARMS, "study.yaml")


def test_parse_time_modules_need_no_scientific_package():
    code = (
        "import sys\n"
        "for name in ('numpy', 'pandas', 'scipy', 'torch', 'statsmodels'): sys.modules[name] = None\n"
        "import rematch.ledger, rematch.claims, rematch.tiers, rematch.lint_claims, rematch.subsets\n"
        "import rematch.comparability, rematch.run_metrics\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
