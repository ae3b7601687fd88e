"""Prepared data: what `prepare` leaves and what `train` and `evaluate` read.

`train.safetensors` holds all that training may see (training and validation parts), `test.safetensors` the test
part, which only `evaluate` opens. `names.parquet` maps row or node numbers to the names people know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save

from rematch.atomic import write_bytes
from rematch.card import Card

if TYPE_CHECKING:
    import pandas as pd


def _no_names() -> pd.DataFrame:
    import pandas as pd  # only `prepare` needs it; a training imports this module and shall not pay for it

    return pd.DataFrame()


@dataclass
class Prepared:
    """Arrays for training and for the test, a table of names, and the data card."""

    train: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    card: Card
    names: pd.DataFrame = field(default_factory=_no_names)


def write(prepared: Prepared, train: Path, test: Path, names: Path, card: Path) -> None:
    """Writes the four files, each atomically."""
    write_bytes(train, save({k: np.ascontiguousarray(v) for k, v in prepared.train.items()}))
    write_bytes(test, save({k: np.ascontiguousarray(v) for k, v in prepared.test.items()}))
    write_bytes(names, prepared.names.to_parquet(index=False))
    write_bytes(card, json.dumps(prepared.card.as_dict(), indent=2, default=_plain).encode())


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of `train.safetensors` or `test.safetensors`."""
    return load_file(path)


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a data card holds plain values, found {type(value).__name__}")
