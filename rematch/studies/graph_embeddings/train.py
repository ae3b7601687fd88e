"""Training by contrast: the learner that the engine steps through its epochs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rematch.learner import Criterion
from rematch.streams import permutation, stream, torch_generator
from rematch.studies.graph_embeddings.batch import (
    REFERENCE_VIEW,
    Augmentation,
    Batch,
    augment,
    collate,
    side_by_side,
    widths,
)
from rematch.studies.graph_embeddings.contrast import contrastive_loss, mean_reciprocal_rank
from rematch.studies.graph_embeddings.flat import FlatGraphs, from_arrays
from rematch.studies.graph_embeddings.model import GraphEncoder, build
from rematch.studies.graph_embeddings.schedule import learning_rate, loop
from rematch.studies.graph_embeddings.settings import Settings
from rematch.torch_learner import TorchLearner

_log = logging.getLogger(__name__)

ENCODING_CHUNK = 512


def learner(settings: Settings, data: dict[str, np.ndarray], seed: int, device: torch.device) -> ContrastiveLearner:
    """The learner of one arm.

    Selection is by the mean reciprocal rank at which validation graphs are found again by the reference view: the loss
    moves with temperature, batch and normalisation, so its best value is no goal for another arm (S0-43, S0-72).
    """
    for note in settings.notes:
        _log.warning(note)
    train, validation = from_arrays(data, "train"), from_arrays(data, "validation")
    batch = batch_graphs(settings, len(train))
    task = Task(settings, data["node_sizes"], data["edge_sizes"], seed, device, batch)
    model = build(settings, *widths(data["node_sizes"], data["edge_sizes"]), stream(seed, "weights")).to(device)
    optimizer = OPTIMIZERS[settings.optimizer](
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda epoch: learning_rate(settings, epoch) / settings.learning_rate
    )
    autocast, scaler = PRECISIONS[settings.precision](device)
    inner = TorchLearner(
        model,
        optimizer,
        loss=lambda model, epoch, step: task.training_loss(model, train, epoch, step),
        validation=lambda model, epoch: task.validation(model, validation),
        batches=max(1, len(train) // batch),  # full batches only: the loss moves with the batch
        criterion=Criterion("retrieval", "higher"),
        scheduler=schedule,
        clip_norm=settings.clip_norm,
        autocast=autocast,
        scaler=scaler,
        divergence_hint=f"learning_rate ({settings.learning_rate:g}), clip_norm or temperature",
    )
    return ContrastiveLearner(inner, settings, batch)


def batch_graphs(settings: Settings, graphs: int) -> int:
    """Graphs in a batch: `batch_size`, or the share of the training graphs that small data allow."""
    largest = int(settings.largest_batch_share * graphs)
    if largest:
        return max(2, min(settings.batch_size, largest))
    if settings.batch_size > graphs and settings.epochs:
        raise ValueError(
            f"batch_size: expected at most the {graphs} training graphs, found {settings.batch_size}; "
            "lower it, raise train_graphs, or set largest_batch_share"
        )
    return settings.batch_size


@dataclass
class ContrastiveLearner:
    """The ready-made learner, with the document's log of loops and warm-up beside the learning rate."""

    inner: TorchLearner
    settings: Settings
    batch: int

    def __post_init__(self):
        self.steps_per_epoch, self.criterion = self.inner.steps_per_epoch, self.inner.criterion
        self.divergence_hint = self.inner.divergence_hint
        for name in ("step", "validate", "weights", "state", "restore", "scale_rate"):
            setattr(self, name, getattr(self.inner, name))

    def end_epoch(self, epoch: int, validation) -> dict[str, float]:
        """The rate of the epoch that ends, its loop, and how far the warm-up is."""
        warm = min(1.0, (epoch + 1) / max(1, self.settings.warmup_epochs))
        further = {"loop": float(loop(self.settings, epoch)), "warmup_factor": warm, "batch_graphs": self.batch}
        return self.inner.end_epoch(epoch, validation) | further


