"""The heterogeneous graph transformer layer (Hu et al. 2020, https://arxiv.org/abs/2003.01332), whole graph at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rematch.studies.drug_repurposing.attention import attend
from rematch.studies.drug_repurposing.plan import AttentionPlan, Products


class HgtLayer(nn.Module):
    """Node features `(nodes, width)` to node features of the same shape; nodes are sorted by type.

    Equal to `torch_geometric.nn.HGTConv(width, width)`: keys, queries and values per node type; a matrix for keys and
    one for values per relation and head; a prior per relation and head; one softmax over all incoming edges of a node;
    GELU, a linear map per type and a gated skip connection. `type_ptr` says where each node type begins, `(types +
    1,)`; `generator` draws the initial weights.
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
        keys = self._key_matrices()
        kv = _with_products(kv, plan.at_source, torch.cat([keys, self.value_relation], dim=1))
        q = _with_products(q, plan.at_target, keys.transpose(2, 3))
        sums = attend(q, kv, plan, self.heads, method)
        out = self._per_type(F.gelu(self._collect(sums, plan)), self.out, self.out_bias)
        sizes = torch.diff(torch.tensor(self.type_ptr, device=x.device))
        gate = torch.repeat_interleave(self.skip.sigmoid(), sizes, output_size=len(x))[:, None]
        return torch.lerp(x, out, gate)

    def _per_type(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        spans = zip(self.type_ptr, self.type_ptr[1:], weight, bias, strict=False)
        return torch.cat([F.linear(x[start:end], w, b) for start, end, w, b in spans])

    def _key_matrices(self) -> Tensor:
        """Key matrices `(relations, heads, per_head, per_head)` with the priors and the 1 / sqrt(per_head) of
        attention."""
        return self.key_relation * (self.prior / (self.width // self.heads) ** 0.5)[..., None, None]

    def _collect(self, sums: Tensor, plan: AttentionPlan) -> Tensor:
        """Adds the sums of target-side products, through their value matrices, to the rows of their nodes."""
        total, rest = sums.split([plan.num_nodes, len(sums) - plan.num_nodes])
        rows = _multiply(rest, plan.at_target, self.value_relation)
        return total.index_add(0, plan.at_target.nodes.to(sums.device), rows)


def _with_products(table: Tensor, products: Products, matrices: Tensor) -> Tensor:
    """`table (nodes, blocks * d)`, and below it the rows of `products`, each multiplied by its relation's
    `matrices`."""
    rows = table.index_select(0, products.nodes.to(table.device))
    return torch.cat([table, _multiply(rows, products, matrices)])


def _multiply(rows: Tensor, products: Products, matrices: Tensor) -> Tensor:
    """`rows (n, blocks * d)` in the runs of `products`; block b of a run is multiplied by `matrices[relation, b] (d,
    d)`."""
    by_relation = matrices.unbind(0)
    parts = [rows[:0]]
    for relation, run in zip(products.relations, rows.split(products.sizes), strict=True):
        blocks, d, _ = by_relation[relation].shape
        product = torch.bmm(run.view(-1, blocks, d).transpose(0, 1), by_relation[relation])
        parts.append(product.transpose(0, 1).reshape(len(run), -1))
    return torch.cat(parts)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Glorot's uniform initialisation over the last two dimensions."""
    bound = (6 / (shape[-1] + shape[-2])) ** 0.5
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
