"""All metrics of one pair of versions in one picture: gains with intervals, in multiples of what would matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from rematch.report import numbers
from rematch.report.palette import BAD, GOOD, INK, LINE, MUTED
from rematch.report.style import canvas, styled

COLOURS = {"better": GOOD, "worse": BAD}
MARKS = {"better": ">", "worse": "<", "equal": "s"}


def gains(comparison: pd.DataFrame, metrics: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows label, gain, low, high, answer, shown: differences turned so that a gain is better, over the practical band.

    Metrics without a band or without a measured difference are left out.
    """
    rows = []
    for row in comparison.to_dict("records"):
        about = metrics.get(row["metric"], {})
        band = float(about.get("equal_within") or 0)
        if band <= 0 or numbers.is_missing(row["difference"]):
            continue
        sign = 1.0 if about.get("better") == "higher" else -1.0
        ends = [sign * row[key] / band for key in ("difference", "low", "high")]
        shown = numbers.number(row["difference"], signed=True)
        rows.append(
            {
                "label": about.get("label", row["metric"]),
                "gain": ends[0],
                "low": min(ends[1:]) if not numbers.is_missing(row["low"]) else ends[0],
                "high": max(ends[1:]) if not numbers.is_missing(row["low"]) else ends[0],
                "answer": numbers.text(row["answer"]),
                "shown": numbers.with_unit(shown, about.get("unit", "")),
            }
        )
    return rows


def forest(comparison: pd.DataFrame, metrics: Mapping[str, Mapping[str, Any]], names: tuple[str, str]) -> Figure | None:
    """One line per metric for the rows of one pair of arms; None if nothing can be drawn."""
    rows = gains(comparison, metrics)
    if not rows:
        return None
    with styled():
        figure, (axes,) = canvas(0.9 + 0.26 * len(rows))
        axes.axvspan(-1, 1, color=LINE, alpha=0.55, linewidth=0)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for place, row in enumerate(rows):
            colour = COLOURS.get(row["answer"], MUTED)
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.6)
            axes.plot([row["gain"]], [place], marker=MARKS.get(row["answer"], "o"), color=colour, markersize=5)
            axes.annotate(
                f"{row['shown']}  {row['answer']}",
                (1.0, place),
                xycoords=("axes fraction", "data"),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=colour,
            )
        if max(max(abs(row["low"]), abs(row["high"])) for row in rows) > 12:
            axes.set_xscale("symlog", linthresh=2)
            axes.xaxis.set_major_formatter("{x:g}")
        axes.set_yticks(range(len(rows)), [row["label"] for row in rows], color=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("gain in multiples of the practical band (shaded); right is better")
        axes.set_title(f"{names[1]} against {names[0]}", fontweight="normal", color=MUTED)
    return figure
