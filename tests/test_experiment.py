"""config.yaml as values: every mistake is one line, before any job."""

import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.experiment import load_experiment
from tests.conftest import ROOT

CONFIG = {"studies": {"antibody_affinity": {"dataset": "antibody_generated"}}, "budget": "smoke", "seeds": [1, 2]}


def load(**changes):
    return load_experiment({**CONFIG, **changes}, ROOT)


def one(**entry):
    return load(studies={"antibody_affinity": {"dataset": "antibody_generated", **entry}}).entries["antibody_affinity"]


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_every_config_of_the_project_is_valid(path):
    config = yaml.safe_load(path.read_text())
    experiment = load_experiment(config, ROOT)
    assert set(experiment.entries) == set(config["studies"])
    assert len(list(experiment.runs())) >= 2


def test_runs_are_arms_times_seeds_without_twins():
    experiment = load(attribution={"method": "none"})
    runs = list(experiment.runs())
    assert len(runs) == len(set(runs)) == 2 * len(experiment.entries["antibody_affinity"].trained())
    assert {run.seed for run in runs} == {1, 2} and {run.device for run in runs} == {"cpu"}


def test_a_list_of_devices_gives_every_run_on_each_of_them():
    runs = list(load(device=["cpu", "cuda"], attribution={"method": "none"}).runs())
    assert len(runs) == len(set(runs)) == 2 * len(list(load(attribution={"method": "none"}).runs()))
    assert {run.device for run in runs} == {"cpu", "cuda"}


def test_equal_arms_run_once():
    entry = one(set={"split": "random"}, attribution={"method": "none"})
    assert "v1-random-split" in entry.arms
    assert "v1-random-split" not in [arm.name for arm in entry.trained()]


def test_arms_share_prepared_data_unless_their_data_settings_differ():
    entry = one()
    assert entry.view("v2") == entry.view("ridge") == entry.view("v2-minus-gelu") == "v1"
    assert entry.view("v2-random-split") == entry.view("v1-random-split") == "v1-random-split"
    assert entry.preparation("v1", 3) == "3"


def test_one_changed_value_of_a_change_touches_exactly_the_arms_that_contain_it(tmp_path):
    text = (ROOT / "config/studies/antibody_affinity.yaml").read_text()
    before = one().arms
    edited = tmp_path / "config/studies/antibody_affinity.yaml"
    edited.parent.mkdir(parents=True)
    edited.write_text(text.replace("set: {clip_norm: 1.0}", "set: {clip_norm: 2.0}"))
    (tmp_path / "config/datasets").symlink_to(ROOT / "config/datasets")
    after = load_experiment(CONFIG, tmp_path).entries["antibody_affinity"].arms
    touched = {name for name in before if before[name].settings != after[name].settings}
    assert touched == {name for name, arm in before.items() if arm.version == "v2" and "clip-1.0" in arm.changes}
    assert "v2" in touched and "untrained" in touched and "v2-minus-clip-1.0" not in touched and "v1" not in touched


def test_seeds_of_an_entry_go_before_those_of_the_config_and_text_is_read_as_numbers():
    assert one(seeds=[7]).seeds == (7,) and one(seeds=["8", "9"]).seeds == (8, 9)


def test_a_study_may_stand_twice_under_two_labels():
    entry = {"dataset": "antibody_generated", "study": "antibody_affinity"}
    assert set(load(studies={"antibody_affinity": entry, "again": entry}).entries) == {"antibody_affinity", "again"}


def test_two_entries_of_one_study_are_told_apart_by_title():
    generated = {"study": "antibody_affinity", "dataset": "antibody_generated"}
    alone = load(studies={"mine": generated}).entries["mine"]
    both = load(studies={"mine": generated, "yours": generated}).entries
    title = alone.study.text["title"]
    assert {name: entry.study.text["title"] for name, entry in both.items()} == {
        "mine": f"{title} (mine)",
        "yours": f"{title} (yours)",
    }
    assert both["mine"].study.text["metrics"] == alone.study.text["metrics"]


def test_the_mirror_is_relative_to_the_project():
    assert load(mirror="config").mirror == str(ROOT / "config") and load(mirror=None).mirror is None


def entry(**values):
    return {"studies": {"antibody_affinity": {"dataset": "antibody_generated", **values}}}


