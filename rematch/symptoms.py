"""One training as its history shows it, what a finding is, and the thresholds of all rules, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

THRESHOLDS: dict[str, tuple[float, str]] = {
    "cosine_collapsed": (0.9, "S3-39: mean cosine above 0.9 is collapsed; S1-25 calls 0.98 severe"),
    "cosine_undefined": (0.6, "S3-93: the documents leave 0.6 to 0.9 without a verdict"),
    "centred_spread": (0.3, "S3-91: a common offset alone makes every cosine large"),
    "gap_good": (0.6, "S1-58: a gap of 0.636 is called good separation"),
    "hits_bad": (0.1, "S1-33: 5 % is called extremely poor"),
    "late": (0.05, "S1-76: the best epoch among the last 5 %"),
    "slow_start": (0.1, "S1-41: first hit after 95 of 400 epochs is very slow; 10 % of the epochs here"),
    "clipped": (0.9, "S1-59: is the clipping too strong"),
    "dead": (0.5, "S1-61: dead units behind a rectifier"),
    "layer_ratio": (1e-6, "S1-38: gradient norms per layer"),
    "chance": (0.98, "S1-77: a loss beside that of a constant predictor"),
    "gap_contradiction": (0.2, "S1-77: a gap beside a loss at chance"),
    "initial_share": (0.1, "S1-31: evaluated weights that are mostly the initial ones learn late"),
    "smooth": (0.005, "S1-46: Dirichlet energy per layer"),
    "memory_growth": (0.2, "S3-49: memory that grows while training is steady; share of the peak"),
    "overfit_ratio": (2.0, "S4-83: training loss far below validation loss"),
}


class Finding(NamedTuple):
    """One thing that is wrong or contradictory in one run."""

    finding: str  # kebab-case, stable
    level: Literal["fault", "warning"]  # fault: a number in the log cannot be right; warning: training went badly
    evidence: str
    advice: str
    source: str


@dataclass(frozen=True)
class Training:
    """One run as the rules see it: values by name in order of steps, its settings, and its criterion."""

    values: Mapping[str, np.ndarray]
    settings: Mapping[str, Any]
    criterion: str = ""  # as logged, e.g. validation_hits_at_20
    better: Literal["lower", "higher"] = "lower"

    def get(self, name: str) -> np.ndarray:
        """The values logged under `name`, or under train_ or validation_ and that name; empty if there are none."""
        for full in (name, f"train_{name}", f"validation_{name}"):
            if full in self.values:
                return self.values[full]
        return np.zeros(0)

    def last(self, name: str) -> float:
        """The last value of `name`, NaN if it was never logged."""
        values = self.get(name)
        return float(values[-1]) if len(values) else float("nan")

    @property
    def epochs(self) -> int:
        """Epochs that were logged."""
        return (
            len(self.get(self.criterion)) if self.criterion else max((len(v) for v in self.values.values()), default=0)
        )

    def improvements(self) -> np.ndarray:
        """The epochs, from 0, at which the criterion was better than ever before."""
        values = self.get(self.criterion)
        if not len(values):
            return np.zeros(0, int)
        signed = values if self.better == "higher" else -values
        before = np.concatenate([[-np.inf], np.maximum.accumulate(signed)[:-1]])
        return np.flatnonzero(signed > before)


def limit(name: str) -> float:
    """The threshold called `name`."""
    return THRESHOLDS[name][0]
