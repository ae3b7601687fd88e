"""Training curves: what was logged per epoch, mean over seeds, with a band from the lowest to the highest seed."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rematch.report.palette import DASHES, SERIES
from rematch.report.style import canvas, labels_apart, styled

LOSSES = ("train_loss", "learning_rate", "train_gradient_norm")
LABELS = {
    "train_loss": "training loss (each on its own scale)",
    "learning_rate": "learning rate",
    "train_gradient_norm": "gradient norm before clipping",
}
LOGARITHMIC = ("learning_rate", "train_gradient_norm")


def curves(histories: pd.DataFrame, arms: Sequence[str], criterion: str) -> Figure | None:
    """Criterion, training loss, learning rate and gradient norm of each arm, as far as they were logged.

    `histories`: columns arm, seed, step, name, value. None if nothing was logged for these arms.
    """
    if not len(histories):
        return None
    rows = histories[histories["arm"].isin(arms)]
    names = [name for name in (criterion, *LOSSES) if (rows["name"] == name).any()]
    shown = [arm for arm in arms if (rows["arm"] == arm).any()]
    if not names or not shown:
        return None
    with styled():
        figure, grid = canvas(4.2 if len(names) > 2 else 2.3, min(len(names), 2), (len(names) + 1) // 2)
        for axes, name in zip(grid, names, strict=False):
            _panel(axes, rows[rows["name"] == name], shown, name)
        for axes in grid[len(names) :]:
            axes.set_visible(False)
    return figure


def bands(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns epoch (from 1), mean, low, high over the seeds of one arm that got so far."""
    ordered = rows.sort_values(["seed", "step"]).copy()
    ordered["epoch"] = ordered.groupby("seed").cumcount() + 1
    return ordered.groupby("epoch")["value"].agg(mean="mean", low="min", high="max").reset_index()


def _panel(axes: Axes, rows: pd.DataFrame, arms: Sequence[str], name: str) -> None:
    ends = []
    for arm, colour, dash in zip(arms, SERIES, DASHES, strict=False):
        table = bands(rows[rows["arm"] == arm])
        if table.empty:
            continue
        style = {} if dash[0] is None else {"dashes": dash}
        single = len(table) == 1
        axes.plot(table["epoch"], table["mean"], color=colour, marker="o" if single else None, markersize=4, **style)
        axes.fill_between(table["epoch"], table["low"], table["high"], color=colour, alpha=0.18, linewidth=0)
        ends.append((arm, colour, float(table["epoch"].iloc[-1]), float(table["mean"].iloc[-1])))
    axes.set_title(LABELS.get(name, name.removeprefix("validation_").replace("_", " ") + ", validation"))
    positive = (rows["value"] > 0).all()
    if positive and (name in LOGARITHMIC or rows["value"].max() > 50 * rows["value"].min()):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    _name_lines(axes, ends)


def _name_lines(axes: Axes, ends: list[tuple[str, str, float, float]]) -> None:
    """Each line's name in its colour at its end, moved apart where lines meet."""
    axes.margins(x=0.02)
    places = [float(axes.transData.transform((x, y))[1]) for _, _, x, y in ends]
    heights = [(place - axes.bbox.y0) / axes.bbox.height for place in places]
    for (arm, colour, _, _), height in zip(ends, labels_apart(heights, 0.1), strict=True):
        axes.annotate(
            arm,
            (1.0, height),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            color=colour,
            va="center",
        )
