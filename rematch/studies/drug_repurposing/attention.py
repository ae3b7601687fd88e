"""Softmax attention over all incoming edges of a node, by a plan: on the CPU compiled, elsewhere in torch
operations."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from rematch.studies.drug_repurposing.plan import AttentionPlan


def attend(q: Tensor, kv: Tensor, plan: AttentionPlan, heads: int, method: str) -> Tensor:
    """Weighted sums of values `(query_rows, width)`.

    `q (query_rows, width)` are queries, already scaled; `kv (kv_rows, 2 * width)` keys beside values. `method` is a key
    of `METHODS`.
    """
    return METHODS[method](q, kv, plan, heads)


def attend_in_torch(q: Tensor, kv: Tensor, plan: AttentionPlan, heads: int) -> Tensor:
    """The same by gathers and scatters: any device, double precision too; memory grows with edges times width."""
    index = {name: torch.from_numpy(getattr(plan, name)).to(q.device).long() for name in ("segment_row", "edge_kv")}
    segment = torch.from_numpy(np.repeat(np.arange(len(plan.segment_row)), np.diff(plan.segment_ptr))).to(q.device)
    target = torch.from_numpy(plan.segment_target).to(q.device).long()[segment]
    row = index["segment_row"][segment]
    keys, values = kv.index_select(0, index["edge_kv"]).view(-1, 2, heads, q.shape[1] // heads).unbind(1)
    score = (q.index_select(0, row).view_as(keys) * keys).sum(-1)
    spread = target[:, None].expand(-1, heads)
    largest = score.new_full((plan.num_targets, heads), -torch.inf).scatter_reduce(0, spread, score.detach(), "amax")
    weight = (score - largest.index_select(0, target)).exp()
    total = weight.new_zeros(plan.num_targets, heads).index_add(0, target, weight)
    alpha = weight / total.index_select(0, target)
    return q.new_zeros(q.shape).index_add(0, row, (alpha[..., None] * values).reshape(-1, q.shape[1]))


def attend_compiled(q: Tensor, kv: Tensor, plan: AttentionPlan, heads: int) -> Tensor:
    """The same by the sweeps of `kernel`: float32 on the CPU, no array with a row per edge."""
    return _Fused.apply(q, kv, plan, heads)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, kv, plan, heads):
        from rematch.studies.drug_repurposing.kernel import kernels, target_edges

        edges = target_edges(plan)
        out, log_sum = torch.zeros_like(q), torch.zeros(plan.num_targets, heads)
        longest = int(np.diff(edges).max(initial=0))
        sweep = kernels(heads, q.shape[1] // heads).forward
        index = (plan.target_ptr, plan.segment_ptr, plan.segment_row, plan.edge_kv)
        _run(sweep, edges, longest, *_arrays(q, kv), *index, *_arrays(out, log_sum))
        ctx.save_for_backward(q, kv, out, log_sum)
        ctx.plan, ctx.heads = plan, heads
        return out

    @staticmethod
    def backward(ctx, grad):
        from rematch.studies.drug_repurposing.kernel import kernels, target_edges

        q, kv, out, log_sum = ctx.saved_tensors
        plan, grad = ctx.plan, grad.contiguous()
        compiled = kernels(ctx.heads, q.shape[1] // ctx.heads)
        grad_q, grad_kv, mean_grad = torch.zeros_like(q), torch.zeros_like(kv), torch.zeros_like(log_sum)
        index = (plan.target_ptr, plan.segment_ptr, plan.segment_row, plan.edge_kv)
        tables = _arrays(q, kv, out, grad, log_sum)
        _run(compiled.backward_queries, target_edges(plan), *tables, *index, *_arrays(grad_q, mean_grad))
        index = (plan.kv_ptr, plan.kv_segment, plan.segment_row, plan.segment_target)
        tables = _arrays(q, kv, grad, log_sum, mean_grad)
        _run(compiled.backward_keys, plan.kv_ptr, *tables, *index, *_arrays(grad_kv))
        return grad_q, grad_kv, None, None


def _run(sweep: Callable, ptr: np.ndarray, *arguments) -> None:
    """Calls `sweep(first row, last row, ...)` for all rows of `ptr`, by as many threads as torch uses.

    Plain threads: the sweeps hold no interpreter lock, and numba's own thread pool would change torch's number of
    threads (both set OpenMP's).
    """
    threads = torch.get_num_threads()
    if threads == 1:
        sweep(0, len(ptr) - 1, *arguments)
        return
    from rematch.studies.drug_repurposing.kernel import balanced_chunks

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda rows: sweep(*rows, *arguments), balanced_chunks(ptr, 4 * threads)))


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


METHODS = {"torch": attend_in_torch, "compiled": attend_compiled}
