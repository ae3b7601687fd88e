"""All that the page is made of, as plain values, and how it is read from the files of a results folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from rematch.report import numbers
from rematch.report.tables import read, records
from rematch.study_tables import table_files

TABLES = ["scores", "timings", "manifests", "comparison", "samples"]
TABLES += ["claims", "attribution", "budgets", "tiers", "lint"]
COLUMNS = {  # of the tables that are computed with, for studies that have none
    "scores": ["study", "arm", "device", "seed", "split", "name", "value", "n", "status"],
    "manifests": ["study", "arm", "device", "seed", "status"],
}


@dataclass(frozen=True)
class StudyMaterial:
    """One study: `text` is its file; `arms`: kind, version, changes, settings, trained_as; `figures`: name -> SVG."""

    name: str
    text: Mapping[str, Any]
    arms: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...] = ()
    device: str = "cpu"
    dataset: str = ""
    declaration: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    pdfs: Mapping[str, bytes] = field(
        default_factory=dict
    )  # the same figures, for the reader of a page that was mailed
    further: Mapping[str, pd.DataFrame] = field(default_factory=dict)  # tables that the study itself writes
    call: str = "snakemake --cores all"  # how the workflow was called, for the commands that build a part again

    def rows(self, table: str, **wanted: Any) -> list[dict[str, Any]]:
        """The rows of a table in which the named columns have these values; none if the table is missing or empty."""
        if table not in self._records:
            self._records[table] = records(self.tables.get(table))
        return [row for row in self._records[table] if all(row.get(key) == value for key, value in wanted.items())]

    @cached_property
    def _records(self) -> dict[str, list[dict[str, Any]]]:
        return {}

    def frame(self, table: str) -> pd.DataFrame:
        """A table to compute with; one without rows if it is missing or empty."""
        found = self.tables.get(table)
        return pd.DataFrame(columns=COLUMNS[table]) if found is None or not len(found) else found

    @property
    def versions(self) -> list[str]:
        """Version names in chain order."""
        return [name for name, arm in self.arms.items() if arm["kind"] == "version"]

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """Metric name -> label, unit, better, equal_within."""
        return self.text.get("metrics", {})

    def label(self, metric: str) -> str:
        """A metric's name for people."""
        return numbers.text(self.metrics.get(metric, {}).get("label", metric))

    def trained(self, arm: str) -> str:
        """The arm whose run folder stands for `arm`."""
        return self.arms.get(arm, {}).get("trained_as") or arm

    def folder(self, arm: str) -> str:
        """The run folders of an arm, from results/."""
        return f"runs/{self.name}/{self.trained(arm)}/"

    def further_file(self, table: str) -> str:
        """The file of one of the study's own tables, from results/; empty where this experiment does not make it."""
        seed = self.seeds[0] if self.seeds else 0
        return table_files(self.text, self.arms, self.name, self.device, seed).get(table, "")

    def source(self, table: str) -> str:
        """A table's file, from results/."""
        return f"studies/{self.name}/{table}.csv"


@dataclass(frozen=True)
class Material:
    """The whole page: studies, what was asked for, where it was built, and measured properties of the method itself."""

    studies: tuple[StudyMaterial, ...]
    budget: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    benchmarks: tuple[Mapping[str, Any], ...] = ()
    parts: tuple[Mapping[str, Any], ...] = ()  # study, runs, first, last, why
    device_page: str = ""  # from results/, if devices were compared


def read_study(name: str, about: Mapping[str, Any], results: Path, card: str) -> StudyMaterial:
    """One study from `results/studies/<name>`, `results/figures/<name>` and its data card. Missing files are left out.

    `about`: text, arms, seeds, device, dataset, declaration.
    """
    folder = results / "studies" / name
    tables = {table: read(folder / f"{table}.csv") for table in TABLES}
    tables["findings"] = read(results / "tables" / "findings.csv")  # of all studies: `rows` picks those of this one
    drawn = results / "figures" / name
    figures = {path.stem: path.read_text() for path in sorted(drawn.glob("*.svg"))}
    pdfs = {path.stem: path.read_bytes() for path in sorted(drawn.glob("*.pdf"))}
    path = Path(card)
    facts = json.loads(path.read_text()) if card and path.exists() else {}
    listed = table_files(about["text"], about["arms"], name, about["device"], about["seeds"][0])
    further = {table: read(results / file) for table, file in listed.items()}
    return StudyMaterial(name=name, card=facts, tables=tables, figures=figures, pdfs=pdfs, further=further, **about)


def read_benchmarks(files: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    """Rows program, name, value of the benchmark tables that exist."""
    rows = [row for file in files for row in records(read(file))]
    return tuple(row for row in rows if {"program", "name", "value"} <= set(row))
