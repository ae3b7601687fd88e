"""Scores of saved embeddings (or of a baseline's saved scores): what they are for, and what they look like."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rematch.export import with_dimensions
from rematch.scores import Evaluation, Score
from rematch.studies.drug_repurposing import ranking
from rematch.studies.drug_repurposing.downstream import cluster_agreement, trees
from rematch.studies.drug_repurposing.evidence import Paths
from rematch.studies.drug_repurposing.scoring import diseases_start, local, pair_scores, training_treatments
from rematch.studies.drug_repurposing.settings import Settings
from rematch.studies.drug_repurposing.similarity import similarity
from rematch.studies.drug_repurposing.suggestions import new_treatments, path_weights

SUGGESTED = 3  # new treatments listed per disease


def evaluate(
    settings: Settings,
    weights: dict[str, Tensor],
    train: dict[str, np.ndarray],
    test: dict[str, np.ndarray],
    names: pd.DataFrame,
    device: torch.device,
) -> Evaluation:
    """Held-out treatments found among all pairs, and for arms with embeddings trees, clusters and the document's
    criteria.

    One prediction row per disease with a held-out treatment: its mean reciprocal rank, and the best new pairs with a
    path through the graph. Tables of the best new pairs of all, and of what path features count.
    """
    weights = {name: value.to(device) for name, value in weights.items()}
    diseases = test["test_diseases"]
    scores = pair_scores(settings, train, weights, diseases)
    known = np.concatenate([training_treatments(train), train["valid"]], axis=1)
    treatments, known_local = local(train, diseases, test["test"], known)
    result = ranking.ranked(scores, treatments, known_local)
    values = ranking.summary(result, at=(1, 10, 50))
    counts = dict.fromkeys(values, len(result.rank))
    values |= _cold_and_warm(result, treatments, known_local)
    values |= _against_non_indications(settings, train, test, weights)
    if "popularity_ceiling" in test:
        values["popularity_ceiling"] = float(test["popularity_ceiling"][0])
    if "embeddings" in weights:
        values |= _embedding_values(weights["embeddings"].float().cpu(), train, test, names)
    rows = [Score(name, value, counts.get(name, len(result.rank))) for name, value in values.items() if value == value]
    paths = Paths(train, names)
    every = np.concatenate([known_local, treatments], axis=1)
    tables = {"new-treatments": new_treatments(scores, every, diseases, train, test["non_indications"], paths)}
    if "path_weights" in weights:
        tables["path-weights"] = path_weights(weights["path_weights"].cpu(), train, paths)
    return Evaluation(rows, _predictions(scores, result, every, diseases, train, names, paths), tables)


def embeddings(
    settings: Settings,
    weights: Mapping[str, Tensor],
    train: Mapping[str, np.ndarray],
    test: Mapping[str, np.ndarray],
    names: pd.DataFrame,
) -> pd.DataFrame:
    """One row per node: id, name, type, and its embedding in columns dim_0, dim_1, ..."""
    if "embeddings" not in weights:
        raise ValueError(f"model {settings.model}: expected embeddings, found scores of pairs only")
    nodes = names[names.kind == "node"].sort_values("number", ignore_index=True)[["id", "name", "type"]]
    return with_dimensions(nodes, weights["embeddings"].cpu().numpy())


def _cold_and_warm(result: ranking.Ranked, treatments: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """Mean reciprocal rank of treatments whose compound has, or lacks, a known treatment; NaN where there are none."""
    warm = np.isin(treatments[0], known[0])
    parts = {"mrr_known_compounds": warm, "mrr_new_compounds": ~warm}
    return {name: float((1 / result.rank[part]).mean()) if part.any() else float("nan") for name, part in parts.items()}


def _against_non_indications(
    settings: Settings, train: dict[str, np.ndarray], test: dict[str, np.ndarray], weights: dict[str, Tensor]
) -> dict[str, float]:
    """AUROC of held-out treatments against pairs that curators rejected, which popularity does not tell apart."""
    wrong = test["non_indications"]
    if not wrong.shape[1]:
        return {}
    diseases = np.unique(np.concatenate([wrong[1], test["test"][1]]))
    scores = pair_scores(settings, train, weights, diseases)
    right, wrong = local(train, diseases, test["test"], wrong)
    labels = np.r_[np.ones(right.shape[1], bool), np.zeros(wrong.shape[1], bool)]
    return {"auroc_non_indications": ranking.auroc(np.r_[scores[tuple(right)], scores[tuple(wrong)]], labels)}


def _embedding_values(
    embeddings: Tensor, train: dict[str, np.ndarray], test: dict[str, np.ndarray], names: pd.DataFrame
) -> dict[str, float]:
    ptr = train["type_ptr"]
    kind = torch.from_numpy(np.repeat(np.arange(len(ptr) - 1), np.diff(ptr)))
    ends = train["relation_ends"][train["treats"].item()].tolist()
    types = names[names.kind == "node"].type.to_numpy()
    values = similarity(embeddings, kind, {str(types[ptr[end]]).lower(): end for end in ends})
    compounds = embeddings[slice(*train["compounds"].tolist())].numpy()
    first = diseases_start(train)
    diseases = np.arange(first, int(ptr[ends[1] + 1]))
    known, treatments = local(train, diseases, training_treatments(train), test["test"])
    values |= trees(compounds, embeddings[first : diseases[-1] + 1].numpy(), known, treatments)
    classes = test["classes"]
    members, place = np.unique(classes[0], return_index=True)  # a drug of several classes counts with its first
    if len(members) > 1:
        values["nmi_classes"] = cluster_agreement(embeddings[torch.from_numpy(members)].numpy(), classes[1][place])
    return values


def _predictions(
    scores: np.ndarray,
    result: ranking.Ranked,
    known: np.ndarray,
    diseases: np.ndarray,
    train: dict[str, np.ndarray],
    names: pd.DataFrame,
    paths: Paths,
) -> pd.DataFrame:
    """A row per disease with a held-out treatment; a new treatment is one that no part of the data knows."""
    nodes = names[names.kind == "node"]
    scores = scores.copy()
    scores[tuple(known)] = -np.inf
    rows = []
    for column in np.unique(result.disease):
        rank = result.rank[result.disease == column]
        number = int(diseases[column])
        row = {"sample": nodes.id.iloc[number], "disease": nodes.name.iloc[number], "treatments": len(rank)}
        row |= {"mrr": float((1 / rank).mean()), "best_rank": float(rank.min())}
        for place, compound in enumerate(np.argsort(-scores[:, column], kind="stable")[:SUGGESTED]):
            compound_number = int(train["compounds"][0] + compound)
            row[f"suggestion_{place + 1}"] = nodes.name.iloc[compound_number]
            row[f"path_{place + 1}"] = paths.best(compound_number, number)
        rows.append(row)
    return pd.DataFrame(rows)
