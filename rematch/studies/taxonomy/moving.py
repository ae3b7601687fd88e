"""How the moves of a batch reach the table: added up and projected in the ball, along geodesics on the hyperboloid."""

import math

from numba import njit

from rematch.studies.taxonomy.kernel import LORENTZ, OPTIONS
from rematch.studies.taxonomy.lanes import highest, load, splat, squares, store


@njit(**OPTIONS)
def apply_moves(flat, stride, rows, counts, slots, start, end, moves, recipe, seen):
    """Moves the rows of the pairs `start` to `end`, of which pair p has counts[p] + 1 entries from p slots on."""
    if recipe.space == LORENTZ:
        _along_geodesics(flat, stride, rows, counts, slots, start, end, moves, seen)
        return
    for p in range(start, end):
        for t in range(p * slots, p * slots + counts[p] + 1):
            at = rows[t] * stride
            for k in range(0, stride, 16):
                store(flat, at + k, load(flat, at + k) + load(moves, t * stride + k))
    if math.isfinite(recipe.radius):
        for p in range(start, end):
            _project(flat, stride, rows, p * slots, counts[p] + 1, recipe.radius)


@njit(**OPTIONS)
def _project(flat, stride, rows, first, count, radius):
    """Brings those of `count` rows that reach or pass `radius` back onto that sphere."""
    limit = radius * radius
    for j in range(0, count, 16):
        _, norm = squares(flat, rows, first + j, stride, 0, flat)
        for k in range(16, stride, 16):
            _, more = squares(flat, rows, first + j, stride, k, flat)
            norm += more
        if highest(norm) < limit:
            continue
        for t in range(first + j, first + min(j + 16, count)):
            at = rows[t] * stride
            square = type(radius)(0)
            for k in range(stride):
                square += flat[at + k] * flat[at + k]
            if square >= limit:
                factor = splat(type(radius)(radius / math.sqrt(square)))
                for k in range(0, stride, 16):
                    store(flat, at + k, load(flat, at + k) * factor)


@njit(**OPTIONS)
def _along_geodesics(flat, stride, rows, counts, slots, start, end, moves, seen):
    """x becomes cosh(|v|) x + sinh(|v|) v / |v| for the sum v of all its moves, whose time coordinate follows from
    being tangent: v0 = v.x / x0. `seen` (n,) holds the first entry of a row plus one, and is left as zeros."""
    kind = type(flat[0])
    for p in range(start, end):
        for t in range(p * slots, p * slots + counts[p] + 1):
            earlier = seen[rows[t]] - 1
            if earlier < 0:
                seen[rows[t]] = t + 1
                continue
            for k in range(0, stride, 16):
                store(moves, earlier * stride + k, load(moves, earlier * stride + k) + load(moves, t * stride + k))
    for p in range(start, end):
        for t in range(p * slots, p * slots + counts[p] + 1):
            if seen[rows[t]] != t + 1:
                continue
            seen[rows[t]] = 0
            at = rows[t] * stride
            inner, length, square = kind(0), kind(0), kind(1)
            for k in range(stride):
                x, v = flat[at + k], moves[t * stride + k]
                inner += x * v
                length += v * v
                square += x * x
            length = math.sqrt(max(length - inner * inner / square, kind(0)))
            if length > 0:
                along, away = splat(kind(math.cosh(length))), splat(kind(math.sinh(length) / length))
                for k in range(0, stride, 16):
                    store(flat, at + k, load(flat, at + k) * along + load(moves, t * stride + k) * away)
