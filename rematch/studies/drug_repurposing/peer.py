"""The same layer by `torch_geometric.nn.HGTConv`, with the same weights: the reference that ours is held against."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from rematch.studies.drug_repurposing.layer import HgtLayer


def hgt_conv(layer: HgtLayer, ends: Sequence[tuple[int, int]]) -> nn.Module:
    """An `HGTConv` that computes what `layer` computes. `ends` are source and target type of each relation."""
    from torch_geometric.nn import HGTConv

    types = [str(t) for t in range(len(layer.type_ptr) - 1)]
    relations = [(str(s), f"r{number}", str(t)) for number, (s, t) in enumerate(ends)]
    conv = HGTConv(layer.width, layer.width, (types, relations), heads=layer.heads)
    width, (keys, values, queries) = layer.width, layer.kvq.split(layer.width, dim=1)
    bias_k, bias_v, bias_q = layer.kvq_bias.split(width, dim=1)
    with torch.no_grad():
        for t, name in enumerate(types):
            linear = conv.kqv_lin.lins[name]
            linear.weight.copy_(torch.cat([keys[t], queries[t], values[t]]))
            linear.bias.copy_(torch.cat([bias_k[t], bias_q[t], bias_v[t]]))
            conv.out_lin.lins[name].weight.copy_(layer.out[t])
            conv.out_lin.lins[name].bias.copy_(layer.out_bias[t])
            conv.skip[name].copy_(layer.skip[t : t + 1])
        for number, relation in enumerate(relations):
            conv.p_rel["__".join(relation)].copy_(layer.prior[number : number + 1])
        # HGTConv numbers its matrices head-major: row head * relations + relation.
        conv.k_rel.weight.copy_(layer.key_relation.transpose(0, 1).reshape(conv.k_rel.weight.shape))
        conv.v_rel.weight.copy_(layer.value_relation.transpose(0, 1).reshape(conv.v_rel.weight.shape))
    return conv


def hgt_conv_inputs(
    x: Tensor, type_ptr: Sequence[int], relations: Sequence[Tensor], ends: Sequence[tuple[int, int]]
) -> tuple[dict[str, Tensor], dict[tuple[str, str, str], Tensor]]:
    """Features by type and edges `(2, edges)` by relation, numbered within their types, as `HGTConv` takes them."""
    features = {str(t): x[start:end] for t, (start, end) in enumerate(pairwise(type_ptr))}
    edges = {}
    for number, (pair, (s, t)) in enumerate(zip(relations, ends, strict=True)):
        edges[str(s), f"r{number}", str(t)] = pair - torch.tensor([[type_ptr[s]], [type_ptr[t]]])
    return features, edges
