"""Softmax attention over all incoming edges of a node, by a plan: on the CPU compiled, elsewhere in torch operations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rematch.studies.drug_repurposing.plan import AttentionPlan

CHUNKS = 64  # pieces of about equal work that threads take; a constant, so the result is the same for any thread count


def attend(q: Tensor, kv: Tensor, plan: AttentionPlan, heads: int, method: str) -> Tensor:
    """Weighted sums of values `(query_rows, width)`.

    `q (query_rows, width)` are queries, already scaled; `kv (kv_rows, 2 * width)` keys beside values. `method` is a key of
    `METHODS`.
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
        from rematch.studies.drug_repurposing.kernel import balanced_chunks, kernels, target_edges

        edges = target_edges(plan)
        bounds = balanced_chunks(edges, CHUNKS)
        out, log_sum = torch.zeros_like(q), torch.zeros(plan.num_targets, heads)
        longest = int(np.diff(edges).max(initial=0))
        kernels(heads, q.shape[1] // heads).forward(
            *_arrays(q, kv), plan.target_ptr, plan.segment_ptr, plan.segment_row, plan.edge_kv, bounds, longest,
            *_arrays(out, log_sum),
        )  # fmt: skip
        ctx.save_for_backward(q, kv, out, log_sum)
        ctx.plan, ctx.heads, ctx.bounds = plan, heads, bounds
        return out

    @staticmethod
    def backward(ctx, grad):
        from rematch.studies.drug_repurposing.kernel import balanced_chunks, kernels

        q, kv, out, log_sum = ctx.saved_tensors
        plan, grad = ctx.plan, grad.contiguous()
        compiled = kernels(ctx.heads, q.shape[1] // ctx.heads)
        grad_q, grad_kv, mean_grad = torch.zeros_like(q), torch.zeros_like(kv), torch.zeros_like(log_sum)
        compiled.backward_queries(
            *_arrays(q, kv, out, grad, log_sum), plan.target_ptr, plan.segment_ptr, plan.segment_row, plan.edge_kv,
            ctx.bounds, *_arrays(grad_q, mean_grad),
        )  # fmt: skip
        compiled.backward_keys(
            *_arrays(q, kv, grad, log_sum, mean_grad), plan.kv_ptr, plan.kv_segment, plan.segment_row,
            plan.segment_target, balanced_chunks(plan.kv_ptr, CHUNKS), *_arrays(grad_kv),
        )  # fmt: skip
        return grad_q, grad_kv, None, None


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


METHODS = {"torch": attend_in_torch, "compiled": attend_compiled}
