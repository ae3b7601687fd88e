"""Which training treatments an update asks for, by what a graph without them says; and the weights of path features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rematch.streams import numpy_generator
from rematch.studies.drug_repurposing import losses
from rematch.studies.drug_repurposing.metapaths import Metapaths

PARTS = 5  # of the treatments, which take turns in being asked for
PENALTY = 1e-3  # of squared weights in `fit_weights`, where features have a spread of 1
ITERATIONS = 30  # of L-BFGS; the loss is convex


class Question(NamedTuple):
    """Treatments that are `asked` for and all that are `treated`, masks `(compounds, columns)`, with the path
    `features (compounds, columns, kinds)` of a graph that lacks those asked for. Columns are diseases with a known
    treatment."""

    asked: Tensor
    treated: Tensor
    features: Tensor | None


def divide(count: int, seed: int) -> list[np.ndarray]:
    """Masks `(count,)` of the parts of a random division of the training treatments."""
    part = numpy_generator(seed, "parts of treatments").permutation(count) % PARTS
    return [part == number for number in range(PARTS)]


def questions(
    known: np.ndarray, masks: Sequence[np.ndarray], compounds: slice, metapaths: Metapaths | None, device: torch.device
) -> list[Question]:
    """One question for each of `masks (n,)` over the training treatments `known (2, n)`."""
    columns = np.unique(known[1])

    def table(pairs: np.ndarray) -> Tensor:
        found = torch.zeros(compounds.stop - compounds.start, len(columns), dtype=torch.bool)
        found[pairs[0] - compounds.start, np.searchsorted(columns, pairs[1])] = True
        return found.to(device)

    def features(pairs: np.ndarray) -> Tensor | None:
        if metapaths is None:
            return None
        return metapaths.features(pairs)[:, columns - metapaths.diseases.start].to(device)

    return [Question(table(known[:, asked]), table(known), features(known[:, ~asked])) for asked in masks]


def fit_weights(asked: Sequence[Question]) -> Tensor:
    """Weights `(kinds,)` of the features that minimise the mean ranking loss of the questions plus a small penalty."""
    weights = torch.zeros(asked[0].features.shape[-1], device=asked[0].features.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = [losses.ranking_loss(q.features @ weights, q.treated, q.asked) for q in asked]
        total = sum(found) / len(found) + PENALTY * weights.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    return weights.detach()
