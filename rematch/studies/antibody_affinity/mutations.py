"""Numeric features of point mutations written as in SKEMPI: `LI45G` is leucine 45 of chain I turned into glycine."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
LOCATIONS = (
    "COR",
    "RIM",
    "SUP",
    "INT",
    "SUR",
)  # core, rim, support of the interface; interior and surface away from it
# Kyte-Doolittle hydropathy (1982), residue volume in cubic angstrom (Zamyatnin 1972), charge at pH 7
HYDROPATHY = dict(
    zip(
        AMINO_ACIDS,
        (
            1.8,
            2.5,
            -3.5,
            -3.5,
            2.8,
            -0.4,
            -3.2,
            4.5,
            -3.9,
            3.8,
            1.9,
            -3.5,
            -1.6,
            -3.5,
            -4.5,
            -0.8,
            -0.7,
            4.2,
            -0.9,
            -1.3,
        ),
    )
)
VOLUME = dict(
    zip(
        AMINO_ACIDS,
        (
            88.6,
            108.5,
            111.1,
            138.4,
            189.9,
            60.1,
            153.2,
            166.7,
            168.6,
            166.7,
            162.9,
            114.1,
            112.7,
            143.8,
            173.4,
            89.0,
            116.1,
            140.0,
            227.8,
            193.6,
        ),
    )
)
CHARGE = {letter: {"D": -1.0, "E": -1.0, "K": 1.0, "R": 1.0}.get(letter, 0.0) for letter in AMINO_ACIDS}
_MUTATION = re.compile(rf"([{AMINO_ACIDS}])(\w)(-?\d+)([a-z]?)([{AMINO_ACIDS}])")


def mutation_features(mutations: pd.Series, locations: pd.Series, path: Path) -> pd.DataFrame:
    """One row per entry: counts of residues lost and gained, of locations, and summed changes of three properties."""
    return pd.DataFrame([_features(text, place, path) for text, place in zip(mutations, locations, strict=True)])


def _features(text: str, places: str, path: Path) -> dict[str, float]:
    pairs = []
    for part in text.split(","):
        match = _MUTATION.fullmatch(part.strip())
        if not match:
            raise ValueError(f"{path}: mutation: expected a form such as LI45G, found {part!r:.40}")
        pairs.append((match[1], match[5]))
    row = {f"lost_{letter}": float(sum(old == letter for old, _ in pairs)) for letter in AMINO_ACIDS}
    row |= {f"gained_{letter}": float(sum(new == letter for _, new in pairs)) for letter in AMINO_ACIDS}
    row |= {f"at_{place}": float(places.split(",").count(place)) for place in LOCATIONS}
    for name, scale in (("hydropathy", HYDROPATHY), ("volume", VOLUME), ("charge", CHARGE)):
        steps = np.array([scale[new] - scale[old] for old, new in pairs])
        row |= {f"{name}_change": float(steps.sum()), f"{name}_size": float(np.abs(steps).sum())}
    return row | {"mutation_count": float(len(pairs))}
