"""Scores of all pairs of a compound and a disease, from what a run saved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from rematch.studies.drug_repurposing import ranking
from rematch.studies.drug_repurposing.model import score_matrix
from rematch.studies.drug_repurposing.settings import Settings


def validation(settings: Settings, data: Mapping[str, np.ndarray], weights: Mapping[str, Tensor]) -> dict[str, float]:
    """auroc, auprc, mrr and hits of the validation treatments, the training treatments left out."""
    scores = pair_scores(settings, data, weights, data["valid_diseases"])
    pairs = local(data, data["valid_diseases"], data["valid"], training_treatments(data))
    return ranking.summary(ranking.ranked(scores, *pairs))


def pair_scores(
    settings: Settings, data: Mapping[str, np.ndarray], weights: Mapping[str, Tensor], diseases: np.ndarray
) -> np.ndarray:
    """Scores `(compounds, diseases)` in double precision: saved ones of a baseline, or those of the decoder."""
    if "scores" in weights:
        return weights["scores"][:, diseases - diseases_start(data)].double().cpu().numpy()
    z = weights["embeddings"]
    chosen = z[torch.from_numpy(diseases).to(z.device)]
    scale = weights["relation_scale"][data["treats"].item()]
    scores = score_matrix(settings.decoder, z[slice(*data["compounds"].tolist())], chosen, scale)
    if "path_scores" in weights:
        scores = scores + weights["path_scores"][:, diseases - diseases_start(data)]
    return scores.double().cpu().numpy()


def diseases_start(data: Mapping[str, np.ndarray]) -> int:
    """The number of the first disease node."""
    return int(data["type_ptr"][data["relation_ends"][data["treats"].item(), 1]])


def local(data: Mapping[str, np.ndarray], diseases: np.ndarray, *pairs: np.ndarray) -> list[np.ndarray]:
    """`pairs` of node numbers as (row, column) of a score matrix of `diseases` (ascending); pairs of other diseases
    go."""
    kept = []
    for both in pairs:
        both = both[:, np.isin(both[1], diseases)].astype(np.int64)
        kept.append(np.stack([both[0] - data["compounds"][0], np.searchsorted(diseases, both[1])]))
    return kept


def training_treatments(data: Mapping[str, np.ndarray]) -> np.ndarray:
    """Pairs `(2, n)` of the treats relation of the training part."""
    number = data["treats"].item()
    return data["edges"][:, slice(*data["relation_ptr"][number : number + 2].tolist())]
