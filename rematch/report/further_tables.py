"""The tables that a study's own evaluation wrote for people to look at, as its study file describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rematch.report import numbers, tables
from rematch.report.material import StudyMaterial
from rematch.report.tables import Cell, Table, figure, plain
from rematch.study_tables import ROWS

LONG = 40  # letters: from here on a column of text gets room


def further(study: StudyMaterial) -> list[dict[str, Any]]:
    """Title, text, arm and table of every table that the study declares and this experiment makes."""
    shown = []
    for name, about in study.text.get("tables", {}).items():
        file = study.further_file(name)
        if file:
            frame = study.further.get(name, pd.DataFrame())
            shown.append({"title": about["title"], "about": about["about"], "table": _table(study, name, about, frame)})
    return shown


def _table(study: StudyMaterial, name: str, about: Mapping[str, Any], frame: pd.DataFrame) -> Table:
    labels = about.get("columns") or {column: str(column).replace("_", " ") for column in frame}
    kept = {column: label for column, label in labels.items() if column in frame}
    rows = frame.head(about.get("rows", ROWS))
    heads = [_head(rows[column], label) for column, label in kept.items()]
    body = [[_cell(value) for value in row] for row in rows[list(kept)].itertuples(index=False)]
    file = study.further_file(name)
    arm, seed = about["arm"], study.seeds[0]
    more = f", the first {len(rows)} of {len(frame)} rows" if len(frame) > len(rows) else ""
    return tables.table(
        f"{study.name}-table-{name}",
        f"{about['title']}: {arm}, seed {seed}{more}",
        heads,
        body if heads else [],
        source=file,
        stack=True,
        command=f"{study.call} --forcerun evaluate -- results/{file.removesuffix(f'/tables/{name}.csv')}/scores.csv",
    )


def _head(column: pd.Series, label: str) -> str:
    if pd.api.types.is_numeric_dtype(column):
        return f"#{label}"
    return f"{label} +" if column.astype(str).str.len().max() >= LONG else str(label)


def _cell(value: Any) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float) or numbers.is_missing(value):
        return plain(value)
    whole = isinstance(value, int) or float(value).is_integer()
    return Cell(numbers.count(value), value) if whole else figure(value)
