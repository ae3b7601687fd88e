"""Success tiers, next steps and published numbers."""

import pytest

from rematch.tiers import Criterion, reached, read_next_steps, read_published, read_tiers

METRICS = {"rmse": {}, "spearman": {}}


def level(name, **bounds):
    return {"name": name, "source": "S4-74", "all": [{"metric": metric, **bound} for metric, bound in bounds.items()]}


def scale(kind="ladder", *levels):
    return {"scale": "success", "kind": kind, "levels": list(levels)}


LADDER = scale(
    "ladder",
    level("minimum", rmse={"below": 1.2}, spearman={"above": 0.55}),
    level("target", rmse={"below": 1.0}, spearman={"above": 0.65}),
)
STATES = scale("states", level("good", rmse={"between": [0.3, 0.6]}), level("collapsed", rmse={"above": 0.9}))


def read(item):
    return read_tiers([item], METRICS, "s.yaml")[0]


@pytest.mark.parametrize(
    ("rmse", "spearman", "tier"),
    [(0.9, 0.7, "target"), (0.9, 0.6, "minimum"), (1.2, 0.7, "below minimum"), (float("nan"), 0.7, "below minimum")],
)
def test_a_ladder_stops_at_the_first_level_missed(rmse, spearman, tier):
    assert reached(read(LADDER), {"rmse": rmse, "spearman": spearman})[0] == tier


def test_what_is_missing_is_said():
    assert reached(read(LADDER), {"rmse": 0.9, "spearman": 0.6})[1] == "target needs spearman > 0.65, found 0.6"
    assert "found no value" in reached(read(LADDER), {"rmse": 0.9})[1]


@pytest.mark.parametrize(
    ("value", "state"), [(0.5, "good"), (0.95, "collapsed"), (0.7, "undefined"), (0.9, "undefined")]
)
def test_states_leave_an_undefined_gap(value, state):
    assert reached(read(STATES), {"rmse": value})[0] == state


def test_bounds_are_strict_where_the_word_is():
    assert not Criterion("rmse", high=1.2, high_strict=True).holds(1.2)
    assert Criterion("rmse", high=1.2).holds(1.2)
    assert str(Criterion("rmse", 0.1, 1.2, True, False)) == "rmse > 0.1 and <= 1.2"


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (
            scale("ladder", level("a", rmse={"below": 1.0}), level("b", rmse={"below": 1.2})),
            "s.yaml: tiers: success: not monotone: b (rmse < 1.2) asks less than a (rmse < 1)",
        ),
        (
            scale("ladder", level("a", rmse={"below": 1.0}), level("b", spearman={"above": 0.2})),
            "s.yaml: tiers: success: b drops rmse, which a asks for",
        ),
        (
            scale("ladder", level("a", rsme={"below": 1.0})),
            "s.yaml: tiers: success: a: metric rsme is unknown, did you mean rmse?",
        ),
        (scale("ladder", level("a", rmse={})), "s.yaml: tiers: success: a: rmse: expected a threshold "),
        (
            scale("ladder", level("a", rmse={"between": [2, 1]})),
            "s.yaml: tiers: success: a: rmse: the range is upside down: [2, 1]",
        ),
        (
            scale("ladder", level("a", rmse={"above": 2, "below": 1})),
            "s.yaml: tiers: success: a: rmse: the range is upside down",
        ),
        (
            scale("stairs", level("a", rmse={"below": 1})),
            "s.yaml: tiers: success: kind must be one of ladder, states, found stairs",
        ),
        (scale("ladder"), "s.yaml: tiers: success: levels: expected at least one"),
        ({**LADDER, "levle": 1}, "s.yaml: tiers: success: unknown key levle, did you mean levels?"),
    ],
)
def test_bad_tiers_get_one_line(bad, line):
    with pytest.raises(ValueError) as error:
        read(bad)
    assert str(error.value).startswith(line)


def test_a_scale_is_defined_once():
    with pytest.raises(ValueError, match=r"^s.yaml: tiers: scale success is defined twice$"):
        read_tiers([LADDER, STATES], METRICS, "s.yaml")


def steps(**edit):
    item = {"do": "Go on.", "source": "S4-77", **edit}
    return read_next_steps([item], ["C9.1"], [read(LADDER)], "s.yaml")


def test_next_steps_for_a_verdict_or_a_tier():
    assert steps(claims=["C9.1"], verdict="refuted")[0].verdicts == ("refuted",)
    assert steps(scale="success", tier=["below minimum"])[0].tiers == ("below minimum",)


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (
            {"claims": ["C9.2"], "verdict": "refuted"},
            "s.yaml: next_steps: 1: claim C9.2 is unknown, did you mean C9.1?",
        ),
        ({"claims": ["C9.1"], "verdict": "lost"}, "s.yaml: next_steps: 1: verdict must be one of supported, refuted, "),
        (
            {"scale": "succes", "tier": "target"},
            "s.yaml: next_steps: 1: scale succes is unknown, did you mean success?",
        ),
        (
            {"scale": "success", "tier": "gold"},
            "s.yaml: next_steps: 1: tier must be one of minimum, target, below minimum, found gold",
        ),
        ({"claims": ["C9.1"]}, "s.yaml: next_steps: 1: expected either claims and verdict, or scale and tier"),
    ],
)
def test_bad_next_steps_get_one_line(edit, line):
    with pytest.raises(ValueError) as error:
        steps(**edit)
    assert str(error.value).startswith(line)


def published(**edit):
    return read_published([{"what": "RMSE", "metric": "rmse", "value": 1.0, "source": "S4-25", **edit}], "s.yaml")


def test_published_numbers_are_values_or_ranges():
    assert (published()[0].low, published()[0].high, published()[0].kind) == (1.0, 1.0, "measured")
    assert published(value=[0.8, 1.0], kind="wish", caveats="one run")[0].caveats == ("one run",)


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        ({"value": "about 1"}, "s.yaml: published: 1: value: expected a number, found about 1"),
        ({"value": [2, 1]}, "s.yaml: published: 1: the range is upside down: [2, 1]"),
        ({"kind": "hope"}, "s.yaml: published: 1: kind must be one of measured, wish, found hope"),
        ({"source": "x"}, "s.yaml: published: 1: source: expected an inventory row such as S4-52, found x"),
    ],
)
def test_bad_published_numbers_get_one_line(edit, line):
    with pytest.raises(ValueError) as error:
        published(**edit)
    assert str(error.value).startswith(line)
