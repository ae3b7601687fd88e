"""The regressors: features `(n, features)` -> affinity `(n,)` in pKd."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rematch.studies.antibody_affinity.settings import Settings

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


class Perceptron(nn.Module):
    """A multilayer perceptron: per hidden layer linear, batch norm, activation, dropout (half in the last one).

    The output is in units of the training target: `target_mean + target_sd * network(x)`. The document does not
    say how the target was scaled; without it a rate of 1e-4 would spend its first epochs on reaching the mean.
    """

    def __init__(self, inputs: int, settings: Settings, target_mean: float = 0.0, target_sd: float = 1.0):
        super().__init__()
        layers: list[nn.Module] = []
        width = inputs
        for i, hidden in enumerate(settings.hidden):
            last = i == len(settings.hidden) - 1
            drop = settings.dropout / 2 if last else settings.dropout
            layers += [
                nn.Linear(width, hidden),
                nn.BatchNorm1d(hidden),
                ACTIVATIONS[settings.activation](),
                nn.Dropout(drop),
            ]
            width = hidden
        self.network = nn.Sequential(*layers, nn.Linear(width, 1))
        self.register_buffer("target_mean", torch.tensor(float(target_mean)))
        self.register_buffer("target_sd", torch.tensor(float(target_sd)))

    def forward(self, x: Tensor) -> Tensor:
        """Affinity `(n,)` in pKd of features `(n, inputs)`."""
        return self.target_mean + self.target_sd * self.network(x).squeeze(-1)


def initialise(model: nn.Module, method: str, generator: torch.Generator) -> None:
    """Draws all linear layers anew from `generator`, so that arms of one seed start alike where shapes allow.

    `default` is torch's own rule (uniform within 1/sqrt(fan-in)), `xavier` is Xavier-uniform with zero biases.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            if method == "xavier":
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                nn.init.zeros_(layer.bias)
            else:
                bound = layer.in_features**-0.5
                nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def focal_squared_error(error: Tensor, gamma: float) -> Tensor:
    """`e^2 * (1 + (e^2)^(gamma/2))` for errors `(n,)`: the document's "focal" loss.

    The factor is never below 1, so nothing is weighted down; with gamma 2 it is e^2 + e^4 (S4-95).
    """
    squared = error**2
    return squared * (1 + squared ** (gamma / 2))


def squared_error(error: Tensor, gamma: float) -> Tensor:
    """`e^2` for errors `(n,)`."""
    return error**2


LOSSES = {"mse": squared_error, "focal": focal_squared_error}


def parameter_count(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in model.parameters())
