"""Time of one training step on a graph of the size of ogbl-ddi: ours, PyG's default path, PyG with a sparse
adjacency matrix.

A step is forward, backward and update of a two-layer graph convolutional network with 64 K positive and 64 K
negative pairs,
scored by dot products. All three start from the same weights and see the same pairs; their losses are compared.
One core, interleaved rounds, medians of CPU seconds (one thread, so other work on the machine does not count).
torch's huge-page allocator (THP_MEM_ALLOC_ENABLE=1) is on for all three.

    python benchmarks/link_prediction.py [--quick] [--rounds 5] [--edges train_pos.csv.gz]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

FULL = dict(nodes=4267, edges=1_067_911, hidden=256, pairs=65_536)
QUICK = dict(nodes=2000, edges=234_000, hidden=128, pairs=16_384)
ONE_CORE = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "THP_MEM_ALLOC_ENABLE": "1"}


def random_edges(nodes: int, edges: int) -> np.ndarray:
    """Distinct undirected edges (edges, 2) with the uneven degrees of a real graph."""
    draw = np.random.default_rng(0)
    weight = np.exp(0.7 * draw.normal(size=nodes))
    row, column = np.triu_indices(nodes, 1)
    chance = weight[row] * weight[column]
    chosen = np.argpartition(-np.log(draw.random(len(row))) / chance, edges)[:edges]
    return draw.permutation(np.stack([row[chosen], column[chosen]], 1)).astype(np.int32)


def steps(edges: np.ndarray, nodes: int, hidden: int, pairs: int) -> dict[str, Callable[[int], float]]:
    """Contestant -> a function of the round that makes one step and returns the loss."""
    import torch
    from torch import nn
    from torch_geometric.nn import GCNConv

    from rematch.studies.link_prediction.graph import Graph, pair_dots, propagate
    from rematch.studies.link_prediction.losses import cross_entropy

    torch.manual_seed(0)
    graph = Graph.from_edges(edges, nodes)
    start = [0.1 * torch.randn(nodes, hidden), *(torch.randn(hidden, hidden) / hidden**0.5 for _ in range(2))]
    both = torch.from_numpy(np.concatenate([edges, edges[:, ::-1]]).T.astype(np.int64).copy())
    unit = torch.sparse_csr_tensor(
        torch.from_numpy(graph.indptr), torch.from_numpy(graph.indices.astype(np.int64)), torch.ones(2 * len(edges)),
        (nodes, nodes), check_invariants=True,
    )  # fmt: skip

    def drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
        draw = np.random.default_rng(number)
        return edges[draw.integers(0, len(edges), pairs)], draw.integers(0, nodes, (pairs, 2)).astype(np.int32)

    def ours() -> Callable[[int], float]:
        table, layers = nn.Parameter(start[0].clone()), [nn.Parameter(w.clone()) for w in start[1:]]
        optimizer = torch.optim.Adam([table, *layers], lr=1e-3)

        def step(number: int) -> float:
            positive, negative = drawn(number)
            h = propagate(graph, torch.relu(propagate(graph, table @ layers[0])) @ layers[1])
            scores = pair_dots(np.concatenate([positive, negative]), h)
            return _update(optimizer, cross_entropy(scores[:pairs], scores[pairs:]))

        return step

    def pyg(adjacency: torch.Tensor) -> Callable[[int], float]:
        table = nn.Parameter(start[0].clone())
        convolutions = [GCNConv(hidden, hidden, bias=False, cached=True, add_self_loops=False) for _ in range(2)]
        for convolution, weight in zip(convolutions, start[1:], strict=True):
            convolution.lin.weight.data = weight.T.clone()
        optimizer = torch.optim.Adam([table, *(c.lin.weight for c in convolutions)], lr=1e-3)

        def step(number: int) -> float:
            positive, negative = (torch.from_numpy(p.astype(np.int64)) for p in drawn(number))
            h = convolutions[1](torch.relu(convolutions[0](table, adjacency)), adjacency)
            scores = [(h[p[:, 0]] * h[p[:, 1]]).sum(1) for p in (positive, negative)]
            return _update(optimizer, cross_entropy(*scores))

        return step

    def _update(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return {"ours": ours(), "sparse": pyg(unit), "pyg": pyg(both)}


def measure(contestants: dict[str, Callable[[int], float]], rounds: int) -> tuple[dict[str, list[float]], float]:
    """Seconds per step by contestant, interleaved, after one step to warm up; and the largest relative difference of
    losses."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    apart = 0.0
    for number in range(rounds + 1):
        losses = []
        for name, step in contestants.items():
            began = time.process_time()
            losses.append(step(number))
            if number:
                seconds[name].append(time.process_time() - began)
        apart = max(apart, (max(losses) - min(losses)) / abs(losses[0]))
    return seconds, apart


def main() -> None:
    """Prints a table for people, then one RESULT a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller graph and fewer rounds")
    parser.add_argument("--rounds", type=int, help="measured rounds (default 5)")
    parser.add_argument("--edges", help="a file of edges, two numbers a row, in place of a random graph")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_CORE.items()):  # both are read when torch is loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_CORE)
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import torch

    torch.set_num_threads(1)
    size = dict(QUICK if options.quick else FULL)
    if options.edges:
        import pandas as pd

        edges = pd.read_csv(options.edges, header=None).to_numpy(np.int32)
        size |= {"nodes": int(edges.max()) + 1, "edges": len(edges)}
    else:
        edges = random_edges(size["nodes"], size["edges"])
    print(", ".join(f"{name} {value:,}" for name, value in size.items()))
    seconds, apart = measure(steps(edges, size["nodes"], size["hidden"], size["pairs"]), options.rounds or 5)
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name:8s} {1e3 * median[name]:9.1f} ms a step   ({1e3 * min(values):.1f} to {1e3 * max(values):.1f})")
    print(f"largest relative difference of the losses: {apart:.1e}")
    print(f"RESULT loss_difference {apart:.3e}")
    print(f"RESULT speedup_vs_sparse {np.median(np.divide(seconds['sparse'], seconds['ours'])):.2f}")
    print(f"RESULT speedup_vs_pyg {np.median(np.divide(seconds['pyg'], seconds['ours'])):.2f}")


if __name__ == "__main__":
    main()
