"""Raw files to a split: training, validation and test edges, their negatives, and the names of the nodes.

`plain-split`  train_pos, valid_pos, valid_neg, test_pos, test_neg as .csv or .csv.gz: two node numbers a row, no
header; optional nodes.csv(.gz) with the header "node idx,<name of the names>"
`ogb`          an ogbl data set: edge.csv.gz (the training edges), valid.pt, test.pt, num-node-list.csv.gz or a mapping
               nodeidx2*.csv.gz; as unpacked (raw/, split/<name>/, mapping/) or in one folder
`edge-list`    edges.csv(.gz) with the header source,target,split and, if negatives are given, label (1 or 0); names
of any kind
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rematch.studies.link_prediction.pickles import read_arrays

PARTS = ("train_pos", "valid_pos", "valid_neg", "test_pos", "test_neg")


@dataclass
class Split:
    """Pairs (p, 2) int64 by part; an absent pair of negatives is an empty array. `names` (n,) or None for plain
    numbers."""

    parts: dict[str, np.ndarray]
    num_nodes: int
    names: np.ndarray | None = None


def read(raw: Path, reader: str) -> Split:
    """The split in the folder `raw`, read by the named reader."""
    if reader not in READERS:
        raise ValueError(f"reader: expected one of {', '.join(READERS)}, found {reader!r}")
    return READERS[reader](raw)


def _plain_split(raw: Path) -> Split:
    parts = {part: _pairs(_file(raw, part)) for part in PARTS}
    listed = sorted(raw.glob("nodes.csv*"))
    names = _names(listed[0]) if listed else None
    seen = 1 + max((int(pairs.max()) for pairs in parts.values() if pairs.size), default=-1)
    return Split(parts, len(names) if names is not None else seen, names)


def _ogb(raw: Path) -> Split:
    parts = {"train_pos": _pairs(_one(raw, "edge.csv.gz"))}
    for part in ("valid", "test"):
        path = _one(raw, f"{part}.pt")
        arrays = read_arrays(path)
        for key, name in (("edge", f"{part}_pos"), ("edge_neg", f"{part}_neg")):
            found = arrays.get(key)
            if found is None or found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "iu":
                text = "none" if found is None else f"{found.dtype} {found.shape}"
                raise ValueError(f"{path.name}: expected an integer array {key!r} with two columns, found {text}")
            parts[name] = found.astype(np.int64)
    mapping = sorted(raw.rglob("nodeidx2*.csv.gz"))
    names = _names(mapping[0]) if mapping else None
    if names is not None:
        return Split(parts, len(names), names)
    return Split(parts, int(pd.read_csv(_one(raw, "num-node-list.csv.gz"), header=None).iloc[0, 0]))


def _one(raw: Path, name: str) -> Path:
    """The only file of that name in `raw` or below."""
    found = sorted(raw.rglob(name))
    if len(found) != 1:
        raise ValueError(f"{name}: expected one such file in {raw.name} or below, found {len(found)}")
    return found[0]


def _edge_list(raw: Path) -> Split:
    path = _file(raw, "edges")
    table = pd.read_csv(path, dtype=str)
    missing = {"source", "target", "split"} - set(table.columns)
    if missing:
        raise ValueError(f"{path.name}: expected columns source, target, split, found no {sorted(missing)[0]}")
    wrong = table.index[
        ~table["split"].isin(["train", "valid", "test"]) | table[["source", "target"]].isna().any(axis=1)
    ]
    if len(wrong):
        raise ValueError(
            f"{path.name}, row {wrong[0] + 2}: expected two names and train, valid or test, "
            f"found {list(table.loc[wrong[0]])}"
        )
    codes, names = pd.factorize(pd.concat([table["source"], table["target"]]), sort=True)
    pairs = codes.reshape(2, -1).T.astype(np.int64)
    negative = (table["label"] == "0").to_numpy() if "label" in table else np.zeros(len(table), bool)
    parts = {}
    for part in PARTS:
        split, sign = part.split("_")
        parts[part] = pairs[(table["split"] == split).to_numpy() & (negative == (sign == "neg"))]
    return Split(parts, len(names), np.asarray(names, dtype=object))


READERS = {"plain-split": _plain_split, "ogb": _ogb, "edge-list": _edge_list}


def _file(folder: Path, stem: str) -> Path:
    for suffix in (".csv.gz", ".csv"):
        if (folder / (stem + suffix)).exists():
            return folder / (stem + suffix)
    raise ValueError(f"{stem}.csv or {stem}.csv.gz: expected in {folder.name}, found neither")


def _pairs(path: Path) -> np.ndarray:
    """The rows of a file of two whole numbers a row, (p, 2) int64."""
    try:
        table = pd.read_csv(path, header=None)
    except pd.errors.EmptyDataError:
        return np.zeros((0, 2), np.int64)
    if table.shape[1] != 2:
        raise ValueError(f"{path.name}: expected two columns, found {table.shape[1]}")
    numbers = table.apply(pd.to_numeric, errors="coerce")
    wrong = np.flatnonzero((numbers.isna() | (numbers % 1 != 0)).any(axis=1))
    if len(wrong):
        found = ",".join(map(str, table.iloc[wrong[0]]))
        raise ValueError(f"{path.name}, row {wrong[0] + 1}: expected two node numbers, found {found!r}")
    return numbers.to_numpy(np.int64)


def _names(path: Path) -> np.ndarray:
    """The names in node order from a file with a header and two columns, the node's number and its name."""
    table = pd.read_csv(path)
    if list(table.iloc[:, 0]) != list(range(len(table))):
        raise ValueError(f"{path.name}: expected node numbers 0, 1, 2, ... in the first column, found another order")
    return table.iloc[:, 1].astype(str).to_numpy(dtype=object)
