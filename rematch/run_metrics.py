"""Metrics that every run has, whatever its study: what it cost and how its training went. Standard library only.

`rematch.convergence.run_scores` computes them from history and timings; claims may name them without declaring them.
"""

from __future__ import annotations

from typing import Any


def _metric(label: str, unit: str, better: str, equal_within: float, about: str) -> dict[str, Any]:
    return {"label": label, "unit": unit, "better": better, "equal_within": equal_within, "about": about}


RUN_METRICS: dict[str, dict[str, Any]] = {
    "seconds_per_epoch": _metric("Time per epoch", "s", "lower", 0.0, "median over epochs"),
    "seconds_trained": _metric("Training time", "s", "lower", 0.0, "sum over epochs"),
    "epochs_trained": _metric("Epochs", "", "lower", 0.5, "epochs until training stopped"),
    "best_epoch": _metric("Best epoch", "", "lower", 0.5, "epoch, from 1, of the best validation value"),
    "epochs_to_v1_best": _metric(
        "Epochs to v1's best", "", "lower", 0.5, "first epoch as good as v1's best validation value"
    ),
    "seconds_to_v1_best": _metric("Time to v1's best", "s", "lower", 0.0, "training time up to that epoch"),
    "late_spread": _metric(
        "Late spread", "", "lower", 0.0, "standard deviation of the validation value, last tenth of epochs"
    ),
    "after_best_loss": _metric(
        "Loss after the best", "", "lower", 0.0, "how much worse the last validation value is than the best"
    ),
    "gradient_norm_max": _metric(
        "Largest gradient norm", "", "lower", 0.0, "largest mean norm of an epoch, before clipping"
    ),
    "clipped_share": _metric("Clipped steps", "", "lower", 0.0, "share of updates whose gradient was scaled down"),
    "loss_gap": _metric("Loss gap", "", "lower", 0.0, "validation loss minus training loss at the best epoch"),
    "gradient_norm_median": _metric("Gradient norm", "", "higher", 0.0, "median over epochs, before clipping"),
    "best_epoch_share": _metric("Best epoch / epochs", "", "lower", 0.0, "above 0.95: not converged"),
    "loss_spike": _metric(
        "Loss spike", "x", "lower", 0.05, "largest rise of the training loss between two epochs, as a ratio"
    ),
    "early_loss_spike": _metric("Early loss spike", "x", "lower", 0.05, "the same, first five epochs only"),
    "peak_memory_mb": _metric("Peak memory", "MB", "lower", 0.0, "largest resident memory of the training process"),
    "memory_growth_mb": _metric(
        "Memory growth", "MB", "lower", 0.0, "resident memory gained over the second half of the epochs: a leak goes on"
    ),
    "parameters": _metric("Parameters", "", "lower", 0.0, "trained numbers in the model"),
}
