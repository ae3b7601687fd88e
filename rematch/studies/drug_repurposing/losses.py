"""Losses over a batch of edges: link prediction, contrast, and the ranking of treatments."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rematch.studies.drug_repurposing.model import DECODERS


class Batch(NamedTuple):
    """Edges `source`, `relation`, `target (edges,)`, sorted by relation; random targets `wrong (edges, negatives)` of
    the same type; `others (relations, c)` random nodes of each relation's target type; `share` of the update's edges in
    this batch."""

    source: Tensor
    relation: Tensor
    target: Tensor
    wrong: Tensor
    others: Tensor
    share: float


def link_loss(z: Tensor, scale: Tensor, batch: Batch, decoder: str) -> Tensor:
    """Binary cross-entropy `()`: the mean over edges plus the mean over random edges, halved.

    `z (nodes, d)` are embeddings, `scale (relations, d)` the relations' weights of the decoder.
    """
    score = DECODERS[decoder]
    source, weight = z.index_select(0, batch.source), scale.index_select(0, batch.relation)
    found = F.softplus(-score(source, z.index_select(0, batch.target), weight)).mean()
    guesses = z.index_select(0, batch.wrong.flatten()).view(*batch.wrong.shape, -1)
    wrong = F.softplus(score(source[:, None], guesses, weight[:, None])).mean()
    return (found + wrong) / 2


def contrastive_loss(z: Tensor, batch: Batch, temperature: float) -> Tensor:
    """InfoNCE `()` with cosine similarity (van den Oord et al. 2018, https://arxiv.org/abs/1807.03748): mean over edges
    of how the target is told from the `others` of its type."""
    unit = F.normalize(z, dim=1)
    relations, longest = len(batch.others), int(batch.relation.bincount().max())
    # One row of at most `longest` edges per relation, so that all relations are compared in one product.
    first = torch.searchsorted(batch.relation, torch.arange(relations, device=z.device))
    place = batch.relation * longest + torch.arange(len(batch.relation), device=z.device) - first[batch.relation]
    own = (unit.index_select(0, batch.source) * unit.index_select(0, batch.target)).sum(-1)
    padded = unit.new_zeros(relations * longest, z.shape[1]).index_copy(0, place, unit.index_select(0, batch.source))
    others = unit.index_select(0, batch.others.flatten()).view(relations, -1, z.shape[1])
    rest = (padded.view(relations, longest, -1) @ others.mT).flatten(0, 1).index_select(0, place)
    logits = torch.cat([own[:, None], rest], dim=1) / temperature
    return (logits.logsumexp(1) - logits[:, 0]).mean()


def ranking_loss(scores: Tensor, treated: Tensor, asked: Tensor) -> Tensor:
    """Softmax loss `()` of treatments against unknown pairs, mean over treatments and over both directions.

    `scores (compounds, diseases)`; `treated`, all known treatments, and `asked`, those that the mean is over, are masks
    of the same shape. Each is compared with all compounds that are not known to treat its disease, and with all
    diseases that its compound is not known to treat.
    """
    # A large finite number: a drug that treats every disease would leave a logsumexp of -inf, whose gradient is NaN.
    rest = scores.masked_fill(treated, -1e9)
    compound, disease = asked.nonzero(as_tuple=True)
    own = scores[compound, disease]
    by_disease = F.softplus(rest.logsumexp(0)[disease] - own)
    by_compound = F.softplus(rest.logsumexp(1)[compound] - own)
    return (by_disease.mean() + by_compound.mean()) / 2
