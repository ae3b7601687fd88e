"""From one version to the next: what each change brings or costs, as bars that start where the last one ended."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rematch.report import numbers
from rematch.report.palette import BAD, GOOD, INK, METHODS, MUTED, OPEN
from rematch.report.style import canvas, styled

SAYS = {
    "leave-one-out": "each change: what is lost without it",
    "one-at-a-time": "each change: what it brings alone",
    "shapley": "each change: its Shapley share",
}
COLOURS = {"helps": GOOD, "hurts": BAD}


class Step(NamedTuple):
    """One bar: from `start` by `size`; the interval is that of the size."""

    label: str
    start: float
    size: float
    low: float
    high: float
    word: str


def method_of(attribution: pd.DataFrame) -> str:
    """The method that the figure shows: Shapley where there is one, then leave-one-out, then one-at-a-time."""
    there = set(attribution["method"]) if len(attribution) else set()
    return next((method for method in METHODS if method in there), "")


def steps(attribution: pd.DataFrame, before: float) -> list[Step]:
    """The bars for rows of one metric, device and method: changes in the table's order, and the interaction."""
    bars, level = [], before
    rows = attribution.to_dict("records")
    for row in [row for row in rows if row["change"] != "total"]:
        word = "interaction" if row["change"] == "interaction" else numbers.text(row["answer"])
        bars.append(Step(row["change"], level, row["share"], row["low"], row["high"], word))
        level += row["share"]
    return bars


def waterfall(
    attribution: pd.DataFrame, before: float, names: tuple[str, str], metric: dict[str, Any]
) -> Figure | None:
    """From the mean of v1 (`before`) to that of v2, one bar a change with its 95 % interval.

    `attribution`: rows of one metric, device and method with columns change, share, low, high, answer.
    None without a total.
    """
    total = attribution[attribution["change"] == "total"]
    if total.empty or not np.isfinite(before) or not np.isfinite(float(total["share"].iloc[0])):
        return None
    bars = steps(attribution, before)
    after = before + float(total["share"].iloc[0])
    with styled():
        figure, (axes,) = canvas(0.75 + 0.27 * (len(bars) + 2))
        _level(axes, 0, names[0], before)
        for place, bar in enumerate(bars, start=1):
            _bar(axes, place, bar)
        _level(axes, len(bars) + 1, names[1], after)
        axes.axvline(before, color=MUTED, linewidth=0.8, dashes=(2, 2))
        labels = [
            names[0],
            *(bar.label if bar.label != "interaction" else "together, beyond the sum" for bar in bars),
            names[1],
        ]
        axes.set_yticks(range(len(labels)), labels, color=INK)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.12)
        unit = f" ({metric['unit']})" if metric.get("unit") else ""
        better = "smaller" if metric["better"] == "lower" else "larger"
        axes.set_xlabel(f"{metric.get('label', '')}{unit}, {better} is better")
        axes.set_title(SAYS.get(numbers.text(attribution["method"].iloc[0]), ""), fontweight="normal", color=MUTED)
    return figure


def _level(axes: Axes, place: int, name: str, value: float) -> None:
    axes.plot([value], [place], marker="D", color=INK, markersize=5)
    axes.annotate(numbers.number(value), (value, place), xytext=(7, 0), textcoords="offset points", va="center")


def _bar(axes: Axes, place: int, bar: Step) -> None:
    colour = COLOURS.get(bar.word, OPEN)
    end = bar.start + bar.size
    axes.barh(place, bar.size, left=bar.start, height=0.62, color=colour, alpha=0.85 if bar.word in COLOURS else 0.5)
    axes.plot([end, end], [place - 0.31, place + 1.31], color=MUTED, linewidth=0.6)
    right = max(bar.start, end)
    if not numbers.is_missing(bar.low) and not numbers.is_missing(bar.high):
        axes.plot([bar.start + bar.low, bar.start + bar.high], [place, place], color=INK, linewidth=1)
        right = max(right, bar.start + bar.high)
    says = f" {bar.word}" if bar.word in COLOURS else ""
    axes.annotate(
        f"{numbers.number(bar.size, signed=True)}{says}",
        (right, place),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        color=colour if bar.word in COLOURS else MUTED,
    )
