"""The encoder: GINE layers (Hu et al. 2020) on flat batches, a readout, and the projection head of the contrast."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rematch.studies.graph_embeddings.batch import Batch
from rematch.studies.graph_embeddings.message import gine_sum
from rematch.studies.graph_embeddings.settings import Settings


class GraphEncoder(nn.Module):
    """Graphs to embeddings `(num_graphs, embedding_width)`, and embeddings to projections `(num_graphs, head_width)`.

    Layer l: h <- MLP_l(h_i + sum_j relu(h_j + W_l e_ij)), MLP_l = Linear, ReLU, Linear, with ReLU between layers.
    """

    def __init__(self, settings: Settings, node_width: int, edge_width: int):
        super().__init__()
        width = settings.hidden_width
        self.readout, self.jumping = READOUTS[settings.readout], settings.jumping
        self.input = nn.Linear(node_width, width)
        self.edge_weights = nn.ParameterList(_edge_weight(edge_width, width) for _ in range(settings.num_layers))
        self.layers = nn.ModuleList(_layer(width) for _ in range(settings.num_layers))
        self.norms = nn.ModuleList(NORMS[settings.layer_norm](width) for _ in range(settings.num_layers))
        self.output = OUTPUTS[settings.embedding](settings.readout_width, settings.embedding_width)
        inner = settings.head_width
        self.head = nn.Sequential(nn.Linear(settings.embedding_width, inner), nn.ReLU(), nn.Linear(inner, inner))

    def forward(self, batch: Batch) -> Tensor:
        """Embeddings, before the head: what the probes see."""
        h, seen = self.input(batch.nodes), []
        for i, (weight, layer, norm) in enumerate(zip(self.edge_weights, self.layers, self.norms, strict=True)):
            h = norm(layer(gine_sum(h, weight, batch.attributes, batch.edges)))
            h = torch.relu(h) if i < len(self.layers) - 1 else h
            if self.jumping == "concat" or i == len(self.layers) - 1:
                seen.append(self.readout(h.float(), batch.graph, batch.size))
        return self.output(torch.cat(seen, dim=1)).float()

    def project(self, embeddings: Tensor) -> Tensor:
        """What the loss compares."""
        return self.head(embeddings).float()


def build(settings: Settings, node_width: int, edge_width: int, generator_seed: int) -> GraphEncoder:
    """An encoder whose initial weights depend on the seed and its shape only, not on the global generator's past."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator_seed)
        return GraphEncoder(settings, node_width, edge_width)


def _layer(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


def _edge_weight(edge_width: int, width: int) -> nn.Parameter:
    """Initialised as nn.Linear with bias would be: the attribute columns, and the column of ones as the bias."""
    bound = max(edge_width, 1) ** -0.5
    return nn.Parameter(torch.empty(edge_width + 1, width).uniform_(-bound, bound))


def _sum(h: Tensor, graph: Tensor, size: int) -> Tensor:
    return h.new_zeros(size, h.shape[1]).index_add(0, graph, h)


def _mean(h: Tensor, graph: Tensor, size: int) -> Tensor:
    return _sum(h, graph, size) / torch.bincount(graph, minlength=size).clamp(min=1).unsqueeze(1)


OUTPUTS = {"output": nn.Linear, "readout": nn.Identity}
READOUTS = {"sum": _sum, "mean": _mean}
NORMS = {"none": lambda width: nn.Identity(), "batch": nn.BatchNorm1d}