REFUSED = [
    ({"seed": [1]}, "config: unknown key 'seed', did you mean 'seeds'"),
    ({"studies": None}, "config: studies: expected at least one entry"),
    ({"studies": {"Bad Name": {}}}, "expected a snake_case name"),
    ({"studies": {"antibody_affinity": 3}}, "config: studies: antibody_affinity: expected `dataset: ...`, found 3"),
    (entry(datset="x"), "antibody_affinity: unknown key 'datset', did you mean 'dataset'"),
    (entry(dataset="antibody_genrated"), "no data set 'antibody_genrated', did you mean 'antibody_generated'"),
    (entry(dataset=["x"]), r"dataset: no data set \['x'\]"),
    (entry(study="antibody"), r"antibody\.yaml: file not found"),
    (entry(set={"dropot": 0.1}), "set: unknown key 'dropot', did you mean 'dropout'"),
    (entry(set=3), "set: expected settings as key: value, found 3"),
    (entry(arms=["v1", "v22"]), "no arm 'v22'"),
    (entry(arms="v1"), "arms: expected a list of arms such as \\[v1, v2\\], found 'v1'"),
    (entry(arms=[["v1"]]), "arms: expected a list of arms"),
    (entry(threads=0), "threads: expected a whole number >= 1, found 0"),
    (entry(threads=True), "threads: expected a whole number >= 1, found True"),
    ({"budget": "tiny"}, "budgets: no budget 'tiny'"),
    ({"budget": ["demo"]}, "budgets: no budget"),
    ({"seeds": None}, r"seeds: expected a list of different whole numbers such as \[1, 2, 3, 4, 5\], found None"),
    ({"seeds": [1, 1]}, r"seeds: expected a list of different whole numbers .* found \[1, 1\]"),
    ({"seeds": [1.5]}, "seeds: expected"),
    ({"seeds": [True]}, "seeds: expected"),
    ({"seeds": [-1]}, "seeds: expected"),
    ({"seeds": []}, "seeds: expected"),
    ({"device": "gpu"}, "device: expected one of auto, cpu, cuda, mps, found 'gpu'"),
    ({"device": {"cpu": 1}}, "device: expected one of auto"),
    ({"device": ["cpu", "gpu"]}, "device: expected one of auto, cpu, cuda, mps, found 'gpu'"),
    ({"attribution": "none"}, "attribution: expected `method: leave-one-out`, found 'none'"),
    ({"attribution": {"methd": "none"}}, "attribution: unknown key 'methd', did you mean 'method'"),
    ({"attribution": {"method": "shaply"}}, "method: expected one of leave-one-out, .* found 'shaply'"),
    ({"attribution": {"arms": 0}}, "arms: expected a whole number >= 1, found 0"),
    ({"attribution": {"version": "v1"}}, "version: expected a version with changes, found 'v1'"),
    ({"attribution": {"version": ["v2"]}}, r"version: expected a version with changes, found \['v2'\]"),
    ({"attribution": {"method": "shapley", "arms": 3}}, "shapley over 9 changes needs arms of at least 18, found 3"),
    ({"max_seconds": 0}, "max_seconds: expected seconds > 0, found 0"),
    ({"max_seconds": "60"}, "max_seconds: expected seconds > 0, found '60'"),
    ({"hang_seconds": 0}, "hang_seconds: expected seconds > 0, found 0"),
    ({"states": "drop"}, "states: expected remove or keep, found 'drop'"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_mistakes_are_one_line(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        load(**changes)
    assert "\n" not in str(caught.value)


junk = st.sampled_from([None, True, 0, -1, 2.5, "", "x", [], [None], {}, {"x": 1}, [[1]], float("nan")])


@given(
    where=st.sampled_from(["config", "entry"]),
    key=st.sampled_from(
        [
            "studies",
            "budget",
            "seeds",
            "device",
            "attribution",
            "mirror",
            "max_seconds",
            "states",
            "dataset",
            "set",
            "arms",
            "study",
        ]
    ),
    value=junk,
)
@settings(max_examples=40, deadline=None)
def test_any_value_is_accepted_or_refused_in_one_line(where, key, value):
    try:
        load(**({key: value} if where == "config" else entry(**{key: value})))
    except ValueError as error:
        assert "\n" not in str(error)


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Block())
import rematch.experiment, rematch.settings, rematch.sources, importlib, pathlib, yaml
for path in sorted(pathlib.Path("rematch/studies").glob("*/settings.py")):
    importlib.import_module(f"rematch.studies.{{path.parent.name}}.settings")
config = yaml.safe_load(open("config/config.yaml"))
print(len(list(rematch.experiment.load_experiment(config, pathlib.Path.cwd()).runs())))
"""


def test_the_process_of_the_snakefile_needs_no_numerical_library():
    code = BLOCKED.format(blocked=["torch", "numpy", "pandas", "scipy", "sklearn", "torch_geometric", "matplotlib"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) >= 10


def test_package_files_are_empty():
    # Anything in them would run in the Snakefile's process, and `sources` does not list them.
    assert [str(path) for path in (ROOT / "rematch").rglob("__init__.py") if path.read_text().strip()] == []
