"""The training kernel: distances, gradients, step and projection of touched rows, fused for one CPU core.

Formulas (Nickel and Kiela 2017, https://arxiv.org/abs/1705.08039), for an anchor u and another node x of the ball:
delta = |u - x|^2, alpha = 1 - |u|^2, beta = 1 - |x|^2, q = 2 delta / (alpha beta), s = sqrt(q (q + 2)).
Then cosh d = 1 + q and sinh d = s, hence exp(d) = 1 + q + s: neither the softmax over -d nor the comparison of two
distances in the hinge needs acosh, exp or log. The Riemannian gradients of d collapse to
    grad_u = ((delta + alpha) u - alpha x) / (beta s)        grad_x = ((delta + beta) x - beta u) / (alpha s).
On the hyperboloid (Nickel and Kiela 2018, https://arxiv.org/abs/1806.03417) a row holds the space coordinates, the time
coordinate is u0 = sqrt(1 + |u|^2), q = (|u - x|^2 - (u0 - x0)^2) / 2, and with c = 1 + q
    grad_u = (c u - x) / s                                   grad_x = (c x - u) / s.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from rematch.studies.taxonomy.lanes import (
    fma,
    further,
    head,
    larger,
    load,
    product,
    splat,
    sqrt,
    squares,
    store,
    total,
    where_below,
)

POINCARE, EUCLIDEAN, LORENTZ = 0, 1, 2


class Recipe(NamedTuple):
    """The choices of an arm as plain numbers. Floating-point fields have the table's precision."""

    negatives: int
    uniform: int  # how many of them are drawn from all nodes
    from_ancestor: bool
    space: int  # POINCARE, EUCLIDEAN or LORENTZ
    softmax: bool
    doublings: int  # the softmax uses exp(-d 2^doublings)
    margin: np.floating
    step: np.floating  # learning rate of this epoch
    radial: np.floating
    radius: np.floating  # largest norm allowed


# No fastmath: with it the compiler may sum in another order in each copy that it makes of a loop, and which copy runs
# depends on how far apart the arrays lie, so that equal seeds end in other bytes.
OPTIONS = dict(fastmath=False, error_model="numpy", boundscheck=False)


@njit(**OPTIONS)
def _measure(flat, stride, rows, first, anchor, space, width, delta, beta, slope, growth):
    """Fills |u - x|^2, sinh of the distance `slope` and exp of the distance `growth` (Euclidean: both the distance),
    and as `beta` what the gradients need besides: 1 - |x|^2 in the ball, cosh of the distance on the hyperboloid.
    Returns |u|^2."""
    kind = type(flat[0])
    zero, one, least = splat(kind(0)), splat(kind(1)), splat(kind(1e-7))
    own = zero
    for k in range(0, stride, 16):
        own = fma(load(anchor, k), load(anchor, k), own)
    square = total(own)
    scale, time = splat(kind(2) / (kind(1) - square)), splat(kind(math.sqrt(kind(1) + square)))
    for j in range(0, width, 16):
        gap, norm = squares(flat, rows, first + j, stride, 0, anchor)
        for k in range(16, stride, 16):
            more, rest = squares(flat, rows, first + j, stride, k, anchor)
            gap += more
            norm += rest
        store(delta, j, gap)
        if space == EUCLIDEAN:
            distance = sqrt(gap)
            store(growth, j, distance)
            store(slope, j, larger(distance, least))
            continue
        if space == POINCARE:
            rest = one - norm
            q = gap * scale / rest
            store(beta, j, rest)
        else:
            ahead = (splat(square) - norm) / (time + sqrt(one + norm))
            q = larger((gap - ahead * ahead) * splat(kind(0.5)), zero)
            store(beta, j, one + q)
        s = sqrt(q * (q + one + one))
        store(slope, j, larger(s, least))
        store(growth, j, one + q + s)
    return square


@njit(**OPTIONS)
def _softmax(growth, m, width, space, doublings, pull):
    """(-log softmax of the positive over minus the distances, factor): `factor` times what `pull` gets is
    d loss / d distance."""
    kind = type(growth[0])
    none = splat(kind(0))
    sums = none
    if space == EUCLIDEAN:
        for j in range(m):
            growth[j] = math.exp(growth[j])
    for j in range(0, width, 16):
        e = splat(kind(1)) / load(growth, j)
        for _ in range(doublings):
            e *= e
        e = head(e, m - j, none)
        store(pull, j, e)
        sums += e
    everything = max(total(sums), kind(1e-30))
    loss = math.log(everything / max(pull[0], kind(1e-30)))
    pull[0] -= everything
    return loss, -kind(1 << doublings) / everything


