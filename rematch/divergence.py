"""Values and weights that stopped being numbers: how they are noticed, and what is said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rematch.failures import RunFailed

if TYPE_CHECKING:
    from torch import Tensor

LIMIT = 1e15  # no loss, norm or rate of a working run comes near; float32 overflows only at 3e38, long after


class NotFinite(ArithmeticError):
    """A learner found a value that is no number; `name` is the loss, the gradient or the weight."""

    def __init__(self, name: str, value: float):
        self.name, self.value = name, value
        super().__init__(f"{name} is {value:g}")


class Diverged(RunFailed):
    """Training stopped because a value left the numbers; the last good state stands where the text says."""

    def __init__(self, cause: NotFinite, epoch: int, step: int, last_good: Path | None, hint: str):
        self.tensor, self.epoch, self.step, self.last_good = cause.name, epoch, step, last_good
        good = f"last good state: {last_good}" if last_good else "no state was saved yet"
        super().__init__(
            f"training diverged: {cause} at epoch {epoch}, step {step}; {good}; look at {hint}, "
            "or go back with a smaller rate by on_divergence: back-off"
        )


def check_values(values: Mapping[str, float]) -> None:
    """Raises `NotFinite` for the first value that is NaN, infinite or beyond `LIMIT`."""
    for name, value in values.items():
        if not abs(value) <= LIMIT:  # False for NaN too
            raise NotFinite(name, value)


def check_weights(weights: Mapping[str, Tensor]) -> None:
    """Raises `NotFinite` for the first floating-point tensor that holds NaN or infinity."""
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            bad = tensor[~tensor.isfinite()].flatten()[0]
            raise NotFinite(f"weight {name} {tuple(tensor.shape)}", float(bad))


def check_criterion(name: str, validation: Mapping[str, float]) -> float:
    """The validation value that selects the best epoch; refuses a missing one and one that is no number."""
    if name not in validation:
        found = ", ".join(sorted(validation)) or "nothing"
        raise ValueError(f"validate must return the criterion {name!r}, found {found}")
    value = float(validation[name])
    if not math.isfinite(value):
        raise NotFinite(f"validation {name}", value)
    return value