@dataclass(frozen=True)
class Task:
    """The contrast of an arm: batches, views, loss."""

    settings: Settings
    node_sizes: np.ndarray
    edge_sizes: np.ndarray
    seed: int
    device: torch.device
    batch_size: int

    def batch(self, graphs: FlatGraphs, chosen: np.ndarray) -> Batch:
        """The chosen graphs on the device."""
        return collate(graphs, chosen, self.node_sizes, self.edge_sizes).to(self.device)

    def training_loss(self, model: GraphEncoder, train: FlatGraphs, epoch: int, step: int) -> Tensor:
        """The loss `()` of one batch, whose graphs are a function of the seed, the epoch and the step."""
        size = self.batch_size
        chosen = permutation(len(train), self.seed, epoch)[step * size : (step + 1) * size]
        return self.loss(model, self.batch(train, chosen), Augmentation.of(self.settings), "train", epoch, step)

    def loss(self, model: GraphEncoder, batch: Batch, how: Augmentation, *purpose: str | int) -> Tensor:
        """The arm's contrastive loss `()` between two views of the batch, encoded in one pass."""
        first = VIEWS[self.settings.views](batch, how, torch_generator(self.seed, "first view", *purpose))
        second = augment(batch, how, torch_generator(self.seed, "second view", *purpose))
        projections = model.project(model(side_by_side(first, second)))
        ours, theirs = projections[: batch.size], projections[batch.size :]
        theirs = POSITIVES[self.settings.positives](theirs, torch_generator(self.seed, "positives", *purpose))
        with torch.autocast(self.device.type, enabled=False):
            return contrastive_loss(
                ours, theirs, self.settings.temperature, self.settings.normalise, self.settings.negatives
            )

    def validation(self, model: GraphEncoder, graphs: FlatGraphs) -> dict[str, float]:
        """The arm's loss, and how well graphs are found again by the reference view, comparable across arms."""
        found = mean_reciprocal_rank(*self.reference_pair(model, graphs))
        return {"loss": self.held_out_loss(model, graphs), "retrieval": found}

    def reference_pair(self, model: GraphEncoder, graphs: FlatGraphs) -> tuple[Tensor, Tensor]:
        """Embeddings `(num_graphs, width)` of the graphs and of one view that is the same for all arms of a seed."""
        plain, viewed = [], []
        for i, chosen in enumerate(chunks(len(graphs), ENCODING_CHUNK)):
            batch = self.batch(graphs, chosen)
            view = augment(batch, REFERENCE_VIEW, torch_generator(self.seed, "reference view", i))
            plain.append(model(batch))
            viewed.append(model(view))
        return torch.cat(plain), torch.cat(viewed)

    def held_out_loss(self, model: GraphEncoder, graphs: FlatGraphs) -> float:
        """The arm's mean loss on graphs it does not train on, in parts of about its batch size, with fixed views."""
        parts = chunks(len(graphs), self.batch_size)
        how = Augmentation.of(self.settings)
        losses = [float(self.loss(model, self.batch(graphs, part), how, "held out", i)) for i, part in enumerate(parts)]
        return float(np.average(losses, weights=[len(part) for part in parts]))


def chunks(count: int, size: int) -> list[np.ndarray]:
    """The numbers below `count` in parts of almost equal length, at most `size` (`size` + 1 to avoid a part of 1)."""
    parts = max(1, min(-(-count // size), count // 2))
    return np.array_split(np.arange(count), parts)


def _mixed(device: torch.device) -> tuple[Callable, torch.amp.GradScaler | None]:
    """fp16 with a scaled loss on CUDA; bfloat16, which needs no scaling, elsewhere."""
    if device.type == "cuda":
        return lambda: torch.autocast("cuda", torch.float16), torch.amp.GradScaler("cuda")
    return lambda: torch.autocast(device.type, torch.bfloat16), None


PRECISIONS = {"float32": lambda device: (nullcontext, None), "mixed": _mixed}
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
VIEWS = {"one": lambda batch, how, generator: batch, "both": augment}
POSITIVES = {
    "same-graph": lambda rows, generator: rows,
    "shuffled": lambda rows, generator: rows[torch.randperm(len(rows), generator=generator).to(rows.device)],
}
