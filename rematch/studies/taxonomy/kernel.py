"""The training kernel: sampling, distances, gradients, step and projection of touched rows, fused for one CPU core.

Formulas (Nickel and Kiela 2017, https://arxiv.org/abs/1705.08039), for an anchor u and another node x of the ball:
delta = |u - x|^2, alpha = 1 - |u|^2, beta = 1 - |x|^2, q = 2 delta / (alpha beta), s = sqrt(q (q + 2)).
Then cosh d = 1 + q and sinh d = s, hence exp(d) = 1 + q + s: neither the softmax over -d nor the comparison of two
distances in the hinge needs acosh, exp or log. The Riemannian gradients of d collapse to
    grad_u = ((delta + alpha) u - alpha x) / (beta s)        grad_x = ((delta + beta) x - beta u) / (alpha s).
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from rematch.studies.taxonomy.lanes import add, blend, squares


class Recipe(NamedTuple):
    """The choices of an arm as plain numbers. Floating-point fields have the table's precision."""

    negatives: int
    uniform: int  # how many of them are drawn from all nodes
    from_ancestor: bool
    euclidean: bool
    softmax: bool
    doublings: int  # the softmax uses exp(-d 2^doublings)
    margin: np.floating
    step: np.floating  # learning rate of this epoch
    radial: np.floating
    radius: np.floating  # largest norm allowed


# No fastmath: a vectorised loop keeps a scalar twin for arrays that lie close together, and with reassociation the two
# round differently, so that equal seeds ended in other bytes depending on where the arrays were put.
OPTIONS = dict(cache=True, fastmath=False, error_model="numpy", boundscheck=False)


@njit(**OPTIONS)
def _measure(flat, stride, rows, first, m, width, anchor, ball, delta, norm, slope, growth):
    """Fills delta, |x|^2, d(distance) denominators `slope` and `growth` (exp(d), or d itself in Euclidean space)."""
    one = flat.dtype.type(1)
    two = flat.dtype.type(2)
    least = flat.dtype.type(1e-7)
    own = flat.dtype.type(0)
    for k in range(stride):
        own += anchor[k] * anchor[k]
    for j in range(m):
        at = rows[first + j] * stride
        gap, square = squares(flat, at, anchor, 0)
        for k in range(16, stride, 16):
            more, square_more = squares(flat, at + k, anchor, k)
            gap += more
            square += square_more
        delta[j] = gap
        norm[j] = square
    if ball:
        alpha = one - own
        for j in range(width):
            q = two * delta[j] / (alpha * (one - norm[j]))
            s = math.sqrt(q * (q + two))
            slope[j] = max(s, least)
            growth[j] = one + q + s
    else:
        for j in range(width):
            growth[j] = math.sqrt(delta[j])
            slope[j] = max(growth[j], least)
    return own


@njit(**OPTIONS)
def _softmax(growth, m, width, ball, doublings, pull):
    """-log softmax of the positive over minus the distances; `pull` gets d loss / d distance."""
    kind = growth.dtype.type
    total = kind(0)
    for j in range(width):
        if ball:
            e = kind(1) / growth[j]
            if doublings > 0:
                e *= e
            if doublings > 1:
                e *= e
            if doublings > 2:
                e *= e
        else:
            e = math.exp(-growth[j] * kind(1 << doublings))
        if j >= m:
            e = kind(0)
        pull[j] = e
        total += e
    total = max(total, kind(1e-30))
    loss = math.log(total / max(pull[0], kind(1e-30)))
    factor = -kind(1 << doublings) / total
    for j in range(width):
        pull[j] *= factor
    pull[0] += kind(1 << doublings)
    return loss


