"""A tree with the document's figures (nodes, greatest depth, closure pairs), as an NCBI-style dump with ranks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from rematch.atomic import write_text
from rematch.streams import numpy_generator

# depth -> rank; other depths have no rank, as in NCBI's taxonomy. Few nodes stand at depth 3, thousands at depth 8.
RANKS = {1: "superkingdom", 2: "kingdom", 3: "phylum", 4: "class", 6: "order", 8: "family", 10: "genus"}
RISE, FALL = 0.042, 0.12  # widths of the hump of nodes per depth before and after its peak, as shares of the depth
FERTILE = 0.35  # share of a level that may have children


def generate(out: Path, *, seed: int, nodes: int, depth: int, pairs: int) -> None:
    """Writes nodes.dmp, names.dmp and truth.json. The sum of all depths, the number of closure pairs, is `pairs`."""
    draw = numpy_generator(seed, "taxonomy")
    counts = level_counts(nodes, depth, pairs)
    parent = _parents(counts, draw)
    levels = np.repeat(np.arange(depth + 1), counts)
    ranks = _ranks(parent, levels)
    ids = draw.permutation(np.arange(2, nodes + 1))  # the root is 1, as in NCBI's dump; the others in no order
    ids = np.concatenate([[1], ids])
    above = ids[np.maximum(parent, 0)]
    rows = np.argsort(ids)
    lines = [f"{ids[i]}\t|\t{above[i]}\t|\t{ranks[i] or 'no rank'}\t|\n" for i in rows]
    names = [f"{ids[i]}\t|\ttaxon {ids[i]}\t|\t\t|\tscientific name\t|\n" for i in rows]
    write_text(out / "nodes.dmp", "".join(lines))
    write_text(out / "names.dmp", "".join(names))
    write_text(out / "truth.json", json.dumps({"nodes": nodes, "depth": depth, "closure_pairs": pairs}, indent=2))


def level_counts(nodes: int, depth: int, pairs: int) -> np.ndarray:
    """Nodes per depth (depth + 1,) int64: one root, every level inhabited, depths summing to `pairs`."""
    least, most = depth * (depth + 1) // 2, (nodes - depth - 1) * depth + depth * (depth + 1) // 2
    if not least + nodes - depth - 1 <= pairs <= most:
        raise ValueError(f"pairs: {nodes} nodes of depth {depth} cannot have {pairs} closure pairs")
    at = np.arange(1, depth + 1)
    off = at - 0.2 * depth
    hump = -0.5 * (off / (np.where(off < 0, RISE, FALL) * depth)) ** 2
    low, high = -50.0, 50.0
    for _ in range(200):  # tilt a broad hump until the mean depth fits
        tilt = (low + high) / 2
        share = np.exp(hump + tilt * at / depth) + 1e-12
        mean = (share * at).sum() / share.sum()
        low, high = (tilt, high) if mean * (nodes - 1 - depth) + least < pairs else (low, tilt)
    counts = 1 + np.floor(share / share.sum() * (nodes - 1 - depth)).astype(np.int64)
    counts[np.argmax(share)] += nodes - 1 - counts.sum()
    gap = pairs - int((counts * at).sum())
    while gap:  # move single nodes one level down or up where there are most
        step = 1 if gap > 0 else -1
        able = counts[:-1] if gap > 0 else counts[1:]
        source = int(np.argmax(able)) + (0 if gap > 0 else 1)
        many = max(1, min(abs(gap), int(counts[source]) // 50))
        if counts[source] <= many:
            raise ValueError(f"pairs: {nodes} nodes of depth {depth} cannot have {pairs} closure pairs")
        counts[source] -= many
        counts[source + step] += many
        gap -= step * many
    return np.concatenate([[1], counts])


def _parents(counts: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Parent of each node, level by level; a lineage inherits how fertile it is, so that groups differ in size."""
    parent, vigour = [np.array([-1])], np.ones(1)
    first = 0
    for level, count in enumerate(counts[1:], 1):
        able = max(1, int(FERTILE * len(vigour)))
        fertile = np.sort(draw.permutation(len(vigour))[:able])
        share = vigour[fertile] / vigour[fertile].sum()
        chosen = fertile[draw.choice(able, size=count, p=share)]
        parent.append(first + np.sort(chosen))
        vigour = vigour[np.sort(chosen)] * draw.lognormal(0.0, 0.6, size=count)
        vigour = vigour / vigour.mean() + 1e-3
        first += counts[level - 1]
    return np.concatenate(parent)


def _ranks(parent: np.ndarray, levels: np.ndarray) -> list[str]:
    leaf = np.ones(len(parent), bool)
    leaf[parent[1:]] = False
    return ["species" if leaf[i] else RANKS.get(int(d), "") for i, d in enumerate(levels)]
