"""The networks, losses, weights and learners of the affinity study."""

import itertools

import numpy as np
import pytest
import torch
from affinity_samples import arm, replaced, training_arrays
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.checkpoint import weights_bytes
from rematch.engine import fit
from rematch.streams import torch_generator
from rematch.studies.antibody_affinity.bins import bin_index
from rematch.studies.antibody_affinity.model import LOSSES, Perceptron, focal_squared_error, initialise, parameter_count
from rematch.studies.antibody_affinity.train import OPTIMIZERS, SCHEDULES, batch_count, learner, sample_weights

CPU = torch.device("cpu")


@pytest.mark.parametrize(("version", "linear", "whole"), [("v1", 71_681, 72_449), ("v2", 249_857, 251_777)])
def test_parameter_counts_of_the_two_networks(version, linear, whole):
    # The document says about 78,000 and 240,000 (S4-09, S4-101).
    model = Perceptron(150, arm(version))
    assert parameter_count(model) == whole
    assert sum(p.numel() for m in model.modules() if isinstance(m, torch.nn.Linear) for p in m.parameters()) == linear
    widths = [150, *arm(version).hidden, 1]
    assert linear == sum(a * b + b for a, b in itertools.pairwise(widths))


def test_the_last_dropout_is_halved_and_the_activation_is_the_named_one():
    model = Perceptron(150, arm("v2"))
    assert [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)] == [0.3, 0.3, 0.3, 0.15]
    assert sum(isinstance(m, torch.nn.GELU) for m in model.modules()) == 4


def test_the_output_is_in_units_of_the_target():
    settings, x = arm("v1"), torch.randn(7, 4, generator=torch_generator(0, "x"))
    plain, scaled = Perceptron(4, settings).eval(), Perceptron(4, settings, 8.0, 2.0).eval()
    scaled.network.load_state_dict(plain.network.state_dict())
    assert plain(x).shape == (7,)
    assert torch.allclose(scaled(x), 8.0 + 2.0 * plain(x))


def test_initialisation_follows_its_rule_and_its_generator():
    model, twin = Perceptron(150, arm("v2")), Perceptron(150, arm("v2"))
    for network in (model, twin):
        initialise(network, "xavier", torch_generator(1, "weights"))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters()))
    for layer in [m for m in model.modules() if isinstance(m, torch.nn.Linear)]:
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert layer.weight.abs().max() <= bound and not layer.bias.any()
        assert layer.weight.numel() < 1000 or layer.weight.abs().max() > 0.95 * bound
    initialise(model, "default", torch_generator(1, "weights"))
    first = model.network[0]
    assert 0.95 * 150**-0.5 < first.weight.abs().max() <= 150**-0.5 and first.bias.any()


def test_arms_of_a_seed_start_alike_where_shapes_allow():
    first = [learner(arm(v), training_arrays(), 1, CPU).weights() for v in ("v1", "v1")]
    relu = learner(arm("v1", activation="gelu", loss="focal"), training_arrays(), 1, CPU).weights()
    assert all(torch.equal(first[0][name], first[1][name]) and torch.equal(first[0][name], relu[name]) for name in relu)


@given(error=st.floats(-10, 10), gamma=st.sampled_from([0.0, 1.0, 2.0, 3.5]))
@settings(max_examples=60, deadline=None)
def test_the_focal_loss_is_the_formula_and_never_weighs_an_error_down(error, gamma):
    value = float(focal_squared_error(torch.tensor([error], dtype=torch.float64), gamma))
    mse = error**2
    assert value == pytest.approx(mse * (1 + mse ** (gamma / 2)))
    assert value >= mse  # S4-95
    if gamma == 2.0:
        assert value == pytest.approx(error**2 + error**4)


def test_the_plain_loss_is_the_squared_error():
    error = torch.tensor([-2.0, 0.0, 3.0])
    assert LOSSES["mse"](error, 2.0).tolist() == [4.0, 0.0, 9.0]


def test_the_focal_gradient_is_finite_at_zero():
    error = torch.zeros(3, requires_grad=True)
    focal_squared_error(error, 2.0).sum().backward()
    assert error.grad.tolist() == [0.0, 0.0, 0.0]


def test_sample_weights_are_those_of_the_bin():
    target = np.array([3.0, 6.0, 6.0, 8.0, 8.0, 8.0, 10.0, 12.0], np.float32)
    plain, extreme = sample_weights(target, arm("v1")), sample_weights(target, arm("v2"))
    counts = np.bincount(bin_index(target), minlength=5)
    assert plain == pytest.approx([len(target) / (5 * counts[b]) for b in bin_index(target)])
    assert extreme / plain == pytest.approx([10, 1, 1, 1, 1, 1, 1, 10])
    assert sample_weights(target, arm("v1", bin_weights="none")).tolist() == [1.0] * 8


