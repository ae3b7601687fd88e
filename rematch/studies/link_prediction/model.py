"""The encoder, a graph convolutional network on learned node embeddings, and the decoders of node pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from rematch.studies.link_prediction.graph import Graph, pair_dots, propagate
from rematch.studies.link_prediction.settings import Settings


class Layer(NamedTuple):
    """What one layer computed for the nodes, both (n, hidden)."""

    activated: Tensor  # before dropout and before anything is added
    output: Tensor


class GraphNorm(nn.Module):
    """Standardises each column over the nodes of the graph, with a learned share of the mean removed (Cai et al.
    2021)."""

    def __init__(self, width: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.mean_scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:  # (n, width)
        centred = x - self.mean_scale * x.mean(0)
        return self.weight * centred / (centred.square().mean(0) + 1e-5).sqrt() + self.bias


NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "graph": GraphNorm, "none": lambda width: nn.Identity()}
ACTIVATIONS = {"relu": torch.relu, "none": lambda x: x}


class LinkPredictor(nn.Module):
    """Node embeddings, graph convolutions, and a score for pairs of nodes.

    h_0 holds the node embeddings, joined by projected structural features (n, 6) if there are any. Layer l computes
    dropout(activation(norm(S h_{l-1} W_l + b_l))) plus what `skip` adds, S being the symmetrically scaled adjacency
    matrix (Kipf & Welling 2017).
    """

    def __init__(self, settings: Settings, num_nodes: int, num_features: int = 0):
        super().__init__()
        width = settings.hidden
        if num_features >= width:
            raise ValueError(f"hidden: expected more than the {num_features} structural features, found {width}")
        self.settings = settings
        self.embedding = nn.Parameter(torch.empty(num_nodes, width - num_features))
        INITIALISATIONS[settings.initialisation](self.embedding)
        self.project = nn.Linear(num_features, num_features) if num_features else None
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(settings.layers))
        self.norms = nn.ModuleList(NORMS[settings.norm](width) for _ in range(settings.layers))
        self.activation = ACTIVATIONS[settings.activation]
        self.bias = nn.Parameter(torch.zeros(()))
        self.columns = nn.Parameter(torch.ones(width)) if settings.decoder == "signed" else None
        if settings.decoder == "mlp":
            self.mlp = nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, 1))

    def encode(self, graph: Graph, features: Tensor | None, layers: list[Layer] | None = None) -> Tensor:
        """The nodes' vectors (n, hidden) after the last layer; those of every layer are appended to `layers`."""
        settings = self.settings
        h = self.embedding
        if self.project is not None:
            h = torch.cat([h, torch.relu(self.project(features))], dim=1)
        first = h
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            before = first if settings.skip == "input" else h
            activated = self.activation(norm(propagate(graph, h @ layer.weight.T) + layer.bias))
            h = dropout(activated, settings.dropout, self.training)
            if settings.residual and (number > 0 or settings.skip != "after-first"):
                h = h + settings.residual * before
            if layers is not None:
                layers.append(Layer(activated, h))
        return h

    def decode(self, h: Tensor, pairs: np.ndarray) -> Tensor:
        """The scores (p,) of pairs (p, 2) given the nodes' vectors (n, hidden)."""
        if self.settings.decoder != "mlp":
            return pair_dots(pairs, h, self.columns) + self.bias
        ends = torch.from_numpy(pairs.astype(np.int64)).to(h.device)
        product = dropout(h[ends[:, 0]] * h[ends[:, 1]], self.settings.dropout, self.training)
        return self.mlp(product).squeeze(1) + self.bias

    @torch.no_grad()
    def start_from(self, values: Tensor, vectors: Tensor) -> None:
        """Sets the weights so that pairs are scored by `vectors` diag(`values`) `vectors`^T, (n, k) and (k,), but for
        the small start of the columns beyond k.

        The convolutions start at 0 and add to that what they learn.
        """
        self.embedding[:, : len(values)] = vectors * values.abs().sqrt()
        self.columns.copy_(1 - 2 * (torch.arange(len(self.columns)) % 2))
        self.columns[: len(values)] = values.sign()
        for layer in self.layers:
            layer.weight.zero_(), layer.bias.zero_()


INITIALISATIONS = {
    "xavier": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
    "spectral": nn.init.xavier_uniform_,  # until `start_from`
}
