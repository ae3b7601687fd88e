"""Typed graphs from files: Hetionet's node table with SIF edges, and PrimeKG's one-table CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rematch.card import Card


@dataclass(frozen=True)
class Relation:
    """One relation: node types of its ends, whether direction matters between equal types, pairs `(2, edges)` of node
    numbers."""

    name: str
    source: str
    target: str
    directed: bool
    pairs: np.ndarray


@dataclass(frozen=True)
class Graph:
    """Nodes sorted by type, then id (columns id, name, type), and relations sorted by name."""

    nodes: pd.DataFrame
    relations: tuple[Relation, ...]

    def relation(self, name: str) -> Relation:
        """The relation called `name`; `ValueError` with the known ones if there is none."""
        for item in self.relations:
            if item.name == name:
                return item
        known = ", ".join(item.name for item in self.relations)
        raise ValueError(f"relation {name!r}: expected one of {known}")

    def types(self) -> list[str]:
        """Node types in order."""
        return list(self.nodes.type.unique())

    def type_ptr(self) -> np.ndarray:
        """Where each type's nodes begin `(types + 1,)`."""
        sizes = self.nodes.groupby("type", sort=True).size().reindex(self.types())
        return np.append(0, np.cumsum(sizes)).astype(np.int64)


def read(raw: Path, dataset: Mapping[str, Any], card: Card) -> Graph:
    """The graph of the files in `raw`; duplicates, reversed copies and loops are dropped and counted in `card`."""
    reader = str(dataset.get("reader", "hetionet"))
    if reader not in _READERS:
        raise ValueError(f"reader: expected one of {', '.join(_READERS)}, found {reader!r}")
    return _READERS[reader](raw, card)


def find(raw: Path, pattern: str) -> Path:
    """The one file in `raw` whose name ends as the regular expression `pattern` says."""
    hits = sorted(path for path in raw.iterdir() if re.search(rf"(^|[-_.]){pattern}$", path.name))
    if len(hits) != 1:
        names = ", ".join(path.name for path in hits) or "none"
        raise ValueError(f"{raw}: expected one file like {pattern!r}, found {names}")
    return hits[0]


def read_hetionet(raw: Path, card: Card) -> Graph:
    """Hetionet: `*nodes.tsv` (id, name, kind) and `*edges.sif` or `.tsv` (source, metaedge, target), also .gz or .xz.

    A metaedge with `>` is directed. Metaedges join one kind of node with one other; anything else is refused.
    """
    path = find(raw, r"nodes\.tsv(\.gz|\.xz)?")
    nodes = _table(path, ["id", "name", "kind"]).rename(columns={"kind": "type"})
    path = find(raw, r"edges\.(sif|tsv)(\.gz|\.xz)?")
    edges = _table(path, ["source", "metaedge", "target"]).rename(columns={"metaedge": "relation"})
    return build(nodes, edges, path.name, card)


def read_primekg(raw: Path, card: Card) -> Graph:
    """PrimeKG: `*kg.csv` with relation, x_id, x_type, x_name, y_id, y_type, y_name; both directions of an edge are
    listed.

    A relation that joins several pairs of types becomes one relation per pair, named `relation:x_type-y_type`.
    """
    path = find(raw, r"kg\.csv(\.gz|\.xz)?")
    sides = [f"{side}_{part}" for side in "xy" for part in ("id", "type", "name")]
    table = _table(path, ["relation", *sides], separator=",")
    ends = []
    for side in "xy":
        part = table[[f"{side}_id", f"{side}_name", f"{side}_type"]].set_axis(["id", "name", "type"], axis=1)
        ends.append(part.assign(id=part.type + "::" + part.id))
    nodes = pd.concat(ends).drop_duplicates("id", ignore_index=True)
    low = np.minimum(table.x_type, table.y_type)
    pair = low + "-" + np.maximum(table.x_type, table.y_type)
    several = pair.groupby(table.relation).transform("nunique") > 1
    edges = pd.DataFrame({"source": ends[0].id, "relation": table.relation, "target": ends[1].id})
    edges.loc[several, "relation"] += ":" + pair[several]
    backwards = (table.x_type != low).to_numpy()
    edges.loc[backwards, ["source", "target"]] = edges.loc[backwards, ["target", "source"]].to_numpy()
    return build(nodes, edges, path.name, card)


_READERS = {"hetionet": read_hetionet, "primekg": read_primekg}


def _table(path: Path, columns: list[str], separator: str = "\t") -> pd.DataFrame:
    table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, usecols=lambda name: name in columns)
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"{path.name}: expected columns {', '.join(columns)}; missing {', '.join(missing)}")
    return table


