"""The learner: updates on edges against non-edges, validation by Hits@20, measurements on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rematch import diagnostics
from rematch.learner import Criterion
from rematch.streams import stream, torch_generator
from rematch.studies.link_prediction import losses
from rematch.studies.link_prediction.graph import Graph, propagate
from rematch.studies.link_prediction.heuristics import HEURISTICS
from rematch.studies.link_prediction.metrics import hits_at
from rematch.studies.link_prediction.model import Layer, LinkPredictor
from rematch.studies.link_prediction.sampling import Sampler
from rematch.studies.link_prediction.settings import Settings
from rematch.studies.link_prediction.spectral import spectrum
from rematch.torch_learner import TorchLearner

CRITERION = Criterion("hits_at_20", "higher")
DIVERSITY_SAMPLE = 1000  # nodes whose cosines the diversity term takes, drawn anew for every update


def learner(
    settings: Settings, data: Mapping[str, np.ndarray], seed: int, device: torch.device
) -> GraphLearner | Fixed:
    """A learner for one arm; `data` as `prepare` leaves it under `train`."""
    graph = Graph.from_edges(data["edges"], int(data["num_nodes"][0]))
    if settings.model in HEURISTICS:
        return Fixed(settings, data, graph)
    model = build(settings, data, seed)
    if settings.initialisation == "spectral":
        model.start_from(*spectrum(graph, settings.rank))
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    task = Task(settings, data, graph, seed, device)
    inner = TorchLearner(
        model, optimizer, task.loss, task.validate, settings.updates_per_epoch, CRITERION,
        scheduler=SCHEDULES[settings.schedule](optimizer, settings), clip_norm=settings.clip or None,
    )  # fmt: skip
    return GraphLearner(inner, settings)


def build(settings: Settings, data: Mapping[str, np.ndarray], seed: int) -> LinkPredictor:
    """The untrained model; its weights are a function of the seed and the settings."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "initialisation"))
        features = data["structure"].shape[1] if settings.structural_features else 0
        return LinkPredictor(settings, int(data["num_nodes"][0]), features)


def features(settings: Settings, data: Mapping[str, np.ndarray], device: torch.device) -> Tensor | None:
    """The structural features (n, 6) if the settings ask for them."""
    return torch.from_numpy(data["structure"]).to(device) if settings.structural_features else None


class Task:
    """What is learned and how it is validated, as functions of a model."""

    def __init__(
        self, settings: Settings, data: Mapping[str, np.ndarray], graph: Graph, seed: int, device: torch.device
    ):
        self.settings, self.data, self.graph, self.seed = settings, data, graph, seed
        self.features = features(settings, data, device)
        self.sampler = Sampler(settings, data["edges"], graph, seed)

    def loss(self, model: LinkPredictor, epoch: int, batch: int) -> tuple[Tensor, dict[str, float]]:
        """The loss of one update, and its parts; an average of the parts is comparable over epochs, the sum is not."""
        settings, sampler = self.settings, self.sampler
        positive = sampler.positives(epoch, batch)
        h = model.encode(sampler.propagated(epoch, batch), self.features)
        if settings.pairs == "all":
            pairs = losses.Pairs(self.graph, sampler.predicted(epoch, batch), settings.negative_weight, settings.loss)
            fit = losses.all_pairs(h, model.bias, pairs, model.columns)
        else:
            negative = sampler.negatives(epoch, batch, len(positive), lambda pairs: model.decode(h.detach(), pairs))
            scores = model.decode(h, np.concatenate([positive, negative]))
            fit = losses.LOSSES[settings.loss](
                scores[: len(positive)], scores[len(positive) :], settings.negative_weight
            )
        parts = {"fit_loss": float(fit.detach())}
        if settings.diversity:
            draw = torch_generator(self.seed, "diversity", epoch, batch)
            spread = losses.diversity(h, torch.randperm(len(h), generator=draw)[:DIVERSITY_SAMPLE].to(h.device))
            parts["diversity_loss"] = float(spread.detach())
            fit = fit + settings.diversity * spread
        return fit, parts

    def validate(self, model: LinkPredictor, epoch: int) -> dict[str, float]:
        """Hits@20 on the validation pairs, and the diagnostics of the encoder."""
        layers: list[Layer] = []
        h = model.encode(self.graph, self.features, layers)
        positive = model.decode(h, self.data["valid_pos"]).cpu().numpy()
        negative = model.decode(h, self.data["valid_neg"]).cpu().numpy()
        values = {"hits_at_20": hits_at(positive, negative, 20)}
        values |= diagnostics.separation(positive, negative) | diagnostics.collapse(h)
        for number, layer in enumerate(layers, start=1):
            values[f"dirichlet_energy_{number}"] = diagnostics.dirichlet_energy(
                layer.output, propagate(self.graph, layer.output)
            )
            values[f"dead_units_{number}"] = diagnostics.dead_share(layer.activated)
        return values


