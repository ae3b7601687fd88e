"""Diagnostics on matrices whose values a person can work out, and against second ways to compute them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch import diagnostics


def test_gradient_norms_are_grouped_by_layer_and_scaled_back():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    model[0].weight.grad, model[0].bias.grad = torch.full((2, 2), 1.0), torch.zeros(2)
    model[1].weight.grad = torch.tensor([[3.0, 4.0]])  # the last bias has no gradient at all
    assert diagnostics.gradient_norms(model.named_parameters()) == {"gradient_norm_0": 2.0, "gradient_norm_1": 5.0}
    assert diagnostics.gradient_norms(model.named_parameters(), 10.0)["gradient_norm_1"] == 50.0


def test_parameter_change_ignores_counters():
    before = {"w": torch.zeros(2), "batches": torch.tensor(1)}
    assert diagnostics.parameter_change(before, {"w": torch.tensor([3.0, 4.0]), "batches": torch.tensor(9)}) == 5.0


def test_dead_share():
    assert diagnostics.dead_share(torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])) == 0.5


def test_parallel_rows_have_collapsed():
    x = torch.arange(1.0, 9.0)[:, None] * torch.tensor([[1.0, 2.0, 2.0]])
    values = diagnostics.collapse(x)
    assert values["cosine_mean"] == pytest.approx(1.0)
    assert values["cosine_std"] == pytest.approx(0.0, abs=1e-6)
    assert values["effective_rank"] == pytest.approx(1.0, abs=1e-3)
    assert values["pca_90"] == 1
    assert values["norm_mean"] == pytest.approx(3 * 4.5)


def test_an_offset_alone_raises_the_raw_cosine_only():
    x = torch.randn(400, 32, generator=torch.Generator().manual_seed(0))
    plain, moved = diagnostics.collapse(x), diagnostics.collapse(x + 10)
    assert plain["cosine_mean"] == pytest.approx(0, abs=0.01)
    assert moved["cosine_mean"] > 0.95
    for name in ("cosine_mean_centred", "effective_rank", "pca_90"):
        assert moved[name] == pytest.approx(plain[name], rel=1e-3, abs=1e-3)


def test_equal_rows_are_finite():
    values = diagnostics.collapse(torch.ones(5, 3))
    assert values["cosine_mean"] == pytest.approx(1.0)
    assert values["effective_rank"] == values["pca_90"] == 0
    assert all(np.isfinite(value) for value in diagnostics.collapse(torch.zeros(5, 3)).values())
    assert all(np.isfinite(value) for value in diagnostics.collapse(torch.ones(1, 3)).values())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 30), st.integers(1, 12))
def test_ranks_against_numpy(seed, n, d):
    x = np.random.default_rng(seed).normal(size=(n, d))
    values = diagnostics.collapse(torch.from_numpy(x))
    singular = np.linalg.svd(x - x.mean(0), compute_uv=False)
    share = singular[singular > 1e-6] / singular[singular > 1e-6].sum()
    assert values["effective_rank"] == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=0.02)
    held = np.cumsum(singular**2) / (singular**2).sum()
    assert abs(values["pca_90"] - (np.searchsorted(held, 0.9) + 1)) <= (abs(held - 0.9).min() < 1e-4)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.triu_indices(n, 1)]
    assert values["cosine_mean"] == pytest.approx(cosines.mean(), abs=1e-5)
    assert values["cosine_std"] == pytest.approx(cosines.std(ddof=1) if len(cosines) > 1 else 0, abs=1e-5)


def test_turning_the_space_changes_nothing():
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(50, 8, generator=draw) + 1
    turn = torch.linalg.qr(torch.randn(8, 8, generator=draw)).Q
    one, other = diagnostics.collapse(x), diagnostics.collapse(5 * x @ turn)
    for name in one:
        assert other[name] == pytest.approx(one[name] * (5 if name == "norm_mean" else 1), rel=1e-3, abs=1e-4)


def test_sampled_rows_are_always_the_same():
    rows = diagnostics.sample_rows(10_000, 100)
    assert len(rows) == 100 and rows[0] == 0 and rows[-1] == 9_999
    assert diagnostics.sample_rows(3, 100).tolist() == [0, 1, 2]


def test_separation_of_constant_and_perfect_scores():
    nothing = diagnostics.separation(np.zeros(4), np.zeros(6))
    assert nothing == {"score_gap": 0.0, "auc": 0.5, "loss_over_constant": pytest.approx(1.0)}
    perfect = diagnostics.separation(np.full(4, 50.0), np.full(6, -50.0))
    assert perfect["score_gap"] == pytest.approx(1.0) and perfect["auc"] == 1.0
    assert perfect["loss_over_constant"] == pytest.approx(0.0, abs=1e-12)
    huge = diagnostics.separation(np.array([1e6]), np.array([-1e6]))
    assert all(np.isfinite(value) for value in huge.values())


def test_a_gap_beside_a_loss_at_chance_is_possible():
    """Scores may be apart by 0.6 and still cost as much as a constant, if a few are wrong with great confidence."""
    positive = np.concatenate([np.full(80, 2.0), np.full(20, -5.3)])
    values = diagnostics.separation(positive, np.full(100, -2.0))
    assert values["score_gap"] > 0.5
    assert values["loss_over_constant"] > 0.9


def test_dirichlet_energy_of_smooth_and_rough_signals():
    """On the 4-cycle S has eigenvalues 1 (constant), 0 and -1 (alternating)."""
    a = torch.tensor([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]).float() / 2
    for signal, energy in (([1.0, 1, 1, 1], 0), ([1.0, 0, -1, 0], 1), ([1.0, -1, 1, -1], 2)):
        h = torch.tensor(signal)[:, None]
        assert diagnostics.dirichlet_energy(h, a @ h) == pytest.approx(energy, abs=1e-6)
    assert diagnostics.dirichlet_energy(torch.zeros(4, 1), torch.zeros(4, 1)) == 0
