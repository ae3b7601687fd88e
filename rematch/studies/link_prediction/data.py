"""Raw files to checked, prepared arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rematch.card import Card
from rematch.prepared import Prepared
from rematch.streams import numpy_generator
from rematch.studies.link_prediction import readers, structure
from rematch.studies.link_prediction.graph import Graph
from rematch.studies.link_prediction.settings import Settings

POSITIVE = ("train_pos", "valid_pos", "test_pos")


def prepare(raw: Path, dataset: Mapping[str, Any], settings: Settings, seed: int) -> Prepared:
    """The split as int32 arrays, with structural features of the training graph.

    train: edges (m, 2), valid_pos, valid_neg (p, 2), structure (n, 6) float32, num_nodes (1,); test: test_pos,
    test_neg.
    """
    split = readers.read(Path(raw), dataset.get("reader", "plain-split"))
    card = Card(dataset.get("title", "link prediction"))
    _draw_missing_negatives(split, card)
    check(split)
    parts = {name: pairs.astype(np.int32) for name, pairs in split.parts.items()}
    _describe(split, card)
    if settings.edges == "shuffled":
        renaming = numpy_generator(0, "shuffled edges").permutation(split.num_nodes).astype(np.int32)
        parts["train_pos"] = renaming[parts["train_pos"]]
    graph = Graph.from_edges(parts["train_pos"], split.num_nodes)
    train = {"edges": parts["train_pos"], "valid_pos": parts["valid_pos"], "valid_neg": parts["valid_neg"]}
    train["structure"] = structure.features(graph)
    train["num_nodes"] = np.array([split.num_nodes])
    names = split.names if split.names is not None else np.arange(split.num_nodes).astype(str)
    test = {"test_pos": parts["test_pos"], "test_neg": parts["test_neg"]}
    return Prepared(train, test, card, pd.DataFrame({"name": names}))


def check(split: readers.Split) -> None:
    """Raises ValueError for the first thing that would make the split wrong; one line with part, row or count."""
    n = split.num_nodes
    for part, pairs in split.parts.items():
        if not len(pairs):
            raise ValueError(f"{part}: expected at least one pair, found none")
        outside = np.flatnonzero(((pairs < 0) | (pairs >= n)).any(axis=1))
        if len(outside):
            raise ValueError(
                f"{part}, row {outside[0] + 1}: expected node numbers 0 to {n - 1}, "
                f"found {tuple(map(int, pairs[outside[0]]))}"
            )
        loops = np.flatnonzero(pairs[:, 0] == pairs[:, 1])
        if len(loops):
            raise ValueError(f"{part}, row {loops[0] + 1}: expected two different nodes, found {len(loops)} self-loops")
    keys = {part: _keys(pairs, n) for part, pairs in split.parts.items()}
    for part in POSITIVE:
        _refuse_repeats(part, split.parts[part], keys[part], n)
    for i, part in enumerate(POSITIVE):
        for other in POSITIVE[i + 1 :]:
            both = len(np.intersect1d(keys[part], keys[other]))
            if both:
                raise ValueError(f"{other}: expected no edge of {part}, found {both}")
    edges = np.concatenate([keys[part] for part in POSITIVE])
    for part in ("valid_neg", "test_neg"):
        wrong = int(np.isin(keys[part], edges).sum())
        if wrong:
            raise ValueError(f"{part}: expected pairs that are no edges, found {wrong} that are")


def _keys(pairs: np.ndarray, n: int) -> np.ndarray:
    """One number per unordered pair."""
    pairs = pairs.astype(np.int64)
    return pairs.min(axis=1) * n + pairs.max(axis=1)


def _refuse_repeats(part: str, pairs: np.ndarray, keys: np.ndarray, n: int) -> None:
    repeats = len(keys) - len(np.unique(keys))
    if not repeats:
        return
    directed = pairs.astype(np.int64)[:, 0] * n + pairs[:, 1]
    if len(np.unique(directed)) == len(directed):
        raise ValueError(
            f"{part}: expected every undirected edge once, found {repeats} in both directions (a directed file?)"
        )
    raise ValueError(f"{part}: expected every edge once, found {repeats} repeated rows")


def _draw_missing_negatives(split: readers.Split, card: Card) -> None:
    """Draws as many non-edges as positives for a part without negatives; the draw does not depend on the seed of a
    run."""
    n = split.num_nodes
    edges = np.concatenate([_keys(split.parts[part], n) for part in POSITIVE])
    for part in ("valid", "test"):
        wanted = len(split.parts[f"{part}_pos"])
        if len(split.parts[f"{part}_neg"]) or not wanted:
            continue
        if n * (n - 1) // 2 - len(edges) < 2 * wanted:
            raise ValueError(
                f"{part}_neg: expected {wanted} pairs that are no edges, found too few in a graph of {n} nodes"
            )
        draw, found = numpy_generator(0, "held-out negatives", part), np.zeros((0, 2), np.int64)
        while len(found) < wanted:
            pairs = np.sort(draw.integers(0, n, (2 * wanted, 2)), axis=1)
            pairs = pairs[(pairs[:, 0] != pairs[:, 1]) & ~np.isin(_keys(pairs, n), edges)]
            found = np.unique(np.concatenate([found, pairs]), axis=0)
        split.parts[f"{part}_neg"] = draw.permutation(found)[:wanted]
        card.add(
            "note",
            "negatives-drawn",
            f"{part}: no negatives were given; {wanted} non-edges were drawn uniformly",
            wanted,
        )


def _describe(split: readers.Split, card: Card) -> None:
    n, train = split.num_nodes, split.parts["train_pos"]
    degree = np.bincount(train.ravel(), minlength=n)
    card.facts["nodes"] = n
    card.facts.update({part: len(pairs) for part, pairs in split.parts.items()})
    card.facts["density"] = round(sum(len(split.parts[p]) for p in POSITIVE) / (n * (n - 1) / 2), 6)
    card.facts["train_degree"] = dict(min=int(degree.min()), median=float(np.median(degree)), max=int(degree.max()))
    if (degree == 0).any():
        alone = np.flatnonzero(degree == 0)
        text = "nodes without a training edge: they are scored by their embedding alone"
        card.add("warning", "isolated-nodes", text, len(alone), alone)
    shared = len(np.intersect1d(_keys(split.parts["valid_neg"], n), _keys(split.parts["test_neg"], n)))
    if shared:
        card.add("warning", "shared-negatives", "negatives that stand in validation and in test; kept", shared)
