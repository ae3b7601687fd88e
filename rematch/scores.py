"""What `evaluate` returns: scores, one value a row, and per-sample predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd


class Score(NamedTuple):
    """One number. `n` is how many samples it rests on, so that a reader can doubt it."""

    name: str  # snake_case, as declared under `metrics:` of the study file; `rmse_very_strong` for a part
    value: float
    n: int
    split: str = "test"


@dataclass
class Evaluation:
    """Scores and one row per test sample (or query) with at least `sample`; arms are paired by `sample`."""

    scores: list[Score]
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)

    def table(self) -> pd.DataFrame:
        """Columns split, name, value, n, in a fixed order so that equal runs leave equal bytes."""
        frame = pd.DataFrame(self.scores, columns=list(Score._fields))
        return frame[["split", "name", "value", "n"]].sort_values(["split", "name"], ignore_index=True)
