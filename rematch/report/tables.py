"""What a table on the page is made of, before any HTML: columns, cells with raw values, where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from rematch.report import numbers

TONES = {  # verdicts and answers -> a word that the style sheet colours; every pill shows its text and a sign as well
    "better": "good",
    "supported": "good",
    "helps": "good",
    "worse": "bad",
    "hurts": "bad",
    "refuted": "bad",
    "fault": "bad",
    "error": "bad",
    "failed": "bad",
    "contradicts": "bad",
    "circular": "odd",
    "not comparable": "odd",
    "inconclusive": "open",
    "too few pairs": "open",
    "too few samples": "open",
    "warning": "open",
}
SIGNS = {"good": "\u25b2", "bad": "\u25bc", "odd": "\u21bb", "open": "?", "calm": "\u2013"}
SAME = ("equal", "agrees")


@dataclass(frozen=True)
class Column:
    """`kind`: text, number, pill or strip; numbers stand to the right, strips are little drawings."""

    label: str
    kind: str = "text"
    wide: bool = False


@dataclass(frozen=True)
class Strip:
    """An interval drawn beside its number, as gains (right is better) in units of the drawing's half width."""

    middle: float
    low: float
    high: float
    band: float
    tone: str
    says: str


@dataclass(frozen=True)
class Cell:
    """`text` is shown; `value` is sorted by and copied as CSV; `more` is a second, quieter line."""

    text: str
    value: Any = None
    href: str = ""
    more: str = ""
    tone: str = ""
    sign: str = ""
    strip: Strip | None = None
    code: bool = False

    @property
    def raw(self) -> str:
        """The value for sorting and for CSV."""
        return self.text if self.value is None else numbers.text(self.value)


@dataclass(frozen=True)
class Table:
    """`source`: CSV file below results/; `command` rebuilds it; `stack`: rows become cards on a narrow screen."""

    id: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    source: str = ""
    command: str = ""
    stack: bool = False
    note: str = ""
    row_ids: tuple[str, ...] = field(default=())

    @property
    def filtered(self) -> bool:
        """Whether a filter is worth its place."""
        return len(self.rows) > 5


def plain(value: Any, href: str = "", more: str = "", code: bool = False) -> Cell:
    """A cell of text."""
    return Cell(numbers.text(value), href=href, more=more, code=code)


def figure(value: Any, signed: bool = False, more: str = "", href: str = "") -> Cell:
    """A cell with a number."""
    return Cell(numbers.number(value, signed), "" if numbers.is_missing(value) else value, more=more, href=href)


def seconds(value: Any) -> Cell:
    """A cell with a time."""
    return Cell(numbers.seconds(value), "" if numbers.is_missing(value) else value)


def pill(word: Any, more: str = "") -> Cell:
    """A verdict or answer; `failed: reason` is shown as failed."""
    word = numbers.text(word)
    tone = tone_of(word)
    return Cell(
        word or numbers.NOTHING, word, more=more, tone=tone, sign="=" if word in SAME else SIGNS[tone] if word else ""
    )


def tone_of(word: str) -> str:
    """good, bad, odd, open or calm."""
    return TONES.get(word.split(":")[0], "calm")


def strip(row: Mapping[str, Any], better: str, band: float) -> Strip | None:
    """The interval of a row with difference, low, high, answer, scaled so that the longest of it and the band fits."""
    values = [row.get("difference"), row.get("low"), row.get("high")]
    if any(numbers.is_missing(value) for value in values):
        return None
    middle, low, high = (float(value) if better == "higher" else -float(value) for value in values)
    low, high = min(low, high), max(low, high)
    scale = max(abs(low), abs(high), 1.5 * band) or 1.0
    tone = tone_of(numbers.text(row.get("answer")))
    says = f"gain {numbers.number(middle, signed=True)}, interval {numbers.interval(low, high)}"
    says += f", practical band \u00b1{numbers.number(band)}"
    return Strip(middle / scale, low / scale, high / scale, band / scale, tone, says)


def read(path: str | Path) -> pd.DataFrame:
    """A CSV table; an empty one if the file is missing or has no content."""
    path = Path(path)
    if not path.exists() or not path.stat().st_size:
        return pd.DataFrame()
    return pd.read_csv(path)


def records(frame: Any) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries, with `row`, the line of the CSV file (the head is line 1)."""
    if frame is None or not len(frame):
        return []
    return [{**row, "row": line} for line, row in enumerate(frame.to_dict("records"), start=2)]


def column(head: str) -> Column:
    """A column from its head: `#Pairs` holds numbers, `!Verdict` pills, `~Gain` strips; `Reason +` is wide."""
    label, wide = (head[:-2], True) if head.endswith(" +") else (head, False)
    kind = {"#": "number", "!": "pill", "~": "strip"}.get(label[:1], "text")
    return Column(label if kind == "text" else label[1:], kind, wide)


def table(id: str, caption: str, heads: Iterable[str], rows: Iterable[Iterable[Cell]], **more: Any) -> Table:
    """A table with a `column` for each head, whose rows all have as many cells."""
    columns, rows = tuple(map(column, heads)), tuple(tuple(row) for row in rows)
    assert all(len(row) == len(columns) for row in rows), f"{id}: {len(columns)} columns"
    return Table(id, caption, columns, rows, **more)
