"""The rules: each looks at one training and returns a finding or nothing.

The advice is that of the documents; the sources name the rows of their inventory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from rematch.symptoms import Finding, Training, limit


def _moved(training: Training) -> np.ndarray:
    """Per epoch, whether the parameters moved by more than weight decay alone moves them (a hundredth of the rate)."""
    change = training.get("update_norm")
    rate = training.get("learning_rate")
    floor = 0.01 * rate if len(rate) == len(change) else np.zeros(len(change))
    return change > floor


def gradient_log(training: Training) -> Finding | None:
    """A norm of exactly 0 in an epoch in which the parameters moved: zero gradients cannot move weights."""
    norm, moved = training.get("gradient_norm"), _moved(training)
    if not len(norm) or len(norm) != len(moved):
        return None
    wrong = (norm == 0) & moved
    if not wrong.any():
        return None
    change = training.get("update_norm")[wrong]
    return Finding(
        "gradient-log-contradicts-updates",
        "fault",
        f"gradient norm 0 in {wrong.sum()} of {len(norm)} epochs while the parameters moved "
        f"by {np.median(change):.2e} an update",
        "The logger is wrong, not the gradient: measure after backward, before clipping and before zero_grad, and "
        "print it in scientific notation.",
        "S1-74, S1-38, S1-60",
    )


def vanishing(training: Training) -> Finding | None:
    """No gradient and no movement, in at least half of the epochs."""
    norm, moved = training.get("gradient_norm"), _moved(training)
    if not len(norm) or len(norm) != len(moved):
        return None
    still = (norm <= 1e-10) & ~moved
    if still.mean() < 0.5:
        return None
    dead = {name: training.last(name) for name in training.values if "dead_units" in name}
    units = "; ".join(f"{name.removeprefix('validation_')} {share:.0%}" for name, share in dead.items() if share > 0)
    evidence = (
        f"gradient norm at most {norm[still].max():.1e} and parameters at rest in {still.sum()} of {len(norm)} epochs"
    )
    advice = (
        "The gradient vanishes: look for dead rectifiers, a loss cut off from the parameters, or a saturated score."
    )
    return Finding(
        "vanishing-gradient", "warning", evidence + (f"; {units}" if units else ""), advice, "S1-43, S1-61, S1-70"
    )


def layer_without_gradient(training: Training) -> Finding | None:
    """A group of parameters whose gradient is a millionth of the largest group's, in the median epoch."""
    groups = {
        name.split("gradient_norm_", 1)[1]: np.median(v)
        for name, v in training.values.items()
        if "gradient_norm_" in name
    }
    if not groups or max(groups.values()) == 0:
        return None
    largest = max(groups.values())
    silent = {name: value for name, value in groups.items() if value <= limit("layer_ratio") * largest}
    if not silent:
        return None
    evidence = ", ".join(f"{name} {value:.1e}" for name, value in silent.items()) + f" against {largest:.1e}"
    return Finding(
        "layer-without-gradient",
        "warning",
        evidence,
        "These parameters learn nothing: is the layer used?",
        "S1-38, S1-43",
    )


def idle_patience(training: Training) -> Finding | None:
    """More epochs without improvement than the patience allows, and training went on."""
    patience, best = int(training.settings.get("patience") or 0), training.improvements()
    if not patience or not len(best):
        return None
    idle = int(np.diff(np.concatenate([best, [training.epochs]])).max()) - 1
    if idle <= patience:
        return None
    evidence = f"patience {patience}, but {idle} epochs without improvement"
    advice = "Patience counts something else than epochs (evaluations?): state its unit and log the counter."
    return Finding("patience-not-applied", "fault", evidence, advice, "S1-75, S0-40")


def not_converged(training: Training) -> Finding | None:
    """The best epoch lies among the last 5 %: the budget ended the training."""
    best, epochs = training.improvements(), training.epochs
    if not len(best) or epochs < 2 or best[-1] + 1 <= (1 - limit("late")) * epochs:
        return None
    evidence = f"best epoch {best[-1] + 1} of {epochs}"
    return Finding(
        "not-converged", "warning", evidence, "Compare at equal budgets, or train on until it is flat.", "S1-76, S1-32"
    )


