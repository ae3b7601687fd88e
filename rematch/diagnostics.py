"""Measurements of a training that tell its failures apart: gradients, updates, collapse, separation, smoothing.

All are pure functions of tensors, cheap enough for every evaluation: collapse is measured on at most `ROWS` rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

ROWS = 512  # 512 x 256 values: about 5 ms for everything in `collapse`


def gradient_norms(named: Iterable[tuple[str, Tensor]], scale: float = 1.0) -> dict[str, float]:
    """Euclidean gradient norm per group of parameters, keyed `gradient_norm_<group>`; call after backward.

    `named` are (name, parameter) pairs; parameters whose names agree up to the last dot form a group. A parameter
    without a gradient counts 0. `scale` undoes a clipping that came first: norm before clipping / norm after.
    """
    squares: dict[str, float] = {}
    for name, parameter in named:
        group = name.rsplit(".", 1)[0].replace(".", "_")
        square = 0.0 if parameter.grad is None else float(parameter.grad.detach().double().square().sum())
        squares[group] = squares.get(group, 0.0) + square
    return {f"gradient_norm_{group}": scale * square**0.5 for group, square in squares.items()}


def parameter_change(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """The Euclidean norm of after - before over all floating-point tensors."""
    total = 0.0
    for name, value in after.items():
        if value.is_floating_point():
            total += float((value.double() - before[name].double()).square().sum())
    return total**0.5


def dead_share(activations: Tensor) -> float:
    """The share of columns of activations (n, d) after a rectifier that are zero for every row."""
    return float((activations == 0).all(dim=0).float().mean())


def sample_rows(n: int, rows: int = ROWS) -> np.ndarray:
    """At most `rows` evenly spread row numbers, always the same ones, so that epochs and arms are comparable."""
    return np.unique(np.linspace(0, n - 1, min(n, rows)).astype(np.int64))


def collapse(embeddings: Tensor, rows: int = ROWS) -> dict[str, float]:
    """How far vectors (n, d) have collapsed, on at most `rows` of them.

    cosine_mean, cosine_std: over pairs of different rows. cosine_mean_centred, cosine_std_centred: the same after
    the mean
    row is removed, since a common offset alone makes every cosine large. effective_rank: exp of the entropy of the
    normalised singular values of the centred rows (Roy & Vetterli 2007). pca_90: principal components that hold 90 %
    of the variance. norm_mean: mean Euclidean length of a row.
    """
    x = embeddings.detach()[torch.from_numpy(sample_rows(len(embeddings), rows)).to(embeddings.device)]
    x = x.float().cpu()
    centred = x - x.mean(0)
    values = {"norm_mean": float(x.norm(dim=1).mean())}
    values["cosine_mean"], values["cosine_std"] = _cosines(x)
    values["cosine_mean_centred"], values["cosine_std_centred"] = _cosines(centred)
    gram = centred @ centred.T if len(x) <= x.shape[1] else centred.T @ centred
    variances = torch.linalg.eigvalsh(gram.double()).clamp(min=0).flip(0)
    values["effective_rank"], values["pca_90"] = effective_rank(variances), components_for(variances, 0.9)
    return values


def effective_rank(variances: Tensor) -> float:
    """exp of the entropy of normalised singular values, given their squares (k,), largest first; 0 if all are zero."""
    singular = variances.clamp(min=0).sqrt()
    if float(singular.sum()) <= 1e-12:
        return 0.0
    share = singular / singular.sum()
    share = share[share > 0]
    return float(torch.exp(-(share * share.log()).sum()))


def components_for(variances: Tensor, share: float) -> float:
    """How many of the largest variances (k,) hold `share` of their sum; 0 if all are zero."""
    if float(variances.sum()) <= 1e-24:
        return 0.0
    held = torch.cumsum(variances, 0) / variances.sum()
    return float(int((held < share - 1e-12).sum()) + 1)


def _cosines(x: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of the cosines of different rows (n, d); a zero row has cosine 0 with any other."""
    if len(x) < 2:
        return 0.0, 0.0
    unit = torch.nn.functional.normalize(x, dim=1)
    upper = (unit @ unit.T)[tuple(torch.triu_indices(len(x), len(x), 1))]
    return float(upper.mean()), float(upper.std()) if len(upper) > 1 else 0.0


def separation(positive: np.ndarray, negative: np.ndarray) -> dict[str, float]:
    """How scores (p,) of positives stand above those (q,) of negatives, as logits.

    score_gap: difference of mean probabilities; auc: share of (positive, negative) pairs in the right order, ties
    one half;
    loss_over_constant: cross-entropy (mean over positives plus mean over negatives) over that of a constant 1/2.
    """
    p, q = 1 / (1 + np.exp(-np.clip(positive, -60, 60))), 1 / (1 + np.exp(-np.clip(negative, -60, 60)))
    ordered = np.sort(negative)
    order = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    loss = np.logaddexp(0, -positive).mean() + np.logaddexp(0, negative).mean()
    return {
        "score_gap": float(p.mean() - q.mean()),
        "auc": float(order.mean() / 2 / len(ordered)),
        "loss_over_constant": float(loss / (2 * np.log(2))),
    }


def dirichlet_energy(h: Tensor, scaled: Tensor) -> float:
    """trace(H^T (I - S) H) / trace(H^T H) for vectors H (n, d) and their propagation S H `scaled` (n, d).

    S is the symmetrically scaled adjacency matrix; 0 says that neighbours agree up to their degree (over-smoothed),
    1 is what independent vectors have on average, 2 the most (Cai & Wang 2020).
    """
    total = float(h.double().square().sum())
    return float((h.double() * (h.double() - scaled.double())).sum()) / total if total > 0 else 0.0
