"""Two learners small enough to train in milliseconds, with everything that makes resuming hard: dropout, batch
normalisation, Adam, a schedule per update, gradient accumulation; and one without torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from rematch.learner import Criterion
from rematch.streams import numpy_generator, permutation, stream, torch_generator
from rematch.torch_learner import TorchLearner

BATCH = 16
TRAIN = 96


def mlp(seed: int, accumulate: int = 2, rate: float = 1e-2) -> TorchLearner:
    """A network with dropout on 96 samples, five updates or so an epoch."""
    x = torch.randn(128, 6, generator=torch_generator(seed, "x"))
    y = 2 * x[:, :1] + x[:, 1:2] ** 2
    torch.manual_seed(stream(seed, "initial"))
    model = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2 * rate, total_steps=1000)

    def loss(model: nn.Module, epoch: int, batch: int) -> torch.Tensor:
        rows = permutation(TRAIN, seed, epoch)[batch * BATCH : (batch + 1) * BATCH]
        return nn.functional.mse_loss(model(x[rows]), y[rows])

    def validation(model: nn.Module, epoch: int) -> dict[str, float]:
        return {"mse": float(nn.functional.mse_loss(model(x[TRAIN:]), y[TRAIN:]))}

    parts = dict(scheduler=scheduler, schedule_per="step", clip_norm=1.0, accumulate=accumulate)
    return TorchLearner(model, optimizer, loss, validation, TRAIN // BATCH, Criterion("mse", "lower"), **parts)


class Momentum:
    """Linear regression by momentum in NumPy, with noise on the gradient."""

    criterion = Criterion("mse", "lower")

    def __init__(self, seed: int, steps: int = 4):
        self.seed, self.steps_per_epoch = seed, steps
        draw = numpy_generator(seed, "data")
        self.x = draw.normal(size=(64, 3))
        self.y = self.x @ np.array([1.0, -2.0, 0.5])
        self.weight, self.velocity, self.rate = np.zeros(3), np.zeros(3), 0.05

    def step(self, epoch: int, step: int) -> dict[str, float]:
        rows = permutation(48, self.seed, epoch)[step * 12 : (step + 1) * 12]
        error = self.x[rows] @ self.weight - self.y[rows]
        noise = numpy_generator(self.seed, "noise", epoch, step).normal(scale=0.1, size=3)
        self.velocity = 0.9 * self.velocity + self.x[rows].T @ error / len(rows) + noise
        self.weight = self.weight - self.rate * self.velocity
        return {"loss": float((error**2).mean())}

    def validate(self, epoch: int) -> dict[str, float]:
        return {"mse": float(((self.x[48:] @ self.weight - self.y[48:]) ** 2).mean())}

    def end_epoch(self, epoch: int, validation) -> dict[str, float]:
        return {"learning_rate": self.rate}

    def weights(self) -> dict[str, torch.Tensor]:
        return {"weight": torch.tensor(self.weight)}

    def state(self) -> dict:
        return {"velocity": self.velocity, "rate": self.rate}

    def restore(self, weights, state) -> None:
        self.weight = weights["weight"].numpy().copy()
        self.velocity, self.rate = state["velocity"], state["rate"]

    def scale_rate(self, factor: float) -> None:
        self.rate *= factor


class Scripted:
    """A learner whose validation values are written down; its one weight counts the updates."""

    def __init__(self, values, better="lower", steps: int = 1, losses=None):
        self.values, self.criterion, self.steps_per_epoch = values, Criterion("score", better), steps
        self.losses, self.updates, self.rate = losses or {}, 0, 1.0

    def step(self, epoch: int, step: int) -> dict[str, float]:
        self.updates += 1
        loss = self.losses.get((epoch, step), 1.0)
        return {"loss": loss(self) if callable(loss) else loss}

    def validate(self, epoch: int) -> dict[str, float]:
        return {"score": self.values[epoch]}

    def end_epoch(self, epoch: int, validation) -> dict[str, float]:
        return {}

    def weights(self) -> dict[str, torch.Tensor]:
        return {"updates": torch.tensor([float(self.updates)])}

    def state(self) -> dict:
        return {"rate": self.rate}

    def restore(self, weights, state) -> None:
        self.updates, self.rate = int(weights["updates"]), state["rate"]

    def scale_rate(self, factor: float) -> None:
        self.rate *= factor
