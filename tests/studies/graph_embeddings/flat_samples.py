"""Hand-written graphs and settings for the tests of this study."""

from pathlib import Path

import numpy as np
import yaml

from rematch.streams import numpy_generator
from rematch.studies.graph_embeddings.flat import FlatGraphs
from rematch.studies.graph_embeddings.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
V1 = yaml.safe_load((ROOT / "config/studies/graph_embeddings.yaml").read_text())["versions"]["v1"]["set"]
DATASETS = yaml.safe_load((ROOT / "config/datasets/graph_embeddings.yaml").read_text())
SMALL = dict(embedding_dim=16, hidden_dim=16, num_layers=2, batch_size=16, epochs=2, probe_folds=3)


def settings(**changes) -> Settings:
    """v1 at a tiny width, with changes."""
    return Settings(**V1 | SMALL | changes)


def triangle_path_dot() -> FlatGraphs:
    """A triangle, a path of two nodes, a node alone. One node label (codes 1 to 2) and one edge label (1 to 2)."""
    return FlatGraphs(
        np.array([0, 3, 5, 6]),
        np.array([0, 3, 4, 4]),
        np.array([[0, 1], [1, 2], [0, 2], [0, 1]], np.uint16),
        np.array([[1], [1], [2], [2], [1], [1]], np.uint8),
        np.array([[1], [2], [1], [2]], np.uint8),
    )


def random_graphs(count: int, seed: int, labels: int = 3) -> FlatGraphs:
    """Random trees with two further edges each, 5 to 9 nodes."""
    generator = numpy_generator(seed, "random graphs")
    nodes, edges = [], []
    for size in generator.integers(5, 10, count):
        pairs = {(int(generator.integers(0, i)), i) for i in range(1, size)} | {(0, int(size) - 1), (1, int(size) - 1)}
        edges.append(np.array(sorted(pairs), np.uint16))
        nodes.append(int(size))
    offsets = [np.concatenate([[0], np.cumsum(part)]).astype(np.int64) for part in (nodes, [len(e) for e in edges])]
    node_codes = generator.integers(1, labels + 1, (offsets[0][-1], 1)).astype(np.uint8)
    edge_codes = generator.integers(1, labels + 1, (offsets[1][-1], 1)).astype(np.uint8)
    return FlatGraphs(*offsets, np.concatenate(edges), node_codes, edge_codes)


SIZES = np.array([4]), np.array([4])  # codes 0 to 3


def arrays(graphs: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    """What `prepare` would leave for training."""
    stores = random_graphs(graphs, seed).arrays("train") | random_graphs(20, seed + 1).arrays("validation")
    return {"node_sizes": SIZES[0], "edge_sizes": SIZES[1]} | stores