def gap_no_proxy(training: Training) -> Finding | None:
    """A score gap that passes for good beside a ranking that is bad."""
    gap, hits = training.last("score_gap"), training.last("hits_at_20")
    if not (gap >= limit("gap_good") and hits < limit("hits_bad")):
        return None
    evidence = f"score gap {gap:.3f}, AUC {training.last('auc'):.3f}, Hits@20 {hits:.4f}"
    advice = "The gap is a mean over all pairs, Hits@20 looks at the highest negatives only: judge by the ranking."
    return Finding("gap-is-no-proxy", "warning", evidence, advice, "S1-58, S1-40")


def collapse_state(cosine: float, centred: float) -> Literal["collapsed", "offset", "undefined", "good", "unknown"]:
    """One word for mean cosine similarity, raw and centred, by the one table of thresholds."""
    if np.isnan(cosine):
        return "unknown"
    if cosine > limit("cosine_collapsed"):
        return "collapsed" if not abs(centred) < limit("centred_spread") else "offset"
    return "undefined" if cosine > limit("cosine_undefined") else "good"


def collapse(training: Training) -> Finding | None:
    """Embeddings that point the same way: collapsed, or different but for a common offset."""
    cosine, centred = training.last("cosine_mean"), training.last("cosine_mean_centred")
    state = collapse_state(cosine, centred)
    rank, components = training.last("effective_rank"), training.last("pca_90")
    evidence = f"mean cosine {cosine:.3f}, centred {centred:.3f}, effective rank {rank:.1f}, "
    evidence += f"{components:.0f} components for 90 %"
    if state == "collapsed":
        advice = (
            "Train longer or with another rate (the documents: 200 epochs, 0.0005), and look whether the loss falls."
        )
        return Finding("collapsed-embeddings", "warning", evidence, advice, "S1-39, S3-39, S3-50, S3-53")
    if state == "offset":
        advice = (
            "The vectors share an offset, they have not collapsed: compare centred cosines and ranks, not raw cosines."
        )
        return Finding("common-offset", "warning", evidence, advice, "S3-91, S1-39")
    return None


def slow_start(training: Training) -> Finding | None:
    """A criterion that stays at 0 for more than a tenth of the epochs."""
    values = training.get(training.criterion)
    if training.better != "higher" or not len(values):
        return None
    first = int(np.argmax(values > 0)) if (values > 0).any() else len(values)
    if first < max(5, limit("slow_start") * training.epochs):
        return None
    evidence = f"{training.criterion} is 0 for the first {first} of {len(values)} epochs"
    advice = (
        "Count updates, not epochs; then a higher rate (0.005, 0.01) and, if weights are averaged, a shorter average."
    )
    return Finding("slow-start", "warning", evidence, advice, "S1-41, S1-34, S1-67")


def rate_cut_early(training: Training) -> Finding | None:
    """A learning rate that was lowered while the criterion had not yet left 0."""
    rate, values = training.get("learning_rate"), training.get(training.criterion)
    if training.better != "higher" or len(rate) != len(values) or training.settings.get("schedule") != "plateau":
        return None
    drops = np.flatnonzero(np.diff(rate) < 0) + 1
    early = [int(drop) for drop in drops if not (values[:drop] > 0).any()]
    if not early:
        return None
    change = f"{rate[early[0] - 1]:g} to {rate[early[0]]:g}"
    evidence = f"rate lowered at epoch {early[0] + 1} ({change}), {training.criterion} still 0"
    return Finding(
        "rate-cut-before-learning",
        "warning",
        evidence,
        "Do not step a plateau schedule on a flat 0: use cosine.",
        "S1-17, S1-68",
    )


def clipping_binds(training: Training) -> Finding | None:
    """Nearly every update is clipped."""
    share = training.get("clipped")
    if not len(share) or share.mean() <= limit("clipped"):
        return None
    most = training.settings.get("clip", training.settings.get("clip_norm"))
    evidence = f"{share.mean():.0%} of the updates are clipped to {most}"
    advice = "Clipping rescales the norm to its limit, it cannot make it 0; relax it for a diagnosis run."
    return Finding("clipping-binds", "warning", evidence, advice, "S1-59, S1-62, SX-07")


