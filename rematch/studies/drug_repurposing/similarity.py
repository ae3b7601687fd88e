"""Whether embeddings are alike: the document's criteria (S3-39 ... S3-43), and how well node types separate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rematch.diagnostics import collapse, sample_rows

ROWS = 2048  # nodes that pairwise measures look at; 2048 x 2048 cosines are 16 MB
GOOD = {"cosine_mean": (0.3, 0.6), "pca_components_90": (15, 25), "cosine_within": (0.5, 0.8)}
COLLAPSED = {"cosine_mean": (0.9, np.inf), "pca_components_90": (-np.inf, 10), "cosine_within": (0.95, np.inf)}


def similarity(embeddings: Tensor, kind: Tensor, kinds: Mapping[str, int]) -> dict[str, float]:
    """Measures of embeddings `(nodes, d)` with node types `kind (nodes,)`; `kinds` are types reported by themselves.

    cosine_mean: over pairs of different nodes. cosine_centred: the same after the mean embedding is removed, because an
    offset that all share makes every cosine large. cosine_within, cosine_between: over pairs of equal and of different
    type. cosine_within_<name>: over pairs of that type. pca_components_90, effective_rank, as in
    `diagnostics.collapse`. silhouette: of the types, by cosine distance. criteria_met: the document's verdict, see
    `verdict`.
    """
    shared = collapse(embeddings, ROWS)
    values = {"cosine_mean": shared["cosine_mean"], "cosine_centred": shared["cosine_mean_centred"]}
    values |= {"pca_components_90": shared["pca_90"], "effective_rank": shared["effective_rank"]}
    rows = torch.from_numpy(sample_rows(len(embeddings), ROWS))
    kind_of_row = kind[rows]
    cosine = F.normalize(embeddings[rows].float(), dim=1)
    cosine = cosine @ cosine.T
    alike = kind_of_row[:, None] == kind_of_row[None, :]
    upper = torch.ones_like(alike).triu(1)
    values["cosine_within"] = float(cosine[alike & upper].mean())
    values["cosine_between"] = float(cosine[~alike & upper].mean())
    for name, number in kinds.items():
        unit = F.normalize(embeddings[kind == number].float(), dim=1)
        if len(unit) > 1:
            total = float(unit.sum(0).square().sum())  # all pairs and each node with itself, which adds its own 1 or 0
            own = float((unit * unit).sum())
            values[f"cosine_within_{name}"] = (total - own) / (len(unit) * (len(unit) - 1))
    values["silhouette"] = silhouette(1 - cosine, kind_of_row)
    return values | {"criteria_met": verdict(values)}


def verdict(values: Mapping[str, float]) -> float:
    """1 if all of the document's criteria say good, 0 if all say collapsed, and a half for the gap in between
    (S3-93)."""
    if all(low <= values[name] <= high for name, (low, high) in GOOD.items()):
        return 1.0
    return 0.0 if all(low < values[name] < high for name, (low, high) in COLLAPSED.items()) else 0.5


def silhouette(distance: Tensor, group: Tensor) -> float:
    """The mean silhouette of groups `(n,)` under pairwise distances `(n, n)` (Rousseeuw 1987); a lone member counts
    0."""
    numbers, place = torch.unique(group, return_inverse=True)
    member = F.one_hot(place, len(numbers)).to(distance)
    size = member.sum(0)
    if len(numbers) < 2:
        return 0.0
    total = distance @ member
    own = size[place]
    inside = total.gather(1, place[:, None])[:, 0] / (own - 1).clamp(min=1)
    outside = (total / size).masked_fill(member.bool(), torch.inf).amin(1)
    value = (outside - inside) / torch.maximum(outside, inside).clamp(min=1e-12)
    return float(torch.where(own > 1, value, 0.0).mean())
