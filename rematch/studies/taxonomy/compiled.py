"""The two compiled entry points: `train_pairs` trains, `draw_batch` only draws.

Numba keeps what it compiled on disk and compiles again when the file of a function changes, but not when a function
that it calls changes in another file. The digest of those files is therefore a constant of the entry points, and
constants are part of the cache's key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit

from rematch.studies.taxonomy import kernel, lanes, sampling
from rematch.studies.taxonomy.kernel import OPTIONS, apply_moves, pair
from rematch.studies.taxonomy.sampling import draw


def source_digest() -> int:
    """A number from the bytes of the files that the entry points are compiled from, never 0."""
    content = b"".join(Path(str(module.__file__)).read_bytes() for module in (kernel, lanes, sampling))
    return int.from_bytes(hashlib.blake2b(content, digest_size=7).digest(), "big") + 1


def _compile(digest: int) -> tuple[Callable, Callable]:
    @njit(**OPTIONS)
    def train_pairs(table, relations, anchors, positives, position, key, batch, weights, targets, recipe):
        """(sum of the losses, number of negatives used) after updating `table` (n, padded dim) in place.

        Every pair of a batch sees the table as it was before the batch; their moves are added up, then projected.
        `anchors` and `positives` (pairs,) stand at `position`, `position + 1`, ... of the epoch, which with `key`
        decides their negatives. `weights` and `targets` (n,) are the pair weight by descendant and the target radius.
        """
        assert digest != 0
        stride = table.shape[1]
        flat = table.reshape(-1)
        offsets, ancestors, ends, depth, level_starts, level_nodes = relations
        slots = recipe.negatives + 2
        width = (slots - 1 + 15) // 16 * 16
        delta, norm = np.zeros(width, table.dtype), np.zeros(width, table.dtype)
        slope, growth = np.ones(width, table.dtype), np.ones(width, table.dtype)
        pull, own_share = np.zeros(width, table.dtype), np.zeros(width, table.dtype)
        anchor_share, pulled = np.zeros(width, table.dtype), np.zeros(width, table.dtype)
        anchor, held_row = np.zeros(stride, table.dtype), np.zeros(stride, table.dtype)
        rows = np.zeros(batch * slots, np.int64)
        counts = np.zeros(batch, np.int64)
        moves = np.zeros(batch * slots * stride, table.dtype)
        mark = np.zeros(table.shape[0], np.int32)
        loss = 0.0
        used = 0
        for start in range(0, anchors.shape[0], batch):
            size = min(batch, anchors.shape[0] - start)
            first = 0
            for p in range(size):
                i = start + p
                u = np.int64(anchors[i])
                m = draw(flat, stride, mark, i + 1, offsets, ancestors, ends, depth, level_starts, level_nodes,
                         u, np.int64(positives[i]), position + i, key, recipe.negatives, recipe.uniform,
                         recipe.from_ancestor, rows, first)  # fmt: skip
                rows[first + m] = u
                counts[p] = m
                first += m + 1
                used += m - 1
            first = 0
            for p in range(size):
                u = np.int64(anchors[start + p])
                v = np.int64(positives[start + p])
                weight = weights[v] if recipe.from_ancestor else weights[u]
                loss += pair(flat, stride, rows, first, counts[p], u, weight, targets[u], targets[v], recipe, moves,
                              anchor, held_row, delta, norm, slope, growth, pull, own_share,
                              anchor_share, pulled)  # fmt: skip
                first += counts[p] + 1
            apply_moves(flat, stride, rows, first, moves, recipe.radius)
        return loss, used

    @njit(**OPTIONS)
    def draw_batch(relations, anchors, positives, position, key, recipe, rows, counts):
        """Fills `rows` (batch, negatives + 2) and `counts` (batch,) with what `train_pairs` draws from there."""
        assert digest != 0
        offsets, ancestors, ends, depth, level_starts, level_nodes = relations
        flat, places = np.zeros(1, np.float32), rows.reshape(-1)
        mark = np.zeros(depth.shape[0], np.int32)
        for p in range(anchors.shape[0]):
            counts[p] = draw(flat, 0, mark, p + 1, offsets, ancestors, ends, depth, level_starts, level_nodes,
                             np.int64(anchors[p]), np.int64(positives[p]), position + p, key, recipe.negatives,
                             recipe.uniform, recipe.from_ancestor, places, p * rows.shape[1])  # fmt: skip

    return train_pairs, draw_batch


train_pairs, draw_batch = _compile(source_digest())
