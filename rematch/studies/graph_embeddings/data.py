"""Preparation: raw graph files to flat stores with one vocabulary, a split, and probe tasks with their folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rematch.card import Card
from rematch.prepared import Prepared
from rematch.streams import numpy_generator
from rematch.studies.graph_embeddings.flat import FlatGraphs
from rematch.studies.graph_embeddings.molecule_lists import read_packed, split_by_lists
from rematch.studies.graph_embeddings.readers import open_text, read_tu, read_tu_one_file
from rematch.studies.graph_embeddings.settings import Settings

KINDS = ("regression", "classification")


@dataclass(frozen=True)
class Source:
    """Graphs with raw label values, their names, and a table of targets with one row per graph."""

    graphs: FlatGraphs
    names: list[str]
    targets: pd.DataFrame

    def select(self, chosen: np.ndarray) -> Source:
        """The chosen graphs, in that order."""
        names = [self.names[i] for i in chosen]
        return Source(self.graphs.select(chosen), names, self.targets.iloc[chosen].reset_index(drop=True))


def prepare(raw: Path, dataset: Mapping[str, Any], settings: Settings, seed: int) -> Prepared:
    """Arrays of the graph stores `train`, `validation` (for training) and `test`, `probe/<set>` (for evaluation).

    The data set declares `reader`, `pretrain` (a file, perhaps with a split) and `probes` (files with tasks). Values of
    node and edge labels are those of the training graphs; any other becomes code 0 and is counted.
    """
    raw = Path(raw)
    card = Card(str(dataset.get("title", "graphs")))
    parts = _pretraining(raw, dataset, settings, seed, card)
    node_values = vocabulary(parts["train"].graphs.node_codes, "node label")
    edge_values = vocabulary(parts["train"].graphs.edge_codes, "edge label")
    sizes = {
        "node_sizes": np.array([len(values) + 1 for values in node_values], np.int64),
        "edge_sizes": np.array([len(values) + 1 for values in edge_values], np.int64),
    }
    stores = {name: encode(part.graphs, node_values, edge_values, card, name) for name, part in parts.items()}
    train = sizes | stores["train"].arrays("train") | stores["validation"].arrays("validation")
    test = stores["test"].arrays("test")
    names = [_names("test", parts["test"].names)]
    for key, declared in dataset.get("probes", {}).items():
        source = _sample(_read(raw, dataset["reader"], declared, card), settings.probe_graphs, seed, key, card)
        test |= encode(source.graphs, node_values, edge_values, card, key).arrays(f"probe/{key}")
        for task, about in declared["tasks"].items():
            test |= _task(source.targets, key, task, about, settings.probe_folds, seed, card)
        names.append(_names(key, source.names))
        _describe(card, key, source.graphs)
    for name, part in parts.items():
        _describe(card, name, part.graphs)
    return Prepared(train, test, card, pd.concat(names, ignore_index=True))


def vocabulary(values: np.ndarray, what: str) -> list[np.ndarray]:
    """The distinct values of each column of `values`, sorted; at most 254 a column."""
    found = [np.unique(column) for column in values.T]
    for i, column in enumerate(found):
        if len(column) > 254:
            raise ValueError(f"{what}, column {i + 1}: expected at most 254 distinct values, found {len(column)}")
    return found


def encode(
    graphs: FlatGraphs,
    node_values: Sequence[np.ndarray],
    edge_values: Sequence[np.ndarray],
    card: Card,
    name: str,
) -> FlatGraphs:
    """The graphs with label values replaced by their place in the vocabulary, from 1; unknown values become 0."""
    node_codes = _encode(graphs.node_codes, node_values, card, f"{name}: nodes")
    edge_codes = _encode(graphs.edge_codes, edge_values, card, f"{name}: edges")
    return replace(graphs, node_codes=node_codes, edge_codes=edge_codes)


def _encode(values: np.ndarray, known: Sequence[np.ndarray], card: Card, what: str) -> np.ndarray:
    if values.shape[1] != len(known):
        raise ValueError(f"{what}: expected {len(known)} label columns as in training, found {values.shape[1]}")
    codes = np.zeros(values.shape, np.uint8)
    for i, column in enumerate(known):
        place = np.minimum(np.searchsorted(column, values[:, i]), len(column) - 1)
        codes[:, i] = np.where(column[place] == values[:, i], place + 1, 0)
    unknown = codes == 0
    if unknown.any():
        examples = [f"column {c + 1}: {values[r, c]}" for r, c in np.argwhere(unknown)[:10]]
        text = f"{what} with a label that no training graph has; read as unknown"
        card.add("warning", "unknown-label", text, unknown.any(axis=1).sum(), examples)
    return codes


def _pretraining(raw: Path, dataset: Mapping, settings: Settings, seed: int, card: Card) -> dict[str, Source]:
    """The training, validation and test graphs, limited to what the settings allow before anything is parsed."""
    declared = dataset["pretrain"]
    limits = {"train": settings.train_graphs, "validation": settings.held_out_graphs, "test": settings.held_out_graphs}
    if "split" in declared:
        split = SPLITS[dataset["reader"]](raw, declared)
        rows = {part: np.flatnonzero(split == _SPLIT_WORDS[part]) for part in limits}
        chosen = {part: _subset(rows[part], limits[part], seed, part) for part in limits}
        every = np.concatenate(list(chosen.values()))
        source = _read(raw, dataset["reader"], declared, card, rows=every, expected=len(split))
        place = np.full(len(split), -1)  # invalid molecules keep -1
        place[source.targets["row"].to_numpy()] = np.arange(len(source.names))
        chosen = {part: place[rows][place[rows] >= 0] for part, rows in chosen.items()}
    else:
        source = _read(raw, dataset["reader"], declared, card)
        order = numpy_generator(seed, "split").permutation(len(source.names))
        held = [max(1, round(share * len(order))) for share in (settings.validation_share, settings.test_share)]
        rows = dict(zip(limits, np.split(order, [len(order) - sum(held), len(order) - held[1]]), strict=True))
        chosen = {part: _subset(rows[part], limits[part], seed, part) for part in limits}
    for part, members in chosen.items():
        if 0 < limits[part] < (whole := len(rows[part])):
            share = f"{len(members):,} of {whole:,} graphs ({len(members) / whole:.1%})"
            card.add("note", "pretraining-share", f"{part} part: {share}, drawn at random")
        if len(members) < 2:
            raise ValueError(f"{part} part: expected at least 2 graphs, found {len(members)} of {len(source.names)}")
    return {part: source.select(members) for part, members in chosen.items()}


_SPLIT_WORDS = {"train": "train", "validation": "valid", "test": "test"}


def _read(
    raw: Path, reader: str, declared: Mapping, card: Card, rows: np.ndarray | None = None, expected: int | None = None
) -> Source:
    source = READERS[reader](raw, declared, card, rows, expected)
    empty = source.graphs.node_counts == 0
    if empty.any():
        where = [f"graph {i + 1}" for i in np.flatnonzero(empty)[:10]]
        card.add("warning", "empty-graph", f"{declared['name']}: graphs without a node, left out", empty.sum(), where)
        source = source.select(np.flatnonzero(~empty))
    bare = int((source.graphs.edge_counts == 0).sum())
    if bare:
        card.add(
            "note", "no-edge", f"{declared['name']}: graphs without an edge; kept, nodes see only themselves", bare
        )
    return source


def _from_tu(read):
    def source(raw: Path, declared: Mapping, card: Card, rows, expected) -> Source:
        graphs, targets = read(raw, declared["name"], card)
        if len(targets) == 0:
            targets = pd.DataFrame(index=range(len(graphs)))
        return Source(graphs, [f"graph {i + 1}" for i in range(len(graphs))], targets)

    return source


def _from_smiles(raw: Path, declared: Mapping, card: Card, rows: np.ndarray | None, expected: int | None) -> Source:
    if "smiles" in declared:
        with open_text(raw, declared["name"]) as file:
            table = pd.read_csv(file)
        if declared["smiles"] not in table:
            found = ", ".join(table.columns)
            raise ValueError(f"{declared['name']}: expected a column {declared['smiles']!r}, found {found}")
        return _molecules(table, declared, card, rows, expected)
    with open_text(raw, declared["name"]) as file:
        return _molecules(pd.DataFrame({"smiles": file.read().split()}), declared, card, rows, expected)


def _from_lists(raw: Path, declared: Mapping, card: Card, rows: np.ndarray | None, expected: int | None) -> Source:
    if "archive" not in declared:
        return _from_smiles(raw, declared, card, rows, expected)
    return _molecules(pd.DataFrame({"smiles": read_packed(raw, declared)}), declared, card, rows, expected)


def _molecules(table: pd.DataFrame, declared: Mapping, card: Card, rows, expected: int | None) -> Source:
    from rematch.studies.graph_embeddings.molecules import read_smiles

    if expected is not None and len(table) != expected:
        raise ValueError(f"{declared['name']}: expected {expected} rows as in {declared['split']}, found {len(table)}")
    table["row"] = np.arange(len(table))
    table = table if rows is None else table.iloc[rows]
    smiles = table[declared.get("smiles", "smiles")].astype(str).tolist()
    graphs, kept = read_smiles(smiles, card, declared["name"])
    return Source(graphs, [smiles[i] for i in kept], table.iloc[kept].reset_index(drop=True))


def _split_file(raw: Path, declared: Mapping) -> np.ndarray:
    with open_text(raw, declared["split"]) as file:
        return np.array(file.read().split())


READERS = {
    "tu": _from_tu(read_tu),
    "tu-one-file": _from_tu(read_tu_one_file),
    "smiles": _from_smiles,
    "smiles-lists": _from_lists,
}
SPLITS = {"smiles": _split_file, "smiles-lists": split_by_lists}


def _subset(rows: np.ndarray, limit: int, seed: int, part: str) -> np.ndarray:
    """All rows, or `limit` of them drawn without replacement; more of them extend the same draw."""
    return rows if not limit else rows[numpy_generator(seed, "subset", part).permutation(len(rows))[:limit]]


def _sample(source: Source, limit: int, seed: int, name: str, card: Card) -> Source:
    if not limit or len(source.names) <= limit:
        return source
    card.add("note", "probe-subset", f"{name}: {limit} of {len(source.names)} graphs are probed, drawn at random")
    return source.select(np.sort(_subset(np.arange(len(source.names)), limit, seed, name)))


def _task(targets: pd.DataFrame, key: str, task: str, about: Mapping, folds: int, seed: int, card: Card) -> dict:
    """Values (NaN where missing), kind and fold numbers of one probe task, and whether an SVM is asked too."""
    if about["kind"] not in KINDS:
        raise ValueError(f"probe {task}: kind: expected one of {', '.join(KINDS)}, found {about['kind']!r}")
    if about["column"] not in targets:
        found = ", ".join(map(str, targets.columns)) or "none"
        raise ValueError(f"probe {task}: expected a target {about['column']!r}, found {found}")
    if about.get("svm") and about["kind"] != "classification":
        raise ValueError(f"probe {task}: svm: expected a classification task, found kind {about['kind']!r}")
    values = pd.to_numeric(targets[about["column"]], errors="coerce").to_numpy(float)
    if missing := int(np.isnan(values).sum()):
        card.add("warning", "missing-target", f"{task}: graphs without a target are not probed", missing)
    prefix = f"task/{key}/{task}"
    kind = np.array([KINDS.index(about["kind"])], np.uint8)
    groups = values if about["kind"] == "classification" else np.zeros(len(values))
    machine = {f"{prefix}/svm": np.ones(1, np.uint8)} if about.get("svm") else {}
    return machine | {
        f"{prefix}/values": values,
        f"{prefix}/kind": kind,
        f"{prefix}/folds": stratified_folds(groups, folds, numpy_generator(seed, "folds", task)),
    }


def stratified_folds(groups: np.ndarray, folds: int, generator: np.random.Generator) -> np.ndarray:
    """A fold number for every row `(n,)`, int8, each group spread over the folds as evenly as it goes."""
    shuffled = generator.permutation(len(groups))
    order = shuffled[np.argsort(groups[shuffled], kind="stable")]
    numbers = np.empty(len(groups), np.int8)
    numbers[order] = np.arange(len(groups)) % folds
    return numbers


def _names(part: str, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"sample": [f"{part}:{i}" for i in range(len(names))], "set": part, "name": names})


def _describe(card: Card, name: str, graphs: FlatGraphs) -> None:
    card.facts |= {
        f"{name}: graphs": len(graphs),
        f"{name}: nodes a graph": round(float(graphs.node_counts.mean()), 2),
        f"{name}: edges a graph": round(float(graphs.edge_counts.mean()), 2),
    }
