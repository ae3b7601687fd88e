"""Attention over a plan in one sweep per direction, on the CPU, compiled by numba.

Forward, for a target t with incoming edges e, query q and key k, value v of each: alpha_e = softmax_e(q . k_e), sum = Σ
alpha_e v_e (Hu et al. 2020, https://arxiv.org/abs/2003.01332, equation 2). Kept for the backward pass is one number per
target and head, the logarithm of the softmax denominator; alpha is computed again where it is needed (as Dao et al.
2022, https://arxiv.org/abs/2205.14135, do for dense attention). No array has a row per edge, and every output row is
written by one thread alone, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit

from rematch.studies.drug_repurposing.plan import AttentionPlan

# reassoc lets the inner products over a row of one head be added as vectors: 2.2 times as fast for 64 numbers a head,
# nothing for 16 or fewer. Those loops store nothing, so compilers have no reason to keep a second version of them that
# adds in another order; a test holds the bytes equal wherever the arrays lie.
_OPTIONS = dict(fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy", nogil=True, cache=True)


class Kernels(NamedTuple):
    """Compiled functions for one number of heads and one width per head."""

    forward: object
    backward_queries: object
    backward_keys: object


def balanced_chunks(ptr: np.ndarray, chunks: int) -> list[tuple[int, int]]:
    """First and last + 1 row of at most `chunks` runs of the rows of `ptr` with about equal numbers of entries."""
    goals = np.linspace(0, int(ptr[-1]), chunks + 1)[1:-1]
    cuts = np.unique(np.r_[0, np.searchsorted(ptr, goals), len(ptr) - 1])
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def target_edges(plan: AttentionPlan) -> np.ndarray:
    """Where the edges of each target begin `(targets + 1,)`."""
    return plan.segment_ptr[plan.target_ptr]


@cache
def kernels(heads: int, width: int) -> Kernels:
    """Kernels for tables of rows `heads * width`. Both are constants to the compiler, which then unrolls the inner
    loops."""
    return Kernels(_forward(heads, width), _backward_queries(heads, width), _backward_keys(heads, width))


def _forward(heads: int, width: int):
    full = heads * width

    @njit(**_OPTIONS)
    def forward(first, last, longest, q, kv, target_ptr, segment_ptr, segment_row, edge_kv, out, log_sum):
        weight = np.empty((longest, heads), np.float32)
        largest = np.empty(heads, np.float32)
        total = np.empty(heads, np.float32)
        for target in range(first, last):
            largest[:] = -np.inf
            total[:] = 0
            place = 0
            for segment in range(target_ptr[target], target_ptr[target + 1]):
                row = segment_row[segment]
                for edge in range(segment_ptr[segment], segment_ptr[segment + 1]):
                    source = edge_kv[edge]
                    for h in range(heads):
                        score = np.float32(0)
                        for j in range(width):
                            score += q[row, h * width + j] * kv[source, h * width + j]
                        weight[place, h] = score
                        largest[h] = max(largest[h], score)
                    place += 1
            for i in range(place):
                for h in range(heads):
                    weight[i, h] = np.exp(weight[i, h] - largest[h])
                    total[h] += weight[i, h]
            for h in range(heads):
                log_sum[target, h] = largest[h] + np.log(total[h])
                total[h] = 1 / total[h]
            place = 0
            for segment in range(target_ptr[target], target_ptr[target + 1]):
                row = segment_row[segment]
                for edge in range(segment_ptr[segment], segment_ptr[segment + 1]):
                    source = edge_kv[edge]
                    for h in range(heads):
                        alpha = weight[place, h] * total[h]
                        for j in range(width):
                            out[row, h * width + j] += alpha * kv[source, full + h * width + j]
                    place += 1

    return forward


def _backward_queries(heads: int, width: int):
    full = heads * width

    @njit(**_OPTIONS)
    def backward_queries(
        first, last, q, kv, out, grad, log_sum, target_ptr, segment_ptr, segment_row, edge_kv, grad_q, mean_grad
    ):
        """Fills `grad_q` and, per target and head, the weighted mean of grad . value, which the other sweep needs."""
        mean = np.empty(heads, np.float32)
        for target in range(first, last):
            mean[:] = 0
            for segment in range(target_ptr[target], target_ptr[target + 1]):
                row = segment_row[segment]
                for h in range(heads):
                    part = np.float32(0)
                    for j in range(width):
                        part += grad[row, h * width + j] * out[row, h * width + j]
                    mean[h] += part
            for h in range(heads):
                mean_grad[target, h] = mean[h]
            for segment in range(target_ptr[target], target_ptr[target + 1]):
                row = segment_row[segment]
                for edge in range(segment_ptr[segment], segment_ptr[segment + 1]):
                    source = edge_kv[edge]
                    for h in range(heads):
                        score = np.float32(0)
                        slope = np.float32(0)
                        for j in range(width):
                            score += q[row, h * width + j] * kv[source, h * width + j]
                            slope += grad[row, h * width + j] * kv[source, full + h * width + j]
                        change = np.exp(score - log_sum[target, h]) * (slope - mean[h])
                        for j in range(width):
                            grad_q[row, h * width + j] += change * kv[source, h * width + j]

    return backward_queries


def _backward_keys(heads: int, width: int):
    full = heads * width

    @njit(**_OPTIONS)
    def backward_keys(
        first, last, q, kv, grad, log_sum, mean_grad, kv_ptr, kv_segment, segment_row, segment_target, grad_kv
    ):
        for source in range(first, last):
            for place in range(kv_ptr[source], kv_ptr[source + 1]):
                segment = kv_segment[place]
                row, target = segment_row[segment], segment_target[segment]
                for h in range(heads):
                    score = np.float32(0)
                    slope = np.float32(0)
                    for j in range(width):
                        score += q[row, h * width + j] * kv[source, h * width + j]
                        slope += grad[row, h * width + j] * kv[source, full + h * width + j]
                    alpha = np.exp(score - log_sum[target, h])
                    change = alpha * (slope - mean_grad[target, h])
                    for j in range(width):
                        grad_kv[source, h * width + j] += change * q[row, h * width + j]
                        grad_kv[source, full + h * width + j] += alpha * grad[row, h * width + j]

    return backward_keys
