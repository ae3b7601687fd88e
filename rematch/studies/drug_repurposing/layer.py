"""The heterogeneous graph transformer layer (Hu et al. 2020, https://arxiv.org/abs/2003.01332), whole graph at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rematch.studies.drug_repurposing.attention import attend
from rematch.studies.drug_repurposing.plan import SOURCE, AttentionPlan


class HgtLayer(nn.Module):
    """Node features `(nodes, width)` to node features of the same shape; nodes are sorted by type.

    Equal to `torch_geometric.nn.HGTConv(width, width)`: keys, queries and values per node type; a matrix for keys and one for
    values per relation and head; a prior per relation and head; one softmax over all incoming edges of a node; GELU, a linear
    map per type and a gated skip connection. `type_ptr` says where each node type begins, `(types + 1,)`; `generator` draws
    the initial weights.
    """

    def __init__(self, width: int, heads: int, type_ptr: Sequence[int], num_relations: int, generator: torch.Generator):
        super().__init__()
        if width % heads:
            raise ValueError(f"hidden: expected a multiple of heads = {heads}, found {width}")
        types, per_head = len(type_ptr) - 1, width // heads
        self.width, self.heads = width, heads
        self.type_ptr = [int(start) for start in type_ptr]
        self.kvq = nn.Parameter(_uniform((types, 3 * width, width), generator))  # rows: keys, values, queries
        self.kvq_bias = nn.Parameter(torch.zeros(types, 3 * width))
        self.key_relation = nn.Parameter(_uniform((num_relations, heads, per_head, per_head), generator))
        self.value_relation = nn.Parameter(_uniform((num_relations, heads, per_head, per_head), generator))
        self.prior = nn.Parameter(torch.ones(num_relations, heads))
        self.out = nn.Parameter(_uniform((types, width, width), generator))
        self.out_bias = nn.Parameter(torch.zeros(types, width))
        self.skip = nn.Parameter(torch.ones(types))

    def forward(self, x: Tensor, plan: AttentionPlan, method: str) -> Tensor:
        """`method` is a key of `attention.METHODS`."""
        kvq = self._per_type(x, self.kvq, self.kvq_bias)
        kv, q = kvq[:, : 2 * self.width], kvq[:, 2 * self.width :]
        sums = attend(self._queries(q, plan), self._keys_and_values(kv, plan), plan, self.heads, method)
        out = self._per_type(F.gelu(self._collect(sums, plan)), self.out, self.out_bias)
        sizes = torch.diff(torch.tensor(self.type_ptr, device=x.device))
        gate = torch.repeat_interleave(self.skip.sigmoid(), sizes, output_size=len(x))[:, None]
        return torch.lerp(x, out, gate)

    def _per_type(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        spans = zip(self.type_ptr, self.type_ptr[1:], weight, bias, strict=False)
        return torch.cat([F.linear(x[start:end], w, b) for start, end, w, b in spans])

    def _key_matrix(self, relation: int) -> Tensor:
        """Key matrix of a relation `(heads, per_head, per_head)` with its prior and the 1 / sqrt(per_head) of attention."""
        scale = self.prior[relation] / (self.width // self.heads) ** 0.5
        return self.key_relation[relation] * scale[:, None, None]

    def _keys_and_values(self, kv: Tensor, plan: AttentionPlan) -> Tensor:
        parts = [kv]
        for product in plan.products:
            if product.side == SOURCE:
                matrix = torch.cat([self._key_matrix(product.relation), self.value_relation[product.relation]])
                parts.append(_product(kv, product.nodes, matrix))
        return torch.cat(parts)

    def _queries(self, q: Tensor, plan: AttentionPlan) -> Tensor:
        parts = [q]
        for product in plan.products:
            if product.side != SOURCE:
                parts.append(_product(q, product.nodes, self._key_matrix(product.relation).transpose(1, 2)))
        return torch.cat(parts)

    def _collect(self, sums: Tensor, plan: AttentionPlan) -> Tensor:
        """Adds the sums of target-side products, through their value matrices, to the rows of their nodes."""
        total, start = sums[: plan.num_nodes].clone(), plan.num_nodes
        for product in plan.products:
            if product.side != SOURCE:
                end = start + len(product.nodes)
                rows = _per_head(sums[start:end], self.value_relation[product.relation])
                total = total.index_add(0, product.nodes.to(sums.device), rows)
                start = end
        return total


def _product(table: Tensor, nodes: Tensor, matrices: Tensor) -> Tensor:
    return _per_head(table.index_select(0, nodes.to(table.device)), matrices)


def _per_head(rows: Tensor, matrices: Tensor) -> Tensor:
    """`rows (n, blocks * d)` with block b multiplied by `matrices[b] (d, d)`; shape kept."""
    blocks, d, _ = matrices.shape
    return torch.bmm(rows.view(-1, blocks, d).transpose(0, 1), matrices).transpose(0, 1).reshape(len(rows), -1)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Glorot's uniform initialisation over the last two dimensions."""
    bound = (6 / (shape[-1] + shape[-2])) ** 0.5
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
