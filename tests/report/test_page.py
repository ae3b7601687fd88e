"""The page as a string: whole, escaped, without any address, and honest about what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest

from rematch.report.headline import answer_counts, board, headline
from rematch.report.material import Material, StudyMaterial
from rematch.report.offline import policy
from rematch.report.page import page

EVIL = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'{{7*7}}"
VOID = {"meta", "link", "input", "br", "img", "hr"}


class Tree(HTMLParser):
    """Elements with their attributes, ids, and a complaint for every tag that is not closed in order."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.elements, self.bad = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append((tag, self.getpos()))

    def all(self, attribute):
        return [found[attribute] for _, found in self.elements if attribute in found]


@pytest.fixture(scope="module")
def html(results):
    return (results.root / "results" / "report.html").read_text()


def test_elements_nest_and_ids_are_unique(html):
    tree = Tree(html)
    assert tree.bad == [] and tree.open == []
    ids = tree.all("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in tree.all("href") if link.startswith("#")} <= set(ids)


def test_nothing_points_to_a_host_and_no_style_or_handler_stands_in_an_element(html):
    tree = Tree(html)
    for value in tree.all("href") + tree.all("src") + tree.all("xlink:href"):
        assert not urlsplit(value).netloc and urlsplit(value).scheme in ("", "data"), value
    assert tree.all("style") == [] and "@import" not in html and "url(http" not in html
    assert not [name for _, found in tree.elements for name in found if name.startswith("on")]


def test_the_policy_names_exactly_the_style_and_script_that_are_there(html):
    css, script = (re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1] for tag in ("style", "script"))
    declared = Tree(html).elements[[tag for tag, _ in Tree(html).elements].index("meta") + 1][1]["content"]
    assert declared == policy(css, script)
    assert "default-src 'none'" in declared and "unsafe" not in declared


def test_same_material_same_page(results):
    assert page(results.material) == page(results.material)


def test_five_studies_stay_below_5_mb(html):
    assert 5 * len(html.encode()) < 5_000_000


def evil(value):
    """Every text of a nested value replaced where it is shown and not a key that the page looks up."""
    if isinstance(value, dict):
        kept = ("metric", "arms", "from", "kind", "primary", "better", "check", "metrics")
        return {
            key: inner if key in kept and not isinstance(inner, dict) else evil(inner) for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [evil(item) for item in value]
    return EVIL if isinstance(value, str) else value


def test_evil_text_is_shown_and_never_markup(results):
    study = results.study
    tables = {name: table.copy() for name, table in study.tables.items()}
    for name, column in (
        ("claims", "says"),
        ("claims", "next_step"),
        ("lint", "finding"),
        ("findings", "advice"),
        ("manifests", "stop_reason"),
    ):
        tables[name][column] = EVIL
    text = evil(study.text) | {"primary": study.text["primary"], "gaps": study.text["gaps"]}
    told = {"card": evil(study.card), "declaration": evil(study.declaration), "dataset": EVIL}
    hostile = replace(study, text=text, tables=tables, **told)
    shown = page(Material((hostile,), EVIL, {"commit": EVIL}, ({"program": EVIL, "name": EVIL, "value": 1.0},)))
    clean = Tree(page(replace(results.material, benchmarks=({"program": "a", "name": "b", "value": 1.0},))))
    tree = Tree(shown)
    assert tree.bad == [] and "&lt;script&gt;document.title" in shown and "{{7*7}}" in shown
    assert shown.count("<script>") == 1 and "<img" not in shown
    assert {tag for tag, _ in tree.elements} == {tag for tag, _ in clean.elements}


def test_an_evil_drawing_loses_what_does_not_draw(results):
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="alert(1)">'
        '<script>alert(1)</script><foreignObject><b>x</b></foreignObject><image xlink:href="http://example.com/x.png"/>'
        '<a xlink:href="javascript:alert(1)"><path d="M0 0"/></a>'
        '<path d="M1 1" onclick="alert(1)" style="fill: #0072b2"/></svg>'
    )
    shown = page(Material((replace(results.study, figures={"curves": svg}),)))
    drawing = shown[shown.index("<figure>") : shown.index("</figure>")]
    assert "alert" not in drawing and "http://example.com" not in drawing and "foreignObject" not in drawing
    assert "M1 1" in drawing and "M0 0" not in drawing and "style=" not in drawing


def test_expected_and_measured_are_columns_apart(html):
    heads = re.search(r'<table id="antibody_affinity-claims".*?</thead>', html, re.DOTALL)[0]
    labels = re.findall(r"<th[^>]*>(.*?)</th>", heads)
    assert "Expected" in labels and "Measured" in labels
    published = re.search(r'<table id="antibody_affinity-published".*?</table>', html, re.DOTALL)[0]
    assert "Measured" not in published and "1.476" in published


