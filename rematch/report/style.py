"""One look for all figures, and figures as bytes that are equal for equal data."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rematch.report.palette import INK, LINE, MUTED

WIDTH = 7.2  # inch: the full width of a two-column paper
_SETTINGS = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "text.color": INK,
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "rematch",
    "pdf.fonttype": 42,  # TrueType fonts, embedded: journals refuse type 3
    "pdf.compression": 9,
}


@contextmanager
def styled() -> Iterator[None]:
    """Inside, figures are made and saved in this style, whatever the user's own matplotlib settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def canvas(height: float, columns: int = 1, rows: int = 1, **shape) -> tuple[Figure, list[Axes]]:
    """A figure of full width and `height` inch, and its plots row by row."""
    made = Figure(figsize=(WIDTH, height), layout="constrained")
    return made, list(made.subplots(rows, columns, squeeze=False, **shape).ravel())


def svg(figure: Figure) -> str:
    """The figure as SVG with text as text, without date or version."""
    with styled():
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def pdf(figure: Figure) -> bytes:
    """The figure as PDF with embedded fonts, without dates."""
    with styled():
        out = io.BytesIO()
        figure.savefig(
            out, format="pdf", metadata={"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None}
        )
    return out.getvalue()


def labels_apart(positions: list[float], gap: float) -> list[float]:
    """`positions` moved as little as needed so that neighbours lie at least `gap` apart, for labels at line ends."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    placed = list(positions)
    for _ in range(50):
        moved = False
        for lower, upper in pairwise(order):
            short = gap - (placed[upper] - placed[lower])
            if short > 1e-9:
                placed[lower] -= short / 2
                placed[upper] += short / 2
                moved = True
        if not moved:
            break
    return placed
