"""What changed from version to version, readable: every change with its keys, its reason, source and share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rematch.report import numbers, tables
from rematch.report.material import StudyMaterial
from rematch.report.palette import METHODS
from rematch.report.tables import Cell


@dataclass(frozen=True)
class Edit:
    """One key of the settings before and after a change."""

    key: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """A named change; `effect` is its measured share by the first method that was run, empty if none was."""

    name: str
    why: str
    source: str
    edits: tuple[Edit, ...]
    effect: Cell | None
    says: str


@dataclass(frozen=True)
class Step:
    """A version that follows another one."""

    before: str
    after: str
    why: str
    source: str
    changes: tuple[Change, ...]


def steps(study: StudyMaterial) -> list[Step]:
    """Every version that is not the first, with its changes in the order of the study file."""
    known = study.text.get("versions", {})
    found = []
    for name, item in known.items():
        if "from" in item:
            before = _settings(study, item["from"])
            changes = tuple(_change(study, name, key, value, before) for key, value in item.get("changes", {}).items())
            found.append(
                Step(item["from"], name, numbers.text(item.get("why")), numbers.text(item.get("source")), changes)
            )
    return found


def settings(study: StudyMaterial) -> list[tuple[str, list[str], bool]]:
    """Key, value in each version, and whether the versions differ in it."""
    versions = [name for name in study.versions if study.arms[name].get("settings")]
    keys = dict.fromkeys(key for name in versions for key in study.arms[name]["settings"])
    rows = []
    for key in keys:
        values = [numbers.setting(study.arms[name]["settings"].get(key)) for name in versions]
        rows.append((key, values, len(set(values)) > 1))
    return rows


def _settings(study: StudyMaterial, version: str) -> Mapping[str, Any]:
    """The settings of a version, from its arm or, if it was not trained, from the study file alone."""
    if version in study.arms and study.arms[version].get("settings"):
        return study.arms[version]["settings"]
    item = study.text["versions"].get(version, {})
    values = dict(_settings(study, item["from"])) if "from" in item else dict(item.get("set", {}))
    for change in item.get("changes", {}).values():
        values |= change.get("set", {})
    return values


def _change(
    study: StudyMaterial, version: str, name: str, item: Mapping[str, Any], before: Mapping[str, Any]
) -> Change:
    edits = tuple(
        Edit(key, numbers.setting(before.get(key)), numbers.setting(value))
        for key, value in item.get("set", {}).items()
    )
    effect, says = _effect(study, version, name)
    return Change(name, numbers.text(item.get("why")), numbers.text(item.get("source")), edits, effect, says)


def _effect(study: StudyMaterial, version: str, change: str) -> tuple[Cell | None, str]:
    metric = study.text.get("primary", "")
    rows = study.rows("attribution", metric=metric, version=version, change=change, device=study.device)
    row = min(
        (row for row in rows if row["method"] in METHODS), key=lambda row: METHODS.index(row["method"]), default=None
    )
    if row is None or numbers.is_missing(row["share"]):
        return None, ""
    share = numbers.with_unit(numbers.number(row["share"], signed=True), study.metrics.get(metric, {}).get("unit", ""))
    spread = numbers.interval(row["low"], row["high"])
    parts = (
        study.label(metric),
        share,
        spread if spread != numbers.NOTHING else "",
        f"({row['method'].replace('-', ' ')})",
    )
    says = " ".join(filter(None, parts))
    return tables.pill(row["answer"]), says
