"""What a training's history says about it: contradictions, and the advice the documents give for them.

A healthy run has no finding. Each finding carries its evidence in numbers and the inventory row it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from rematch.atomic import write_text
from rematch.finding_rules import RULES
from rematch.symptoms import Finding, Training

RUN = ["study", "arm", "device", "seed"]
COLUMNS = [*RUN, *Finding._fields]
MEMORY = ("peak_memory_mb", "memory_growth_mb")  # of a manifest


def diagnose(training: Training) -> list[Finding]:
    """All findings of one run, in the order of `RULES`."""
    return [found for rule in RULES if (found := rule(training)) is not None]


def table(histories: pd.DataFrame, manifests: pd.DataFrame, settings: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The findings of all runs of one study, one a row, with COLUMNS.

    histories: study, arm, device, seed, step, name, value; manifests: the same keys and criterion, a pair of name and
    direction; settings: arm -> its settings.
    """
    rows = []
    criteria = {tuple(item[key] for key in RUN): item.get("criterion") for item in manifests.to_dict("records")}
    memory = {
        tuple(item[key] for key in RUN): {name: float(item[name]) for name in MEMORY if name in item}
        for item in manifests.to_dict("records")
    }
    for key, part in histories.groupby(RUN, sort=False):
        values = {
            name: v.to_numpy(float)
            for name, v in part.sort_values("step", kind="stable").groupby("name", sort=False)["value"]
        }
        values |= {name: np.array([value]) for name, value in memory.get(key, {}).items()}
        name, better = _criterion(criteria.get(key))
        for found in diagnose(Training(values, settings.get(key[1], {}), name, better)):
            rows.append((*key, *found))
    return pd.DataFrame(rows, columns=COLUMNS)


def _criterion(text: Any) -> tuple[str, Literal["lower", "higher"]]:
    """(logged name, direction) of a criterion as a list, or as the text of one that a CSV file holds."""
    if isinstance(text, str):
        text = [part.strip(" '\"()[]") for part in text.split(",")]
    if not isinstance(text, Sequence) or len(text) != 2:
        return "", "lower"
    return f"validation_{text[0]}", text[1]


def diagnose_runs(
    settings: Mapping[str, Mapping[str, Any]], histories: Sequence[str], manifests: Sequence[str], output: str
) -> None:
    """Writes the findings of all studies as CSV; `settings` maps study -> arm -> settings, files are one per study."""
    tables = []
    for history, manifest in zip(histories, manifests, strict=True):
        rows, about = pd.read_csv(history), pd.read_csv(manifest)
        for study, part in about.groupby("study", sort=False):
            tables.append(table(rows[rows["study"] == study], part, settings.get(str(study), {})))
    found = [one for one in tables if len(one)]
    whole = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)
    write_text(Path(output), whole.to_csv(index=False))
