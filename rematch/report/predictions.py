"""Predictions against targets, residuals, and the error of every group, where they are kept per sample.

Answers S4-38 (predictions against targets), S4-39 and S4-40 (residuals), S4-41 (error per bin).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure

from rematch.report.palette import DASHES, INK, MUTED, SERIES
from rematch.report.style import canvas, styled

GROUPS = ("bin", "group")  # the column that splits the test samples, the first that is there
FEW = 400  # up to here points, above it hexagons: a page of thousands of points would be heavy and black


def drawable(frame: pd.DataFrame) -> bool:
    """Whether per-sample targets and predictions are there."""
    return {"target", "prediction"} <= set(frame.columns) and len(frame) > 1


def against_targets(runs: Mapping[str, pd.DataFrame], unit: str = "") -> Figure | None:
    """One plot per arm: prediction over target, all seeds pooled, with the diagonal."""
    if not runs:
        return None
    values = np.concatenate([frame[["target", "prediction"]].to_numpy(float).ravel() for frame in runs.values()])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    with styled():
        figure, plots = canvas(2.6, max(len(runs), 2), sharex=True, sharey=True)
        for axes, (arm, frame), colour in zip(plots, runs.items(), SERIES, strict=False):
            axes.plot([low, high], [low, high], color=INK, linewidth=0.8, dashes=(3, 2), zorder=3)
            if len(frame) <= FEW:
                axes.scatter(frame["target"], frame["prediction"], s=7, color=colour, alpha=0.5, linewidths=0)
            else:
                fading = LinearSegmentedColormap.from_list("fading", [to_rgba(colour, 0.12), to_rgba(colour, 1.0)])
                axes.hexbin(
                    frame["target"], frame["prediction"], gridsize=26, mincnt=1, bins="log", cmap=fading, linewidths=0
                )
            axes.set_title(f"{arm}  (n = {len(frame)})", color=colour)
            axes.set_xlabel(f"target{f' ({unit})' if unit else ''}")
        for axes in plots[len(runs) :]:
            axes.set_visible(False)
        plots[0].set_ylabel(f"prediction{f' ({unit})' if unit else ''}")
    return figure


def residuals(runs: Mapping[str, pd.DataFrame], unit: str = "", cells: int = 12) -> Figure | None:
    """Prediction - target: its distribution, and its mean and middle 80 % along the target."""
    if not runs:
        return None
    with styled():
        figure, (left, right) = canvas(2.5, 2)
        errors = {arm: (frame["prediction"] - frame["target"]).to_numpy(float) for arm, frame in runs.items()}
        pooled = np.concatenate(list(errors.values()))
        edges = np.linspace(*np.nanquantile(pooled, [0.002, 0.998]), 41)
        for (arm, error), colour, dash in zip(errors.items(), SERIES, DASHES, strict=False):
            style = {} if dash[0] is None else {"dashes": dash}
            share, _ = np.histogram(error, edges)
            left.stairs(share / len(error), edges, color=colour, linewidth=1.5, label=arm)
            table = _along(runs[arm]["target"].to_numpy(float), error, cells)
            right.plot(table["target"], table["mean"], color=colour, marker="o", markersize=3, label=arm, **style)
            right.fill_between(table["target"], table["low"], table["high"], color=colour, alpha=0.15, linewidth=0)
        for axes, title in (
            (left, "residuals: share of samples"),
            (right, "residual along the target: mean, middle 80 %"),
        ):
            axes.set_title(title)
            axes.legend(labelcolor="linecolor", loc="best")
        left.axvline(0, color=MUTED, linewidth=0.8)
        right.axhline(0, color=MUTED, linewidth=0.8)
        left.set_xlabel(f"prediction \u2212 target{f' ({unit})' if unit else ''}")
        right.set_xlabel(f"target{f' ({unit})' if unit else ''}")
    return figure


def per_group(runs: Mapping[str, pd.DataFrame], unit: str = "") -> Figure | None:
    """RMSE per group with the number of samples below it; groups are ordered by their mean target."""
    column = next((name for name in GROUPS if runs and all(name in frame for frame in runs.values())), None)
    if column is None:
        return None
    tables = {arm: rmse_by(frame, column) for arm, frame in runs.items()}
    first = next(iter(tables.values()))
    with styled():
        figure, (axes,) = canvas(2.6)
        width = 0.8 / len(tables)
        for place, ((arm, table), colour) in enumerate(zip(tables.items(), SERIES, strict=False)):
            aligned = table.reindex(first.index)
            offsets = np.arange(len(first)) + (place - (len(tables) - 1) / 2) * width
            axes.bar(offsets, aligned["rmse"], width * 0.92, color=colour, alpha=0.9, label=arm)
            if "low" in aligned:
                axes.vlines(offsets, aligned["low"], aligned["high"], color=INK, linewidth=0.9)
        names = [f"{str(name).replace('_', ' ')}\nn = {n:.0f}" for name, n in first["n"].items()]
        axes.set_xticks(range(len(first)), names, color=INK)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel(f"RMSE{f' ({unit})' if unit else ''}")
        axes.legend(labelcolor="linecolor", ncols=len(tables), loc="upper center", bbox_to_anchor=(0.5, 1.16))
    return figure


def rmse_by(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Per group: rmse (mean over seeds), low, high (lowest, highest seed) and n per seed, by mean target."""
    squared = frame.assign(error=(frame["prediction"] - frame["target"]) ** 2)
    if "seed" not in squared:
        squared["seed"] = 0
    seeds = squared.groupby([column, "seed"], observed=True)["error"].agg(["mean", "size"]).reset_index()
    seeds["rmse"] = np.sqrt(seeds["mean"])
    table = seeds.groupby(column, observed=True).agg(
        rmse=("rmse", "mean"), low=("rmse", "min"), high=("rmse", "max"), n=("size", "mean")
    )
    return table.loc[frame.groupby(column, observed=True)["target"].mean().sort_values().index]


def _along(target: np.ndarray, error: np.ndarray, cells: int) -> pd.DataFrame:
    """Columns target, mean, low, high (10th and 90th percentile) in cells of equally many samples."""
    order = np.argsort(target, kind="stable")
    parts = [part for part in np.array_split(order, min(cells, max(len(order) // 5, 1))) if len(part)]
    rows = [(target[part].mean(), error[part].mean(), *np.quantile(error[part], [0.1, 0.9])) for part in parts]
    return pd.DataFrame(rows, columns=["target", "mean", "low", "high"])
