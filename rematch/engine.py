"""The training loop, once for all studies: `fit` steps a learner through its epochs, keeps the best weights by the
validation criterion, saves its state on the way, and goes on from there after any interruption as if there was none.

Nothing here depends on the clock but when a state is saved, and where it is saved changes no result: every draw is a
function of the seed, the epoch and the step (`rematch.streams`), so weights, state and a cursor are all there is.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rematch import checkpoint
from rematch.divergence import Diverged, NotFinite, check_criterion, check_values, check_weights
from rematch.interrupt import Interrupted, Watch
from rematch.learner import Learner
from rematch.resident import resident_mb
from rematch.streams import stream

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)

BACK_OFF_FACTOR = 0.5
MAX_BACK_OFFS = 5


class Row(NamedTuple):
    """One logged value; `step` counts the updates done before it was taken, over the whole run."""

    step: int
    name: str
    value: float


class Timing(NamedTuple):
    """Wall-clock seconds of one epoch, how many of them went into saving states, and the memory held at its end."""

    epoch: int
    seconds: float
    checkpoint_seconds: float
    resident_mb: float


@dataclass(frozen=True)
class Fit:
    """A finished training. Equal for equal seed and settings on a CPU, but for `timings` and `resumed`."""

    best: dict[str, Tensor]  # weights of the best epoch by the validation criterion, the first one on ties
    final: dict[str, Tensor]  # weights after the last epoch
    best_epoch: int  # counted from 0; -1 if nothing was trained
    best_value: float | None  # the criterion at `best_epoch`
    epochs_run: int
    stop_reason: Literal["epochs", "patience", "untrained"]
    history: list[Row]
    timings: list[Timing]
    resumed: bool


@dataclass
class Progress:
    """Where a run stands, without its tensors."""

    epoch: int = 0
    step: int = 0  # the next step in the epoch
    sums: dict[str, float] = field(default_factory=dict)  # of the values logged so far in this epoch
    counts: dict[str, int] = field(default_factory=dict)
    history: list[tuple[int, str, float]] = field(default_factory=list)
    best_epoch: int = -1
    best_value: float | None = None
    back_offs: int = 0
    stop_reason: str = ""
    timings: list[tuple[int, float, float, float]] = field(default_factory=list)
    seconds: float = 0.0  # in this epoch so far
    checkpoint_seconds: float = 0.0


def fit(
    learner: Learner,
    *,
    seed: int,
    epochs: int,
    patience: int = 0,
    patience_unit: Literal["epochs", "steps"] = "epochs",
    folder: Path | None = None,
    fingerprint: str = "",
    save_every_seconds: float | None = None,
    save_every_steps: int | None = None,
    max_seconds: float | None = None,
    keep_every: int | None = None,
    keep_last: int = 5,
    on_divergence: Literal["stop", "back-off"] = "stop",
    alive: Callable[[int, int], None] | None = None,
) -> Fit:
    """The trained learner's best and final weights, its history and timings.

    `patience`: epochs (or steps) without a better criterion before stopping; 0 never stops early. `epochs` 0 returns
    the untrained weights. `folder` holds the resume state (None: nothing is saved) and `fingerprint` says whose it is.
    A state is saved after a step once `save_every_seconds` have passed or `save_every_steps` steps were done; with
    neither, so rarely that saving takes about one per cent of the time (`Pace`). `max_seconds` limits this call's wall
    clock. `keep_every`: leave the weights of every so many epochs in `folder`. `on_divergence` "back-off" returns to
    the start of the epoch with half the learning rate (the learner needs `scale_rate(factor)`), at most five times.
    `alive(epoch, step)` is called after every step and every validation, with the place of what comes next.

    Raises `Interrupted` after saving, on a signal or at the time limit; `Diverged` when a value is no number.
    """
    _check(learner, epochs, patience, patience_unit, max_seconds, on_divergence)
    if epochs == 0:
        weights = learner.weights()
        return Fit(weights, weights, -1, None, 0, "untrained", [], [], False)
    rules = [fingerprint, seed, epochs, patience, patience_unit, on_divergence, learner.steps_per_epoch]
    states = checkpoint.StateFolder(folder, checkpoint.fingerprint(rules=rules), keep_last) if folder else None
    pace = checkpoint.Pace(save_every_seconds, save_every_steps)
    run = _Run(learner, seed, states, pace, on_divergence == "back-off", alive)
    resumed = run.resume()
    finished_before = bool(run.at.stop_reason)
    with Watch(max_seconds) as watch:
        while not run.at.stop_reason:
            try:
                run.epoch(watch)
                run.validate(epochs, patience, patience_unit, keep_every)
                run.heed(watch)
            except NotFinite as cause:
                run.back_off(cause)
        final = run.finish(save=not finished_before)
    return run.result(final, resumed)


def _check(
    learner: Learner, epochs: int, patience: int, patience_unit: str, max_seconds: float | None, on_divergence: str
) -> None:
    for name, value in (("epochs", epochs), ("patience", patience)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name}: expected a whole number of at least 0, found {value!r}")
    if patience_unit not in ("epochs", "steps"):
        raise ValueError(f"patience_unit: expected 'epochs' or 'steps', found {patience_unit!r}")
    if on_divergence not in ("stop", "back-off"):
        raise ValueError(f"on_divergence: expected 'stop' or 'back-off', found {on_divergence!r}")
    if on_divergence == "back-off" and not hasattr(learner, "scale_rate"):
        raise ValueError(
            f"on_divergence: 'back-off' needs {type(learner).__name__}.scale_rate(factor), which is missing"
        )
    if learner.criterion.better not in ("lower", "higher"):
        raise ValueError(f"criterion.better: expected 'lower' or 'higher', found {learner.criterion.better!r}")
    if max_seconds is not None and max_seconds <= 0:
        raise ValueError(f"max_seconds: expected more than 0, found {max_seconds!r}")
    if learner.steps_per_epoch < 1:
        raise ValueError(f"steps_per_epoch: expected at least 1, found {learner.steps_per_epoch}: no training samples?")


class _Run:
    """One `fit` under way."""

    def __init__(
        self,
        learner: Learner,
        seed: int,
        states: checkpoint.StateFolder | None,
        pace: checkpoint.Pace,
        can_back_off: bool,
        alive: Callable[[int, int], None] | None,
    ):
        self.learner, self.seed, self.states, self.pace, self.can_back_off = learner, seed, states, pace, can_back_off
        self.alive = alive or (lambda epoch, step: None)
        self.at = Progress()
        self.best: dict[str, Tensor] | None = None
        self.good: dict[str, Any] | None = None  # weights and state at the start of the epoch, to go back to
        self._clock = time.monotonic()
        self._best_written = -1

    def resume(self) -> bool:
        """Whether a saved state was found and put back."""
        state = self.states.load() if self.states else None
        if state is None:
            return False
        self.at = Progress(**state["progress"])
        self.best, self.good = state["best"], state["good"]
        self.learner.restore(state["weights"], state["learner"])
        _log.info("going on at epoch %d, step %d, from %s", self.at.epoch, self.at.step, self.states.newest)
        return True

    def epoch(self, watch: Watch) -> None:
        """The steps that are left of this epoch; saves when it is time, and before an interruption."""
        at = self.at
        if self.can_back_off and at.step == 0:
            self.good = self._snapshot()
        while at.step < self.learner.steps_per_epoch:
            self._reseed("step", at.epoch, at.step)
            values = {name: float(value) for name, value in self.learner.step(at.epoch, at.step).items()}
            check_values(values)
            for name, value in values.items():
                at.sums[name] = at.sums.get(name, 0.0) + value
                at.counts[name] = at.counts.get(name, 0) + 1
            at.step += 1
            self.pace.stepped()
            self.alive(at.epoch, at.step)
            self.heed(watch)
            if self.states and self.pace.due():
                self._save()

    def validate(self, epochs: int, patience: int, patience_unit: str, keep_every: int | None) -> None:
        """Closes the epoch: validation, schedule, history, best weights, and whether to stop."""
        at, learner = self.at, self.learner
        self._reseed("validate", at.epoch)
        validation = {name: float(value) for name, value in learner.validate(at.epoch).items()}
        value = check_criterion(learner.criterion.name, validation)
        better = at.best_value is None or (
            value < at.best_value if learner.criterion.better == "lower" else value > at.best_value
        )
        weights = learner.weights()
        check_weights(weights)
        further = learner.end_epoch(at.epoch, validation)
        self._record(validation, {name: float(value) for name, value in further.items()})
        if better:
            at.best_value, at.best_epoch, self.best = value, at.epoch, weights
        at.epoch, at.step, at.sums, at.counts = at.epoch + 1, 0, {}, {}
        self.alive(at.epoch, at.step)
        if self.states and keep_every and at.epoch % keep_every == 0:
            self._tick()
            self.states.write_weights(f"epoch-{at.epoch:05d}", weights)
            at.checkpoint_seconds += self._tick()
        waited = (at.epoch - 1 - at.best_epoch) * (learner.steps_per_epoch if patience_unit == "steps" else 1)
        if patience and waited >= patience:
            at.stop_reason = "patience"
        elif at.epoch >= epochs:
            at.stop_reason = "epochs"
        self._tick()
        at.timings.append(Timing(at.epoch - 1, at.seconds, at.checkpoint_seconds, round(resident_mb(), 1)))
        at.seconds = at.checkpoint_seconds = 0.0

    def back_off(self, cause: NotFinite) -> None:
        """Back to the start of the epoch with a smaller rate, or the end of the run."""
        at = self.at
        if not self.can_back_off or at.back_offs >= MAX_BACK_OFFS or self.good is None:
            hint = getattr(self.learner, "divergence_hint", "learning_rate or the clipping of gradients")
            good = self.states.newest if self.states else None
            raise Diverged(cause, at.epoch, at.step, good, hint) from cause
        _log.warning(
            "%s at epoch %d, step %d: back to the start of the epoch with %g times the learning rate",
            *(cause, at.epoch, at.step, BACK_OFF_FACTOR),
        )
        self.learner.restore(self.good["weights"], self.good["learner"])
        self.learner.scale_rate(BACK_OFF_FACTOR)
        at.step, at.sums, at.counts = 0, {}, {}
        at.back_offs += 1
        at.history.append(Row(at.epoch * self.learner.steps_per_epoch, "back_off", BACK_OFF_FACTOR**at.back_offs))

    def finish(self, save: bool) -> dict[str, Tensor]:
        """The final weights. The finished state is saved if an earlier one was, so that its outputs can be written
        again without training; a run too short for that is quicker trained again than saved."""
        final = self.learner.weights()
        if save and self.states and self.states.newest:
            self._save()
            self.states.write_weights("final", final)
        return final

    def result(self, final: dict[str, Tensor], resumed: bool) -> Fit:
        """The outcome as a record."""
        at = self.at
        history, timings = [Row(*row) for row in at.history], [Timing(*row) for row in at.timings]
        return Fit(self.best, final, at.best_epoch, at.best_value, at.epoch, at.stop_reason, history, timings, resumed)

    def _reseed(self, *purpose: str | int) -> None:
        """What `torch.manual_seed` does, on the devices in use. That function takes 80 us instead of 1 us: it keeps a
        stack trace for every device that was never opened."""
        import torch

        number = stream(self.seed, *purpose)
        torch.default_generator.manual_seed(number)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(number)
        if torch.backends.mps.is_available():
            torch.mps.manual_seed(number)

    def _record(self, validation: Mapping[str, float], further: Mapping[str, float]) -> None:
        """One history row a value: means over the epoch's steps as train_*, validation values as validation_*."""
        at = self.at
        means = {name: total / at.counts[name] for name, total in at.sums.items()}
        rows = _prefixed("train_", means) | _prefixed("validation_", validation)
        if twice := sorted(rows.keys() & further.keys()):
            raise ValueError(f"end_epoch returns {', '.join(twice)}, which is logged already")
        done = (at.epoch + 1) * self.learner.steps_per_epoch
        at.history.extend(Row(done, name, value) for name, value in (rows | dict(further)).items())

    def _snapshot(self) -> dict[str, Any]:
        return {"weights": self.learner.weights(), "learner": copy.deepcopy(self.learner.state())}

    def _save(self) -> None:
        self._tick()
        weights = self.learner.weights()
        check_weights(weights)  # a saved state is a good state
        state = {"progress": asdict(self.at), "best": self.best, "good": self.good if self.at.step else None}
        self.states.save(state | {"weights": weights, "learner": self.learner.state()})
        if self.best is not None and self._best_written != self.at.best_epoch:
            self.states.write_weights("best", self.best)
            self._best_written = self.at.best_epoch
        cost = self._tick()
        self.at.checkpoint_seconds += cost
        self.pace.saved(cost)

    def heed(self, watch: Watch) -> None:
        """Saves and raises `Interrupted` if the run was asked to stop and is not at its end. Called after a step or a
        validation, never before, so that every attempt gets further, however short its time limit."""
        if not watch.reason or self.at.stop_reason:
            return
        if self.states:
            self._save()
        raise Interrupted(watch.reason, self.at.epoch, self.at.step, self.states.newest if self.states else None)

    def _tick(self) -> float:
        """Seconds since the last tick, added to the epoch's."""
        now = time.monotonic()
        passed, self._clock = now - self._clock, now
        self.at.seconds += passed
        return passed


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {name if name.startswith(prefix) else prefix + name: value for name, value in values.items()}
