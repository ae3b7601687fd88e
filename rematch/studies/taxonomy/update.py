"""One batch of the training kernel in plain torch, for cuda and mps: the same formulas, the same negatives."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rematch.studies.taxonomy.geometry import follow, project
from rematch.studies.taxonomy.kernel import EUCLIDEAN, LORENTZ, POINCARE, Recipe


def update(
    table: Tensor, anchors: Tensor, rows: Tensor, counts: Tensor, weights: Tensor, targets: Tensor, recipe: Recipe
) -> Tensor:
    """The sum of the losses `()` after moving the rows of `table` (n, dim) in place.

    `anchors` (batch,) and `rows` (batch, negatives + 1): the positive, then negatives, of which the first
    `counts` (batch,) are valid. `weights` (batch,) are the pair weights, `targets` (n,) the target radii.
    """
    valid = torch.arange(rows.shape[1], device=rows.device) < counts[:, None]
    rows = torch.where(valid, rows, rows[:, :1])
    u, x = table[anchors][:, None], table[rows]
    delta = (u - x).square().sum(-1)
    alpha, beta = 1 - u.square().sum(-1), 1 - x.square().sum(-1)
    if recipe.space == EUCLIDEAN:
        distance = slope = delta.sqrt()
    else:
        if recipe.space == POINCARE:
            q = 2 * delta / (alpha * beta)
        else:
            ahead = (beta - alpha) / (torch.sqrt(2 - alpha) + torch.sqrt(2 - beta))
            q = ((delta - ahead.square()) / 2).clamp_min(0)
        slope = torch.sqrt(q * (q + 2))
        distance = torch.log(1 + q + slope)
    loss, pull = (_softmax if recipe.softmax else _hinge)(distance, valid, counts, recipe)
    f = (float(recipe.step) * weights)[:, None] * pull / slope.clamp_min(1e-7)
    if recipe.space == POINCARE:
        own, other, pulled = -f / alpha * (delta + beta), f / alpha * beta, f / beta * alpha
        held = (f / beta * (delta + alpha)).sum(1)
    else:
        along = f * (1 + q) if recipe.space == LORENTZ else f
        own, other, pulled, held = -along, f, f, along.sum(1)
    if recipe.radial > 0:
        factor = 0.5 * float(recipe.step) * float(recipe.radial)
        r = u[:, 0].norm(dim=-1).clamp_min(1e-6)
        held = held + factor * (r - targets[anchors]) / r * alpha[:, 0].square()
        r = x[:, 0].norm(dim=-1).clamp_min(1e-6)
        own[:, 0] -= factor * (r - targets[rows[:, 0]]) / r * beta[:, 0].square()
    moves = own[..., None] * x + other[..., None] * u
    anchor_moves = (pulled[..., None] * x).sum(1) - held[:, None] * u[:, 0]
    touched, place = torch.cat([rows[valid], anchors]).unique(return_inverse=True)
    moved = torch.zeros(len(touched), table.shape[1], dtype=table.dtype, device=table.device)
    moved.index_add_(0, place, torch.cat([moves[valid], anchor_moves]))
    if recipe.space == LORENTZ:
        table[touched] = follow(table[touched], moved)
    else:
        table[touched] += moved
    if math.isfinite(recipe.radius):
        table[touched] = project(table[touched], float(recipe.radius))
    return (loss * weights).sum()


def _softmax(distance: Tensor, valid: Tensor, counts: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    sharpness = 1 << recipe.doublings
    logits = (-sharpness * distance).masked_fill(~valid, -torch.inf)
    share = logits.softmax(1)
    pull = -sharpness * share
    pull[:, 0] += sharpness
    return -logits.log_softmax(1)[:, 0], pull


def _hinge(distance: Tensor, valid: Tensor, counts: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    gap = float(recipe.margin) + distance[:, :1] - distance
    active = (gap > 0) & valid
    active[:, 0] = False
    share = 1 / (counts - 1).clamp_min(1).to(distance.dtype)[:, None]
    pull = -active.to(distance.dtype) * share
    pull[:, 0] = active.sum(1) * share[:, 0]
    return (gap * active).sum(1) * share[:, 0], pull
