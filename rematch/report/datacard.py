"""The data card for people: facts, small tables, warnings; nothing is left out, however a study names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rematch.report import numbers, tables
from rematch.report.material import StudyMaterial
from rematch.report.tables import Cell, Table, pill, plain


@dataclass(frozen=True)
class DataCard:
    """Facts as pairs of words, tables of facts, and the table of findings (None if there are none)."""

    title: str
    origin: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    findings: Table | None


def datacard(study: StudyMaterial) -> DataCard:
    """The card of the view that v1 trains on."""
    facts, extra = [], []
    for key, value in study.card.get("facts", {}).items():
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            extra.append(_table(study, key, value))
        else:
            facts.append((words(key), _said(value)))
    found = study.card.get("findings", [])
    title = numbers.text(study.declaration.get("title") or study.card.get("title") or study.dataset)
    return DataCard(
        title, tuple(_origin(study)), tuple(facts), tuple(extra), _findings(study, found) if found else None
    )


def words(key: str) -> str:
    """A key as words: rows_used -> rows used."""
    return str(key).replace("_", " ")


def _origin(study: StudyMaterial) -> list[tuple[str, str]]:
    known = study.declaration
    origin = [("data set", study.dataset)]
    origin += [(key, numbers.text(known[key])) for key in ("licence", "citation") if known.get(key)]
    if "generate" in known:
        origin.append(
            (
                "origin",
                f"generated here, seed {known['generate'].get('seed')}: its truth is known",
            )
        )
    for file in known.get("files", []):
        place = numbers.text(file.get("url") or file.get("path"))
        origin.append(("file", f"{file.get('name')}, {numbers.count(file.get('bytes'))} bytes, {place}"))
    return origin


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{words(key)} {_said(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no"}.get(value, numbers.NOTHING)
    if isinstance(value, int):
        return numbers.count(value)
    return numbers.number(value) if isinstance(value, float) else str(value)


def _table(study: StudyMaterial, key: str, rows: list[Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    numeric = {name: all(isinstance(row.get(name), int | float | None) for row in rows) for name in names}
    columns = [("#" if numeric[name] else "") + words(name) for name in names]
    body = [
        [Cell(_said(row.get(name)), row.get(name)) if numeric[name] else _text(row.get(name)) for name in names]
        for row in rows
    ]
    return tables.table(f"{study.name}-card-{key.replace('_', '-')}", words(key), columns, body)


def _text(value: Any) -> Cell:
    """Digests are shortened, and whole when copied."""
    said = words(_said(value)) if isinstance(value, str) else _said(value)
    if isinstance(value, list) and len(value) == 2 and len(str(value[1])) >= 40:
        return Cell(f"{value[0]} {str(value[1])[:12]}\u2026", f"{value[0]} {value[1]}", code=True)
    return plain(said)


def _findings(study: StudyMaterial, found: list[Mapping[str, Any]]) -> Table:
    columns = ["!Level", "Finding", "#Count", "What was done +", "Examples", "Source"]
    rows = []
    for item in found:
        examples = ", ".join(map(str, item.get("examples", [])))
        cells = [
            pill(item["level"]),
            plain(words(item["code"]).replace("-", " ")),
            Cell(numbers.count(item.get("count", 1)), item.get("count", 1)),
        ]
        rows.append([*cells, plain(item["text"]), plain(examples), plain(item.get("source", ""))])
    return tables.table(f"{study.name}-card-findings", "Warnings of the preparation", columns, rows)
