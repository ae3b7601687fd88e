"""The learner in the engine: it learns, resumes to the same bytes, and its controls fail."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_hierarchies import prepared, random_tree, settings

from rematch.engine import fit
from rematch.studies.taxonomy import train as module
from rematch.studies.taxonomy.ranking import rank_ancestors
from rematch.studies.taxonomy.settings import Settings
from rematch.studies.taxonomy.train import initial_table, learner, pair_weights, target_radius

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("tree"), random_tree(120, 11), validation_anchors=30)


def _map(weights, result, hyperbolic=True):
    table, closure = weights["embedding"].numpy(), [result.train[key] for key in ("offsets", "ancestors", "steps")]
    found = rank_ancestors(table, result.test["anchors"], *closure, hyperbolic)
    return found.precision[:, 0].mean()


def test_training_reconstructs_and_the_controls_do_not(tree):
    kinds = {"v3": dict(), "shuffled": dict(labels="shuffled"), "euclidean": dict(geometry="euclidean"),
             "lorentz": dict(geometry="lorentz")}  # fmt: skip
    arms = {name: settings(epochs=40, **changes) for name, changes in kinds.items()}
    maps = {}
    for name, arm in arms.items():
        result = fit(learner(arm, tree.train, 3, CPU), seed=3, epochs=arm.epochs)
        maps[name] = _map(result.best, tree, arm.geometry != "euclidean")
    start = _map(learner(arms["v3"], tree.train, 3, CPU).weights(), tree)
    assert maps["v3"] > 0.8 and start < 0.3 and maps["shuffled"] < 0.3
    assert maps["v3"] > maps["euclidean"] and maps["lorentz"] > 0.8


def test_equal_seeds_give_equal_bytes_and_others_do_not(tree):
    def bytes_of(seed, **changes):
        result = fit(learner(settings(precision="float32", **changes), tree.train, seed, CPU), seed=seed, epochs=2)
        return result.final["embedding"].numpy().tobytes()

    assert bytes_of(1) == bytes_of(1) != bytes_of(2)


@pytest.mark.parametrize("changes", [dict(precision="float32"), dict(geometry="lorentz")])
def test_a_restored_learner_goes_on_as_if_never_stopped(tree, monkeypatch, changes):
    monkeypatch.setattr(module, "CHUNK", 64)  # several steps an epoch
    arm = settings(labels="shuffled", schedule="linear", burn_in=0.3, **changes)
    straight, cut = (learner(arm, tree.train, 3, CPU) for _ in range(2))
    assert straight.steps_per_epoch > 3
    for epoch in range(2):
        for step in range(straight.steps_per_epoch):
            straight.step(epoch, step)
    for step in range(2):
        cut.step(0, step)
    cut.scale_rate(1.0)
    weights, state = cut.weights(), cut.state()
    fresh = learner(arm, tree.train, 3, CPU)
    fresh.restore(weights, state)
    for epoch in range(2):
        for step in range(2 if epoch == 0 else 0, fresh.steps_per_epoch):
            fresh.step(epoch, step)
    assert torch.equal(fresh.weights()["embedding"], straight.weights()["embedding"])


def test_chunks_do_not_change_the_result(tree, monkeypatch):
    arm = settings(batch=4)
    whole = learner(arm, tree.train, 3, CPU)
    whole.step(0, 0)
    monkeypatch.setattr(module, "CHUNK", 40)
    parts = learner(arm, tree.train, 3, CPU)
    for step in range(parts.steps_per_epoch):
        parts.step(0, step)
    assert torch.equal(whole.weights()["embedding"], parts.weights()["embedding"])


@pytest.mark.parametrize("geometry", ["poincare", "lorentz", "euclidean"])
def test_the_torch_path_trains_the_same_table(tree, geometry):
    arm = settings(batch=16, accelerator_batch=16, geometry=geometry)
    compiled, plain = (module.TaxonomyLearner(arm, tree.train, 3, CPU, compiled=way) for way in (True, False))
    assert plain.step(0, 0) == pytest.approx(compiled.step(0, 0))
    np.testing.assert_allclose(plain._own(), compiled._own(), atol=1e-6)
    assert plain.validate(0) == pytest.approx(compiled.validate(0))
    weights = plain.weights()
    plain.restore(weights, plain.state())
    assert torch.equal(plain.weights()["embedding"], weights["embedding"])


@pytest.mark.parametrize("rows", [3, 40_000])
def test_a_large_table_begins_on_a_large_page(rows):
    table = module.in_large_pages((rows, 16), np.dtype(np.float32))
    assert table.shape == (rows, 16) and not table.any() and table.flags["C"] and table.flags["W"]
    assert rows == 3 or table.ctypes.data % (1 << 21) == 0


def test_depth_is_written_into_the_radius_before_any_step(tree):
    depth = tree.train["depth"]
    start = initial_table(settings(initialisation="depth-radius"), depth, 1)
    norm = np.linalg.norm(start, axis=1)
    assert np.corrcoef(depth, norm)[0, 1] > 0.95 and norm.max() < 1
    assert np.linalg.norm(initial_table(settings(), depth, 1), axis=1).max() < 0.01
    assert target_radius(depth)[0] == pytest.approx(0.1) and target_radius(depth).max() == pytest.approx(0.9)


def test_weights_have_mean_one_and_follow_the_depth(tree):
    depth, offsets = tree.train["depth"], tree.train["offsets"]
    descendants = np.repeat(np.arange(len(depth)), np.diff(offsets))
    weights = pair_weights(settings(pair_weights="sqrt-depth"), depth, descendants)
    assert weights[descendants].mean() == pytest.approx(1)
    np.testing.assert_allclose(weights[depth == 4] / weights[depth == 1].mean(), 2)


@pytest.mark.parametrize(("changes", "pairs"), [(dict(pairs="parent"), 119), (dict(pairs="closure"), None)])
def test_an_epoch_visits_each_pair_once(tree, changes, pairs):
    model = learner(settings(**changes), tree.train, 3, CPU)
    expected = pairs or len(tree.train["ancestors"])
    assert sorted(model._epoch_order(1)) == list(range(expected))
    longer = learner(settings(epoch_length="closure", **changes), tree.train, 3, CPU)
    visits = np.bincount(longer._epoch_order(1), minlength=expected)
    assert len(longer._epoch_order(1)) == len(tree.train["ancestors"]) and visits.max() - visits.min() <= 1


def test_the_step_burns_in_and_falls(tree):
    model = learner(settings(epochs=10, burn_in=0.2, schedule="linear"), tree.train, 3, CPU)
    steps = [model._step_size(epoch) for epoch in range(10)]
    np.testing.assert_allclose(steps[:3], [0.01, 0.01, 0.1])
    assert steps[-1] == pytest.approx(0.01) and all(a >= b for a, b in pairwise(steps[2:]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(sharpness=3), "sharpness: expected 1, 2, 4 or 8, found 3"),
        (dict(geometry="euclidean", initialisation="depth-radius"), "depth-radius places nodes in the ball"),
        (dict(geometry="euclidean", radial_weight=0.1), "the radial penalty is defined in the ball, found euclidean"),
        (dict(geometry="lorentz", radial_weight=0.1), "the radial penalty is defined in the ball, found lorentz"),
        (dict(geometry="lorentz", precision="float32"), "lorentz needs float64, its time coordinates cancel; found"),
        (dict(precision="float32", rim=1e-8), "float32 cannot resolve a rim below 1e-6, found 1e-08"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_checkpoints_of_every_epoch_are_five_with_the_best_by_validation_and_the_final_one(tree, tmp_path):
    model = learner(settings(epochs=9, learning_rate=0.5), tree.train, 3, CPU)
    seen = []
    validate = model.validate
    model.validate = lambda epoch: seen.append(sorted(p.name for p in tmp_path.iterdir())) or validate(epoch)
    result = fit(model, seed=3, epochs=9, folder=tmp_path, save_every_steps=model.steps_per_epoch)
    states = [sum(name.startswith("state-") for name in names) for names in seen]
    assert states == [1, 2, 3, 4, 5, 5, 5, 5, 5]  # one per epoch; from the sixth on the oldest goes
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("state-")) == [
        "best.safetensors",
        "final.safetensors",
    ]
    assert len(list(tmp_path.iterdir())) == 7
    values = [row.value for row in result.history if row.name == "validation_map"]
    assert result.best_epoch == int(np.argmax(values)) and result.best_value == max(values)
    for name, weights in (("best", result.best), ("final", result.final)):
        assert torch.equal(load_file(tmp_path / f"{name}.safetensors")["embedding"], weights["embedding"])


def test_prepared_data_do_not_depend_on_the_seed():
    assert Settings.seeded_preparation is False