class GraphLearner:
    """`TorchLearner` with validation every few epochs, averaged weights, and the diagnostics of updates."""

    def __init__(self, inner: TorchLearner, settings: Settings):
        self.inner, self.settings = inner, settings
        self.steps_per_epoch, self.criterion = inner.steps_per_epoch, inner.criterion
        self.average = self._copy() if settings.average else None
        self.updates = 0
        self.last = 0.0  # the criterion at the last evaluation
        self.best, self.waited, self.evaluations_waited = -math.inf, 0, 0

    def step(self, epoch: int, step: int) -> dict[str, float]:
        """One update; logs gradient norms per layer, before clipping."""
        values = self.inner.step(epoch, step)
        clipped = bool(values.get("clipped"))
        scale = values["gradient_norm"] / self.settings.clip if clipped else 1.0
        values |= diagnostics.gradient_norms(self.inner.model.named_parameters(), scale)
        self.updates += 1
        if self.average is not None:
            for name, value in self.inner.model.named_parameters():
                self.average[name].lerp_(value.detach(), 1 - self.settings.average)
        return values

    def validate(self, epoch: int) -> dict[str, float]:
        """Validation values of the weights that would be saved; between evaluations the last criterion again."""
        if not self._due(epoch):
            return {self.criterion.name: self.last}
        if self.average is None:
            return self.inner.validate(epoch)
        trained = self._copy()
        self._put(self.average)
        values = self.inner.validate(epoch)
        self._put(trained)
        values["initial_share"] = self.settings.average**self.updates
        return values

    def end_epoch(self, epoch: int, validation: Mapping[str, float]) -> dict[str, float]:
        """The learning rate, and for how many epochs and evaluations nothing improved."""
        value, due = validation[self.criterion.name], self._due(epoch)
        better = due and value > self.best
        self.best, self.last = max(self.best, value), value
        self.waited = 0 if better else self.waited + 1
        self.evaluations_waited = 0 if better else self.evaluations_waited + due
        counters = {"epochs_since_best": float(self.waited), "evaluations_since_best": float(self.evaluations_waited)}
        if self.settings.schedule == "plateau" and not due:  # a plateau is counted in evaluations
            return {"learning_rate": float(self.inner.optimizer.param_groups[0]["lr"])} | counters
        return self.inner.end_epoch(epoch, validation) | counters

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights if there are any, else the trained ones."""
        weights = self.inner.weights()
        if self.average is not None:
            weights |= {name: value.to("cpu", copy=True) for name, value in self.average.items()}
        return weights

    def state(self) -> dict[str, Any]:
        """Optimizer, schedule, counters, and the trained weights where `weights` holds averaged ones."""
        counters = {name: getattr(self, name) for name in _COUNTERS}
        trained = None if self.average is None else self.inner.weights()
        return {"inner": self.inner.state(), "counters": counters, "trained": trained}

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Puts back what `weights` and `state` returned."""
        self.inner.restore(weights if self.average is None else state["trained"], state["inner"])
        if self.average is not None:
            self.average = {name: weights[name].to(value.device, copy=True) for name, value in self.average.items()}
        for name in _COUNTERS:
            setattr(self, name, state["counters"][name])

    def scale_rate(self, factor: float) -> None:
        """Multiplies the learning rate."""
        self.inner.scale_rate(factor)

    def _due(self, epoch: int) -> bool:
        return epoch % self.settings.evaluate_every == 0 or epoch == self.settings.epochs - 1

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.inner.model.named_parameters()}

    def _put(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.inner.model.named_parameters():
                value.copy_(values[name])


_COUNTERS = ("updates", "last", "best", "waited", "evaluations_waited")


class Fixed:
    """A heuristic as a learner: one step that does nothing, no weights."""

    steps_per_epoch, criterion = 1, CRITERION

    def __init__(self, settings: Settings, data: Mapping[str, np.ndarray], graph: Graph):
        self.score = lambda pairs: HEURISTICS[settings.model](graph, pairs)
        self.data = data

    def step(self, epoch: int, step: int) -> dict[str, float]:
        """Nothing to update."""
        return {}

    def validate(self, epoch: int) -> dict[str, float]:
        """Hits@20 of the heuristic on the validation pairs."""
        return {"hits_at_20": hits_at(self.score(self.data["valid_pos"]), self.score(self.data["valid_neg"]), 20)}

    def end_epoch(self, epoch: int, validation: Mapping[str, float]) -> dict[str, float]:
        """Nothing to schedule."""
        return {}

    def weights(self) -> dict[str, Tensor]:
        """A placeholder: an empty file of weights could be mistaken for a failed one."""
        return {"nothing_to_learn": torch.zeros(1)}

    def state(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Nothing to put back."""


def _plateau(optimizer, settings: Settings):
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=settings.plateau_patience
    )


def _cosine(optimizer, settings: Settings):
    end = 0.02 * settings.learning_rate
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(settings.epochs, 1), end)


SCHEDULES = {"constant": lambda optimizer, settings: None, "plateau": _plateau, "cosine": _cosine}
