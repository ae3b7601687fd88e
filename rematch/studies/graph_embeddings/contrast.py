"""The contrastive loss, and measures of embeddings that do not depend on its temperature, batch or normalisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive_loss(first: Tensor, second: Tensor, temperature: float, normalise: bool, negatives: str) -> Tensor:
    """The mean loss `()` of two views `(num_graphs, width)` whose rows correspond.

    `all`: NT-Xent (Chen et al. 2020, https://arxiv.org/abs/2002.05709): each of the 2N rows against its partner and the
    2N - 2 rows of other graphs; ln(2N - 1) when nothing is told apart. `cross-view`: InfoNCE over the N rows of the
    other view, both ways; chance ln N.
    """
    if temperature <= 0:
        raise ValueError(f"temperature: expected more than 0, found {temperature:g}")
    if len(first) < 2:
        raise ValueError(f"contrastive loss: expected at least 2 graphs, found {len(first)}: nothing to tell apart")
    if normalise:
        first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
    return LOSSES[negatives](first, second, temperature)


def _all(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    both, count = torch.cat([first, second]), len(first)
    similarity = both @ both.T / temperature
    similarity = similarity.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=both.device), -torch.inf)
    partner = torch.arange(2 * count, device=both.device).roll(count)
    return F.cross_entropy(similarity, partner)


def _cross_view(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    similarity = first @ second.T / temperature
    own = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)) / 2


LOSSES = {"all": _all, "cross-view": _cross_view}


def retrieval_ranks(first: Tensor, second: Tensor) -> Tensor:
    """For each row of `second` the rank `(num_graphs,)`, from 1, of its partner among the rows of `first` by cosine.

    Rows as near as the partner count before it, so that a collapsed encoder is not rewarded.
    """
    similarity = F.normalize(second, dim=1) @ F.normalize(first, dim=1).T
    return (similarity >= similarity.diagonal().unsqueeze(1) - 1e-6).sum(dim=1)  # the partner itself is one of them


def retrieval_at_k(first: Tensor, second: Tensor, k: int) -> float:
    """Share of rows of `second` whose partner in `first` is among the k nearest; both `(num_graphs, width)`."""
    return float((retrieval_ranks(first, second) <= k).float().mean())


def mean_reciprocal_rank(first: Tensor, second: Tensor) -> float:
    """Mean of 1 / rank of the partner, 0 to 1; finer than the share at rank 1."""
    return float(retrieval_ranks(first, second).float().reciprocal().mean())


def alignment(first: Tensor, second: Tensor) -> float:
    """Mean squared distance of partners on the unit sphere, 0 to 4 (Wang and Isola 2020, arXiv 2005.10242)."""
    return float((F.normalize(first, dim=1) - F.normalize(second, dim=1)).square().sum(dim=1).mean())


def uniformity(embeddings: Tensor) -> float:
    """Log of the mean of exp(-2 d^2) over pairs of rows on the unit sphere; 0 if all coincide, lower is more even."""
    return float(torch.pdist(F.normalize(embeddings, dim=1)).square().mul(-2).exp().mean().log())


def effective_rank(embeddings: Tensor) -> float:
    """exp of the entropy of the normalised singular values of centred rows, 1 to width (Roy and Vetterli 2007)."""
    values = torch.linalg.svdvals((embeddings - embeddings.mean(dim=0)).double())
    if float(values.sum()) <= 1e-12:
        return 1.0
    share = values / values.sum()
    return float(torch.exp(torch.special.entr(share).sum()))
