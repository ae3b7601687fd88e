"""From raw files to what training and judgement read: checks, transitive closure, anchors, and the split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rematch.card import Card
from rematch.prepared import Prepared
from rematch.streams import numpy_generator
from rematch.studies.taxonomy.closure import closure
from rematch.studies.taxonomy.hierarchy import Hierarchy, Order, clean, levels, order
from rematch.studies.taxonomy.readers import read
from rematch.studies.taxonomy.settings import Settings

LEAVES_HELD_OUT = 0.1  # share of the leaves that could lose their parent edge
_SEED = 0  # anchors and held-out leaves are one fixed draw: nothing that is prepared depends on a run's seed


def prepare(raw: Path, dataset: Mapping, settings: Settings, seed: int) -> Prepared:
    """The closure and the anchors of one hierarchy. `train` holds offsets, ancestors, steps, depth, levels and the
    validation anchors; `test` the test anchors, the groups, and the held-out pairs with their candidate pools."""
    card = Card(str(dataset.get("title", "taxonomy")))
    hierarchy = clean(read(raw, dataset), card, bool(dataset.get("single_root", False)))
    numbering = order(hierarchy)
    offsets, ancestors, steps = closure(numbering.parent_starts, numbering.parents)
    _describe(card, hierarchy, numbering, steps)
    level_starts, level_nodes = levels(numbering.depth)
    train = dict(offsets=offsets, ancestors=ancestors, steps=steps, depth=numbering.depth, ends=numbering.ends,
                 level_starts=level_starts, level_nodes=level_nodes)  # fmt: skip
    validation, test_anchors = _anchors(offsets, settings)
    train["validation_anchors"] = validation
    test = dict(anchors=test_anchors, **_groups(hierarchy, numbering, card))
    card.facts["validation anchors"], card.facts["test anchors"] = len(validation), len(test_anchors)
    if len(test_anchors) < (np.diff(offsets) > 0).sum() - len(validation):
        card.add(
            "note", "sampled-anchors", "test anchors are a fixed sample; the others are not ranked.", len(test_anchors)
        )
    if hierarchy.held_out:
        _official_split(hierarchy, numbering, train, test, card)
    if settings.holdout == "leaf-parents":
        _hold_out_leaves(numbering, train, test, card)
    names = [hierarchy.names[i] for i in numbering.old]
    frame = pd.DataFrame({"node": np.arange(len(names)), "name": names})
    if hierarchy.ranks:
        frame["rank"] = [hierarchy.ranks[i] for i in numbering.old]
    return Prepared(train, test, card, frame)


def _describe(card: Card, hierarchy: Hierarchy, numbering: Order, steps: np.ndarray) -> None:
    parents = np.diff(numbering.parent_starts)
    tree = bool((parents <= 1).all())
    roots = int((parents == 0).sum())
    direct = len(numbering.parents)
    card.facts |= {
        "nodes": hierarchy.count, "roots": roots, "kind": "tree" if tree else "directed acyclic graph",
        "greatest depth": int(numbering.depth.max()), "mean depth": float(numbering.depth.mean()),
        "leaves": int(hierarchy.count - len(np.unique(numbering.parents))), "parent-child pairs": direct,
        "grandparent pairs": int((steps == 2).sum()), "deeper pairs": int((steps > 2).sum()),
        "closure pairs": len(steps),
        "nodes with several parents": int((parents > 1).sum()),
    }  # fmt: skip
    if tree and direct != hierarchy.count - roots:
        text = f"a tree has nodes - roots = {hierarchy.count - roots} parent-child pairs, found {direct}."
        card.add("error", "parent-pairs", text, source="S2-80")
    if not hierarchy.ranks and not hierarchy.groups:
        card.add("warning", "ranks-missing", "no ranks: phylum and class separation are not computed.", source="S2-64")


def _anchors(offsets: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """(validation anchors, test anchors): disjoint nodes that have ancestors, each in ascending order."""
    able = np.flatnonzero(np.diff(offsets) > 0)
    shuffled = numpy_generator(_SEED, "taxonomy", "anchors").permutation(able)
    share = min(settings.validation_anchors, max(1, len(able) // 5))
    validation, rest = shuffled[:share], shuffled[share:]
    if len(rest) == 0:
        rest = validation
    return np.sort(validation).astype(np.int32), np.sort(rest[: settings.test_anchors]).astype(np.int32)


def _groups(hierarchy: Hierarchy, numbering: Order, card: Card) -> dict[str, np.ndarray]:
    """group_phylum and group_class (n,) int32, -1 for nodes without a label; only groups that exist."""
    found = {}
    for name, labels in hierarchy.groups.items():
        known = sorted(set(labels) - {""})
        if len(known) < 2:
            continue
        number = {label: i for i, label in enumerate(known)} | {"": -1}
        values = np.array([number[label] for label in labels], np.int32)[numbering.old]
        found[f"group_{name}"] = values
        card.facts[f"{name} groups"] = len(known)
        card.facts[f"nodes without {name}"] = int((values < 0).sum())
    return found


def _hold_out_leaves(numbering: Order, train: dict, test: dict, card: Card) -> None:
    """Takes the pair (leaf, parent) of some leaves from `train`. The leaf keeps its other ancestors, so the question is
    which child of its grandparent is its parent: the candidates are those children. Only leaves with one parent that
    has itself one parent are asked about, and only parents that keep another child."""
    n = len(numbering.depth)
    starts, parents = numbering.parent_starts, numbering.parents
    parent = np.full(n, -1, np.int64)
    single = np.diff(starts) == 1
    parent[single] = parents[starts[:-1][single]]
    grandparent = np.where(parent >= 0, parent[parent], -1)
    fanout = np.bincount(parents, minlength=n)
    able = np.flatnonzero((fanout == 0) & (grandparent >= 0) & (fanout[parent] >= 2) & (fanout[grandparent] >= 2))
    count = int(LEAVES_HELD_OUT * len(able))
    if count == 0:
        raise ValueError(f"holdout: expected leaves with grandparents of several children, found {len(able)}, too few")
    leaves = np.sort(numpy_generator(_SEED, "taxonomy", "leaves").permutation(able)[:count])
    children = np.argsort(parents, kind="stable")
    owner = np.repeat(np.arange(n), np.diff(starts))[children]
    ends = np.concatenate([[0], np.cumsum(fanout)])
    pools = [owner[ends[g] : ends[g + 1]] for g in grandparent[leaves]]
    test["pool_starts"] = np.concatenate([[0], np.cumsum([len(p) for p in pools])]).astype(np.int64)
    test["pool_nodes"] = np.concatenate(pools).astype(np.int32)
    test["subtree_sizes"] = (1 + np.bincount(train["ancestors"], minlength=n)).astype(np.int32)
    test["held_leaves"], test["held_parents"] = leaves.astype(np.int32), parent[leaves].astype(np.int32)
    # a leaf with one parent has that parent first in its list of ancestors
    train["held"] = np.union1d(train.get("held", np.empty(0, np.int64)), train["offsets"][leaves])
    card.facts["held-out leaves"] = count


def _official_split(hierarchy: Hierarchy, numbering: Order, train: dict, test: dict, card: Card) -> None:
    new = np.empty(hierarchy.count, np.int64)
    new[numbering.old] = np.arange(hierarchy.count)
    for name, found in hierarchy.held_out.items():
        target = test if name.startswith("test") else train
        target[f"split_{name}"] = new[found].astype(np.int32)
        card.facts[f"{name.replace('_', ' ')} pairs"] = len(found)
    assert hierarchy.extra is not None
    shown = new[hierarchy.extra]
    key = np.sort(shown[:, 0] * hierarchy.count + shown[:, 1])
    descendants = np.repeat(np.arange(hierarchy.count), np.diff(train["offsets"]))
    everything = descendants * hierarchy.count + train["ancestors"]
    train["held"] = np.flatnonzero(~np.isin(everything, key))
    card.facts["pairs kept from training"] = len(train["held"])
