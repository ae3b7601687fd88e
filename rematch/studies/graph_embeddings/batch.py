"""Batches of flat graphs as tensors, and augmented views of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from rematch.studies.graph_embeddings.flat import FlatGraphs
from rematch.studies.graph_embeddings.settings import Settings


@dataclass(frozen=True)
class Batch:
    """K graphs side by side. Undirected edges stand once."""

    nodes: Tensor  # (num_nodes, node_width) float32, one-hot columns; a column of ones where nodes have no label
    attributes: Tensor  # (num_edges, edge_width + 1) float32, one-hot columns and a last column of ones
    edges: Tensor  # (2, num_edges) int64, node numbers within the batch
    graph: Tensor  # (num_nodes,) int64, rising
    size: int  # K

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        moved = [part.to(device) for part in (self.nodes, self.attributes, self.edges, self.graph)]
        return Batch(*moved, self.size)


@dataclass(frozen=True)
class Augmentation:
    """What a view changes; see `augment`."""

    node_noise: float = 0.0
    edge_noise: float = 0.0
    edge_drop: float = 0.0
    node_mask: float = 0.0

    @classmethod
    def of(cls, settings: Settings) -> Augmentation:
        """The augmentation an arm trains with."""
        return cls(settings.node_noise, settings.edge_noise, settings.edge_drop, settings.node_mask)


REFERENCE_VIEW = Augmentation(
    0.05, 0.05, 0.1, 0.0
)  # the same for all arms: retrieval and alignment are measured with it


def collate(graphs: FlatGraphs, chosen: np.ndarray, node_sizes: np.ndarray, edge_sizes: np.ndarray) -> Batch:
    """The chosen graphs `(K,)` as a batch; the two size arrays give the categories of each label column."""
    part = graphs.select(chosen)
    graph = np.repeat(np.arange(len(chosen)), part.node_counts)
    starts = np.repeat(part.node_offsets[:-1], part.edge_counts)
    edges = part.edges.astype(np.int64).T + starts
    ones = np.ones((len(part.edges), 1), np.float32)
    attributes = np.concatenate([one_hot(part.edge_codes, edge_sizes), ones], axis=1)
    nodes = one_hot(part.node_codes, node_sizes)
    nodes = nodes if nodes.shape[1] else np.ones((len(nodes), 1), np.float32)
    tensors = map(torch.from_numpy, (nodes, attributes, edges, graph))
    return Batch(*tensors, len(chosen))


def widths(node_sizes: np.ndarray, edge_sizes: np.ndarray) -> tuple[int, int]:
    """Columns of `Batch.nodes`, and of `Batch.attributes` without the column of ones."""
    return max(1, int(node_sizes.sum())), int(edge_sizes.sum())


def one_hot(codes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Codes `(rows, columns)` as float32 indicator columns `(rows, sum(sizes))`."""
    sizes = np.asarray(sizes, np.int64)
    out = np.zeros((len(codes), int(sizes.sum())), np.float32)
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    out[np.arange(len(codes))[:, None], codes + starts] = 1
    return out


def augment(batch: Batch, how: Augmentation, generator: torch.Generator) -> Batch:
    """One random view.

    An undirected edge is dropped as a whole, both directions together, with probability `edge_drop`; a node's columns
    are set to zero with probability `node_mask`; Gaussian noise is added to node and edge columns (not to the column of
    ones). A graph may lose all its edges and keeps all its nodes. Draws are made on the CPU and moved.
    """
    device = batch.nodes.device
    nodes, attributes, edges = batch.nodes, batch.attributes, batch.edges
    if how.edge_drop:
        keep = torch.rand(edges.shape[1], generator=generator).ge_(how.edge_drop).bool().to(device)
        edges, attributes = edges[:, keep].contiguous(), attributes[keep]
    if how.node_mask:
        stays = torch.rand(len(nodes), 1, generator=generator).ge_(how.node_mask).to(device)
        nodes = nodes * stays
    if how.node_noise:
        nodes = nodes + how.node_noise * torch.randn(nodes.shape, generator=generator).to(device)
    if how.edge_noise and attributes.shape[1] > 1:
        noise = torch.randn(attributes.shape, generator=generator).to(device)
        noise[:, -1] = 0
        attributes = attributes + how.edge_noise * noise
    return replace(batch, nodes=nodes, attributes=attributes, edges=edges)


def side_by_side(first: Batch, second: Batch) -> Batch:
    """Both batches as one: the graphs of `first`, then those of `second`."""
    return Batch(
        torch.cat([first.nodes, second.nodes]),
        torch.cat([first.attributes, second.attributes]),
        torch.cat([first.edges, second.edges + len(first.nodes)], dim=1),
        torch.cat([first.graph, second.graph + first.size]),
        first.size + second.size,
    )