@njit(**OPTIONS)
def _hinge(growth, m, width, space, margin, pull):
    """(mean over negatives of max(0, margin + d(u, v) - d(u, x)), factor): as `_softmax`."""
    kind = type(growth[0])
    none, one = splat(kind(0)), splat(kind(1))
    edge = splat(kind(margin + growth[0] if space == EUCLIDEAN else math.exp(margin) * growth[0]))
    growth[0] = np.inf  # the positive is no negative
    active = none
    loss, ratio = 0.0, 1.0
    for j in range(0, width, 16):
        far = load(growth, j)
        counts = head(where_below(far, edge, one, none), m - j, none)
        store(pull, j, none - counts)
        active += counts
        if space == EUCLIDEAN:
            loss += total(head(where_below(far, edge, edge - far, none), m - j, none))
        else:
            # a sum of logarithms is the logarithm of a product, taken before the product can underflow
            ratio *= max(product(head(where_below(far, edge, far / edge, one), m - j, one)), 1e-200)
            if ratio < 1e-100:
                loss -= math.log(ratio)
                ratio = 1.0
    pull[0] = total(active)
    share = kind(1) / kind(max(m - 1, 1))
    return (loss - math.log(ratio)) * share, share


@njit(**OPTIONS)
def _shares(space, alpha, step, width, delta, beta, slope, pull, own, other, pulled):
    """Fills by how much x moves along itself and along u, and u along x; returns by how much u moves against itself."""
    kind = type(delta[0])
    whole, per_alpha = splat(alpha), splat(kind(1) / alpha)
    none = splat(kind(0))
    held = none
    for j in range(0, width, 16):
        f = splat(step) * load(pull, j) / load(slope, j)
        if space == POINCARE:
            gap, rest = load(delta, j), load(beta, j)
            scaled = f * per_alpha
            g = f / rest
            store(own, j, none - scaled * (gap + rest))
            store(other, j, scaled * rest)
            store(pulled, j, g * whole)
            held += g * (gap + whole)
        else:
            along = f if space == EUCLIDEAN else f * load(beta, j)
            store(own, j, none - along)
            store(other, j, f)
            store(pulled, j, f)
            held += along
    return total(held)


@njit(**OPTIONS)
def pair(
    flat, stride, rows, first, m, u, width, weight, target_u, target_v, recipe, moves, scratch
):  # fmt: skip
    """The loss of one pair: rows[first:first + m] are its positive and negatives, rows[first + m] its anchor `u`.

    Writes how each of them moves to the same places of `moves`. `rows` has to hold nodes, whichever, in all `width`
    (a multiple of 16) places from `first` on; `scratch` holds `stride` + 8 `width` numbers. All arrays are pointers.
    """
    kind = type(weight)
    space = recipe.space
    anchor = scratch
    delta, beta, slope = (
        further(scratch, stride),
        further(scratch, stride + width),
        further(scratch, stride + 2 * width),
    )
    growth, pull = further(scratch, stride + 3 * width), further(scratch, stride + 4 * width)
    own, other, pulled = (further(scratch, stride + 5 * width), further(scratch, stride + 6 * width),
                          further(scratch, stride + 7 * width))  # fmt: skip
    for k in range(0, stride, 16):
        store(anchor, k, load(flat, u * stride + k))
    square = _measure(flat, stride, rows, first, anchor, space, width, delta, beta, slope, growth)
    if recipe.softmax:
        loss, factor = _softmax(growth, m, width, space, recipe.doublings, pull)
    else:
        loss, factor = _hinge(growth, m, width, space, recipe.margin, pull)
    alpha = kind(1) - square
    held = _shares(space, alpha, recipe.step * weight * factor, width, delta, beta, slope, pull, own, other, pulled)
    if recipe.radial > 0:
        # penalty (|x| - target)^2 of the two nodes of the pair; Riemannian factor ((1 - |x|^2) / 2)^2
        factor = recipe.step * recipe.radial * kind(0.5)
        r = max(kind(math.sqrt(square)), kind(1e-6))
        held += factor * (r - target_u) / r * alpha * alpha
        r = max(kind(math.sqrt(kind(1) - beta[0])), kind(1e-6))
        own[0] -= factor * (r - target_v) / r * beta[0] * beta[0]
    for k in range(0, stride, 16):
        near = load(anchor, k)
        sums = splat(-held) * near
        for j in range(m):
            row = load(flat, rows[first + j] * stride + k)
            moved = fma(splat(own[j]), row, splat(other[j]) * near)
            store(moves, (first + j) * stride + k, moved)
            sums = fma(splat(pulled[j]), row, sums)
        store(moves, (first + m) * stride + k, sums)
    return loss * weight
