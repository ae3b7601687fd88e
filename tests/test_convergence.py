"""Budgets and convergence from hand-written curves."""

import numpy as np
import pandas as pd
import pytest

from rematch.convergence import BUDGET_COLUMNS, best_epoch, budgets, curves, not_converged, run_scores
from rematch.run_metrics import RUN_METRICS


def run(arm, values, seconds, seed=1, steps=10, **logged):
    """History and timings of one run: a validation value per epoch, seconds per epoch, and further logged values."""
    key = ("s", arm, "cpu", seed)
    rows = [
        (*key, steps * (epoch + 1), name, value)
        for name, listed in {"validation_rmse": values, **logged}.items()
        for epoch, value in enumerate(listed)
    ]
    history = pd.DataFrame(rows, columns=["study", "arm", "device", "seed", "step", "name", "value"])
    spent = [(*key, epoch, seconds) for epoch in range(len(values))]
    return history, pd.DataFrame(spent, columns=["study", "arm", "device", "seed", "epoch", "seconds"])


def both(*runs):
    return tuple(pd.concat(part, ignore_index=True) for part in zip(*runs, strict=True))


def table_of(*runs):
    histories, timings = both(*runs)
    return curves(histories, timings, "validation_rmse", "lower"), histories, timings


V1 = run("v1", [4.0, 2.0, 3.0, 2.5], seconds=2.0)


def test_the_best_so_far_and_what_was_spent():
    table, *_ = table_of(V1)
    assert list(table["best"]) == [4.0, 2.0, 2.0, 2.0]
    assert list(table["epochs"]) == [1, 2, 3, 4]
    assert list(table["steps"]) == [10, 20, 30, 40]
    assert list(table["seconds"]) == [2.0, 4.0, 6.0, 8.0]


def test_equal_steps_and_equal_seconds():
    table, *_ = table_of(V1, run("v2", [3.0, 1.0], seconds=4.0))
    found = budgets(table, "rmse", "lower").set_index(["arm", "budget"])
    assert list(found.reset_index().columns) != BUDGET_COLUMNS and set(found.reset_index().columns) == set(
        BUDGET_COLUMNS
    )
    steps, seconds = found.loc[("v2", "steps")], found.loc[("v2", "seconds")]
    assert (steps.amount, steps.v1_value, steps.arm_value) == (20, 2.0, 1.0)
    assert (seconds.amount, seconds.v1_value, seconds.arm_value) == (8.0, 2.0, 1.0)
    assert (steps.epochs_to_v1_best, steps.seconds_to_v1_best, steps.reached) == (2, 8.0, "1 of 1")
    assert ("v2", "samples") not in found.index  # nobody counted samples


def test_a_slow_arm_has_less_in_equal_seconds():
    table, *_ = table_of(run("v1", [4.0, 3.0], seconds=1.0), run("v2", [3.5, 1.0], seconds=2.0))
    row = budgets(table, "rmse", "lower").set_index(["arm", "budget"]).loc[("v2", "seconds")]
    assert (row.amount, row.v1_value, row.arm_value) == (2.0, 3.0, 3.5)


def test_samples_are_used_when_counted():
    histories, timings = both(V1, run("v2", [3.0, 1.0], seconds=4.0))
    timings["samples"] = np.where(timings["arm"] == "v1", 100, 400)
    table = curves(histories, timings, "validation_rmse", "lower")
    row = budgets(table, "rmse", "lower").set_index(["arm", "budget"]).loc[("v2", "samples")]
    assert (row.amount, row.v1_value, row.arm_value) == (400, 2.0, 3.0)


def test_never_reaching_v1_is_said():
    table, *_ = table_of(V1, run("v2", [5.0, 4.5], seconds=1.0))
    row = budgets(table, "rmse", "lower").set_index(["arm", "budget"]).loc[("v2", "steps")]
    assert row.reached == "0 of 1" and np.isnan(row.epochs_to_v1_best)


@pytest.mark.parametrize(
    ("best", "length", "late"), [(20, 20, True), (19, 20, False), (96, 100, True), (95, 100, False), (1, 1, True)]
)
def test_not_converged_is_the_last_twentieth(best, length, late):
    values = [float(abs(epoch + 1 - best)) + 1 for epoch in range(length)]
    table, *_ = table_of(run("v1", values, seconds=1.0))
    assert best_epoch(table) == best
    assert not_converged(table) is late


def test_run_scores_by_hand():
    logged = {
        "train_loss": [2.0, 1.0, 3.0, 1.5],
        "validation_loss": [2.0, 1.5, 3.0, 1.0],
        "train_gradient_norm": [1.0, 5.0, 2.0, 3.0],
        "train_clipped": [0.0, 1.0, 0.0, 0.0],
    }
    table, histories, timings = table_of(run("v1", [4.0, 2.0, 3.0, 2.5], seconds=2.0, **logged))
    found = run_scores(table, histories, timings, "lower").set_index("name")["value"]
    assert found["epochs_trained"] == 4 and found["best_epoch"] == 2 and found["best_epoch_share"] == 0.5
    assert found["seconds_per_epoch"] == 2.0 and found["seconds_trained"] == 8.0
    assert found["after_best_loss"] == 0.5
    assert found["late_spread"] == pytest.approx(np.std([3.0, 2.5], ddof=1))
    assert found["gradient_norm_max"] == 5.0 and found["gradient_norm_median"] == 2.5
    assert found["clipped_share"] == 0.25
    assert found["loss_gap"] == 0.5
    assert found["loss_spike"] == 3.0
    assert found["epochs_to_v1_best"] == 2 and found["seconds_to_v1_best"] == 4.0
    assert set(found.index) <= set(RUN_METRICS)


def test_negative_losses_have_no_ratio():
    table, histories, timings = table_of(run("v1", [1.0, 0.5], seconds=1.0, train_loss=[1.0, -1.0]))
    assert "loss_spike" not in set(run_scores(table, histories, timings, "lower")["name"])