@given(rows=st.integers(2, 2000), size=st.integers(2, 300))
def test_batches_cover_all_rows_and_none_has_a_single_one(rows, size):
    batches = batch_count(rows, size)
    cuts = [(i * rows // batches, (i + 1) * rows // batches) for i in range(batches)]
    assert cuts[0][0] == 0 and cuts[-1][1] == rows
    assert all(stop - start >= 2 for start, stop in cuts)
    assert max(stop - start for start, stop in cuts) <= size + 1


def steps(optimizer, gradients, decay, start=1.0):
    """The path of one weight under given gradients."""
    weight = torch.nn.Parameter(torch.tensor([start], dtype=torch.float64))
    update = OPTIMIZERS[optimizer]([weight], lr=0.1, weight_decay=decay)
    path = []
    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        update.step()
        path.append(float(weight.detach()))
    return path


def test_adam_and_adamw_differ_only_through_weight_decay():
    # As written in the document both formulas expand to w - lr g - lr wd w (S4-71, S4-100). They do so for plain
    # gradient descent; in Adam the L2 term passes through the adaptive denominator, in AdamW it does not.
    gradients = [0.3, -0.2, 0.5]
    assert steps("adam", gradients, 0.0) == steps("adamw", gradients, 0.0)
    assert steps("adam", gradients, 0.1) != pytest.approx(steps("adamw", gradients, 0.1))
    # First step by hand: Adam moves by lr * sign(g + wd w); AdamW by lr * sign(g) after shrinking w by lr wd w.
    assert steps("adam", [0.3], 0.1)[0] == pytest.approx(1 - 0.1, abs=1e-6)
    assert steps("adamw", [0.3], 0.1)[0] == pytest.approx(1 - 0.1 * 0.1 - 0.1, abs=1e-6)


def test_weight_times_a_thousand_changes_no_adam_step():
    # S4-92: Adam's step does not depend on the scale of the loss.
    assert steps("adamw", [0.3, -0.2], 0.0) == pytest.approx(steps("adamw", [300.0, -200.0], 0.0), rel=1e-6)


def test_restarts_double_their_period():
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=1e-4)
    schedule = SCHEDULES["cosine-warm-restarts"](optimizer, arm("v2"))
    rates = []
    for _ in range(65):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert [i for i, rate in enumerate(rates) if rate == pytest.approx(1e-4)] == [0, 20, 60]  # S4-87, not 20, 40, 60
    assert min(rates) >= 1e-6


def trained(settings, seed=1, epochs=3, data=None):
    return fit(learner(settings, data or training_arrays(), seed, CPU), seed=seed, epochs=epochs)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_differs(version):
    small = replaced(arm(version), hidden=(16, 8), batch_size=32)
    one, two, other = trained(small), trained(small), trained(small, seed=2)
    assert weights_bytes(one.best) == weights_bytes(two.best) and weights_bytes(one.final) == weights_bytes(two.final)
    assert one.history == two.history
    assert weights_bytes(one.final) != weights_bytes(other.final)


def test_training_learns_and_shuffled_labels_do_not():
    small = replaced(arm("v1"), hidden=(16,), batch_size=16, dropout=0.0)
    true, shuffled = trained(small, epochs=30), trained(replaced(small, labels="shuffled"), epochs=30)
    spread = float(training_arrays()["y_valid"].std())
    assert true.best_value < 0.6 * spread and shuffled.best_value > 0.85 * spread


def test_the_history_holds_what_the_report_needs():
    names = {row.name for row in trained(replaced(arm("v2"), hidden=(8,)), epochs=1).history}
    expected = {
        "train_loss",
        "train_gradient_norm",
        "train_clipped",
        "validation_rmse",
        "validation_mae",
        "learning_rate",
    }
    assert expected <= names


def test_selection_ignores_the_weights_of_the_bins():
    data = training_arrays()
    model = learner(replaced(arm("v1"), hidden=(8,)), data, 1, CPU)
    weights = model.weights()
    network = Perceptron(5, replaced(arm("v1"), hidden=(8,)))
    network.load_state_dict(weights)
    with torch.no_grad():
        error = network.eval()(torch.from_numpy(data["x_valid"])).numpy() - data["y_valid"]
    assert model.validate(0)["rmse"] == pytest.approx(float(np.sqrt(np.mean(error**2))), rel=1e-5)


@pytest.mark.parametrize("model", ["mean", "ridge", "trees"])
def test_baselines_are_fitted_in_one_step_and_repeat(model):
    settings = replaced(arm("v1"), model=model, epochs=1)
    one, two = trained(settings, epochs=1), trained(settings, epochs=1)
    assert weights_bytes(one.best) == weights_bytes(two.best)
    assert np.isfinite(one.best_value)


def test_ridge_finds_a_linear_target_better_than_the_mean():
    ridge = trained(replaced(arm("v1"), model="ridge"), epochs=1).best_value
    mean = trained(replaced(arm("v1"), model="mean"), epochs=1).best_value
    assert ridge < 0.3 < mean
