"""Hyperbolic space of curvature -1 in torch, row by row, as the accelerator path and the tests need it.

`u` and `x` have shape (..., dim) and broadcast. In the Poincaré ball the formulas are those of Nickel and Kiela 2017
(https://arxiv.org/abs/1705.08039), on the hyperboloid those of Nickel and Kiela 2018 (https://arxiv.org/abs/1806.03417),
with the same symbols as the training kernel. A point of the hyperboloid is given by its space coordinates x; its time
coordinate is sqrt(1 + |x|^2).
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


def to_ball(x: Tensor) -> Tensor:
    """The point of the ball (..., dim) that stands for the point `x` of the hyperboloid: x / (1 + x0)."""
    return x / (1 + torch.sqrt(1 + x.square().sum(-1, keepdim=True)))


def to_hyperboloid(x: Tensor) -> Tensor:
    """The space coordinates (..., dim) of the point `x` of the ball: 2 x / (1 - |x|^2)."""
    return 2 * x / (1 - x.square().sum(-1, keepdim=True))


def follow(x: Tensor, v: Tensor) -> Tensor:
    """exp_x(v) = cosh(|v|) x + sinh(|v|) v / |v|, space coordinates (..., dim) of the point of the hyperboloid reached
    from `x` along the tangent vector with space coordinates `v`, whose time coordinate is v.x / x0."""
    inner, square = (x * v).sum(-1, keepdim=True), 1 + x.square().sum(-1, keepdim=True)
    length = (v.square().sum(-1, keepdim=True) - inner.square() / square).clamp_min(0).sqrt()
    return torch.cosh(length) * x + torch.where(length > 0, torch.sinh(length) / length.clamp_min(1e-300), 1.0) * v
