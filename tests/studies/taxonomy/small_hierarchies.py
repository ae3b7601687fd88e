"""Small hierarchies written by hand and settings to vary, shared by the taxonomy tests."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from rematch.studies.taxonomy import data
from rematch.studies.taxonomy.settings import Settings

#      root
#     /    \
#    a      b
#   / \    / \
#  c   d  e   f      phyla a and b
#  |
#  g
TREE = [("a", "root"), ("b", "root"), ("c", "a"), ("d", "a"), ("e", "b"), ("f", "b"), ("g", "c")]
DIAMOND = [
    ("left", "top"),
    ("right", "top"),
    ("bottom", "left"),
    ("bottom", "right"),
    ("tip", "bottom"),
    ("tip", "top"),
]

V3 = dict(
    dim=5, geometry="poincare", initialisation="random", pairs="closure", epoch_length="own", anchor="descendant",
    negatives=10, negative_sampling="uniform", loss="softmax", margin=0.2, sharpness=1, pair_weights="none",
    radial_weight=0.0, learning_rate=0.1, burn_in=0.0, schedule="constant", batch=4, accelerator_batch=4, epochs=3,
    patience=0, precision="float64", rim=1e-5, labels="true", holdout="none", validation_anchors=10, test_anchors=100,
)  # fmt: skip


def settings(**changes) -> Settings:
    """v3-like settings, small and in float64, with some of them changed."""
    return Settings(**{**V3, **changes})


def data_settings(**changes) -> SimpleNamespace:
    """The keys that `prepare` reads."""
    return SimpleNamespace(**{"holdout": "none", "validation_anchors": 2, "test_anchors": 100, **changes})


def write_edges(folder: Path, edges) -> Path:
    """An edge list as a user would write it."""
    lines = ["child,parent", *(f"{c},{p}" for c, p in edges)]
    (folder / "edges.csv").write_text("\n".join(lines) + "\n")
    return folder


def prepared(folder: Path, edges=TREE, **changes):
    """The prepared form of an edge list."""
    return data.prepare(write_edges(folder, edges), {"title": "t", "reader": "edge-list"}, data_settings(**changes), 0)


def random_tree(count: int, seed: int) -> list[tuple[str, str]]:
    """Edges (child, parent) of a random tree."""
    draw = np.random.default_rng(seed)
    return [(f"n{i}", f"n{draw.integers(0, i)}") for i in range(1, count)]


def ancestor_names(result) -> dict[str, set[str]]:
    """Name -> names of all ancestors, from prepared arrays."""
    names, offsets, ancestors = result.names["name"].tolist(), result.train["offsets"], result.train["ancestors"]
    return {name: {names[a] for a in ancestors[offsets[i] : offsets[i + 1]]} for i, name in enumerate(names)}
