"""The sixth study: docs/example_study/README.md followed word by word, from an empty folder to a report."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT
from tests.test_workflow import SNAKEMAKE, copy_of_project, jobs

PAGE = (ROOT / "docs/example_study/README.md").read_text()
FILE = re.compile(r"^`(\S+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)  # a path, then its content
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files() -> dict[str, str]:
    """Path -> content, as the page shows them."""
    return dict(FILE.findall(PAGE))


def test_the_example_has_fewer_than_100_lines():
    lines = sum(bool(line.strip()) for text in files().values() for line in text.split("\n"))
    assert len(files()) == 8 and lines < 100


def test_the_readme_leads_to_it():
    assert "docs/example_study/README.md" in (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> Path:
    """A folder in which every step of the page was done, with two seeds and three epochs."""
    folder = copy_of_project(tmp_path_factory.mktemp("own"))
    for name, text in files().items():
        assert not (folder / name).exists(), f"{name} is there before the page makes it"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run = yaml.safe_load((folder / "my-run.yaml").read_text())
    (folder / "my-run.yaml").write_text(yaml.safe_dump(run | {"budget": "smoke", "seeds": [1, 2]}))
    make_data, run_it = SHELL.findall(PAGE)
    shell(folder, make_data)
    shell(folder, run_it)
    return folder


def shell(folder: Path, commands: str) -> None:
    """The commands as a reader would type them, with the environment's programs first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / ".cache")}
    done = subprocess.run(["sh", "-ec", commands], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.mark.slow
def test_every_step_leads_to_a_report_with_all_arms_and_the_claim(followed):
    html = (followed / "results/report.html").read_text()
    assert "Handwritten digits" in html and "at least five points of accuracy" in html
    scores = pd.read_csv(followed / "results/studies/digits/scores.csv")
    arms = {"v1", "v2", "shuffled", "v2-minus-hidden-layer", "v2-minus-adam", "v2-minus-larger-batches"}
    assert set(scores["arm"]) == arms and set(scores["status"]) == {"ok"}
    accuracy = scores[scores["name"] == "accuracy"].groupby("arm")["value"].mean()
    assert accuracy["v1"] > 0.6 and accuracy["shuffled"] < 0.3
    (claim,) = pd.read_csv(followed / "results/studies/digits/claims.csv").to_dict("records")
    assert claim["claim"] == "C1" and claim["verdict"] == "inconclusive"  # two seeds decide nothing


LISTED = re.compile(r"^\| (`[^|]+) \|([^|]*)", re.MULTILINE)  # the first two cells of a table row
FOLDERS = {
    "results/runs/": "results/runs/<study>/<arm>/<device>/<seed>/",
    "results/studies/": "results/studies/<study>/",
}


def listed() -> tuple[list[str], list[str]]:
    """The places that docs/files.md lists, with <...> for names: those of every run, and all."""
    always, all_places = [], []
    for section in (ROOT / "docs/files.md").read_text().replace("\\", "").split("\n## ")[1:]:
        head = section.split("\n")[0]
        folders = [folder for start, folder in FOLDERS.items() if head.startswith(start)] or [""]
        folders += ["results/tables/"] * ("results/tables/" in head)
        all_places += re.findall(r"`((?:results|logs|state)/[^`…]+)", section)
        for names, about in LISTED.findall(section):
            for name in re.findall(r"`([^`]+)`", names):
                all_places += [folder + name for folder in folders]
                always += [f"{folders[0]}{name}"] * ("on request" not in about)
    return always, all_places


def pattern(place: str) -> re.Pattern:
    escaped = re.sub(r"<\w+>", "[^/]+", place.replace(".", r"\."))
    return re.compile(f"{escaped}.*" if place.endswith("/") else f"{escaped}$")


@pytest.mark.slow
def test_every_file_of_a_run_is_listed_and_every_listed_file_is_there(followed):
    made = [path for folder in ("results", "data", "logs", "state") for path in (followed / folder).rglob("*")]
    made = [path for path in made if not path.name.startswith(".")]
    files = sorted(path.relative_to(followed).as_posix() for path in made if path.is_file())
    places = [*files, *(f"{path.relative_to(followed).as_posix()}/" for path in made if path.is_dir())]
    always, all_places = listed()
    known = [pattern(place) for place in all_places]
    assert len(files) > 100 and len(always) > 30
    assert [file for file in files if not any(one.match(file) for one in known)] == []
    one_study = [place for place in always if not place.endswith("findings.csv")]  # of all studies: results/tables only
    assert [place for place in one_study if not any(pattern(place).match(found) for found in places)] == []


@pytest.mark.slow
def test_snakemakes_own_report_holds_the_page_and_the_figures(followed):
    shell(followed, "snakemake --cores 1 --configfile my-run.yaml --report report.zip")
    with zipfile.ZipFile(followed / "report.zip") as packed:
        names = {Path(name).name for name in packed.namelist()}
    assert {"report.html", "difference.svg", "shares.svg", "curves.svg"} <= names


@pytest.mark.slow
def test_an_edited_value_trains_only_the_arms_that_have_it(followed):
    study = followed / "config/studies/digits.yaml"
    study.write_text(study.read_text().replace("set: {batch_size: 128}", "set: {batch_size: 256}"))
    found = jobs(followed, "--configfile", "my-run.yaml")
    assert found["train"] == 2 * 4  # v2, without the hidden layer, without Adam, shuffled; two seeds


@pytest.mark.slow
def test_other_data_under_the_same_name_are_refused(followed):
    table = followed / "my-data/digits.csv"
    table.write_text(table.read_text().replace("16", "15", 1))
    shutil.rmtree(followed / "data/digits/raw")
    (followed / "data/digits/raw.json").unlink()
    done = subprocess.run(
        [*SNAKEMAKE, "--cores", "1", "--configfile", "my-run.yaml", "--", "data/digits/raw.json"],
        cwd=followed,
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(followed / ".cache")},
    )
    assert done.returncode != 0
    log = (followed / "logs/fetch/digits.log").read_text()
    assert "digits.csv: wrong checksum: expected sha256 9f7fca3251c178a0" in log
