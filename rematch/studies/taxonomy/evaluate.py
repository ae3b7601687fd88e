"""Judges a saved table: reconstruction first, then separation, distortion, depth, and held-out tasks with baselines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rematch.export import with_dimensions
from rematch.scores import Evaluation, Score
from rematch.studies.taxonomy.holdout import leaf_parents, pair_classification
from rematch.studies.taxonomy.measures import depth_correlations, distortion, separation
from rematch.studies.taxonomy.ranking import CLASSES, Ranks, rank_ancestors
from rematch.studies.taxonomy.settings import Settings


def evaluate(
    settings: Settings,
    weights: Mapping[str, Tensor],
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    names: pd.DataFrame,
    device: torch.device,
) -> Evaluation:
    """Scores of one arm on the test anchors (and, as split `validation`, MAP on the validation anchors); one row of
    predictions per test anchor. Computed on the CPU in float64 whatever `device` is."""
    table = weights["embedding"].cpu().numpy()
    hyperbolic = settings.geometry != "euclidean"
    closure = (train["offsets"], train["ancestors"], train["steps"])
    ranks = rank_ancestors(table, test["anchors"], *closure, hyperbolic)
    scores = _ranking_scores(ranks)
    chosen = rank_ancestors(table, train["validation_anchors"], *closure, hyperbolic)
    scores.append(Score("map", float(chosen.precision[:, 0].mean()), len(chosen.precision), "validation"))
    depth = depth_correlations(table, train["depth"], test["anchors"], hyperbolic)
    scores += [Score(name, value, len(test["anchors"])) for name, value in depth.items()]
    for name in ("phylum", "class"):
        if f"group_{name}" in test:
            scores.append(Score(f"{name}_separation", *separation(table, test[f"group_{name}"], hyperbolic)))
    scores.append(Score("distortion", *distortion(table, *closure, hyperbolic)))
    if "held_leaves" in test:
        scores += leaf_parents(table, test, hyperbolic)
    if "split_test_positive" in test:
        scores += pair_classification(table, train, test, hyperbolic)
    predictions = pd.DataFrame(
        {
            "sample": test["anchors"],
            "name": names["name"].to_numpy()[test["anchors"]] if "name" in names else "",
            "depth": train["depth"][test["anchors"]],
            "average_precision": ranks.precision[:, 0],
            "mean_rank": ranks.rank[:, 0],
        }
    )
    return Evaluation([score for score in scores if np.isfinite(score.value)], predictions)


def embeddings(
    settings: Settings,
    weights: Mapping[str, Tensor],
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    names: pd.DataFrame,
) -> pd.DataFrame:
    """One row per node: id, name, depth in steps from the root, and its point in columns dim_0, dim_1, ..."""
    nodes = pd.DataFrame({"id": names["node"], "name": names["name"], "depth": train["depth"]})
    return with_dimensions(nodes, weights["embedding"].cpu().numpy())


def _ranking_scores(ranks: Ranks) -> list[Score]:
    """`map` is a mean over anchors, `mean_rank` one over pairs; `_parent`, `_grandparent`, `_deeper` by class."""
    scores = []
    for c, name in enumerate(CLASSES):
        known = ranks.count[:, c] > 0
        if not known.any():
            continue
        end = "" if name == "all" else f"_{name}"
        pairs = ranks.count[known, c]
        scores.append(Score(f"map{end}", float(ranks.precision[known, c].mean()), int(known.sum())))
        mean = float((ranks.rank[known, c] * pairs).sum() / pairs.sum())
        scores.append(Score(f"mean_rank{end}", mean, int(pairs.sum())))
    return scores
