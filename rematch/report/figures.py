"""All figures of one study: which can be drawn is decided by the tables and columns that are there, never by a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from rematch.atomic import write_bytes, write_text
from rematch.report import predictions
from rematch.report.curves import curves
from rematch.report.forest import forest
from rematch.report.style import pdf, svg
from rematch.report.tables import read
from rematch.report.waterfall import method_of, waterfall


def figures(
    study: Mapping[str, Any],
    comparison: pd.DataFrame,
    attribution: pd.DataFrame,
    histories: pd.DataFrame,
    manifests: pd.DataFrame,
    samples: Mapping[str, pd.DataFrame],
) -> dict[str, Figure]:
    """Name -> figure: difference, shares, curves, and where targets are kept predictions, residuals, groups.

    `study`: primary, metrics, versions (in chain order), device. `samples`: arm -> predictions of all its seeds.
    """
    metrics, primary, versions = study["metrics"], study["primary"], study["versions"]
    unit = metrics[primary].get("unit", "")
    drawn: dict[str, Figure | None] = {}
    for before, after in pairwise(versions):
        rows = _rows(comparison, device=study["device"], before=before, after=after)
        suffix = "" if after == versions[1] else f"-{after}"
        drawn[f"difference{suffix}"] = forest(rows, metrics, (before, after))
        shares = _rows(attribution, device=study["device"], version=after, metric=primary)
        shares = _rows(shares, method=method_of(shares))
        start = _rows(rows, metric=primary)
        if len(shares) and len(start):
            drawn[f"shares{suffix}"] = waterfall(
                shares, float(start["before_mean"].iloc[0]), (before, after), metrics[primary]
            )
    drawn["curves"] = curves(_rows(histories, device=study["device"]), versions, criterion_of(manifests))
    kept = {arm: frame for arm, frame in samples.items() if predictions.drawable(frame)}
    drawn["predictions"] = predictions.against_targets(kept, unit)
    drawn["residuals"] = predictions.residuals(kept, unit)
    drawn["groups"] = predictions.per_group(kept, unit)
    return {name: figure for name, figure in drawn.items() if figure is not None}


def criterion_of(manifests: pd.DataFrame) -> str:
    """The logged name of the validation value by which most runs chose their best epoch."""
    if "criterion" not in manifests or not manifests["criterion"].notna().any():
        return ""
    text = str(manifests["criterion"].dropna().mode().iloc[0])
    return "validation_" + text.strip("[]() ").split(",")[0].strip(" '\"")


def _rows(frame: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """The rows in which every named column has the wanted value; an empty frame without such columns."""
    for column, value in wanted.items():
        if column not in frame:
            return frame.iloc[:0]
        frame = frame[frame[column] == value]
    return frame


def samples_of(files: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Arm -> predictions of all seeds with a column seed, from `.../<arm>/<device>/<seed>/predictions.parquet`."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for file in map(Path, files):
        frame = pd.read_parquet(file)
        if predictions.drawable(frame):
            parts.setdefault(file.parts[-4], []).append(frame.assign(seed=int(file.parts[-2])))
    return {arm: pd.concat(frames, ignore_index=True) for arm, frames in parts.items()}


def write_figures(study: Mapping[str, Any], tables: Mapping[str, str], samples: Sequence[str], folder: str) -> None:
    """Writes every figure of a study as `<folder>/<name>.svg` and `.pdf`.

    `tables`: comparison, attribution, histories, manifests -> CSV file.
    """
    frames = {name: read(path) for name, path in tables.items()}
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, figure in figures(study, samples=samples_of(samples), **frames).items():
        write_text(Path(folder) / f"{name}.svg", svg(figure))
        write_bytes(Path(folder) / f"{name}.pdf", pdf(figure))
