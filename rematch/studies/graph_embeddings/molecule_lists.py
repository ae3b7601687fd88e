"""Lists of SMILES as their authors publish them: a packed list of all, and one list for each held-out part."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rematch.studies.graph_embeddings.readers import open_text


def read_packed(raw: Path, declared: Mapping) -> list[str]:
    """The SMILES of the only text file in `declared["archive"]`, a gzipped tar; nothing is unpacked to disk."""
    name = declared["archive"]
    with tarfile.open(raw / name, "r:gz") as archive:
        texts = [item for item in archive.getmembers() if item.isfile() and item.name.endswith(".txt")]
        if len(texts) != 1:
            raise ValueError(f"{name}: expected one text file in the archive, found {len(texts)}")
        return archive.extractfile(texts[0]).read().decode().split()


def split_by_lists(raw: Path, declared: Mapping) -> np.ndarray:
    """`train`, `valid` or `test` for every SMILES of the archive; those in neither list are for training."""
    smiles = read_packed(raw, declared)
    place = {text: row for row, text in enumerate(smiles)}
    parts = np.full(len(smiles), "train")
    for part in ("valid", "test"):
        with open_text(raw, declared[part]) as file:
            listed = [line.split()[0] for line in file if line.strip()]
        if unknown := [text for text in listed if text not in place]:
            found = f"{len(unknown)} others, first {unknown[0]!r:.60}"
            raise ValueError(f"{declared[part]}: expected SMILES of {declared['archive']}, found {found}")
        parts[[place[text] for text in listed]] = part
    return parts
