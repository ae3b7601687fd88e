"""What `evaluate` returns: scores, one value a row, per-sample predictions, and further tables for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rematch.atomic import write_text
from rematch.study_tables import TABLE_NAME


class Score(NamedTuple):
    """One number. `n` is how many samples it rests on, so that a reader can doubt it."""

    name: str  # snake_case, as declared under `metrics:` of the study file; `rmse_very_strong` for a part
    value: float
    n: int
    split: str = "test"


@dataclass
class Evaluation:
    """Scores and one row per test sample (or query) with at least `sample`; arms are paired by `sample`.

    `tables`: kebab-case name -> anything else worth a look, such as the best predictions with their evidence. The study
    file says under `tables:` which of them the page shows.
    """

    scores: list[Score]
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """Columns split, name, value, n, in a fixed order so that equal runs leave equal bytes."""
        frame = pd.DataFrame(self.scores, columns=list(Score._fields))
        return frame[["split", "name", "value", "n"]].sort_values(["split", "name"], ignore_index=True)

    def write_tables(self, folder: Path) -> None:
        """Writes each table as `<folder>/<name>.csv`."""
        for name, table in self.tables.items():
            if not TABLE_NAME.fullmatch(name):
                raise ValueError(f"{folder}: table {name!r}: expected a short kebab-case name such as new-treatments")
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
