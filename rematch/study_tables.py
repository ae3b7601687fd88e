"""Further tables of a study: what its file says of them under `tables:`, and which of them the page shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rematch.settings import suggestion

TABLE_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")  # becomes a file name
KEYS = ("title", "about", "arm", "columns", "rows")
ROWS = 50  # shown where the study file names no other number
MOST_ROWS = 200  # the page has to stay small enough to be mailed


def check_tables(block: Any, arms: set[str], file: str) -> None:
    """Refuses a `tables:` section that names an unknown arm or lacks a title, with one line."""
    if not isinstance(block, Mapping):
        raise ValueError(f"{file}: tables: expected name: title, about, arm, found {block!r:.60}")
    for name, item in block.items():
        where = f"{file}: tables: {name}"
        if not isinstance(name, str) or not TABLE_NAME.fullmatch(name):
            raise ValueError(f"{where}: expected a short kebab-case name such as new-treatments")
        if not isinstance(item, Mapping):
            raise ValueError(f"{where}: expected title, about, arm, found {item!r:.60}")
        for key in item:
            if key not in KEYS:
                raise ValueError(f"{where}: unknown key {key!r}{suggestion(key, KEYS)}")
        for key in ("title", "about"):
            if not isinstance(item.get(key), str) or not item[key].strip():
                raise ValueError(f"{where}: {key}: expected a sentence, found {item.get(key)!r:.60}")
        if item.get("arm") not in [*arms]:  # a list, so that an unhashable value is no surprise
            raise ValueError(f"{where}: arm: no arm {item.get('arm')!r}{suggestion(item.get('arm'), arms)}")
        if not isinstance(item.get("columns", {}), Mapping):
            raise ValueError(f"{where}: columns: expected column: label pairs, found {item['columns']!r:.60}")
        rows = item.get("rows", ROWS)
        if type(rows) is not int or not 1 <= rows <= MOST_ROWS:
            raise ValueError(f"{where}: rows: expected a whole number from 1 to {MOST_ROWS}, found {rows!r}")


def table_files(
    text: Mapping[str, Any], arms: Mapping[str, Mapping[str, Any]], study: str, device: str, seed: int
) -> dict[str, str]:
    """Table -> its file from results/, of the run with this seed; only where the experiment trains the table's arm.

    `text`: the study file; `arms`: arm -> at least `trained_as`.
    """
    return {
        name: f"runs/{study}/{arms[item['arm']]['trained_as']}/{device}/{seed}/tables/{name}.csv"
        for name, item in text.get("tables", {}).items()
        if item["arm"] in arms
    }
