"""The training loop: what it returns, what it selects, and that cutting it anywhere changes nothing."""

from __future__ import annotations

import logging
import math
import os
import signal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_learners import Momentum, Scripted, mlp

from rematch.divergence import Diverged
from rematch.engine import Fit, Row, fit
from rematch.interrupt import Interrupted

LEARNERS = {"mlp": mlp, "momentum": Momentum}


@pytest.fixture(autouse=True)
def no_sync(monkeypatch):
    """Syncing guards against a power cut, which no test here imitates, and takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def equal(a: Fit, b: Fit) -> bool:
    """Same bytes in weights, same history, same selection."""
    tensors = all(
        x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x)
        for x, y in ((a.best, b.best), (a.final, b.final))
    )
    names = ("best_epoch", "best_value", "epochs_run", "stop_reason", "history")
    return tensors and all(getattr(a, name) == getattr(b, name) for name in names)


class Cut(Exception):
    """Stands for a death at a place of our choice; nothing gets to clean up learner or engine after it."""


def cut_after(learner, steps: int):
    """The learner, dying in its update number `steps`, after the parameters moved."""
    inner, done = learner.step, [0]

    def step(epoch, number):
        values = inner(epoch, number)
        done[0] += 1
        if done[0] > steps:
            raise Cut
        return values

    learner.step = step
    return learner


@pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS.keys())
@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 17), max_size=4), every=st.integers(1, 5), seed=st.integers(0, 3))
def test_resumed_equals_uninterrupted_wherever_it_is_cut(tmp_path_factory, make, cuts, every, seed):
    undisturbed = fit(make(seed), seed=seed, epochs=5)
    folder = tmp_path_factory.mktemp("state")
    for cut in cuts:
        try:
            fit(cut_after(make(seed), cut), seed=seed, epochs=5, folder=folder, save_every_steps=every)
        except Cut:
            continue
    last = fit(make(seed), seed=seed, epochs=5, folder=folder, save_every_steps=every)
    assert equal(last, undisturbed)


@pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS.keys())
def test_every_attempt_gets_further_and_the_end_is_the_same(tmp_path, make):
    undisturbed = fit(make(1), seed=1, epochs=4)
    attempts = 0
    while True:
        try:
            last = fit(make(1), seed=1, epochs=4, folder=tmp_path, max_seconds=1e-9)
            break
        except Interrupted as stop:
            attempts += 1
            assert stop.reason.startswith("max_seconds") and stop.saved.exists()
    assert attempts >= 4 * make(1).steps_per_epoch and last.resumed and equal(last, undisturbed)


def test_seed_decides_and_the_same_seed_repeats():
    assert equal(fit(mlp(1), seed=1, epochs=2), fit(mlp(1), seed=1, epochs=2))
    assert not equal(fit(mlp(1), seed=1, epochs=2), fit(mlp(1), seed=2, epochs=2))  # dropout alone differs


@pytest.mark.parametrize(
    ("values", "better", "patience", "best", "run", "reason"),
    [
        ([3.0, 2.0, 2.0, 4.0], "lower", 0, 1, 4, "epochs"),  # the first best is kept on a tie
        ([3.0, 5.0, 5.0, 4.0], "higher", 0, 1, 4, "epochs"),
        ([1.0, 2.0, 2.0, 0.0], "lower", 2, 0, 3, "patience"),  # stops before the better one
        ([1.0, 2.0, 0.5, 1.0], "lower", 2, 2, 4, "epochs"),
        ([-math.pi, -4.0, 0.0, 0.0], "higher", 1, 0, 2, "patience"),
    ],
)
def test_selects_by_the_criterion(values, better, patience, best, run, reason):
    found = fit(Scripted(values, better), seed=0, epochs=4, patience=patience)
    assert (found.best_epoch, found.epochs_run, found.stop_reason) == (best, run, reason)
    assert found.best_value == values[best]
    assert found.best["updates"] == best + 1 and found.final["updates"] == run


def test_patience_in_steps():
    found = fit(Scripted([1.0] * 9, steps=3), seed=0, epochs=9, patience=5, patience_unit="steps")
    assert (found.epochs_run, found.stop_reason) == (3, "patience")  # 6 steps without a better value


def test_no_epochs_return_the_untrained_model(tmp_path):
    found = fit(Scripted([]), seed=0, epochs=0, folder=tmp_path / "state")
    assert (found.best_epoch, found.best_value, found.epochs_run, found.stop_reason) == (-1, None, 0, "untrained")
    assert found.best["updates"] == 0 and found.history == [] and not (tmp_path / "state").exists()


def test_history_holds_epoch_means_under_names_that_say_where_they_come_from():
    found = fit(Scripted([4.0], steps=2, losses={(0, 0): 1.0, (0, 1): 2.0}), seed=0, epochs=1)
    assert found.history == [Row(2, "train_loss", 1.5), Row(2, "validation_score", 4.0)]


def test_history_has_no_clock_in_it():
    rows = [fit(mlp(1), seed=1, epochs=3).history for _ in range(2)]
    assert rows[0] == rows[1]
    assert {"train_loss", "train_gradient_norm", "train_clipped", "learning_rate"} <= {row.name for row in rows[0]}


def test_finished_run_is_not_trained_again(tmp_path, caplog):
    first = fit(mlp(1), seed=1, epochs=3, folder=tmp_path, save_every_steps=1)
    again = fit(cut_after(mlp(1), 0), seed=1, epochs=3, folder=tmp_path, save_every_steps=1)
    assert again.resumed and equal(first, again)


def test_no_saved_step_is_done_again(tmp_path):
    with pytest.raises(Cut):
        fit(cut_after(mlp(1), 7), seed=1, epochs=5, folder=tmp_path, save_every_steps=1)
    learner, seen = mlp(1), []
    inner = learner.step
    learner.step = lambda epoch, step: seen.append((epoch, step)) or inner(epoch, step)
    fit(learner, seed=1, epochs=5, folder=tmp_path, save_every_steps=1)
    assert seen[0] == (2, 1) and len(seen) == 15 - 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP])
def test_signal_saves_at_the_next_step_and_says_so(tmp_path, number):
    learner = Scripted([1.0] * 9, steps=3, losses={(1, 1): lambda _: os.kill(os.getpid(), number) or 1.0})
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"interrupted by {number.name} before epoch 1, step 2: saved in .*state-"):
        fit(learner, seed=0, epochs=9, folder=tmp_path)
    assert signal.getsignal(number) is before
    assert fit(Scripted([1.0] * 9, steps=3), seed=0, epochs=9, folder=tmp_path).final["updates"] == 27


def test_states_stay_five_with_best_and_final(tmp_path):
    fit(Scripted([5.0, 4.0, 3.0, 3.5], steps=5), seed=0, epochs=4, folder=tmp_path, save_every_steps=1)
    names = sorted(path.name.split("-")[0] for path in tmp_path.iterdir())
    assert names == ["best.safetensors", "final.safetensors", *["state"] * 5]


def test_keep_every_leaves_the_weights_of_those_epochs(tmp_path):
    fit(Scripted([1.0] * 7), seed=0, epochs=7, folder=tmp_path, keep_every=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-00003.safetensors", "epoch-00006.safetensors"]


def test_short_run_at_the_default_pace_saves_nothing(tmp_path):
    fit(mlp(1), seed=1, epochs=2, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_loss_that_is_no_number_stops_with_step_tensor_and_setting(tmp_path):
    learner = Scripted([1.0] * 4, steps=3, losses={(2, 1): float("nan")})
    text = (
        r"training diverged: loss is nan at epoch 2, step 1; last good state: .*state-00000007.*; look at learning_rate"
    )
    with pytest.raises(Diverged, match=text) as caught:
        fit(learner, seed=0, epochs=4, folder=tmp_path, save_every_steps=1)
    assert "\n" not in str(caught.value) and caught.value.last_good.exists()


def test_weights_that_are_no_numbers_are_named_and_never_saved(tmp_path):
    learner = mlp(1)

    def poison(model, epoch, batch, inner=learner.loss):
        if epoch == 1:
            model[4].bias.data[0] = math.inf
        return inner(model, epoch, batch)

    learner.loss = poison
    with pytest.raises(Diverged, match="loss is inf at epoch 1, step 0"):
        fit(learner, seed=1, epochs=3, folder=tmp_path, save_every_steps=1)
    learner = mlp(1)
    learner.end_epoch = lambda epoch, validation: learner.model[4].bias.data.fill_(math.nan) and {}
    learner.validate = lambda epoch: learner.model[4].bias.data.fill_(math.nan) is not None and {"mse": 1.0}
    with pytest.raises(Diverged, match=r"weight 4.bias \(1,\) is nan at epoch 0, step 3; no state was saved yet"):
        fit(learner, seed=1, epochs=3, folder=tmp_path / "other")


def test_criterion_that_is_no_number_stops():
    with pytest.raises(Diverged, match="validation score is nan at epoch 1"):
        fit(Scripted([1.0, math.nan]), seed=0, epochs=2)


def explodes_at_full_rate(learner):
    return math.inf if learner.rate > 0.3 else 0.5


def test_back_off_goes_back_to_the_start_of_the_epoch_with_half_the_rate_and_says_so(tmp_path, caplog):
    make = lambda: Scripted([3.0, 2.0, 1.0], steps=3, losses={(1, 2): explodes_at_full_rate})  # noqa: E731
    found = fit(make(), seed=0, epochs=3, on_divergence="back-off")
    assert [row for row in found.history if row.name == "back_off"] == [
        Row(3, "back_off", 0.5),
        Row(3, "back_off", 0.25),
    ]
    assert found.final["updates"] == 9  # the updates of the failed attempts are gone
    assert (
        "loss is inf at epoch 1, step 2: back to the start of the epoch with 0.5 times the learning rate" in caplog.text
    )
    again = fit(make(), seed=0, epochs=3, on_divergence="back-off", folder=tmp_path, save_every_steps=1)
    assert equal(found, again)


def test_back_off_survives_interruption(tmp_path):
    make = lambda: Scripted([3.0, 2.0, 1.0], steps=3, losses={(1, 2): explodes_at_full_rate})  # noqa: E731
    found = fit(make(), seed=0, epochs=3, on_divergence="back-off")
    for _ in range(40):
        try:
            last = fit(make(), seed=0, epochs=3, on_divergence="back-off", folder=tmp_path, max_seconds=1e-9)
            break
        except Interrupted:
            pass
    assert equal(found, last)


def test_back_off_ends(caplog):
    with pytest.raises(Diverged, match="loss is inf at epoch 0, step 0"):
        fit(Scripted([1.0], losses={(0, 0): math.inf}), seed=0, epochs=1, on_divergence="back-off")
    assert caplog.text.count("back to the start") == 5


def test_other_settings_are_set_aside_and_said_so(tmp_path, caplog):
    with pytest.raises(Cut):
        fit(cut_after(mlp(1), 7), seed=1, epochs=5, folder=tmp_path, fingerprint="a", save_every_steps=1)
    with caplog.at_level(logging.WARNING):
        found = fit(mlp(1), seed=1, epochs=5, folder=tmp_path, fingerprint="b", save_every_steps=1)
    assert not found.resumed and equal(found, fit(mlp(1), seed=1, epochs=5))
    assert caplog.text.count("is of other settings, code or data") == 1
    assert len(list((tmp_path / "set-aside").glob("state-*"))) == 5


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (dict(epochs=-1), "epochs: expected a whole number of at least 0, found -1"),
        (dict(epochs=2.0), "epochs: expected a whole number of at least 0, found 2.0"),
        (dict(patience=True), "patience: expected a whole number of at least 0, found True"),
        (dict(patience_unit="days"), "patience_unit: expected 'epochs' or 'steps', found 'days'"),
        (dict(max_seconds=0), "max_seconds: expected more than 0, found 0"),
        (dict(on_divergence="pray"), "on_divergence: expected 'stop' or 'back-off', found 'pray'"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(wrong, text):
    with pytest.raises(ValueError, match=text):
        fit(Scripted([1.0] * 5), **(dict(seed=0, epochs=5) | wrong))


def test_learner_mistakes_are_named():
    empty = Scripted([1.0], steps=0)
    with pytest.raises(ValueError, match="steps_per_epoch: expected at least 1, found 0: no training samples"):
        fit(empty, seed=0, epochs=1)
    nameless = Scripted([1.0])
    nameless.validate = lambda epoch: {"loss": 1.0}
    with pytest.raises(ValueError, match="validate must return the criterion 'score', found loss"):
        fit(nameless, seed=0, epochs=1)
    twice = Scripted([1.0])
    twice.end_epoch = lambda epoch, validation: {"train_loss": 1.0}
    with pytest.raises(ValueError, match="end_epoch returns train_loss, which is logged already"):
        fit(twice, seed=0, epochs=1)
    odd = Scripted([1.0])
    odd.state = lambda: {"rate": object()}
    with pytest.raises(TypeError, match=r"found object at state\.learner\.rate"):
        fit(odd, seed=0, epochs=1, folder="unused", save_every_steps=1)
