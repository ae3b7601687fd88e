"""One run: train a learner and leave its folder. One way for all studies."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rematch import prepared
from rematch.atomic import write_bytes, write_text
from rematch.checkpoint import clean, fingerprint, weights_bytes
from rematch.devices import describe, open_device
from rematch.digests import file_digest, text_digest
from rematch.divergence import Diverged
from rematch.engine import Fit, Timing, fit
from rematch.failures import RunFailed, explained_failures
from rematch.gpus import one_gpu
from rematch.late_compiler import import_compiler_late
from rematch.learner import Learner
from rematch.repository import git
from rematch.resident import growth_mb, peak_mb
from rematch.settings import build
from rematch.study_modules import study_module
from rematch.watchdog import Watchdog

EPOCHS_BETWEEN_CHECKPOINTS = 10  # S4-37

_log = logging.getLogger(__name__)


class Outputs(NamedTuple):
    """The files of one training, in the order of the rule."""

    settings: str
    history: str
    timings: str
    model: str
    final: str
    manifest: str


class Limits(NamedTuple):
    """What may end or spare a run, and what happens to its state afterwards; none of it changes a result."""

    max_seconds: float | None = None
    save_seconds: float | None = None
    states: str = "remove"  # newest: the finished one; keep: the last five states, best, final and every tenth epoch
    show_failures: bool = False  # with --keep-going: a failed run leaves its reason in place of its scores
    hang_seconds: float | None = None  # without a step; then the run ends with the reason

    @classmethod
    def read(cls, resources: Any) -> Limits:
        """The limits that a rule passes as resources, which are plain numbers and words and trigger no rerun."""
        pause = resources.save_milliseconds / 1000
        ends = resources.max_seconds or None, pause or None
        states = "keep" if resources.keep_states else "newest" if resources.keep_newest else "remove"
        return cls(*ends, states, bool(resources.show_failures), resources.hang_seconds or None)


def train_run(
    package: str,
    settings: Mapping[str, Any],
    seed: int,
    device: str,
    threads: int,
    data: str,
    code: str,
    state: str,
    outputs: Outputs,
    limits: Limits,
    progress: Callable[[str, int], AbstractContextManager] | None = None,
) -> None:
    """Trains one arm with one seed, resuming from `state` if it fits, and writes the run folder.

    `code` is a digest of the code that training runs. `progress(label, updates)` gives what is told `at(updates done)`
    (`rematch.progress.Progress`); it comes as an argument so that its code is none of the training's.
    """
    started = time.time()
    arm = build(package, settings)
    facts = _facts(package, seed, settings, data, code)

    def failed(line: str) -> None:
        _log.error("failed: %s", line)
        _write_failure(outputs, settings, facts | {"status": f"failed: {' '.join(line.split())}"})

    def hung(line: str) -> int:
        (failed if limits.show_failures else _log.error)(line)
        return 0 if limits.show_failures else 1

    dog = Watchdog(limits.hang_seconds, f"{state} on {device}", hung)
    try:
        with one_gpu(device), explained_failures(), dog:
            module = study_module(package, "train")
            import_compiler_late()
            opened = open_device(device, threads)
            learner = module.learner(arm, prepared.read(Path(data)), seed, opened)
            epochs = getattr(arm, "epochs_to_train", arm.epochs)
            with progress(state, epochs * learner.steps_per_epoch) if progress else nullcontext() as shown:
                result = fit(
                    learner,
                    seed=seed,
                    epochs=epochs,
                    patience=arm.patience,
                    folder=Path(state),
                    fingerprint=facts["fingerprint"],
                    max_seconds=limits.max_seconds,
                    save_every_seconds=limits.save_seconds,
                    keep_every=EPOCHS_BETWEEN_CHECKPOINTS if limits.states == "keep" else None,
                    alive=_alive(dog, shown, learner.steps_per_epoch),
                )
    except (Diverged, RunFailed, ValueError, RuntimeError) as error:
        if not limits.show_failures:
            raise
        failed(str(error))
        return
    facts |= {"status": "ok", "criterion": list(learner.criterion), **describe(opened), **_outcome(learner, result)}
    facts |= {"seconds": round(time.time() - started, 3), "peak_memory_mb": round(peak_mb(), 1)}
    facts["memory_growth_mb"] = round(growth_mb([timing.resident_mb for timing in result.timings]), 1)
    _write_run(outputs, settings, result, facts)
    clean(Path(state), limits.states)


def _alive(dog: Watchdog, shown: Any, steps_per_epoch: int) -> Callable[[int, int], None]:
    """What the engine calls after every step: a sign of life for the watchdog, and for whoever looks on."""
    if shown is None:
        return dog.alive

    def alive(epoch: int, step: int) -> None:
        dog.alive(epoch, step)
        shown.at(epoch * steps_per_epoch + step)

    return alive


def _facts(package: str, seed: int, settings: Mapping[str, Any], data: str, code: str) -> dict[str, Any]:
    """What decides the run, with its fingerprint."""
    parts = {
        "package": package,
        "seed": seed,
        "settings_digest": text_digest(json.dumps(settings, sort_keys=True)),
        "data_digest": file_digest(data),
        "code_digest": code,
    }
    return {**parts, "fingerprint": fingerprint(**parts), **_provenance()}


def _provenance() -> dict[str, Any]:
    return {
        "commit": git("rev-parse", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
        "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
    }


def _outcome(learner: Learner, result: Fit) -> dict[str, Any]:
    model = getattr(learner, "model", None)  # buffers such as running means are weights, but nobody trains them
    trained = model.parameters() if hasattr(model, "parameters") else result.best.values()
    return {
        "best_epoch": result.best_epoch,
        "best_value": result.best_value,
        "epochs_run": result.epochs_run,
        "stop_reason": result.stop_reason,
        "resumed": result.resumed,
        "parameters": sum(value.numel() for value in trained),
    }


def _write_run(outputs: Outputs, settings: Mapping[str, Any], result: Fit, facts: Mapping[str, Any]) -> None:
    write_text(outputs.settings, yaml.safe_dump(dict(settings), sort_keys=False))
    write_text(outputs.history, _csv(("step", "name", "value"), result.history))
    write_text(outputs.timings, _csv(Timing._fields, result.timings))
    write_bytes(outputs.model, weights_bytes(result.best))
    write_bytes(outputs.final, weights_bytes(result.final))
    write_text(outputs.manifest, json.dumps(facts, indent=2))


def _write_failure(outputs: Outputs, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """The run folder of a training that failed for good: empty tables, and a manifest that says why."""
    write_text(outputs.settings, yaml.safe_dump(dict(settings), sort_keys=False))
    write_text(outputs.history, _csv(("step", "name", "value"), []))
    write_text(outputs.timings, _csv(Timing._fields, []))
    write_bytes(outputs.model, weights_bytes({}))
    write_bytes(outputs.final, weights_bytes({}))
    write_text(outputs.manifest, json.dumps(facts, indent=2))


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A CSV text. Not by pandas: its import would cost each training nearly half a second."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
