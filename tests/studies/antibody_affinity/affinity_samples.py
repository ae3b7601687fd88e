"""Small affinity data for the tests: tables on disk, v1's and v2's settings, training arrays."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rematch.card import Card
from rematch.settings import build
from rematch.studies.antibody_affinity.data import prepare
from rematch.studies.antibody_affinity.generate import generate
from rematch.studies.antibody_affinity.readers import READERS

ROOT = Path(__file__).resolve().parents[3]
SIZES = {"rows": 600, "families": 20, "antibodies_per_family": 3, "strains": 4, "antigens_per_strain": 6}
DATASET = {"title": "tiny", "reader": "plain", "group": "antibody"}


@cache
def _study() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config/studies/antibody_affinity.yaml").read_text())


def values_of(version: str = "v1", **changes: Any) -> dict[str, Any]:
    """Plain settings of v1 or v2 with `changes` laid over them."""
    versions = _study()["versions"]
    values = dict(versions["v1"]["set"])
    if version == "v2":
        for change in versions["v2"]["changes"].values():
            values |= change["set"]
    return values | changes


def arm(version: str = "v1", **changes: Any) -> Any:
    """`Settings` of v1 or v2 with `changes`."""
    return build("antibody_affinity", values_of(version, **changes))


def write_plain(
    folder: Path,
    rows: list[str],
    header: str = "antibody,antigen,affinity,unit",
    names: str = "AB",
    antigens: str = "xyz",
) -> Path:
    """A plain data set: antibodies and antigens named by single letters, with two features each."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "affinity.csv").write_text("\n".join([header, *rows]) + "\n")
    for key, letters in (("antibody", names), ("antigen", antigens)):
        lines = [f"{letter},{i},{(i * 7) % 5}" for i, letter in enumerate(letters)]
        path = folder / ("antibodies.csv" if key == "antibody" else "antigens.csv")
        path.write_text("\n".join([f"{key},{key}_f0,{key}_f1", *lines]) + "\n")
    return folder


def read(folder: Path, reader: str = "plain"):
    """The tables and the card of a raw folder."""
    card = Card("tiny")
    return READERS[reader](folder, DATASET | {"reader": reader}, card), card


def generated(folder: Path, seed: int = 7, **sizes: int) -> Path:
    """A generated data set."""
    folder.mkdir(parents=True, exist_ok=True)
    generate(folder, seed=seed, **{**SIZES, **sizes})
    return folder


def prepared(folder: Path, seed: int = 1, **changes: Any):
    """Prepared data of a generated folder."""
    return prepare(folder, DATASET | {"group": "family"}, arm(**changes), seed)


def codes(card: Card, level: str) -> dict[str, int]:
    """Code -> count of the findings of one level."""
    return {finding.code: finding.count for finding in card.findings if finding.level == level}


def training_arrays(rows: int = 96, features: int = 5) -> dict[str, np.ndarray]:
    """Arrays that a learner takes; the target is linear in the features, spread over all bins."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows + 40, features)).astype(np.float32)
    y = np.clip(8 + 2.0 * x[:, 0] - x[:, 1], 0.5, 15.5).astype(np.float32)
    return {"x_train": x[:rows], "y_train": y[:rows], "x_valid": x[rows:], "y_valid": y[rows:]}


def replaced(settings: Any, **changes: Any) -> Any:
    """`settings` with `changes`."""
    return dataclasses.replace(settings, **changes)
