"""The document's four code changes, before and after, at its own sizes: each speed-up is measured, none is quoted.

111,103 nodes in 10 dimensions, batches of 64 pairs with 50 negatives, 975,896 training pairs. "Before" follows the
document's description: a Python loop over all nodes, projection of every row, tensors made from lists of arrays, list
comprehensions. Both sides of each pair are checked for equal results.
"""

from __future__ import annotations

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import geoopt
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.recorded import report

NODES, DIM, BATCH, NEGATIVES, PAIRS = 111_103, 10, 64, 50, 975_896
BALL = geoopt.PoincareBall()


def interleaved(before: Callable, after: Callable, rounds: int, repeats: int) -> tuple[float, float, float]:
    """Processor seconds (before, after) and the median ratio of the rounds; `after` runs `repeats` times a round."""
    old, new = [], []
    for _ in range(rounds):
        start = time.process_time()
        before()
        middle = time.process_time()
        for _ in range(repeats):
            after()
        old.append(middle - start)
        new.append((time.process_time() - middle) / repeats)
    return statistics.median(old), statistics.median(new), statistics.median(a / b for a, b in zip(old, new))


def regulariser(table: torch.Tensor, target: torch.Tensor) -> tuple[Callable, Callable]:
    """The radial penalty over all nodes: one tensor operation per node, or one for all."""

    def loop() -> torch.Tensor:
        total = torch.zeros(())
        for i in range(len(table)):
            total = total + (table[i].norm() - target[i]) ** 2
        return total

    return loop, lambda: (table.norm(dim=1) - target).square().sum()


def projection(table: torch.Tensor) -> tuple[Callable, Callable]:
    """Projection into the ball of every row, or of the 64 + 64 + 3,200 rows of a batch."""
    touched = torch.randint(NODES, (BATCH * (2 + NEGATIVES),), generator=torch.Generator().manual_seed(1)).unique()

    def everywhere() -> torch.Tensor:
        table.copy_(BALL.projx(table))
        return table

    def selected() -> torch.Tensor:
        table[touched] = BALL.projx(table[touched])
        return table

    return everywhere, selected


def negatives() -> tuple[Callable, Callable]:
    """A batch of sampled negatives as a tensor: from a list of arrays, or from one array filled in place."""
    drawn = [np.random.default_rng(i).integers(0, NODES, NEGATIVES) for i in range(BATCH)]

    def from_list() -> torch.Tensor:
        return torch.tensor([row for row in drawn])  # noqa: C416 - the slow way is the point

    def preallocated() -> torch.Tensor:
        array = np.empty((BATCH, NEGATIVES), np.int64)
        for i, row in enumerate(drawn):
            array[i] = row
        return torch.from_numpy(array)

    return from_list, preallocated


def loading(count: int) -> tuple[Callable, Callable]:
    """The training pairs as two tensors: list comprehensions, or preallocated arrays filled in a loop."""
    draw = np.random.default_rng(3)
    pairs = list(zip(draw.integers(0, NODES, count).tolist(), draw.integers(0, NODES, count).tolist()))

    def comprehensions() -> torch.Tensor:
        return torch.stack([torch.tensor([a for a, _ in pairs]), torch.tensor([d for _, d in pairs])])

    def preallocated() -> torch.Tensor:
        ancestors, descendants = np.empty(count, np.int64), np.empty(count, np.int64)
        for i, (a, d) in enumerate(pairs):
            ancestors[i], descendants[i] = a, d
        return torch.from_numpy(np.stack([ancestors, descendants]))

    return comprehensions, preallocated


def main() -> None:
    """Prints a table and the RESULT lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the pairs when loading")
    parser.add_argument("--record", action="store_true", help="put the results into config/benchmarks.csv")
    known = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Creating a tensor from a list of numpy.ndarrays")
    draw = torch.Generator().manual_seed(0)
    table, target = torch.rand(NODES, DIM, generator=draw) * 0.3, torch.rand(NODES, generator=draw)
    cases = {
        "regulariser": (*regulariser(table, target), 20),
        "projection": (*projection(table), 20),
        "tensor_creation": (*negatives(), 20),
        "loading": (*loading(PAIRS // 10 if known.quick else PAIRS), 1),
    }
    print(f"{'':18} {'before ms':>12} {'after ms':>12} {'ratio':>9}")
    results = {}
    with torch.no_grad():
        for name, (before, after, repeats) in cases.items():
            a, b = before().double(), after().double()
            assert torch.allclose(a, b, rtol=1e-2), name
            old, new, ratio = interleaved(before, after, 5, repeats)
            print(f"{name:18} {old * 1e3:12.3f} {new * 1e3:12.4f} {ratio:9.1f}")
            results[f"{name}_speedup"] = ratio
    report("taxonomy_audit", results, known.record)


if __name__ == "__main__":
    main()
