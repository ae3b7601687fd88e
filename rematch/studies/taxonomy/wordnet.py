"""Readers of hypernym pairs, WordNet above all: edge lists, closures, and the entailment-cones split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rematch.studies.taxonomy.hierarchy import Hierarchy
from rematch.studies.taxonomy.tables import only, pairs

ROOT = "entity.n.01"  # the one root of WordNet nouns, which the cones split leaves out


def edge_list(raw: Path) -> Hierarchy:
    """A CSV or TSV of direct edges with header, child first (id1 is the hyponym of id2): a tree or a DAG."""
    path = only(raw, ("edges.csv", "edges.tsv"))
    return from_pairs([(row[0], row[1]) for row in pairs(path, header=True)])


def closure_list(raw: Path) -> Hierarchy:
    """All (descendant, ancestor) pairs with header, as Nickel and Kiela publish them; reduced to direct edges."""
    path = only(raw, ("closure.csv", "closure.tsv"))
    above: dict[str, set[str]] = {}
    for row in pairs(path, header=True):
        above.setdefault(row[0], set()).add(row[1])
    direct = []
    for child, ancestors in above.items():
        further = set().union(*(above.get(a, ()) for a in ancestors))
        if child in further:
            raise ValueError(f"{path.name}: expected no cycle, found {child} above itself")
        direct += [(child, a) for a in ancestors - further]
    return from_pairs(sorted(direct))


def cones(raw: Path) -> Hierarchy:
    """The entailment-cones split (Ganea et al. 2018): edges, 25 % of the other pairs, and held-out pairs."""
    whole = cones_edges(raw)
    ids = _vocabulary(raw)
    for part in ("valid", "test"):
        for sign, end in (("positive", ""), ("negative", "_neg")):
            whole.held_out[f"{part}_{sign}"] = _numbered(raw, f"{part}{end}.tsv", ids)
    whole.extra = _numbered(raw, "train_25percent.tsv", ids)
    return whole


def cones_edges(raw: Path) -> Hierarchy:
    """The direct edges of the cones split, without the root."""
    ids = _vocabulary(raw)
    return Hierarchy([name for name, _ in ids.values()], _numbered(raw, "train_0percent.tsv", ids))


def _vocabulary(raw: Path) -> dict[str, tuple[str, int]]:
    """Id in the files -> (name, node number)."""
    return {row[0]: (row[1], i) for i, row in enumerate(pairs(only(raw, ("vocab.tsv",)), header=False))}


def _numbered(raw: Path, name: str, ids: dict[str, tuple[str, int]]) -> np.ndarray:
    """Pairs (descendant, ancestor) `(pairs, 2)`; the files name the ancestor first."""
    path = only(raw, (name,))
    rows = list(pairs(path, header=False))
    unknown = {x for row in rows for x in row[:2]} - ids.keys()
    if unknown:
        raise ValueError(f"{path.name}: {len(unknown)} ids are not in the vocabulary: {', '.join(sorted(unknown)[:5])}")
    return np.array([[ids[row[1]][1], ids[row[0]][1]] for row in rows], np.int64)


def cones_rooted(raw: Path) -> Hierarchy:
    """All WordNet nouns: the direct edges of the cones split with the root put back above the top nodes."""
    whole = cones_edges(raw)
    top = np.setdiff1d(np.arange(whole.count), whole.edges[:, 0])
    root = np.stack([top, np.full(len(top), whole.count)], axis=1)
    return Hierarchy([*whole.names, ROOT], np.concatenate([whole.edges, root]))


def from_pairs(found: list[tuple[str, str]]) -> Hierarchy:
    """A hierarchy from (child, parent) names."""
    index: dict[str, int] = {}
    edges = [[index.setdefault(c, len(index)), index.setdefault(p, len(index))] for c, p in found]
    return Hierarchy(list(index), np.array(edges, np.int64).reshape(-1, 2))
