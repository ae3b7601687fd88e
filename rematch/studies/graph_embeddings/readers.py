"""Readers of graph files: TUDataset text and its one-file form. Each returns flat graphs with raw label values."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import numpy as np
import pandas as pd

from rematch.card import Card
from rematch.studies.graph_embeddings.flat import FlatGraphs

OPENERS = {".gz": gzip.open, ".xz": lzma.open}


def open_text(folder: Path, name: str):
    """The text file `name` in `folder`, or its .gz or .xz form."""
    for suffix in ("", *OPENERS):
        path = folder / (name + suffix)
        if path.is_file():
            return OPENERS.get(path.suffix, open)(path, "rt")
    raise ValueError(f"{folder / name}: no such file, nor with .gz or .xz")


def read_tu(folder: Path, name: str, card: Card) -> tuple[FlatGraphs, pd.DataFrame]:
    """Graphs and targets from `<name>_A.txt` and its companions (Morris et al. 2020, https://chrsmrrs.github.io).

    Targets have the columns graph_labels and graph_attributes_0, ... where the files are there. Labels of edges and
    nodes are optional; a file of the wrong length is refused.
    """
    graph = _table(folder, f"{name}_graph_indicator.txt")[:, 0].astype(np.int64) - 1
    if len(graph) == 0 or (np.diff(graph) < 0).any() or graph[0] < 0:
        raise ValueError(f"{name}_graph_indicator.txt: expected graph numbers from 1 in rising order, one per node")
    edges = _table(folder, f"{name}_A.txt").astype(np.int64) - 1
    edges = edges.reshape(-1, 2)
    outside = (edges < 0) | (edges >= len(graph))
    if outside.any():
        row = int(np.flatnonzero(outside.any(axis=1))[0])
        raise ValueError(
            f"{name}_A.txt: line {row + 1}: expected nodes 1 to {len(graph)}, found {_pair(edges[row] + 1)}"
        )
    apart = graph[edges[:, 0]] != graph[edges[:, 1]]
    if apart.any():
        row = int(np.flatnonzero(apart)[0])
        raise ValueError(f"{name}_A.txt: line {row + 1}: edge {_pair(edges[row] + 1)} joins nodes of two graphs")
    node_values = _labels(folder, name, "node", len(graph))
    edge_values = _labels(folder, name, "edge", len(edges))
    targets = _targets(folder, name)
    total = len(targets) if len(targets.columns) else int(graph[-1]) + 1
    if total <= graph[-1]:
        raise ValueError(f"{name}_graph_labels.txt: expected {graph[-1] + 1} lines, one per graph, found {total}")
    counts = np.bincount(graph, minlength=total)
    flat = undirected(counts, edges, graph[edges[:, 0]], node_values, edge_values, card, name)
    return flat, targets


def read_tu_one_file(folder: Path, name: str, card: Card) -> tuple[FlatGraphs, pd.DataFrame]:
    """Graphs and labels from the one-file form: the number of graphs; then per graph `nodes label` and a line
    `tag degree neighbour ...` for each node. It holds no edge labels."""
    with open_text(folder, name) as file:
        lines = file.read().rstrip("\n").split("\n")
    counts, labels, tags, pairs, at, start = [], [], [], [], 0, 0
    try:
        for _ in range(_numbers(lines[0], 1)[0]):
            at += 1
            nodes, label = _numbers(lines[at], 2)
            for i in range(nodes):
                at += 1
                tag, degree, *neighbours = _numbers(lines[at], 2)
                if degree != len(neighbours):
                    raise ValueError(f"expected {degree} neighbours, found {len(neighbours)}")
                tags.append(tag)
                pairs.extend((start + i, start + j) for j in neighbours)
            counts.append(nodes)
            labels.append(label)
            start += nodes
    except IndexError:
        raise ValueError(f"{name}: expected {lines[0]} graphs, found {len(counts)}: is the file truncated?") from None
    except ValueError as error:
        raise ValueError(f"{name}: line {at + 1}: {error}") from None
    counts = np.array(counts)
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    graph = np.repeat(np.arange(len(counts)), counts)
    none = np.zeros((len(edges), 0), np.int64)
    flat = undirected(counts, edges, graph[edges[:, 0]], np.array(tags)[:, None], none, card, name)
    return flat, pd.DataFrame({"graph_labels": np.array(labels, float)})


def undirected(
    counts: np.ndarray,
    edges: np.ndarray,
    graph: np.ndarray,
    node_values: np.ndarray,
    edge_values: np.ndarray,
    card: Card,
    name: str,
) -> FlatGraphs:
    """Flat graphs from directed edges `(D, 2)` with global node numbers, each in graph `graph` `(D,)`.

    Loops are left out (the encoder adds each node to itself), and so are repeated edges; both are counted, like edges
    that are given in one direction only or with two different labels, of which the first is kept.
    """
    if counts.max(initial=0) > np.iinfo(np.uint16).max:
        raise ValueError(f"{name}: graph {int(counts.argmax()) + 1} has {counts.max()} nodes, expected at most 65,535")
    offsets = np.concatenate([[0], np.cumsum(counts)])
    loops = edges[:, 0] == edges[:, 1]
    if loops.any():
        card.add("warning", "loop", f"{name}: edges from a node to itself were left out", loops.sum())
        edges, graph, edge_values = edges[~loops], graph[~loops], edge_values[~loops]
    low, high = edges.min(axis=1), edges.max(axis=1)
    key = low * max(int(offsets[-1]), 1) + high
    order = np.argsort(key, kind="stable")
    first = np.ones(len(order), bool)
    first[1:] = key[order][1:] != key[order][:-1]
    chosen = order[first]
    _count_oddities(key, edges, edge_values, chosen, order, first, card, name)
    edge_offsets = np.concatenate([[0], np.cumsum(np.bincount(graph[chosen], minlength=len(counts)))])
    local = np.stack([low, high], axis=1)[chosen] - offsets[graph[chosen]][:, None]
    return FlatGraphs(offsets, edge_offsets, local.astype(np.uint16), node_values, edge_values[chosen])


def _count_oddities(key, edges, edge_values, chosen, order, first, card: Card, name: str) -> None:
    group = np.cumsum(first) - 1
    forward = np.bincount(group, edges[order, 0] < edges[order, 1], len(chosen))
    total = np.bincount(group, minlength=len(chosen))
    one_way = int(((forward == 0) | (forward == total)).sum())
    if one_way:
        card.add("warning", "one-way", f"{name}: edges given in one direction only are taken as undirected", one_way)
    repeated = int((total > 2).sum())
    if repeated:
        card.add("warning", "repeated", f"{name}: edges given more than once are kept once", repeated)
    differs = (edge_values[order] != edge_values[chosen][group]).any(axis=1)
    if differs.any():
        text = f"{name}: edges whose label differs between directions keep the first"
        card.add("warning", "two-labels", text, len(np.unique(group[differs])))


def _table(folder: Path, name: str) -> np.ndarray:
    """Numbers of a comma-separated file without header, `(lines, columns)`."""
    with open_text(folder, name) as file:
        try:
            values = pd.read_csv(file, header=None, skipinitialspace=True).to_numpy(float)
        except pd.errors.EmptyDataError:
            return np.zeros((0, 2))
        except (pd.errors.ParserError, ValueError) as error:
            raise ValueError(f"{name}: expected the same number of numbers on every line: {error}".strip()) from None
    if np.isnan(values).any():
        row = int(np.flatnonzero(np.isnan(values).any(axis=1))[0])
        raise ValueError(f"{name}: line {row + 1}: expected {values.shape[1]} numbers, found fewer")
    return values


def _exists(folder: Path, name: str) -> bool:
    return any((folder / (name + suffix)).is_file() for suffix in ("", *OPENERS))


def _labels(folder: Path, name: str, kind: str, expected: int) -> np.ndarray:
    """Integer labels of nodes or edges, `(expected, columns)`, without a column if there is no file."""
    file = f"{name}_{kind}_labels.txt"
    if not _exists(folder, file):
        return np.zeros((expected, 0), np.int64)
    values = _table(folder, file)
    if len(values) != expected:
        raise ValueError(f"{file}: expected {expected} lines, one per {kind}, found {len(values)}")
    return values.astype(np.int64)


def _targets(folder: Path, name: str) -> pd.DataFrame:
    targets = {}
    for kind in ("graph_labels", "graph_attributes"):
        if _exists(folder, f"{name}_{kind}.txt"):
            values = _table(folder, f"{name}_{kind}.txt")
            columns = [kind] if kind == "graph_labels" else [f"{kind}_{i}" for i in range(values.shape[1])]
            targets |= dict(zip(columns, values.T, strict=True))
    if len({len(column) for column in targets.values()}) > 1:
        raise ValueError(f"{name}: expected as many lines in graph_labels as in graph_attributes")
    return pd.DataFrame(targets)


def _numbers(line: str, least: int) -> list[int]:
    try:
        numbers = [int(word) for word in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) < least:
        raise ValueError(f"expected at least {least} whole numbers, found {line!r:.40}")
    return numbers


def _pair(pair: np.ndarray) -> str:
    return f"{pair[0]}, {pair[1]}"
