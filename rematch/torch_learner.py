"""A ready-made learner for a torch module trained by minibatch gradients; made by composition, not by inheritance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rematch.divergence import NotFinite
from rematch.learner import Criterion

Loss = Callable[[nn.Module, int, int], Tensor | tuple[Tensor, Mapping[str, float]]]
Validation = Callable[[nn.Module, int], Mapping[str, float]]


@dataclass
class TorchLearner:
    """A `Learner` around a model, an optimizer and two functions.

    `loss(model, epoch, batch)` returns the mean loss `()` of one minibatch, or that and further values to log;
    `validation(model, epoch)` returns validation values, called in evaluation mode without gradients. Both draw their
    samples from `rematch.streams`. With `accumulate` = k an update takes the mean gradient of k minibatches, the last
    one of an epoch of those that are left; so `batches` counts minibatches and `steps_per_epoch` updates.

    An epoch logs the mean loss and gradient norm before clipping, the share of clipped updates (with `clip_norm`), the
    norm of the last update (how far the parameters moved; Euclidean) and the learning rate used.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    validation: Validation
    batches: int
    criterion: Criterion
    scheduler: Any = None  # anything with step, state_dict and load_state_dict
    schedule_per: Literal["epoch", "step"] = "epoch"
    clip_norm: float | None = None  # largest gradient norm, Euclidean over all parameters
    accumulate: int = 1
    autocast: Callable[[], AbstractContextManager] = nullcontext
    scaler: torch.amp.GradScaler | None = None
    divergence_hint: str = "learning_rate or the clipping of gradients"

    def __post_init__(self) -> None:
        self.steps_per_epoch = math.ceil(self.batches / self.accumulate)

    def step(self, epoch: int, step: int) -> dict[str, float]:
        """One update of the parameters; the values to log."""
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        values = self._gradients(epoch, step)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        values |= self._gradient_norm(parameters)
        last = step == self.steps_per_epoch - 1
        before = [p.detach().clone() for p in parameters] if last else []
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if last:
            moved = [p.detach() - b for p, b in zip(parameters, before, strict=True)]
            values["update_norm"] = float(torch.nn.utils.get_total_norm(moved))
        if self.scheduler is not None and self.schedule_per == "step":
            self.scheduler.step()
        return values

    def validate(self, epoch: int) -> dict[str, float]:
        """Validation values, in evaluation mode."""
        self.model.eval()
        with torch.no_grad(), self.autocast():
            return dict(self.validation(self.model, epoch))

    def end_epoch(self, epoch: int, validation: Mapping[str, float]) -> dict[str, float]:
        """Moves an epoch's schedule on; the learning rate of the epoch that ends."""
        rate = float(self.optimizer.param_groups[0]["lr"])
        if self.scheduler is not None and self.schedule_per == "epoch":
            if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                self.scheduler.step(validation[self.criterion.name])
            else:
                self.scheduler.step()
        return {"learning_rate": rate}

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by name: CPU, each a copy."""
        return {name: value.detach().to("cpu", copy=True) for name, value in self.model.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """The state of optimizer, schedule and gradient scaler."""
        parts = {"optimizer": self.optimizer, "scheduler": self.scheduler, "scaler": self.scaler}
        return {name: part.state_dict() for name, part in parts.items() if part is not None}

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Puts back what `weights` and `state` returned."""
        self.model.load_state_dict(dict(weights))
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(_with_counters(state["scheduler"], self.scheduler.state_dict()))
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])

    def scale_rate(self, factor: float) -> None:
        """Multiplies the learning rate, now and in the schedule's base."""
        for group in self.optimizer.param_groups:
            for key in ("lr", "initial_lr"):
                if key in group:
                    group[key] = group[key] * factor
        if hasattr(self.scheduler, "base_lrs"):
            self.scheduler.base_lrs = [rate * factor for rate in self.scheduler.base_lrs]

    def _gradients(self, epoch: int, step: int) -> dict[str, float]:
        """Leaves the mean gradient of the update's minibatches; their mean loss and further values."""
        first = step * self.accumulate
        group = range(first, min(first + self.accumulate, self.batches))
        totals: dict[str, float] = {}
        for batch in group:
            with self.autocast():
                found = self.loss(self.model, epoch, batch)
            loss, further = found if isinstance(found, tuple) else (found, {})
            value = float(loss.detach())
            if not math.isfinite(value):
                raise NotFinite("loss", value)
            scaled = loss if self.scaler is None else self.scaler.scale(loss)
            (scaled if len(group) == 1 else scaled / len(group)).backward()
            for name, item in {"loss": value, **further}.items():
                totals[name] = totals.get(name, 0.0) + float(item) / len(group)
        return totals

    def _gradient_norm(self, parameters: list[Tensor]) -> dict[str, float]:
        """The norm before clipping and whether it was clipped; clips in place."""
        if not parameters:
            raise ValueError("the loss reaches no parameter of the optimizer: every gradient is missing")
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        total = torch.nn.utils.get_total_norm([p.grad for p in parameters])
        norm = float(total)
        if not math.isfinite(norm):
            if self.scaler is not None and self.scaler.is_enabled():
                return {"skipped": 1.0}  # the scaler leaves this update out and lowers its scale
            raise NotFinite(self._worst_gradient(), norm)
        values = {"gradient_norm": norm}
        if self.scaler is not None:
            values["skipped"] = 0.0
        if self.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.clip_norm, total)
            values["clipped"] = float(norm > self.clip_norm)
        return values

    def _worst_gradient(self) -> str:
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                return f"gradient of {name} {tuple(parameter.shape)}"
        return "gradient norm"


def _with_counters(saved: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """`saved` with plain dicts made counters again where the schedule keeps counters (MultiStepLR's milestones)."""
    return {key: Counter(item) if isinstance(current.get(key), Counter) else item for key, item in saved.items()}
