"""A learned vector per node, layers of attention over typed edges, and a linear map to the embedding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rematch.studies.drug_repurposing.layer import HgtLayer
from rematch.studies.drug_repurposing.plan import AttentionPlan

COMPILED_FROM = 10_000_000  # edges times width from which compiling (about 4 s, then cached on disk) pays


class Embedder(nn.Module):
    """Embeddings `(nodes, embedding)` of a typed graph.

    With `hidden` below `embedding` the linear map cannot add rank: all embeddings lie in a subspace of `hidden`
    dimensions. The buffer `embeddings` keeps those of the last `remember`: what is saved, validated and evaluated.
    With `path_weights (kinds,)`, where training of them starts, the buffer `path_scores`, of shape `pairs` (compounds,
    diseases), is kept too.
    """

    def __init__(
        self,
        type_ptr: Sequence[int],
        relations: int,
        stored_relations: int,
        hidden: int,
        embedding: int,
        layers: int,
        heads: int,
        generator: torch.Generator,
        path_weights: Tensor | None = None,
        pairs: tuple[int, int] = (0, 0),
    ):
        super().__init__()
        self.nodes = nn.Parameter(torch.randn(int(type_ptr[-1]), hidden, generator=generator) / hidden**0.5)
        self.layers = nn.ModuleList(HgtLayer(hidden, heads, type_ptr, relations, generator) for _ in range(layers))
        bound = (6 / (hidden + embedding)) ** 0.5
        self.head = nn.Parameter(torch.empty(embedding, hidden).uniform_(-bound, bound, generator=generator))
        self.relation_scale = nn.Parameter(torch.ones(stored_relations, embedding))
        self.register_buffer("embeddings", torch.zeros(int(type_ptr[-1]), embedding))
        if path_weights is not None:
            self.path_weights = nn.Parameter(path_weights.clone())
            self.register_buffer("path_scores", torch.zeros(pairs))

    def forward(self, plan: AttentionPlan) -> Tensor:
        x = self.nodes
        method = method_for(plan, x)
        for layer in self.layers:
            x = layer(x, plan, method)
        return F.linear(x, self.head)

    @torch.no_grad()
    def remember(self, plan: AttentionPlan, paths: Tensor | None) -> dict[str, Tensor]:
        """What scores are made of, by the names under which it is saved: embeddings, scales of relations and, with
        `paths (compounds, diseases, kinds)`, path scores."""
        self.embeddings.copy_(self(plan))
        if paths is not None:
            self.path_scores.copy_(paths @ self.path_weights)
        return {
            name: value
            for name, value in self.state_dict().items()
            if name in ("embeddings", "relation_scale", "path_scores")
        }


def method_for(plan: AttentionPlan, x: Tensor) -> str:
    """The faster way of attention, a key of `attention.METHODS`; they agree to rounding."""
    on_cpu = x.device.type == "cpu" and x.dtype == torch.float32
    return "compiled" if on_cpu and plan.num_edges * x.shape[1] >= COMPILED_FROM else "torch"


def dot(first: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    """Inner products `(n,)` of rows `(n, d)`; the relation has no say."""
    return (first * second).sum(-1)


def distmult(first: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    """Inner products `(n,)` weighted by the relation's `scale (n, d)` or `(d,)` (Yang et al. 2015,
    https://arxiv.org/abs/1412.6575)."""
    return (first * scale * second).sum(-1)


DECODERS = {"dot": dot, "distmult": distmult}


def score_matrix(decoder: str, compounds: Tensor, diseases: Tensor, scale: Tensor) -> Tensor:
    """Scores `(compounds, diseases)` of all pairs of rows `(c, d)` and `(m, d)` under the relation's `scale (d,)`."""
    weighted = {"dot": compounds, "distmult": compounds * scale}[decoder]
    return weighted @ diseases.T
