"""Numbers, tables, changes and cards as words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rematch.report import ledger_tables, numbers, sections, tables
from rematch.report.changes import settings, steps
from rematch.report.datacard import datacard


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.23456, "1.235"),
        (-0.5, "\u22120.500"),
        (12.345, "12.35"),
        (123.45, "123.5"),
        (253703, "253\u2009703"),
        (0, "0"),
        (0.00012, "1.2\u00d710\u207b\u2074"),
        (float("nan"), "\u2013"),
        (None, "\u2013"),
        (float("-inf"), "\u2212\u221e"),
    ],
)
def test_number(value, shown):
    assert numbers.number(value) == shown


def test_signed_numbers_and_intervals():
    assert numbers.number(0.5, signed=True) == "+0.500" and numbers.number(0, signed=True) == "0"
    assert numbers.interval(-0.1, 0.25) == "[\u22120.100, +0.250]"
    assert numbers.interval(math.nan, 1) == numbers.NOTHING
    assert numbers.percent(-0.321) == "\u221232.1\u202f%"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.25, "250\u202fms"), (8.6, "8.6\u202fs"), (600, "10.0\u202fmin"), (9000, "2.5\u202fh")]
)
def test_seconds(value, shown):
    assert numbers.seconds(value) == shown


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_a_number_is_never_shown_as_zero_unless_it_is(value):
    shown = numbers.number(value)
    assert (shown == "0") == (value == 0)
    assert shown.startswith(numbers.MINUS) == (value < 0)


def test_settings_are_shown_as_written():
    assert [numbers.setting(value) for value in ([512, 256], True, 0.0001, "relu")] == [
        "[512, 256]",
        "true",
        "0.0001",
        "relu",
    ]


@pytest.mark.parametrize(("better", "side"), [("lower", 1), ("higher", -1)])
def test_a_strip_turns_gains_to_the_right(better, side):
    row = {"difference": -0.2, "low": -0.3, "high": -0.1, "answer": "better"}
    strip = tables.strip(row, better, 0.05)
    assert math.copysign(1, strip.middle) == side and strip.low <= strip.middle <= strip.high
    assert max(abs(strip.low), abs(strip.high)) == pytest.approx(1)
    assert tables.strip(row | {"low": math.nan}, better, 0.05) is None


def test_heads_say_kind_and_width():
    found = [tables.column(head) for head in ("Metric", "#Pairs", "!Answer", "~Gain", "Why +")]
    assert [(column.label, column.kind, column.wide) for column in found] == [
        ("Metric", "text", False),
        ("Pairs", "number", False),
        ("Answer", "pill", False),
        ("Gain", "strip", False),
        ("Why", "text", True),
    ]


def test_rows_know_their_line_in_the_file(results):
    rows = results.study.rows("comparison")
    lines = (results.root / "results" / results.study.source("comparison")).read_text().splitlines()
    for row in (rows[0], rows[-1]):
        assert f"{row['metric']},{row['before']},{row['after']}" in lines[row["row"] - 1]


def test_every_change_is_shown_with_reason_source_and_share(results):
    (step,) = [step for step in steps(results.study) if step.after == "v2"]
    known = results.study.text["versions"]["v2"]["changes"]
    assert [change.name for change in step.changes] == list(known)
    gelu = step.changes[0]
    assert [(edit.key, edit.before, edit.after) for edit in gelu.edits] == [("activation", "relu", "gelu")]
    assert gelu.why == known["gelu"]["why"] and gelu.source == "S4-07" and gelu.says.startswith("RMSE ")


def test_settings_that_differ_are_marked(results):
    differing = {key for key, _, differs in settings(results.study) if differs}
    assert {"activation", "hidden", "optimizer"} <= differing and "batch_size" not in differing


def test_a_card_leaves_nothing_out(results):
    card = datacard(results.study)
    assert ("rows used", "785") in card.facts and ("features", "before 180, after 150") in card.facts
    assert [table.caption for table in card.tables] == ["bins", "raw files"]
    assert card.findings.rows[0][3].text == results.study.card["findings"][0]["text"]


def test_relative_changes_are_percentages(results):
    rows = {row[0].text: row for row in ledger_tables.claims(results.study).rows}
    assert rows["C4.18"][3].text.endswith("\u202f%") and abs(float(rows["C4.18"][3].raw)) < 1
    assert not rows["C4.9"][3].text.endswith("%")


def test_gap_is_the_mean_over_seeds_that_both_arms_have(results):
    scores = results.study.tables["scores"]
    here = scores[(scores["name"] == "r2") & (scores["split"] == "test")].set_index(["arm", "seed"])["value"]
    expected = (here["v1-random-split"] - here["v1"]).mean()
    assert sections.gaps(results.study).rows[0][6].value == pytest.approx(expected)
