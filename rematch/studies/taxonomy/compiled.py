"""The two compiled entry points: `train_pairs` trains, `draw_batch` only draws.

Numba keeps what it compiled on disk and compiles again when the file of a function changes, but not when a function
that it calls changes in another file. The digest of those files is therefore a constant of the entry points, and
constants are part of the cache's key; nothing that they call is kept, or it would be used again as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit

from rematch.studies.taxonomy import kernel, lanes, moving, sampling
from rematch.studies.taxonomy.kernel import LORENTZ, OPTIONS, pair
from rematch.studies.taxonomy.lanes import pointer
from rematch.studies.taxonomy.moving import apply_moves
from rematch.studies.taxonomy.sampling import Relations, draw

AHEAD = 16  # pairs at least that are drawn before the first of them is trained on


def source_digest() -> int:
    """A number from the bytes of the files that the entry points are compiled from, never 0."""
    content = b"".join(Path(str(module.__file__)).read_bytes() for module in (kernel, lanes, moving, sampling))
    return int.from_bytes(hashlib.blake2b(content, digest_size=7).digest(), "big") + 1


@njit(**OPTIONS)
def padded_slots(negatives):
    """Entries kept for a pair: positive, negatives and anchor, in whole vectors."""
    return (negatives + 2 + 15) // 16 * 16


@njit(**OPTIONS)
def _draw_all(
    flat, stride, where, nodes, tree, mark, anchors, positives, first, end, position, key, recipe, rows, slots, counts
):
    """Draws for the pairs `first` to `end` of the call, into `slots` entries of `rows` each, the first pair first. The
    entries after the last negative name the anchor."""
    used = 0
    for i in range(first, end):
        p = i - first
        u = np.int64(anchors[i])
        m = draw(flat, stride, mark, i + 1, where, nodes, tree, u, np.int64(positives[i]), position + i, key,
                 recipe.negatives, recipe.uniform, recipe.from_ancestor, rows, p * slots)  # fmt: skip
        for t in range(p * slots + m, (p + 1) * slots):
            rows[t] = u
        counts[p] = m
        used += m - 1
    return used


@njit(**OPTIONS)
def _pointers(relations):
    offsets, ancestors, ends, depth, level_starts, level_nodes = relations
    return Relations(pointer(offsets), pointer(ancestors), pointer(ends), pointer(depth), pointer(level_starts),
                     pointer(level_nodes))  # fmt: skip


@njit(**OPTIONS)
def _train(
    table, relations, anchors, positives, position, key, batch, weights, targets, recipe, slots, group,
    rows, counts, moves, scratch, mark, seen,
):  # fmt: skip
    """The body of `train_pairs`, apart because the pointers in it need arrays that somebody else holds."""
    n, stride = table.shape
    flat, places, marks, filled = pointer(table), pointer(rows), pointer(mark), pointer(counts)
    us, vs, where, tree = pointer(anchors), pointer(positives), _pointers(relations), relations.ends.shape[0] > 0
    moved, work, first_seen = pointer(moves), pointer(scratch), pointer(seen)
    loss, used = 0.0, 0
    for start in range(0, anchors.shape[0], group):
        size = min(group, anchors.shape[0] - start)
        # drawn ahead of their use, so that rows are fetched meanwhile
        used += _draw_all(flat, stride, where, n, tree, marks, us, vs, start, start + size, position, key, recipe,
                          places, slots, filled)  # fmt: skip
        for first in range(0, size, batch):
            last = min(first + batch, size)
            for p in range(first, last):
                u, v = np.int64(anchors[start + p]), np.int64(positives[start + p])
                weight = weights[v] if recipe.from_ancestor else weights[u]
                loss += pair(flat, stride, places, p * slots, counts[p], u, slots, weight, targets[u], targets[v],
                             recipe, moved, work)  # fmt: skip
            apply_moves(flat, stride, places, filled, slots, first, last, moved, recipe, first_seen)
    return loss, used


@njit(**OPTIONS)
def _draw(nothing, mark, relations, anchors, positives, position, key, recipe, rows, counts):
    """The body of `draw_batch`."""
    _draw_all(pointer(nothing), 0, _pointers(relations), mark.shape[0], relations.ends.shape[0] > 0, pointer(mark),
              pointer(anchors), pointer(positives), 0, anchors.shape[0], position, key, recipe, pointer(rows),
              rows.shape[1], pointer(counts))  # fmt: skip


def _compile(digest: int) -> tuple[Callable, Callable]:
    @njit(cache=True, **OPTIONS)
    def train_pairs(table, relations, anchors, positives, position, key, batch, weights, targets, recipe):
        """(sum of the losses, number of negatives used) after updating `table` (n, padded dim) in place.

        Every pair of a batch sees the table as it was before the batch; their moves are added up, then projected.
        `anchors` and `positives` (pairs,) stand at `position`, `position + 1`, ... of the epoch, which with `key`
        decides their negatives. `weights` and `targets` (n,) are the pair weight by descendant and the target radius.
        """
        assert digest != 0
        n, stride = table.shape
        slots = padded_slots(recipe.negatives)
        group = max(AHEAD // batch, 1) * batch
        rows, counts = np.zeros(group * slots, np.int64), np.zeros(group, np.int64)
        moves = np.zeros(group * slots * stride, table.dtype)
        scratch = np.zeros(8 * slots + 2 * stride, table.dtype)
        mark = np.zeros(n, np.int32)
        seen = np.zeros(n if recipe.space == LORENTZ else 0, np.int64)
        return _train(table, relations, anchors, positives, position, key, batch, weights, targets, recipe, slots,
                      group, rows, counts, moves, scratch, mark, seen)  # fmt: skip

    @njit(cache=True, **OPTIONS)
    def draw_batch(relations, anchors, positives, position, key, recipe, rows, counts):
        """Fills `rows` (batch, negatives + 2) and `counts` (batch,) with what `train_pairs` draws from there."""
        assert digest != 0
        _draw(np.zeros(1, np.float32), np.zeros(relations.depth.shape[0], np.int32), relations, anchors, positives,
              position, key, recipe, rows, counts)  # fmt: skip

    return train_pairs, draw_batch


train_pairs, draw_batch = _compile(source_digest())
