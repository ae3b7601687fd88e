"""One made-up results folder with figures and page, shared by all tests of the report."""

from dataclasses import dataclass, replace
from pathlib import Path

import made_up
import pytest

from rematch.report.build import build
from rematch.report.figures import write_figures
from rematch.report.material import Material, StudyMaterial, read_study


@dataclass(frozen=True)
class Results:
    """A results folder, its experiment, and the study as the page sees it."""

    root: Path
    about: dict
    study: StudyMaterial

    @property
    def material(self) -> Material:
        return Material((self.study,), "demo", {"commit": "0" * 40, "uncommitted_edits": True})

    def changed(self, **tables) -> StudyMaterial:
        return replace(self.study, tables={**self.study.tables, **tables})


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Results:
    root = tmp_path_factory.mktemp("report")
    experiment = made_up.write_results(root)
    name, entry = next(iter(experiment.entries.items()))
    folder = root / "results" / "studies" / name
    text = entry.study.text
    drawn = {"primary": text["primary"], "metrics": text["metrics"], "versions": ["v1", "v2"], "device": "cpu"}
    files = {table: str(folder / f"{table}.csv") for table in ("comparison", "attribution", "histories", "manifests")}
    samples = sorted(
        str(path) for arm in ("v1", "v2") for path in (root / "results/runs" / name / arm).rglob("*.parquet")
    )
    write_figures(drawn, files, samples, str(root / "results" / "figures" / name))
    about = {
        "text": text,
        "arms": made_up.arms_of(entry),
        "seeds": entry.seeds,
        "device": "cpu",
        "dataset": entry.dataset,
        "declaration": experiment.datasets[entry.dataset],
    }
    card = str(root / "data" / f"{name}-card.json")
    outputs = [str(root / "results" / file) for file in ("report.html", "manifest.json", "README.md")]
    lock = str(made_up.BASE / "requirements.lock")
    build({name: about}, {name: card}, "demo", lock, [], outputs, str(root / "state" / "manifest.json"))
    return Results(root, about, read_study(name, about, root / "results", card))
