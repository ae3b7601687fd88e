"""The arithmetic the documents are held to."""

from pathlib import Path

import pytest

from rematch.lint_claims import CHECKS, lint, main, read_facts
from rematch.yamlfile import load_mapping

LEDGERS = sorted((Path(__file__).parents[1] / "config" / "claims").glob("*.yaml"))


def one(check, **values):
    """Result and sentence of one fact."""
    (finding,) = lint({"facts": [{"check": check, "source": "S4-93", **values}]}, "study")
    return finding.result, finding.finding


@pytest.mark.parametrize(
    ("check", "values", "result", "part"),
    [
        ("r2-pearson", {"r2": [0.65, 0.75], "pearson": [0.8, 0.85]}, "contradicts", "R2 0.75 needs Pearson >= 0.866"),
        ("r2-pearson", {"r2": 0.5, "pearson": 0.71}, "agrees", "needs Pearson >= 0.707"),
        (
            "r2-rmse",
            {"known": {"rmse": 1.4761, "r2": 0.5188}, "rmse": [0.8, 1.0], "r2": [0.65, 0.75]},
            "contradicts",
            "target variance 4.528 (RMSE 1.4761 at R2 0.5188): RMSE 0.8 to 1 means R2 0.7792 to 0.8587; stated: "
            "0.65 to 0.75",
        ),
        ("r2-rmse", {"known": {"rmse": 1.0, "r2": 0.5}, "rmse": 1.0, "r2": 0.5}, "agrees", "variance 2.000"),
        ("class-weights", {"weights": [81.2, 3.3, 3.9, 3.7, 2439.4]}, "contradicts", "found 0.168"),
        ("class-weights", {"weights": [1.0, 1.0]}, "agrees", "found 1.000"),
        ("sum", {"parts": [58663, 52953, 864280], "total": 975896}, "agrees", "= 975,896"),
        ("sum", {"parts": [1, 2], "total": 4}, "contradicts", "1 + 2 = 3; stated: 4"),
        (
            "tree-pairs",
            {"nodes": 111103, "roots": 1, "direct_pairs": 58663},
            "contradicts",
            "47% of the nodes would have no parent",
        ),
        ("tree-pairs", {"nodes": 3, "roots": 1, "direct_pairs": 2}, "agrees", "2 parent-child pairs"),
        (
            "product",
            {"factors": [[15, 25], 100], "stated": [7200, 10800], "unit": "s"},
            "contradicts",
            "1,500 to 2,500 s; stated: 7,200 to 10,800 s",
        ),
        ("product", {"factors": [[10, 50], [1, 2]], "stated": [20, 100]}, "agrees", "10 to 100"),
        ("product", {"factors": [[10, 50], [1, 2]], "stated": [20, 100], "ends": True}, "contradicts", "10 to 100"),
        ("ratio", {"new": 249857, "old": 71681, "stated": 3}, "contradicts", "3.486"),
        ("parameters", {"layers": [150, 256, 128, 1], "stated": 78000}, "contradicts", "71,681"),
        ("parameters", {"layers": [150, 512, 256, 128, 64, 1], "stated": 249857}, "agrees", "249,857"),
        ("thresholds", {"stated": [[20, 30], [15, 20]]}, "contradicts", "common to all: 20"),
        ("thresholds", {"stated": [[1, 2], [3, 4]]}, "contradicts", "no value meets them all"),
        ("thresholds", {"stated": [[1, 2], [1, 2]]}, "agrees", "common to all: 1 to 2"),
        (
            "pooled-rmse",
            {"rmse": [0.85, 0.92, 0.73, 1.18, 2.53], "n": [12000, 15000, 18000, 4000, 50], "overall": 1.38},
            "contradicts",
            "RMSE 0.867",
        ),
        (
            "can-fire",
            {"rule": "patience 100 in 95 epochs", "needs": 100, "available": 95},
            "contradicts",
            "it can never fire",
        ),
        ("limit", {"what": "rank", "value": 512, "limit": 256}, "contradicts", "rank: stated 512, the limit is 256"),
        ("loss-gap", {"loss": 0.6859, "gap": 0.636}, "contradicts", "means a loss of 0.547"),
        (
            "norm-movement",
            {"norm": 0.0, "what": "the cosine", "from": 0.98, "to": 0.73},
            "contradicts",
            "the cosine went from 0.98 to 0.73",
        ),
        ("norm-movement", {"norm": 0.0, "what": "the cosine", "from": 0.98, "to": 0.98}, "agrees", "norm 0"),
        ("conflict", {"statements": ["up", "down"]}, "contradicts", "up / down"),
    ],
)
def test_checks_by_hand(check, values, result, part):
    found, sentence = one(check, **values)
    assert found == result
    assert part in sentence


