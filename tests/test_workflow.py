"""The real DAG: dry runs of every config, and what is made again after which edit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rematch.experiment import load_experiment
from tests.conftest import ROOT

SNAKEMAKE = [sys.executable, "-m", "snakemake"]
CONFIG = """\
studies:
  antibody_affinity: {dataset: antibody_generated, arms: [v1, v2, untrained, ridge]}
budget: smoke
seeds: [1, 2]
device: cpu
attribution: {method: none}
"""
DOWNSTREAM = {
    "collect",
    "compare",
    "samples",
    "claims",
    "attribution",
    "diagnose",
    "tables",
    "figures",
    "study_figures",
    "paper",
}
DOWNSTREAM |= {"report", "all", "runs", "devices", "lint", "readme"}


def snakemake(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    """A call in a folder that holds a copy of the project."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(project / ".cache")}
    command = [*SNAKEMAKE, "--cores", "2", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


def jobs(project: Path, *arguments: str) -> dict[str, int]:
    """Rule -> number of jobs of a dry run."""
    done = snakemake(project, "--dry-run", *arguments)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    if "Nothing to be done" in text:
        return {}
    table = text[text.index("Job stats:") :].split("\n\n")[0]
    found = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    assert found.pop("total") == sum(found.values())
    return found


def made(found: dict[str, int]) -> dict[str, int]:
    """The jobs that prepare, train or score."""
    return {rule: count for rule, count in found.items() if rule not in DOWNSTREAM}


def copy_of_project(folder: Path) -> Path:
    """The files of the project that git knows, or would add."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for file in filter(None, files):
        if (ROOT / file).is_file() and not file.startswith("tests/"):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)
    return folder


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "config").glob("*.yaml")))
def test_a_dry_run_lists_every_run_of_the_config(name, tmp_path):
    config = ROOT / "config" / name
    experiment = load_experiment(yaml.safe_load(config.read_text()), ROOT)
    arguments = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path), "--configfile", str(config)]
    arguments += ["--workflow-profile", "none", "--", "runs"]
    found = jobs(ROOT, "--nolock", *arguments)
    runs = list(experiment.runs())
    assert found["train"] == len(runs)
    scored = sum(count for rule, count in found.items() if rule.startswith("evaluate"))
    assert scored == len({(run.study, run.arm, run.device) for run in runs}), "one job for all seeds of an arm"
    assert found["prepare"] == found["check"]
    assert found.get("generate", 0) + found.get("fetch", 0) == len({e.dataset for e in experiment.entries.values()})


def test_a_mistake_in_the_config_stops_the_parse_with_one_line(tmp_path):
    done = snakemake(ROOT, "--dry-run", "--nolock", "--directory", str(tmp_path), "--config", "budget=tiny")
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "no budget 'tiny'" in text and "Traceback" not in text


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A copy of the project after one whole run of a tiny config."""
    project = copy_of_project(tmp_path_factory.mktemp("project"))
    (project / "config/config.yaml").write_text(CONFIG)
    done = snakemake(project, "--quiet", "rules")
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return project


@pytest.fixture
def edit(finished):
    """A function that replaces text in a file of the finished project; the file is put back after the test."""
    before: dict[Path, tuple[bytes, os.stat_result]] = {}

    def edit(file: str, old: str, new: str) -> None:
        path = finished / file
        before[path] = (path.read_bytes(), path.stat())
        text = path.read_text()
        assert text.count(old) >= 1, f"{file}: {old!r} is not there"
        path.write_text(text.replace(old, new, 1))

    yield edit
    for path, (content, status) in before.items():
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


STUDY = "rematch/studies/antibody_affinity"


@pytest.mark.slow
def test_nothing_edited_makes_nothing(finished):
    assert (finished / "results/report.html").exists()
    assert jobs(finished) == {}


@pytest.mark.slow
def test_a_changed_value_of_a_change_trains_the_arms_that_contain_it(finished, edit):
    edit("config/studies/antibody_affinity.yaml", "set: {clip_norm: 1.0}", "set: {clip_norm: 2.0}")
    found = jobs(finished)
    # v2 and untrained contain the change, v1 and ridge do not; two seeds each
    assert made(found) == {"train": 4, "evaluate": 2} and "report" in found
    done = snakemake(finished, "--dry-run")
    trained = set(re.findall(r"results/runs/antibody_affinity/([\w-]+)/cpu/\d+/model", done.stdout + done.stderr))
    assert trained == {"v2", "untrained"}


@pytest.mark.slow
def test_a_why_makes_the_report_only(finished, edit):
    edit("config/studies/antibody_affinity.yaml", "Weight decay decoupled from the gradient.", "Another reason.")
    found = jobs(finished)
    assert made(found) == {} and "report" in found and "collect" not in found


@pytest.mark.slow
def test_a_changed_threshold_of_a_claim_judges_again_without_training(finished, edit):
    edit(
        "config/claims/antibody_affinity.yaml",
        "{metric: rmse, arm: v2, at_most: 1.0}",
        "{metric: rmse, arm: v2, at_most: 1.1}",
    )
    found = jobs(finished)
    assert made(found) == {} and {"claims", "tables", "report"} <= set(found)
    assert not {"collect", "compare", "attribution", "samples"} & set(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (f"{STUDY}/model.py", {"train": 8, "evaluate": 4}),
        (f"{STUDY}/train.py", {"train": 8, "evaluate": 4}),
        ("rematch/engine.py", {"train": 8, "evaluate": 4}),
        (f"{STUDY}/evaluate.py", {"evaluate": 4}),
        ("rematch/evaluation.py", {"evaluate": 4}),
        ("scripts/train.py", {"train": 8, "evaluate": 4}),
        ("scripts/evaluate.py", {"evaluate": 4}),
        ("scripts/collect.py", {}),
        (f"{STUDY}/data.py", {"prepare": 2, "check": 2, "train": 8, "evaluate": 4}),
        ("rematch/collect.py", {}),
        ("rematch/studies/taxonomy/settings.py", None),
    ],
)
def test_a_comment_in_a_module_makes_what_imports_it(finished, edit, file, expected):
    first = (finished / file).read_text()[:3]
    edit(file, first, f"# a comment\n{first}")
    found = jobs(finished)
    assert found == {} if expected is None else made(found) == expected
    assert expected is None or found


@pytest.mark.slow
def test_a_touched_file_makes_nothing(finished, edit):
    # Scripts too: left to itself, Snakemake compares the time of a script, not its content.
    scripts = [path.relative_to(finished).as_posix() for path in sorted((finished / "scripts").glob("*.py"))]
    studies = ["config/studies/antibody_affinity.yaml", "config/config.yaml"]
    touched = [f"{STUDY}/model.py", "rematch/engine.py", *studies, *scripts]
    for file in touched:
        edit(file, "", "")
        (finished / file).touch()
    assert jobs(finished) == {}


@pytest.mark.slow
def test_a_further_seed_makes_only_the_new_runs(finished, edit):
    edit("config/config.yaml", "seeds: [1, 2]", "seeds: [1, 2, 3]")
    assert made(jobs(finished)) == {"prepare": 1, "check": 1, "train": 4, "evaluate": 4}


@pytest.mark.slow
def test_a_further_arm_makes_only_its_runs(finished, edit):
    edit("config/config.yaml", "ridge]", "ridge, mean]")
    assert made(jobs(finished)) == {"train": 2, "evaluate": 1}
