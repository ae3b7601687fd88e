"""The ready-made learner: its update against plain torch, what it logs, its state for many optimizers and schedules."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_learners import mlp
from torch import nn

from rematch.divergence import NotFinite
from rematch.engine import fit
from rematch.learner import Criterion
from rematch.torch_learner import TorchLearner

X = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True)


def linear(seed=0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(3, 1)


def learner(model, optimizer, batches=3, **options) -> TorchLearner:
    size = 12 // batches
    loss = lambda m, epoch, b: nn.functional.mse_loss(m(X[b * size : (b + 1) * size]), Y[b * size : (b + 1) * size])  # noqa: E731
    validation = lambda m, epoch: {"mse": float(nn.functional.mse_loss(m(X), Y))}  # noqa: E731
    return TorchLearner(model, optimizer, loss, validation, batches, Criterion("mse", "lower"), **options)


def test_one_update_equals_the_hand_made_one():
    model, other = linear(), linear()
    values = learner(model, torch.optim.SGD(model.parameters(), lr=0.1), batches=1).step(0, 0)
    loss = nn.functional.mse_loss(other(X), Y)
    gradients = torch.autograd.grad(loss, list(other.parameters()))
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
    assert values == pytest.approx({"loss": loss.item(), "gradient_norm": norm, "update_norm": 0.1 * norm}, rel=1e-6)
    for p, q, g in zip(model.parameters(), other.parameters(), gradients, strict=True):
        torch.testing.assert_close(p, q - 0.1 * g)


def test_accumulating_equals_one_large_batch():
    few, many = linear(), linear()
    a = learner(few, torch.optim.SGD(few.parameters(), lr=0.1), batches=1)
    b = learner(many, torch.optim.SGD(many.parameters(), lr=0.1), batches=4, accumulate=4)
    one, other = a.step(0, 0), b.step(0, 0)
    assert b.steps_per_epoch == 1 and one == pytest.approx(other, rel=1e-5)
    torch.testing.assert_close(few.weight, many.weight)


def test_the_last_group_of_an_epoch_may_be_smaller():
    model = linear()
    found = learner(model, torch.optim.SGD(model.parameters(), lr=0.0), batches=3, accumulate=2)
    losses = [float(found.loss(model, 0, b).detach()) for b in range(3)]
    assert found.steps_per_epoch == 2
    assert found.step(0, 0)["loss"] == pytest.approx((losses[0] + losses[1]) / 2)
    assert found.step(0, 1)["loss"] == pytest.approx(losses[2])


def test_clipping_is_logged_before_it_happens():
    model = linear()
    found = learner(model, torch.optim.SGD(model.parameters(), lr=1.0), batches=1, clip_norm=0.25)
    values = found.step(0, 0)
    assert values["gradient_norm"] > 0.25 and values["clipped"] == 1.0
    assert values["update_norm"] == pytest.approx(0.25, rel=1e-4)
    free = linear()
    assert learner(free, torch.optim.SGD(free.parameters(), lr=1.0), 1, clip_norm=1e6).step(0, 0)["clipped"] == 0.0


def test_further_values_are_averaged_over_the_group():
    model = linear()
    found = learner(model, torch.optim.SGD(model.parameters(), lr=0.0), batches=2, accumulate=2)
    inner = found.loss
    found.loss = lambda m, epoch, b: (inner(m, epoch, b), {"pairs": 10.0 * b})
    assert found.step(0, 0)["pairs"] == 5.0


def test_validation_sees_evaluation_mode_without_gradients_and_training_goes_back():
    found = mlp(1)
    seen = []
    found.validation = lambda model, epoch: seen.append((model.training, torch.is_grad_enabled())) or {"mse": 1.0}
    found.validate(0)
    found.step(0, 0)
    assert seen == [(False, False)] and found.model.training


def test_a_gradient_that_is_no_number_is_named_and_not_applied():
    model = linear()
    before = model.weight.detach().clone()
    found = learner(model, torch.optim.SGD(model.parameters(), lr=0.1), batches=1)
    found.loss = lambda m, epoch, b: (m.weight.sum() * 0).sqrt()  # the slope of the root at 0 is infinite
    with pytest.raises(NotFinite, match=r"gradient of weight \(1, 3\) is (nan|inf)"):
        found.step(0, 0)
    assert torch.equal(before, model.weight)


def test_a_loss_without_parameters_is_an_error():
    model = linear()
    found = learner(model, torch.optim.SGD(model.parameters(), lr=0.1), batches=1)
    found.loss = lambda m, epoch, b: torch.zeros((), requires_grad=True) * 1.0
    with pytest.raises(ValueError, match="the loss reaches no parameter of the optimizer"):
        found.step(0, 0)


def test_scaler_that_skips_an_update_is_logged():
    model = linear()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120)
    found = learner(model, torch.optim.SGD(model.parameters(), lr=0.1), batches=1, scaler=scaler)
    inner = found.loss
    found.loss = lambda m, epoch, b: inner(m, epoch, b) * 1e6
    assert found.step(0, 0)["skipped"] == 1.0 and scaler.get_scale() == 2.0**119


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, amsgrad=True),
    "fused adamw": lambda p: torch.optim.AdamW(p, lr=0.05, fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.05),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05),
    "groups": lambda p: torch.optim.Adam([{"params": q, "lr": 0.01 * (i + 1)} for i, q in enumerate(p)]),
}
SCHEDULES = {
    "none": lambda o: None,
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 8),
    "warm restarts": lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
    "plateau": lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.5),
    "multistep": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [1, 3, 3]),
    "lambda": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: 0.8**epoch),
    "sequence": lambda o: torch.optim.lr_scheduler.SequentialLR(
        o,
        [torch.optim.lr_scheduler.LinearLR(o, 0.1, total_iters=2), torch.optim.lr_scheduler.CosineAnnealingLR(o, 6)],
        milestones=[2],
    ),
}
PAIRS = [(o, "cosine") for o in OPTIMIZERS] + [("adam", s) for s in SCHEDULES]


@pytest.mark.parametrize(("optimizer", "schedule"), PAIRS, ids=lambda name: name)
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.*")
def test_state_brings_back_optimizer_and_schedule_exactly(tmp_path, optimizer, schedule):
    def make():
        model = linear()
        made = OPTIMIZERS[optimizer](list(model.parameters()))
        return learner(model, made, scheduler=SCHEDULES[schedule](made))

    from rematch.interrupt import Interrupted

    undisturbed = fit(make(), seed=0, epochs=5)
    for _ in range(100):
        try:
            last = fit(make(), seed=0, epochs=5, folder=tmp_path, max_seconds=1e-9)
            break
        except Interrupted:
            pass
    assert last.history == undisturbed.history
    assert all(torch.equal(last.final[name], undisturbed.final[name]) for name in last.final)


def test_scaling_the_rate_scales_the_schedule_too():
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4)
    found = learner(model, optimizer, scheduler=torch.optim.lr_scheduler.StepLR(optimizer, 100))
    found.scale_rate(0.5)
    found.scheduler.optimizer.step()
    assert found.end_epoch(0, {}) == {"learning_rate": 0.2}
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
