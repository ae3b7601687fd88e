"""Embeddings of one saved model for use elsewhere: one row per item with its number and name, as Parquet and CSV."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import load_file

from rematch import prepared
from rematch.atomic import write_bytes, write_text
from rematch.settings import build


def export_embeddings(
    package: str,
    settings: Mapping[str, Any],
    model: str,
    manifest: str,
    data: Sequence[str],
    outputs: Sequence[str],
) -> None:
    """Writes the frame that the study's `evaluate.embeddings` returns to a Parquet and a CSV file, in this order.

    `data`: prepared training and test arrays and the table of names. Columns: `id`, what the study says of an item
    (`name`, `type`, ...), and one per dimension.
    """
    module = importlib.import_module(f"rematch.studies.{package}.evaluate")
    if not hasattr(module, "embeddings"):
        raise ValueError(f"{package}: no embeddings to export: evaluate.py defines no function `embeddings`")
    status = json.loads(Path(manifest).read_text())["status"]
    if status != "ok":
        raise ValueError(f"{model}: no embeddings to export: the training {status}")
    train, test, names = data
    arrays = (prepared.read(Path(path)) for path in (train, test))
    frame = module.embeddings(build(package, settings), load_file(model), *arrays, pd.read_parquet(names))
    if "id" not in frame or frame["id"].duplicated().any():
        raise ValueError(f"{package}: embeddings: expected a column `id` without repeats, found {list(frame)[:5]}")
    parquet, text = outputs
    write_bytes(parquet, frame.to_parquet(index=False))
    write_text(text, frame.to_csv(index=False))


def with_dimensions(items: pd.DataFrame, embeddings: np.ndarray) -> pd.DataFrame:
    """The items with their embeddings `(num_items, width)` as columns `dim_0`, `dim_1`, ..."""
    columns = [f"dim_{i}" for i in range(embeddings.shape[1])]
    return items.reset_index(drop=True).join(pd.DataFrame(embeddings, columns=columns))