@njit(**OPTIONS)
def _hinge(growth, m, width, ball, margin, pull):
    """Mean over negatives of max(0, margin + d(u, v) - d(u, x)); `pull` gets d loss / d distance."""
    kind = growth.dtype.type
    for j in range(width):
        pull[j] = kind(0)
    if m < 2:
        return 0.0
    loss = 0.0
    active = 0
    share = kind(1) / kind(m - 1)
    if ball:
        # a sum of logarithms is the logarithm of a product, taken before the product can underflow
        edge = math.exp(margin) * growth[0]
        product = 1.0
        for j in range(1, m):
            if growth[j] < edge:
                active += 1
                pull[j] = -share
                product *= growth[j] / edge
                if product < 1e-200:
                    loss -= math.log(product)
                    product = 1.0
        loss -= math.log(product)
    else:
        edge = margin + growth[0]
        for j in range(1, m):
            if growth[j] < edge:
                active += 1
                pull[j] = -share
                loss += edge - growth[j]
    pull[0] = share * kind(active)
    return loss * share


@njit(**OPTIONS)
def pair(
    flat, stride, rows, first, m, u, weight, target_u, target_v, recipe, moves,
    anchor, held_row, delta, norm, slope, growth, pull, own_share, anchor_share, pulled,
):  # fmt: skip
    """The loss of one pair: rows[first:first + m] are its positive and negatives, rows[first + m] its anchor `u`.

    Writes how each of them moves to the same places of `moves`. The last eleven arguments are scratch space.
    """
    kind = flat.dtype.type
    one = kind(1)
    ball = not recipe.euclidean
    width = delta.shape[0]
    for k in range(stride):
        anchor[k] = flat[u * stride + k]
    own = _measure(flat, stride, rows, first, m, width, anchor, ball, delta, norm, slope, growth)
    if recipe.softmax:
        loss = _softmax(growth, m, width, ball, recipe.doublings, pull)
    else:
        loss = _hinge(growth, m, width, ball, recipe.margin, pull)
    alpha = one - own
    step = recipe.step * weight
    held = kind(0)
    # short loops over few arrays: with more of them the compiler gives up proving that they do not overlap
    for j in range(width):
        pulled[j] = step * pull[j] / slope[j]
    if ball:
        per_alpha = one / alpha
        for j in range(width):
            own_share[j] = -pulled[j] * per_alpha * (delta[j] + one - norm[j])
        for j in range(width):
            anchor_share[j] = pulled[j] * per_alpha * (one - norm[j])
        for j in range(width):
            pulled[j] /= one - norm[j]
        for j in range(width):
            held += pulled[j] * (delta[j] + alpha)
        for j in range(width):
            pulled[j] *= alpha
    else:
        for j in range(width):
            own_share[j] = -pulled[j]
        for j in range(width):
            anchor_share[j] = pulled[j]
        for j in range(width):
            held += pulled[j]
    if recipe.radial > 0:
        # penalty (|x| - target)^2 of the two nodes of the pair; Riemannian factor ((1 - |x|^2) / 2)^2
        factor = recipe.step * recipe.radial * kind(0.5)
        r = max(math.sqrt(own), kind(1e-6))
        held += factor * (r - target_u) / r * alpha * alpha
        r = max(math.sqrt(norm[0]), kind(1e-6))
        own_share[0] -= factor * (r - target_v) / r * (one - norm[0]) * (one - norm[0])
    for k in range(stride):
        held_row[k] = -held * anchor[k]
    for j in range(m):
        at = rows[first + j] * stride
        for k in range(0, stride, 16):
            blend(moves, (first + j) * stride + k, flat, at + k, anchor, k, held_row,
                  own_share[j], anchor_share[j], pulled[j])  # fmt: skip
    at = (first + m) * stride
    for k in range(stride):
        moves[at + k] = held_row[k]
    return loss * weight


@njit(**OPTIONS)
def apply_moves(flat, stride, rows, count, moves, radius):
    """Adds all moves of a batch to their rows, then brings rows beyond `radius` back onto that sphere."""
    limit = radius * radius
    beyond = False
    for t in range(count):
        at = rows[t] * stride
        square = flat.dtype.type(0)
        for k in range(0, stride, 16):
            square += add(flat, at + k, moves, t * stride + k)
        beyond |= square >= limit
    if not beyond:
        return
    for t in range(count):
        at = rows[t] * stride
        square = flat.dtype.type(0)
        for k in range(stride):
            square += flat[at + k] * flat[at + k]
        if square >= limit:
            factor = radius / math.sqrt(square)
            for k in range(stride):
                flat[at + k] *= factor
