"""What a study hands to the training engine: a `Learner`. The loop is `rematch.engine.fit`, once for all studies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Criterion(NamedTuple):
    """The validation value that selects the best epoch and drives early stopping; never a test value."""

    name: str  # a key of what `validate` returns
    better: Literal["lower", "higher"]


class Learner(Protocol):
    """One model in training. All randomness comes from `rematch.streams` with (seed, purpose, epoch, step); the engine
    calls `torch.manual_seed` before each step with such a stream, so dropout needs no stored generator either."""

    steps_per_epoch: int
    criterion: Criterion

    def step(self, epoch: int, step: int) -> Mapping[str, float]:
        """One update. Returns values to log (loss, gradient norm before clipping, ...); an epoch logs their mean.
        Epochs and steps count from 0."""

    def validate(self, epoch: int) -> Mapping[str, float]:
        """Validation values after an epoch, `criterion.name` among them. Changes nothing."""

    def end_epoch(self, epoch: int, validation: Mapping[str, float]) -> Mapping[str, float]:
        """Moves the learning-rate schedule on. Returns further values to log (the learning rate, ...)."""

    def weights(self) -> dict[str, Tensor]:
        """The model as `evaluate` will read it: CPU tensors by name, each a copy."""

    def state(self) -> dict[str, Any]:
        """All that `weights` lacks to go on training: nested dicts and lists of tensors, numbers, strings, None."""

    def restore(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Puts back what `weights` and `state` returned; from then on as if never interrupted."""
