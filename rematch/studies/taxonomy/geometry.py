"""The Poincaré ball of curvature -1 in torch, row by row, as the accelerator path and the tests need it.

`u` and `x` have shape (..., dim) and broadcast; every formula is that of Nickel and Kiela 2017
(https://arxiv.org/abs/1705.08039), with the same symbols as the training kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor


def distance(u: Tensor, x: Tensor) -> Tensor:
    """d(u, x) = arcosh(1 + 2 |u - x|^2 / ((1 - |u|^2)(1 - |x|^2))), shape (...)."""
    q = 2 * (u - x).square().sum(-1) / ((1 - u.square().sum(-1)) * (1 - x.square().sum(-1)))
    return torch.log1p(q + torch.sqrt(q * (q + 2)))


def distance_gradients(u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Riemannian gradients of d(u, x) with respect to `u` and to `x`, each (..., dim)."""
    delta = (u - x).square().sum(-1, keepdim=True)
    alpha, beta = 1 - u.square().sum(-1, keepdim=True), 1 - x.square().sum(-1, keepdim=True)
    q = 2 * delta / (alpha * beta)
    s = torch.sqrt(q * (q + 2)).clamp_min(1e-7)
    return ((delta + alpha) * u - alpha * x) / (beta * s), ((delta + beta) * x - beta * u) / (alpha * s)


def project(x: Tensor, radius: float) -> Tensor:
    """`x` with rows of norm `radius` or more brought back to norm `radius`."""
    norm = x.norm(dim=-1, keepdim=True)
    return torch.where(norm >= radius, x * (radius / norm.clamp_min(1e-30)), x)


def exponential_at_origin(v: Tensor) -> Tensor:
    """exp_0(v) = tanh(|v|) v / |v|: the point reached from the origin along `v`, at hyperbolic distance 2 |v|."""
    norm = v.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    return torch.tanh(norm) * v / norm


def radius(x: Tensor) -> Tensor:
    """Hyperbolic distance from the origin, 2 artanh |x|, shape (...)."""
    return 2 * torch.atanh(x.norm(dim=-1))
