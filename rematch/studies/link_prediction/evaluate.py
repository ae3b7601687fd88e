"""Scores of a saved model on the test pairs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rematch import diagnostics
from rematch.export import with_dimensions
from rematch.scores import Evaluation, Score
from rematch.studies.link_prediction.graph import Graph, propagate
from rematch.studies.link_prediction.heuristics import HEURISTICS
from rematch.studies.link_prediction.metrics import hits_at, reciprocal_ranks
from rematch.studies.link_prediction.model import Layer, LinkPredictor
from rematch.studies.link_prediction.settings import Settings

CUTS = (10, 20, 50, 100)


def evaluate(
    settings: Settings,
    weights: Mapping[str, Tensor],
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    names: pd.DataFrame,
    device: torch.device,
) -> Evaluation:
    """Hits@K, mean reciprocal rank, AUC and score gap on validation and test, and the collapse of the embeddings.

    Messages pass over the training edges only, as on the leaderboard of ogbl-ddi. A prediction is a test edge with its
    score and its rank among all test negatives.
    """
    graph = Graph.from_edges(train["edges"], int(train["num_nodes"][0]))
    if settings.model in HEURISTICS:
        return _evaluation(train, test, names, lambda pairs: HEURISTICS[settings.model](graph, pairs), False)
    layers: list[Layer] = []
    with torch.no_grad():
        model, h = _encoded(settings, weights, graph, train, device, layers)
        result = _evaluation(train, test, names, lambda pairs: model.decode(h, pairs).cpu().numpy(), True)
        shape = diagnostics.collapse(h)
        outputs = [layer.output for layer in layers]
        energies = [diagnostics.dirichlet_energy(output, propagate(graph, output)) for output in outputs]
        shape |= {f"dirichlet_energy_{number}": energy for number, energy in enumerate(energies, 1)}
        shape["dirichlet_energy"] = energies[-1]
    result.scores.extend(Score(name, value, graph.n) for name, value in shape.items())
    return result


def embeddings(
    settings: Settings,
    weights: Mapping[str, Tensor],
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    names: pd.DataFrame,
) -> pd.DataFrame:
    """One row per node: id, name, and what the decoder compares in columns dim_0, dim_1, ..."""
    if settings.model in HEURISTICS:
        raise ValueError(f"model {settings.model}: expected embeddings, found scores of pairs only")
    graph = Graph.from_edges(train["edges"], int(train["num_nodes"][0]))
    with torch.no_grad():
        _, h = _encoded(settings, weights, graph, train, torch.device("cpu"), [])
    return with_dimensions(pd.DataFrame({"id": range(graph.n), "name": names["name"]}), h.float().numpy())


def _encoded(
    settings: Settings,
    weights: Mapping[str, Tensor],
    graph: Graph,
    train: Mapping[str, np.ndarray],
    device: torch.device,
    layers: list[Layer],
) -> tuple[LinkPredictor, Tensor]:
    """The saved model, and the embeddings `(num_nodes, width)` it gives; `layers` is filled with what each put out."""
    features = train["structure"] if settings.structural_features else None
    model = LinkPredictor(settings, graph.n, 0 if features is None else features.shape[1])
    model.load_state_dict(dict(weights))
    model.to(device).eval()
    return model, model.encode(graph, None if features is None else torch.from_numpy(features).to(device), layers)


def _evaluation(train, test, names: pd.DataFrame, score, logits: bool) -> Evaluation:
    scores = []
    for split, arrays in (("validation", train), ("test", test)):
        prefix = "valid" if split == "validation" else "test"
        positive, negative = score(arrays[f"{prefix}_pos"]), score(arrays[f"{prefix}_neg"])
        ranks = reciprocal_ranks(positive, negative)
        found = {f"hits_at_{k}": hits_at(positive, negative, k) for k in CUTS} | {"mrr": float(ranks.mean())}
        apart = diagnostics.separation(positive, negative)
        found |= apart if logits else {"auc": apart["auc"]}  # a count of neighbours is no logit
        scores.extend(Score(name, value, len(positive), split) for name, value in found.items())
    name = names["name"].to_numpy()
    pairs = test["test_pos"]
    sample = [f"{a}--{b}" for a, b in zip(name[pairs[:, 0]], name[pairs[:, 1]], strict=True)]
    table = {"sample": sample, "score": positive.astype(np.float64), "reciprocal_rank": ranks}
    table["hit_at_20"] = positive > np.partition(negative, -min(20, len(negative)))[-min(20, len(negative))]
    return Evaluation(scores, pd.DataFrame(table))
