"""Minibatches cut from tensors in memory against a per-item DataLoader, on the networks of the affinity study.

Both loops do the same updates of the same network: forward, weighted squared error, backward, Adam. The rounds are
interleaved in one process; the ratio of a round is free of what else the machine does, and the median of rounds is
reported. `--quick` ends within a minute on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rematch.streams import torch_generator
from rematch.studies.antibody_affinity.model import Perceptron, initialise

NETWORKS = {
    "v1": SimpleNamespace(hidden=(256, 128), dropout=0.3, activation="relu"),
    "v2": SimpleNamespace(hidden=(512, 256, 128, 64), dropout=0.3, activation="gelu"),
}
FEATURES, BATCH = 150, 128
Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]


class Rows(Dataset):
    """One row at a time, as the document's notebook does."""

    def __init__(self, x: Tensor, y: Tensor):
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor]:
        return self.x[item], self.y[item]


def slices(x: Tensor, y: Tensor) -> Batches:
    """Batches cut from the tensors by a permutation."""

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in torch.randperm(len(x)).split(BATCH):
            yield x[chosen], y[chosen]

    return batches


def samples_per_second(network: SimpleNamespace, batches: Batches, rows: int) -> float:
    """Rows trained per second of wall clock, in one epoch."""
    model = Perceptron(FEATURES, network)
    initialise(model, "default", torch_generator(1, "weights"))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    start = time.perf_counter()
    for x, y in batches():
        optimizer.zero_grad(set_to_none=True)
        (model(x) - y).square().mean().backward()
        optimizer.step()
    return rows / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows; ends within a minute")
    rows = 4_096 if parser.parse_args().quick else 65_536
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(rows, FEATURES, generator=torch_generator(1, "x"))
    y = torch.randn(rows, generator=torch_generator(1, "y"))
    loader = DataLoader(Rows(x, y), batch_size=BATCH, shuffle=True)
    ways = {"dataloader": lambda: iter(loader), "slices": slices(x, y)}
    print(f"{rows} rows, {FEATURES} features, batch {BATCH}, one thread, torch {torch.__version__}")
    print(f"{'network':8} {'dataloader':>12} {'slices':>12} {'ratio':>7}   rows per second, median of 5 rounds")
    ratios = {}
    for name, network in NETWORKS.items():
        found: dict[str, list[float]] = {way: [] for way in ways}
        for warm_up in (True, *[False] * 5):
            for way, batches in ways.items():
                speed = samples_per_second(network, batches, rows)
                if not warm_up:
                    found[way].append(speed)
        ratios[name] = statistics.median(b / a for a, b in zip(found["dataloader"], found["slices"], strict=True))
        medians = [statistics.median(found[way]) for way in ways]
        print(f"{name:8} {medians[0]:12.0f} {medians[1]:12.0f} {ratios[name]:7.2f}")
    print(f"RESULT speedup_vs_dataloader_v1 {ratios['v1']:.3f}")
    print(f"RESULT speedup_vs_dataloader_v2 {ratios['v2']:.3f}")
    print(f"RESULT speedup_vs_dataloader {min(ratios.values()):.3f}")


if __name__ == "__main__":
    main()
