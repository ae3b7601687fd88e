"""A graph drawn from a latent geometry with planted communities, in the files of the `plain-split` reader."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np

from rematch.atomic import write_bytes, write_text
from rematch.streams import numpy_generator


def generate(
    out: Path,
    *,
    seed: int,
    nodes: int,
    communities: int,
    dimensions: int = 8,
    density: float = 0.12,
    popularity: float = 0.8,
    noise: float = 0.5,
    held_out: float = 0.1,
) -> None:
    """Writes a split and `truth.json`.

    Node i has a place z_i near its community's centre and a popularity w_i (normal, sd `popularity`). The pair (i,
    j) is an
    edge with probability sigmoid((cos(z_i, z_j) * 4 + w_i + w_j - t) / `noise`); t is set so that `density` of all
    pairs are. The shares `held_out` of the edges go to validation and test; as many non-edges are drawn for each.
    """
    if nodes * (nodes - 1) * density * held_out < 40:
        raise ValueError(
            f"nodes, density, held_out: expected at least 20 held-out edges, found {nodes}, {density}, {held_out}"
        )
    draw = numpy_generator(seed, "latent graph", nodes, communities)
    community = draw.integers(0, communities, nodes)
    place = draw.normal(size=(communities, dimensions))[community] + 0.6 * draw.normal(size=(nodes, dimensions))
    place /= np.linalg.norm(place, axis=1, keepdims=True)
    popular = popularity * draw.normal(size=nodes)
    row, column = np.triu_indices(nodes, 1)
    strength = 4 * (place @ place.T)[row, column] + popular[row] + popular[column]
    chance = 1 / (1 + np.exp(-(strength - _threshold(strength, noise, density)) / noise))
    edge = draw.random(len(chance)) < chance
    pairs = np.stack([row, column], 1)
    edges, others = draw.permutation(np.flatnonzero(edge)), draw.permutation(np.flatnonzero(~edge))
    count = int(held_out * len(edges))
    index = {
        "valid_pos": edges[:count], "test_pos": edges[count : 2 * count], "train_pos": edges[2 * count :],
        "valid_neg": others[:count], "test_neg": others[count : 2 * count],
    }  # fmt: skip
    for part, chosen in index.items():
        _write(out / f"{part}.csv.gz", pairs[chosen])
    _write(out / "nodes.csv.gz", [(i, f"node-{i}") for i in range(nodes)], "node idx,name\n")
    truth = dict(nodes=nodes, edges=len(edges), density=len(edges) / len(row), communities=communities, seed=seed)
    for part in ("valid", "test"):
        truth[f"{part}_hits_at_20_of_the_truth"] = _hits(chance[index[f"{part}_pos"]], chance[index[f"{part}_neg"]], 20)
    write_text(out / "truth.json", json.dumps(truth, indent=2) + "\n")


def _threshold(strength: np.ndarray, noise: float, density: float) -> float:
    """The t at which the mean edge probability is `density`, by bisection."""
    low, high = strength.min() - 20 * noise, strength.max() + 20 * noise
    for _ in range(60):
        middle = (low + high) / 2
        if (1 / (1 + np.exp(-(strength - middle) / noise))).mean() > density:
            low = middle
        else:
            high = middle
    return middle


def _hits(positive: np.ndarray, negative: np.ndarray, k: int) -> float:
    return float((positive > np.sort(negative)[-k]).mean())


def _write(path: Path, rows, header: str = "") -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:  # no time stamp: equal data, equal bytes
        file.write((header + "".join(f"{a},{b}\n" for a, b in rows)).encode())
    write_bytes(path, buffer.getvalue())
