"""Which edges an update predicts, over which it propagates, and against which non-edges it is trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rematch.streams import numpy_generator, permutation
from rematch.studies.link_prediction.graph import Graph
from rematch.studies.link_prediction.settings import Settings

CANDIDATES = 10  # candidates per hard negative: the highest-scoring tenth of the candidates is taken


class Sampler:
    """Draws that are functions of the seed, the epoch and the update."""

    def __init__(self, settings: Settings, edges: np.ndarray, graph: Graph, seed: int):
        self.settings, self.edges, self.graph, self.seed = settings, edges, graph, seed
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def targets(self, epoch: int, batch: int) -> np.ndarray:
        """The numbers of the edges that this update predicts: one of `updates_per_epoch` equal parts of a
        permutation."""
        if epoch != self._epoch:
            self._epoch, self._order = epoch, permutation(len(self.edges), self.seed, epoch)
        parts = self.settings.updates_per_epoch
        start, stop = (len(self.edges) * k // parts for k in (batch, batch + 1))
        return self._order[start:stop]

    def positives(self, epoch: int, batch: int) -> np.ndarray:
        """The edges (p, 2) that this update predicts."""
        return self.edges if self.settings.pairs == "all" else self.edges[self.targets(epoch, batch)]

    def propagated(self, epoch: int, batch: int) -> Graph:
        """The graph that this update propagates over: without dropped edges, without its targets if so set."""
        keep = self._kept(epoch, batch)
        return self.graph if keep is None else self.graph.keeping(keep)

    def predicted(self, epoch: int, batch: int) -> Graph:
        """The positives among all pairs: every edge, or with `mask_targets` those that are not propagated over."""
        return self.graph.keeping(~self._kept(epoch, batch)) if self.settings.mask_targets else self.graph

    def _kept(self, epoch: int, batch: int) -> np.ndarray | None:
        """Per edge whether this update propagates over it, (m,) bool; None for all of them."""
        settings = self.settings
        if not settings.edge_dropout and not settings.mask_targets:
            return None
        keep = np.ones(len(self.edges), bool)
        if settings.edge_dropout:
            keep = numpy_generator(self.seed, "edge dropout", epoch, batch).random(len(keep)) >= settings.edge_dropout
        if settings.mask_targets and settings.pairs == "sampled":
            keep[self.targets(epoch, batch)] = False
        return keep

    def negatives(self, epoch: int, batch: int, count: int, score: Callable[[np.ndarray], Tensor]) -> np.ndarray:
        """`count` non-edges (count, 2), uniform but for the share of hard ones: the highest-scoring of many
        candidates."""
        draw = numpy_generator(self.seed, "negatives", epoch, batch)
        started = epoch >= self.settings.hard_warm_up
        hard = int(count * self.settings.hard_negatives) if started else 0
        if not hard:
            return self._uniform(draw, count)
        candidates = self._uniform(draw, CANDIDATES * hard)
        with torch.no_grad():
            highest = torch.topk(score(candidates), hard).indices.cpu().numpy()
        return np.concatenate([candidates[highest], self._uniform(draw, count - hard)])

    def _uniform(self, draw: np.random.Generator, count: int) -> np.ndarray:
        """Uniform pairs of different nodes that are no edge, by rejection; (count, 2) int32."""
        n, found, kept = self.graph.n, [], 0
        free = 1 - len(self.graph.indices) / (n * (n - 1))
        if free <= 0:
            raise ValueError("edges: expected some pairs of nodes without an edge, found a complete graph")
        while kept < count:
            pairs = draw.integers(0, n, (int((count - kept) / free * 1.05) + 16, 2), dtype=np.int32)
            found.append(pairs[~self.graph.has(pairs)])
            kept += len(found[-1])
        return np.concatenate(found)[:count]
