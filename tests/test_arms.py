"""Arms are generated, complete, and trained once for equal settings."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.arms import arms_of, subset_name
from rematch.study import load_study
from rematch.subsets import attribution_arms


@pytest.fixture(scope="module")
def study():
    from tests.conftest import ROOT

    return load_study(ROOT / "config/studies/antibody_affinity.yaml", "antibody_affinity")


def names(study):
    return [change.name for change in study.versions["v2"].changes]


def arms(study, method="leave-one-out", budget="demo", overrides=None, only=None):
    return arms_of(study, budget, overrides or {}, {"v2": attribution_arms(names(study), method, 64)}, only)


def test_leave_one_out_and_one_at_a_time_hold_the_right_changes(study):
    minus, plus = arms(study), arms(study, "one-at-a-time")
    for name in names(study):
        assert set(minus[f"v2-minus-{name}"].changes) == set(names(study)) - {name}
        assert plus[f"v1-plus-{name}"].changes == (name,)
        assert minus[f"v2-minus-{name}"].kind == "minus" and plus[f"v1-plus-{name}"].kind == "plus"


def test_an_arm_differs_from_its_version_only_in_the_keys_of_its_change(study):
    all_arms = {**arms(study), **arms(study, "one-at-a-time")}
    for change in study.versions["v2"].changes:
        for arm, beside in ((f"v2-minus-{change.name}", "v2"), (f"v1-plus-{change.name}", "v1")):
            one, other = all_arms[arm].settings, all_arms[beside].settings
            assert {key for key in one if one[key] != other[key]} == set(change.set)


def test_every_arm_has_complete_settings(study):
    keys = set(arms(study)["v1"].settings)
    assert all(set(arm.settings) == keys for arm in arms(study).values())


def test_budgets_cost_less_and_never_overrule_a_control(study):
    smoke = arms(study, budget="smoke")
    assert smoke["v1"].settings["epochs"] == 2 and smoke["v2"].settings["epochs"] == 2
    assert smoke["untrained"].settings["epochs"] == 0 and smoke["ridge"].settings["epochs"] == 1


def test_overrides_reach_all_arms_that_do_not_set_the_key(study):
    found = arms(study, overrides={"split": "random", "dropout": 0.1})
    assert found["v2"].settings["split"] == "random" and found["v2"].settings["dropout"] == 0.1


def test_equal_settings_are_trained_once(study):
    random = arms(study, overrides={"split": "random"})
    assert random["v1-random-split"].trained_as == "v1" and random["v2-random-split"].trained_as == "v2"
    assert arms(study)["v1-random-split"].trained_as == "v1-random-split"


def test_versions_come_first_and_keep_their_own_name(study):
    assert list(arms(study))[:2] == ["v1", "v2"]
    assert arms(study)["v1"].trained_as == "v1"


def test_only_keeps_named_arms_and_attribution(study):
    found = arms(study, "none", only=["v1", "v2", "ridge"])
    assert set(found) == {"v1", "v2", "ridge"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "dmo"}, "budgets: no budget 'dmo', did you mean 'demo'"),
        ({"only": ["v1", "rige"]}, "no arm 'rige', did you mean 'ridge'"),
        ({"overrides": {"drop_out": 0.1}}, "set: unknown key 'drop_out', did you mean 'dropout'"),
        ({"overrides": {"bin_weights": "none"}}, "v2: extreme_weight: 10 has no effect while bin_weights is none"),
    ],
)
def test_mistakes_name_the_generated_arm(study, options, message):
    with pytest.raises(ValueError, match=message):
        arms(study, **options)


def test_subset_names_are_distinct_for_all_sets(study):
    every = [part for size in range(10) for part in combinations(names(study), size)]
    found = [subset_name(study, "v2", part)[0] for part in every]
    assert len(set(found)) == len(every) == 512
    assert found[0] == "v1" and found[-1] == "v2"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_subset_arm_is_v1_with_its_changes(study, data):
    kept = frozenset(data.draw(st.sets(st.sampled_from(names(study)))))
    found = arms_of(study, "demo", {}, {"v2": [kept]})
    name, _ = subset_name(study, "v2", tuple(n for n in names(study) if n in kept))
    expected = dict(found["v1"].settings)
    for change in study.versions["v2"].changes:
        if change.name in kept:
            expected |= change.set
    assert found[name].settings == expected