def claims(*items):
    return [{"id": f"C9.{i}", "source": "S4-52", "says": "x", **item} for i, item in enumerate(items, start=1)]


def test_a_claim_id_stands_for_the_range_it_expects():
    text = {
        "claims": claims(
            {"expected": [0.65, 0.75], "test": {"metric": "r2", "at_least": 0.65}},
            {"expected": [0.80, 0.85], "test": {"metric": "pearson", "at_least": 0.8}},
        ),
        "facts": [{"check": "r2-pearson", "source": "S4-93", "r2": "C9.1", "pearson": "C9.2"}],
    }
    (finding,) = lint(text, "study")
    assert finding.finding == "R2 0.75 needs Pearson >= 0.866 (R2 <= r^2); stated: at most 0.85"


def test_claims_that_exclude_each_other_and_claims_that_fail_their_own_test():
    text = {
        "claims": claims(
            {"expected": [0.8, 1.2], "test": {"metric": "rmse", "at_most": 1.0}},
            {"test": {"metric": "rmse", "at_least": 1.5}},
        )
    }
    found = {finding.check: finding.finding for finding in lint(text, "study")}
    assert found["own-test"] == "C9.1 expects 0.8 to 1.2, its own test asks for -inf to 1"
    assert found["claims-exclude"] == "C9.1 and C9.2 cannot both hold: -inf to 1; 1.5 to inf"


@pytest.mark.parametrize(
    ("fact", "line"),
    [
        ({"check": "r3", "source": "S4-93"}, "s.yaml: facts: 1: check r3 is unknown"),
        ({"check": "sum", "source": "S4-93", "parts": [1]}, "s.yaml: facts: 1: sum: total is missing"),
        (
            {"check": "sum", "source": "S4-93", "parts": [1], "total": 1, "sum": 1},
            "s.yaml: facts: 1: sum: unknown key sum",
        ),
        ({"check": "sum", "source": "?"}, "s.yaml: facts: 1: source: expected an inventory row such as S4-52, found ?"),
    ],
)
def test_bad_facts_get_one_line(fact, line):
    with pytest.raises(ValueError) as error:
        read_facts([fact], "s.yaml")
    assert str(error.value).startswith(line)


def test_every_check_is_used_by_a_ledger_that_is_there():
    used = {fact["check"] for path in LEDGERS for fact in load_mapping(path).get("facts", [])}
    assert used <= set(CHECKS)


@pytest.mark.parametrize("path", LEDGERS, ids=lambda path: path.stem)
def test_no_ledger_of_ours_fails_its_own_tests(path):
    checks = {finding.check for finding in lint(load_mapping(path), path.stem, str(path))}
    assert not checks & {"own-test", "claims-exclude"}


def test_all_107_claims_of_the_inventory_are_entered_once():
    ids = [claim["id"] for path in LEDGERS for claim in load_mapping(path)["claims"] if claim["id"][0] == "C"]
    counts = {"C0": 25, "C1": 15, "C2": 20, "C3": 17, "C4": 30}
    assert sorted(ids) == sorted(f"{study}.{number + 1}" for study, count in counts.items() for number in range(count))


def test_the_program_prints_findings_and_stops_at_a_bad_file(capsys, tmp_path):
    assert main([str(path) for path in LEDGERS]) == 0
    assert "R2 0.75 needs Pearson >= 0.866" in capsys.readouterr().out
    bad = tmp_path / "bad.yaml"
    bad.write_text("facts: [{check: r3, source: S4-93}]")
    assert main([str(bad)]) == 1
    assert "check r3 is unknown" in capsys.readouterr().err
