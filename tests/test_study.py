"""Study files: everything a person can get wrong is one line that names file, change and key."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rematch.study
from rematch.study import load_study


def load(path):
    return load_study(path, "antibody_affinity")


def test_the_chain_is_ordered_and_lineage_starts_at_v1(edited):
    change = {"why": "More.", "set": {"batch_size": 64}}
    study = load(edited("versions", "v3", value={"from": "v2", "changes": {"small-batches": change}}))
    assert list(study.versions) == ["v1", "v2", "v3"]
    assert [version.name for version in study.lineage("v3")] == ["v1", "v2", "v3"]
    assert [change.name for change in study.versions["v3"].changes] == ["small-batches"]


def test_the_order_of_versions_in_the_file_does_not_matter(edited, affinity_study):
    versions = affinity_study["versions"]
    study = load(edited("versions", value={"v2": versions["v2"], "v1": versions["v1"]}))
    assert list(study.versions) == ["v1", "v2"]


def test_the_nine_changes_of_the_document_are_named(edited):
    names = [change.name for change in load(edited("title", value="t")).versions["v2"].changes]
    expected = "gelu deeper weights-x10 lr-1e-4 focal clip-1.0 adamw cosine-warm-restarts xavier"
    assert names == expected.split()


V2 = ("versions", "v2", "changes")
REFUSED = [
    ((*V2, "gelu", "set"), {"activatoin": "gelu"}, r"v2: gelu: unknown key 'activatoin', did you mean 'activation'\?"),
    (
        (*V2, "lr-1e-4", "set"),
        {"learning_rate": "1e-4"},
        r"lr-1e-4: learning_rate: expected a number, found '1e-4' \(YAML",
    ),
    (
        (*V2, "gelu", "set"),
        {"activation": "gelu", "loss": "mse"},
        "v2: gelu and focal both set 'loss'; one change, or two keys",
    ),
    ((*V2, "gelu", "why"), ..., "v2: gelu: why: say in a sentence what this is for"),
    ((*V2, "gelu", "why"), "  ", "v2: gelu: why: say in a sentence"),
    ((*V2, "gelu", "set"), {}, "v2: gelu: set: expected at least one key"),
    ((*V2, "gelu", "wyh"), "x", "v2: gelu: unknown key 'wyh', did you mean 'why'"),
    ((*V2, "gelu"), 3, "v2: gelu: expected key: value pairs, found 3"),
    ((*V2, "GELU act"), {"why": "x", "set": {"dropout": 0.1}}, "GELU act.*expected a short kebab-case name"),
    ((*V2, "x" * 70), {"why": "x", "set": {"dropout": 0.1}}, "expected a short kebab-case name"),
    (V2, {}, "v2: changes: expected at least one named change"),
    (("versions", "v2", "from"), "v9", "v2: from: no version 'v9'"),
    (("versions", "v2", "from"), "v2", "versions: the chain has a cycle among v2"),
    (("versions", "v1", "from"), "v2", "v1: changes: expected at least one named change"),
    (("versions", "v2", "from"), ..., r"expected v1 and only v1 without `from`, found \['v1', 'v2'\]|unknown|missing"),
    (("versions", "v1", "set", "dropout"), ..., "v1: set: v1 must name every setting, missing dropout"),
    (("versions", "v1", "set", "dropout"), 1.5, "v1: set: dropout: expected less than 1, found 1.5"),
    (("versions", "v1", "seed"), 3, "versions: v1: seed: a seed does not belong in a study file"),
    (("controls", "untrained", "set", "seeds"), [1], "controls: untrained: set: seeds: a seed does not belong"),
    (
        ("controls", "untrained", "kind"),
        "joke",
        "controls: untrained: kind: expected one of control, baseline, found 'joke'",
    ),
    (("controls", "untrained", "from"), "v4", "controls: untrained: from: no version 'v4'"),
    (("controls", "v1"), {"from": "v1", "why": "x", "set": {"epochs": 1}}, "controls: v1: this name is taken"),
    (
        ("references", "untrained"),
        {"from": "v1", "why": "x", "set": {"epochs": 1}},
        "controls: untrained: this name is taken",
    ),
    (
        ("budgets", "smoke"),
        {"dropout": 0.1},
        "budgets: smoke: dropout is no cost key; a budget may set epochs, patience",
    ),
    (("budgets", "smoke"), {"epochs": "2"}, "budgets: smoke: epochs: expected a whole number, found '2'"),
    ((*V2, "gelu", "set"), {"epochs": 5}, "budgets: smoke: epochs is set by a change as well"),
    (("metrics", "rmse", "better"), "less", "metrics: rmse: better: expected lower or higher, found 'less'"),
    (("metrics", "rmse", "equal_within"), -1, "metrics: rmse: equal_within: expected a number >= 0, found -1"),
    (("metrics", "rmse", "equal_within"), "0.1", "equal_within: expected a number >= 0, found '0.1'"),
    (
        ("metrics", "rmse", "depends_on"),
        ["splt"],
        "metrics: rmse: depends_on: unknown key 'splt', did you mean 'split'",
    ),
    (("metrics", "rmse", "depends_on"), 3, "metrics: rmse: depends_on: expected a list of settings, found 3"),
    (("metrics", "RMSE"), {"better": "lower"}, "metrics: RMSE: expected a snake_case name"),
    (("primary",), "rsme", "primary: no metric 'rsme', did you mean 'rmse'"),
    (("primary",), ["rmse"], "primary: no metric"),
    (("metrik",), 1, "unknown section 'metrik', did you mean 'metrics'"),
    (("question",), ..., "section 'question' is missing"),
    (("settings",), "antibodies", r"no study package rematch/studies/antibodies with a settings\.py"),
    (("settings",), "../x", "no study package"),
    (("gaps",), None, "gaps: expected a list, found None"),
    (("gaps",), {"name": "x"}, "gaps: expected a list, found {'name': 'x'}"),
]


@pytest.mark.parametrize(
    ("keys", "value", "message"), REFUSED, ids=[f"{'.'.join(k)[:40]}-{i}" for i, (k, _, _) in enumerate(REFUSED)]
)
def test_mistakes_are_named_in_one_line(edited, keys, value, message):
    path = edited(*keys, value=value)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_cycle_names_its_members(edited, affinity_study):
    versions = copy.deepcopy(affinity_study["versions"])
    change = {"small": {"why": "x", "set": {"batch_size": 64}}}
    versions |= {"v3": {"from": "v4", "changes": change}, "v4": {"from": "v3", "changes": change}}
    with pytest.raises(ValueError, match="the chain has a cycle among v3, v4"):
        load(edited("versions", value=versions))


def test_the_ledger_may_not_repeat_a_section(edited, tmp_path):
    path, ledger = edited("title", value="t"), tmp_path / "claims.yaml"
    ledger.write_text("notes: [a]\nquestion: again\n")
    with pytest.raises(ValueError, match=r"claims\.yaml: question stands in .*antibody_affinity\.yaml as well"):
        load_study(path, "antibody_affinity", ledger)
    ledger.write_text("notes: [a]\n")
    assert load_study(path, "antibody_affinity", ledger).text["notes"] == ["a"]


def _places(value, keys=()):
    yield keys
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, (*keys, key))


junk = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.sampled_from(["", "v2", "x\ny", [], ["v1"], [[1]], {}, {"a": 1}, {3: 4}])
)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_is_accepted_or_refused_in_one_line(affinity_study, monkeypatch, tmp_path, data):
    text = copy.deepcopy(affinity_study)
    keys = data.draw(st.sampled_from([keys for keys in _places(text) if keys]))
    place = text
    for key in keys[:-1]:
        place = place[key]
    place[data.draw(st.sampled_from([keys[-1], "new", 7]))] = data.draw(junk)
    monkeypatch.setattr(rematch.study, "load_mapping", lambda path: text)
    try:
        load(tmp_path / "antibody_affinity.yaml")
    except ValueError as error:
        assert "antibody_affinity.yaml" in str(error) and "\n" not in str(error), str(error)
