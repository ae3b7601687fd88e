"""Graphs that the tests share."""

import numpy as np

SQUARE_WITH_TAIL = np.array([[0, 1], [1, 2], [3, 2], [0, 3], [3, 4]], dtype=np.int32)  # 0-1-2-3-0 and 3-4; node 5 alone


def dense(edges, n):
    a = np.zeros((n, n))
    a[edges[:, 0], edges[:, 1]] = a[edges[:, 1], edges[:, 0]] = 1
    return a


def random_graph(seed, n=70, density=0.3):
    draw = np.random.default_rng(seed)
    row, column = np.triu_indices(n, 1)
    chosen = draw.random(len(row)) < density
    return draw.permutation(np.stack([row[chosen], column[chosen]], 1)).astype(np.int32)