def dead_units(training: Training) -> Finding | None:
    """Layers of which most units are zero for every input."""
    dead = {
        name.removeprefix("validation_"): float(v[-1]) for name, v in training.values.items() if "dead_units" in name
    }
    dead = {name: share for name, share in dead.items() if share > limit("dead")}
    if not dead:
        return None
    evidence = ", ".join(f"{name} {share:.0%}" for name, share in dead.items())
    return Finding("dead-units", "warning", evidence, "Lower the rate, or use a leaky activation.", "S1-61, S1-43")


def loss_at_chance(training: Training) -> Finding | None:
    """A loss no better than a constant's although positives and negatives are scored apart."""
    ratio, gap = training.last("loss_over_constant"), training.last("score_gap")
    if not (ratio > limit("chance") and gap > limit("gap_contradiction")):
        return None
    evidence = f"loss {ratio:.2f} times that of a constant 1/2, score gap {gap:.3f}"
    advice = "The scores are apart but badly calibrated (a common offset or a large spread): log its parts one by one."
    return Finding("loss-at-chance-despite-gap", "warning", evidence, advice, "S1-77, S1-23")


def loss_not_falling(training: Training) -> Finding | None:
    """A training loss that ends where it began."""
    loss = training.get("train_loss")
    if len(loss) < 5 or not loss[-max(len(loss) // 10, 1) :].mean() >= loss[0]:
        return None
    evidence = f"training loss {loss[0]:.4g} at first, {loss[-1]:.4g} at last"
    return Finding(
        "loss-not-falling",
        "warning",
        evidence,
        "Try half and double the learning rate; check the data that are loaded.",
        "S3-45, S3-54",
    )


def over_smoothed(training: Training) -> Finding | None:
    """Vectors of neighbours that differ by almost nothing after the last layer."""
    energies = {name: float(v[-1]) for name, v in training.values.items() if "dirichlet_energy_" in name}
    if not energies or (last := energies[max(energies)]) >= limit("smooth"):
        return None
    evidence = f"Dirichlet energy {last:.1e} after the last of {len(energies)} layers"
    return Finding(
        "over-smoothed", "warning", evidence, "Fewer layers, or add the input at every layer.", "S1-07, S1-46, S1-66"
    )


def averaged_lag(training: Training) -> Finding | None:
    """Evaluated weights are a running average that still holds the initial ones."""
    share = training.last("initial_share")
    if not share > limit("initial_share"):
        return None
    evidence = f"the averaged weights that are evaluated are {share:.0%} initial weights after the last update"
    advice = "Evaluate the trained weights, or shorten the average to a small part of the updates."
    return Finding("average-outlives-training", "fault", evidence, advice, "S1-31, S1-34")


def over_fitted(training: Training) -> Finding | None:
    """A validation loss far above the training loss and above its own minimum."""
    train, held = training.get("train_loss"), training.get("validation_loss")
    if len(train) < 5 or len(held) < 5 or not (train[-1] > 0 and held[-1] > limit("overfit_ratio") * train[-1]):
        return None
    if held[-1] <= 1.05 * held.min():
        return None
    evidence = f"training loss {train[-1]:.4g}, validation loss {held[-1]:.4g}, at best {held.min():.4g}"
    return Finding(
        "over-fitted", "warning", evidence, "More dropout (0.4), more weight decay (1e-3), a smaller network.", "S4-83"
    )


def memory_grows(training: Training) -> Finding | None:
    """Resident memory that goes on growing in the second half of the epochs."""
    growth, peak = training.last("memory_growth_mb"), training.last("peak_memory_mb")
    if not growth > limit("memory_growth") * peak:
        return None
    evidence = f"{growth:.0f} MB gained over the second half of the epochs, {peak:.0f} MB at most"
    return Finding("memory-grows", "warning", evidence, "Look for tensors that are kept from step to step.", "S3-49")


Rule = Callable[[Training], Finding | None]
RULES: Sequence[Rule] = (
    gradient_log, vanishing, layer_without_gradient, averaged_lag, idle_patience, not_converged, slow_start,
    rate_cut_early, clipping_binds, dead_units, collapse, over_smoothed, gap_no_proxy, loss_at_chance,
    loss_not_falling, over_fitted, memory_grows,
)  # fmt: skip
