"""Generated graphs: four families of base graphs, each with one of five planted motifs, written as TUDataset text.

All motifs have six nodes, seven edges and the same labels in another arrangement, and hang on one more edge; family,
motif, arrangement of edge labels and size are drawn independently. So counting nodes, edges or labels tells nothing
about motif and arrangement. Node and edge labels stand for atom and bond types.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from rematch.atomic import write_text
from rematch.streams import numpy_generator

MOTIFS = {  # six nodes, seven edges each; no two alike for one-dimensional Weisfeiler-Leman refinement
    "two-triangles": ((0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (4, 5), (3, 5)),
    "chorded-ring": ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (0, 2)),
    "bipartite": ((0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (4, 5)),
    "house": ((0, 1), (1, 2), (2, 3), (0, 3), (0, 4), (1, 4), (2, 5)),
    "diamond": ((0, 1), (1, 2), (2, 3), (0, 3), (0, 2), (3, 4), (4, 5)),
}
FAMILIES = ("path", "caterpillar", "recursive", "hub")
MOTIF_LABELS = (3, 0, 0, 4, 0, 0)  # of the motif's nodes, in order: two marks, as hetero atoms mark a functional group
BASE_LABELS = {0: 0.7, 1: 0.15, 2: 0.15}  # label -> share among the other nodes
PATTERNS = ((0, 1, 0, 1, 0, 1, 0), (0, 0, 0, 1, 1, 1, 0))  # labels of the motif's edges, in order
EDGE_LABELS = 3
MOTIF_NODES = len(MOTIF_LABELS)


def generate(out: Path, *, seed: int, graphs: int, probe_graphs: int, nodes: int) -> None:
    """Writes `pretrain_*.txt` (unlabelled), `probe_*.txt` (with targets) and `truth.json` into `out`.

    A graph has `nodes` nodes on average, between two thirds and four thirds of that.
    """
    for key, value, least in (("graphs", graphs, 1), ("probe_graphs", probe_graphs, 1), ("nodes", nodes, 12)):
        if value < least:
            raise ValueError(f"sizes: {key}: expected at least {least}, found {value}")
    _write(Path(out), "pretrain", _draw(numpy_generator(seed, "pretrain"), graphs, nodes), targets=False)
    probe = _draw(numpy_generator(seed, "probe"), probe_graphs, nodes)
    _write(Path(out), "probe", probe, targets=True)
    truth = {"motifs": list(MOTIFS), "families": FAMILIES, "seed": seed, "graphs": graphs, "probe_graphs": probe_graphs}
    write_text(Path(out) / "truth.json", json.dumps(truth, indent=2))


def _draw(generator: np.random.Generator, graphs: int, nodes: int) -> dict[str, np.ndarray]:
    """Edges (global node numbers, from 0), labels and targets of independently drawn graphs."""
    base = generator.integers(2 * nodes // 3, 4 * nodes // 3 + 1, graphs) - MOTIF_NODES
    motif = generator.integers(0, len(MOTIFS), graphs)
    family = generator.integers(0, len(FAMILIES), graphs)
    pattern = generator.integers(0, 2, graphs)  # how two labels are arranged on the motif's edges
    counts = base + MOTIF_NODES
    offsets = np.concatenate([[0], np.cumsum(counts)])
    tree = _trees(generator, base, family, offsets)
    shapes = np.array(list(MOTIFS.values()))  # (motifs, 7, 2)
    planted = shapes[motif] + (offsets[:-1] + base)[:, None, None]
    hook = offsets[:-1] + np.floor(generator.random(graphs) * base).astype(np.int64)
    link = np.stack([hook, offsets[:-1] + base + generator.integers(0, MOTIF_NODES, graphs)], axis=1)
    edges = np.concatenate([tree, planted.reshape(-1, 2), link])
    drawn = (
        generator.integers(0, EDGE_LABELS, len(tree)),
        np.array(PATTERNS)[pattern].reshape(-1),
        np.zeros(graphs, np.int64),
    )
    graph = np.repeat(np.arange(graphs), counts)
    node_labels = generator.choice(list(BASE_LABELS), offsets[-1], p=list(BASE_LABELS.values()))
    node_labels[(offsets[:-1] + base)[:, None] + np.arange(MOTIF_NODES)] = MOTIF_LABELS
    order = np.argsort(graph[edges[:, 0]], kind="stable")
    return {
        "graph": graph,
        "edges": edges[order],
        "edge_labels": np.concatenate(drawn)[order],
        "node_labels": node_labels,
        "motif": motif,
        "family": family,
        "pattern": pattern,
        "depth": _mean_depth(tree, counts, offsets, base),
    }


def _trees(generator, base: np.ndarray, family: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Parent edges `(sum(base) - graphs, 2)`: a node of a base graph hangs on one before it, by the family's rule."""
    kind = np.repeat(family, base)
    graph = np.repeat(np.arange(len(base)), base)
    first = np.concatenate([[0], np.cumsum(base)])[:-1]
    local = np.arange(base.sum()) - first[graph]
    draw = generator.random(len(local))
    rules = [
        local - 1,
        np.where(local % 2 == 1, local - 1, local - 2),
        np.floor(draw * local),
        np.floor(draw**3 * local),
    ]
    parent = np.choose(kind, rules).astype(np.int64)
    keep = local > 0
    start = offsets[:-1][graph]
    return np.stack([start + local, start + np.maximum(parent, 0)], axis=1)[keep]


def _mean_depth(tree: np.ndarray, counts: np.ndarray, offsets: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Mean distance of a base graph's nodes from its first node, `(graphs,)`."""
    parent = np.full(offsets[-1], -1)
    parent[tree[:, 0]] = tree[:, 1]
    depth, at = np.zeros(offsets[-1]), parent.copy()
    while (at >= 0).any():
        depth += at >= 0
        at = np.where(at >= 0, parent[at], -1)
    return np.add.reduceat(depth, offsets[:-1]) / base


def _write(out: Path, name: str, drawn: dict[str, np.ndarray], targets: bool) -> None:
    """TUDataset text (Morris et al. 2020): every edge in both directions, numbers from 1."""
    both = np.stack([drawn["edges"], drawn["edges"][:, ::-1]], axis=1).reshape(-1, 2) + 1
    write_text(out / f"{name}_A.txt", _rows(both))
    write_text(out / f"{name}_graph_indicator.txt", _rows(drawn["graph"][:, None] + 1))
    write_text(out / f"{name}_node_labels.txt", _rows(drawn["node_labels"][:, None]))
    write_text(out / f"{name}_edge_labels.txt", _rows(np.repeat(drawn["edge_labels"], 2)[:, None]))
    if targets:
        write_text(out / f"{name}_graph_labels.txt", _rows(drawn["motif"][:, None]))
        columns = np.stack([drawn["pattern"], drawn["depth"]], axis=1)
        write_text(out / f"{name}_graph_attributes.txt", "".join(f"{a:.0f}, {b:.6f}\n" for a, b in columns))


def _rows(values: np.ndarray) -> str:
    return pd.DataFrame(values).to_csv(header=False, index=False, lineterminator="\n")
