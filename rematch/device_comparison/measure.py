"""One version of a study on one setup: time, memory, quality after equal steps, and agreement; left as JSON."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rematch import prepared
from rematch.atomic import write_text
from rematch.devices import describe, open_device
from rematch.failures import RunFailed, explained_failures
from rematch.resident import peak_mb
from rematch.settings import build
from rematch.study_modules import study_module
from rematch.watchdog import Watchdog


def measure_setup(
    package: str,
    settings: Mapping[str, Any],
    device: str,
    threads: int,
    data: Mapping[int, str],
    epochs: int,
    hang_seconds: float,
    output: str,
) -> None:
    """Writes what `measure` finds, or the reason why there is nothing. `data`: seed -> prepared training data."""

    def failed(line: str) -> int:
        write_text(output, json.dumps({"status": f"failed: {' '.join(line.split())}"}, indent=2))
        return 0

    try:
        with Watchdog(hang_seconds, f"{package} on {device}", failed) as dog, explained_failures():
            found = measure(package, settings, device, threads, data, epochs, dog)
    except (RunFailed, ValueError, RuntimeError, NotImplementedError) as error:
        failed(str(error))
        return
    write_text(output, json.dumps(found, indent=2))


def measure(
    package: str,
    settings: Mapping[str, Any],
    device: str,
    threads: int,
    data: Mapping[int, str],
    epochs: int,
    dog: Watchdog,
) -> dict[str, Any]:
    """Status, seconds per epoch and validation value by seed, peak memory, and the agreement of the first step.

    Seconds per epoch are the median without the first epoch, in which code is compiled and caches fill.
    """
    from rematch.device_comparison.agreement import agreement
    from rematch.engine import fit

    arm = build(package, settings)
    opened = open_device(device, threads)
    make = study_module(package, "train").learner
    seconds, quality, memory = {}, {}, math.nan
    for seed, file in data.items():
        learner = make(arm, prepared.read(Path(file)), seed, opened)
        result = fit(learner, seed=seed, epochs=epochs, alive=dog.alive)
        seconds[seed] = statistics.median(timing.seconds for timing in result.timings[1:])
        quality[seed] = [row.value for row in result.history if row.name == f"validation_{learner.criterion.name}"][-1]
        memory = _device_memory_mb(opened)
    peak = peak_mb()  # before the reference step in float64, which is no part of a training
    first = next(iter(data))
    found = agreement(make, arm, prepared.read(Path(data[first])), first, opened)
    return {
        "status": "ok",
        **describe(opened),
        "criterion": list(learner.criterion),
        "epochs": epochs,
        "steps": epochs * learner.steps_per_epoch,
        "seconds_per_epoch": seconds,
        "quality": quality,
        "peak_memory_mb": round(peak, 1),
        "device_memory_mb": None if math.isnan(memory) else round(memory, 1),
        "agreement": found._asdict() | {"holds": found.holds},
    }


def _device_memory_mb(device: Any) -> float:
    """The most memory that tensors took on an accelerator so far, in MB (10^6 bytes); nan on the CPU."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 1e6
    return math.nan