def build(nodes: pd.DataFrame, edges: pd.DataFrame, file: str, card: Card) -> Graph:
    """A graph from a node table (id, name, type) and an edge table (source, relation, target); row order has no
    effect."""
    twice = nodes.id[nodes.id.duplicated()]
    if len(twice):
        raise ValueError(f"node {twice.iloc[0]!r}: expected one row, found {int((nodes.id == twice.iloc[0]).sum())}")
    blank = nodes.id[nodes.type.str.strip() == ""]
    if len(blank):
        raise ValueError(f"node {blank.iloc[0]!r}: expected a node type, found none")
    nodes = nodes.sort_values(["type", "id"], ignore_index=True)[["id", "name", "type"]]
    place = pd.Index(nodes.id)
    ends = {side: place.get_indexer(edges[side]) for side in ("source", "target")}
    for side, numbers in ends.items():
        if (numbers < 0).any():
            row = int(np.flatnonzero(numbers < 0)[0])
            raise ValueError(f"{file}: row {row + 2}: {side} {edges[side].iloc[row]!r} is not in the node table")
    codes, names = pd.factorize(edges.relation, sort=True)
    order = np.argsort(codes, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])
    types = nodes.type.to_numpy()
    relations = []
    for name, rows in zip(names, groups, strict=True):
        pairs = np.stack([ends["source"][rows], ends["target"][rows]])
        relations.append(_relation(str(name), pairs, types, rows, file, card))
    return Graph(nodes, tuple(relations))


def _relation(name: str, pairs: np.ndarray, types: np.ndarray, rows: np.ndarray, file: str, card: Card) -> Relation:
    source, target = types[pairs[0, 0]], types[pairs[1, 0]]
    for kind, side in ((source, 0), (target, 1)):
        wrong = np.flatnonzero(types[pairs[side]] != kind)
        if len(wrong):
            found = types[pairs[side, wrong[0]]]
            raise ValueError(
                f"{file}: row {rows[wrong[0]] + 2}: {name} joins {source} and {target}, found {found} as an end"
            )
    item = Relation(name, source, target, ">" in name, pairs)
    return _tidy(item, card)


def _tidy(item: Relation, card: Card) -> Relation:
    """Without loops, duplicates and, where direction has no meaning, reversed copies; sorted."""
    same_type = item.source == item.target
    pairs = item.pairs
    if same_type:
        loops = pairs[0] == pairs[1]
        if loops.any():
            card.add("warning", "self-loops-dropped", f"{item.name}: edges from a node to itself, dropped", loops.sum())
            pairs = pairs[:, ~loops]
    count = pairs.shape[1]
    distinct = _distinct(pairs)
    if distinct.shape[1] < count:
        text = f"{item.name}: edges listed more than once, kept once"
        card.add("warning", "duplicate-edges", text, count - distinct.shape[1])
    if same_type and not item.directed:
        both = _distinct(np.sort(distinct, axis=0))
        if both.shape[1] < distinct.shape[1]:
            text = f"{item.name}: undirected edges listed in both directions, kept once"
            card.add("warning", "reversed-edges", text, distinct.shape[1] - both.shape[1])
        distinct = both
    return replace(item, pairs=distinct)


def _distinct(pairs: np.ndarray) -> np.ndarray:
    base = int(pairs.max(initial=0)) + 1
    return np.stack(np.divmod(np.unique(pairs[0].astype(np.int64) * base + pairs[1]), base))


def read_pairs(path: Path, graph: Graph, relation: str) -> np.ndarray:
    """Pairs `(2, n)` from a table without header: source id, relation, target id."""
    table = pd.read_csv(path, sep="\t", header=None, names=["source", "relation", "target"], dtype=str)
    other = table.relation[table.relation != relation]
    if len(other):
        raise ValueError(f"{path.name}: row {other.index[0] + 1}: expected relation {relation}, found {other.iloc[0]}")
    return look_up(table.source, table.target, graph, path.name)


def look_up(source: pd.Series, target: pd.Series, graph: Graph, file: str) -> np.ndarray:
    """Node numbers `(2, n)` of two columns of ids."""
    place = pd.Index(graph.nodes.id)
    pairs = np.stack([place.get_indexer(source), place.get_indexer(target)])
    if (pairs < 0).any():
        side, row = np.argwhere(pairs < 0)[0]
        unknown = (source, target)[side].iloc[row]
        raise ValueError(f"{file}: row {row + 1}: {unknown!r} is not in the node table")
    return pairs