def test_gaps_stand_side_by_side_with_their_name(html):
    block = re.search(r'<table id="antibody_affinity-gaps".*?</table>', html, re.DOTALL)[0]
    assert "split leak" in block and "split: grouped" in block and "split: random" in block


def test_failed_runs_are_shown_with_their_reason(html, results):
    assert "failed: loss became nan in epoch 3" in html
    assert "1 run failed." in headline(results.study).caveats


def test_headline_says_number_interval_and_pairs(results):
    head = headline(results.study)
    row = results.study.rows("comparison", metric="rmse", before="v1", after="v2")[0]
    assert head.short == "Yes" and head.tone == "good"
    for part in (f"{row['before_mean']:.3f}", f"{row['after_mean']:.3f}", "95 % interval [", "5 paired seeds"):
        assert part in head.sentence


@pytest.mark.parametrize(
    ("answer", "short"),
    [
        ("worse", "No, it is worse"),
        ("equal", "No difference that matters"),
        ("inconclusive", "Undecided"),
        ("too few pairs", "Too few pairs to say"),
    ],
)
def test_headline_words(results, answer, short):
    table = results.study.tables["comparison"].copy()
    table["answer"] = answer
    assert headline(results.changed(comparison=table)).short == short


def test_a_baseline_ahead_of_v2_is_said(results):
    table = results.study.tables["comparison"].copy()
    table.loc[table["after"] == "trees", "after_mean"] = 0.1
    assert (
        "The cheap baseline \u201ctrees\u201d reaches 0.100, which is ahead of v2."
        in headline(results.changed(comparison=table)).caveats
    )


def test_an_interval_without_zero_that_does_not_decide_is_explained(results):
    table = results.study.tables["comparison"].copy()
    table["answer"], table["p_holm"] = "inconclusive", 0.08
    assert any(
        "corrected for all metrics of the study p is 0.08" in caveat
        for caveat in headline(results.changed(comparison=table)).caveats
    )


def test_board_counts_every_metric_and_claim_once(results):
    (row,) = board(results.material).rows
    assert (
        sum(cell.value for cell in row[2:7]) == sum(answer_counts(results.study).values()) == len(results.study.metrics)
    )
    assert sum(cell.value for cell in row[7:]) == len(results.study.text["claims"])


def test_the_method_says_how_far_it_can_be_trusted_and_where_devices_are_compared(results):
    measured = {"false_alarm_rate": 0.034, "coverage_5": 0.95, "coverage_10": 0.952}
    rows = tuple({"program": "calibration", "name": name, "value": value} for name, value in measured.items())
    shown = page(replace(results.material, benchmarks=rows, device_page="devices.html"))
    assert "v1 against v1 with other seeds is called a difference in 3.4 % of trials" in shown
    assert "hold the true difference in 95.0 % with 5 pairs and 95.2 % with 10 pairs." in shown
    assert '<a href="devices.html">' in shown
    bare = page(results.material)
    assert "is called a difference in" not in bare and "devices.html" not in bare


def test_a_study_without_any_table_still_makes_a_page(results):
    bare = StudyMaterial("bare", results.study.text, results.study.arms)
    shown = page(Material((bare,)))
    assert Tree(shown).bad == [] and "Not measured" in shown and "RMSE was not measured for both v1 and v2." in shown


@pytest.mark.parametrize(
    "table", ["scores", "manifests", "comparison", "claims", "attribution", "budgets", "tiers", "lint"]
)
def test_every_table_may_be_empty(results, table):
    bare = replace(results.changed(**{table: results.study.tables[table].iloc[:0]}), figures={})
    assert Tree(page(Material((bare,)))).bad == []


def test_no_study_no_failure():
    assert "Is v2 better?" in page(Material(()))


def test_under_five_pairs_there_are_means_but_no_interval(results):
    table = results.study.tables["comparison"].copy()
    table["answer"], table["pairs"], table["note"] = "too few pairs", 2, "2 pairs, 5 are needed for a sentence"
    head = headline(results.changed(comparison=table))
    assert head.short == "Too few pairs to say" and head.strip is None and "interval" not in head.sentence
    assert head.sentence.endswith("in 2 paired seeds; from 5 on there is an answer.")
    assert not any("baseline" in caveat for caveat in head.caveats)


def test_sample_intervals_are_kept_apart_from_those_of_seeds(html):
    block = re.search(r'<table id="antibody_affinity-samples".*?</table>', html, re.DOTALL)[0]
    assert "very strong" in block and "too few samples" in block
    assert "not how a new training would do" in html
