"""The learner: it learns, it repeats, it resumes, and the choices do what they say."""

import dataclasses

import numpy as np
import pytest
import torch

from rematch.engine import fit
from rematch.settings import resolve
from rematch.studies.link_prediction.data import prepare
from rematch.studies.link_prediction.evaluate import embeddings, evaluate
from rematch.studies.link_prediction.generate import generate
from rematch.studies.link_prediction.graph import Graph
from rematch.studies.link_prediction.model import GraphNorm, LinkPredictor
from rematch.studies.link_prediction.sampling import Sampler
from rematch.studies.link_prediction.settings import Settings
from rematch.studies.link_prediction.spectral import spectrum
from rematch.studies.link_prediction.train import learner
from tests.studies.link_prediction.small_graphs import SQUARE_WITH_TAIL, dense

CPU = torch.device("cpu")
BASE = Settings(
    model="gcn", edges="observed", structural_features=True, hidden=32, layers=2, norm="layer", activation="relu",
    dropout=0.2, edge_dropout=0.2, residual=0.3, skip="after-first", initialisation="xavier", rank=8, decoder="dot",
    loss="cross-entropy", pairs="sampled", negative_weight=1.0, mask_targets=False, diversity=0.01, hard_negatives=0.05,
    hard_warm_up=2, learning_rate=0.01, weight_decay=5e-5, schedule="plateau", plateau_patience=2, clip=1.0,
    average=0.0, epochs=6, updates_per_epoch=2, evaluate_every=2, patience=0,
)  # fmt: skip


def variant(**changes):
    return dataclasses.replace(BASE, **changes)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    raw = tmp_path_factory.mktemp("raw")
    generate(raw, seed=7, nodes=90, communities=4, density=0.2)
    return prepare(raw, {}, BASE, 0)


def trained(settings, prepared, seed=0):
    return fit(
        learner(settings, prepared.train, seed, CPU), seed=seed, epochs=settings.epochs, patience=settings.patience
    )


def scores(settings, prepared, weights):
    table = evaluate(settings, weights, prepared.train, prepared.test, prepared.names, CPU).table()
    return {(row.split, row.name_): row.value for row in table.rename(columns={"name": "name_"}).itertuples()}


SPECTRAL = {
    "initialisation": "spectral", "decoder": "signed", "skip": "input", "residual": 1.0, "norm": "none", "hidden": 8,
    "activation": "none",
    "structural_features": False, "loss": "squared", "pairs": "all", "hard_negatives": 0.0, "mask_targets": True,
    "edge_dropout": 0.5, "negative_weight": 4.0, "diversity": 0.0,
}  # fmt: skip

CHOICES = [
    {},
    {"norm": "batch", "schedule": "cosine", "decoder": "mlp"},
    {"norm": "graph", "skip": "every-layer", "mask_targets": True, "loss": "squared-hinge"},
    {
        "norm": "none",
        "activation": "none",
        "skip": "input",
        "initialisation": "orthogonal",
        "structural_features": False,
    },
    {"pairs": "all", "hard_negatives": 0.0, "average": 0.9, "schedule": "constant"},
    {"decoder": "signed"},
    SPECTRAL,
]


@pytest.mark.parametrize("changes", CHOICES, ids=lambda changes: "-".join(list(changes)[:5]) or "base")
def test_same_seed_same_bits_other_seed_other_bits(prepared, changes):
    settings = variant(epochs=2, **changes)
    one, again, other = (trained(settings, prepared, seed).final for seed in (0, 0, 1))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("changes", CHOICES, ids=lambda changes: "-".join(list(changes)[:5]) or "base")
@pytest.mark.parametrize("cut", [1, 3, 5])
def test_resumed_anywhere_as_if_never_interrupted(prepared, changes, cut):
    settings = variant(epochs=4, **changes)
    whole, first = learner(settings, prepared.train, 3, CPU), learner(settings, prepared.train, 3, CPU)
    run(whole, settings, 0, 8)
    run(first, settings, 0, cut)
    second = learner(settings, prepared.train, 3, CPU)
    second.restore(first.weights(), first.state())
    logged = run(second, settings, cut, 8)
    for name, value in whole.weights().items():
        assert torch.equal(value, second.weights()[name]), name
    assert logged[-1] == run_logs(settings, prepared)[-1]


def run(training, settings, start, stop):
    """Updates start .. stop - 1, with validation after each epoch; as the engine does it."""
    logs = []
    for update in range(start, stop):
        epoch, step = divmod(update, settings.updates_per_epoch)
        torch.manual_seed(1000 + update)
        logs.append(training.step(epoch, step))
        if step == settings.updates_per_epoch - 1:
            validation = training.validate(epoch)
            logs.append(validation | training.end_epoch(epoch, validation))
    return logs


def run_logs(settings, prepared):
    return run(learner(settings, prepared.train, 3, CPU), settings, 0, 8)


def test_it_learns_and_the_controls_do_not(prepared):
    settings = variant(epochs=30, updates_per_epoch=4, learning_rate=0.02)
    learnt = scores(settings, prepared, trained(settings, prepared).best)
    untrained = scores(settings, prepared, trained(variant(epochs=0), prepared).best)
    assert learnt["test", "auc"] > 0.85
    assert learnt["test", "auc"] > untrained["test", "auc"] + 0.05
    assert learnt["test", "hits_at_20"] > untrained["test", "hits_at_20"]


def test_evaluation_repeats_the_validation_of_training(prepared):
    for changes in CHOICES:
        settings = variant(**changes)
        found = trained(settings, prepared)
        assert scores(settings, prepared, found.best)["validation", "hits_at_20"] == pytest.approx(found.best_value)


@pytest.mark.parametrize("model", ["common-neighbours", "adamic-adar", "resource-allocation", "degree-product"])
def test_baselines_run_through_the_same_path(prepared, model):
    settings = variant(model=model, epochs=1)
    found = trained(settings, prepared)
    values = scores(settings, prepared, found.best)
    assert values["validation", "hits_at_20"] == found.best_value
    assert values["test", "auc"] > 0.6
    assert ("test", "score_gap") not in values  # a count is no probability


def test_predictions_name_every_test_edge_and_add_up_to_the_scores(prepared):
    result = evaluate(BASE, trained(BASE, prepared).best, prepared.train, prepared.test, prepared.names, CPU)
    values = {(score.split, score.name): score.value for score in result.scores}
    assert len(result.predictions) == len(prepared.test["test_pos"]) == result.predictions["sample"].nunique()
    assert result.predictions["hit_at_20"].mean() == pytest.approx(values["test", "hits_at_20"])
    assert result.predictions["reciprocal_rank"].mean() == pytest.approx(values["test", "mrr"])
    assert result.predictions["sample"][0] == "--".join(f"node-{i}" for i in prepared.test["test_pos"][0])


def test_validation_runs_only_when_it_is_due(prepared):
    history = trained(variant(epochs=6, evaluate_every=4), prepared).history
    steps = [row.step for row in history if row.name == "validation_auc"]
    assert steps == [2, 10, 12]  # epochs 0, 4 and the last one, two updates each
    assert len([row for row in history if row.name == "validation_hits_at_20"]) == 6


def test_counters_of_patience_have_both_units(prepared):
    history = trained(variant(learning_rate=1e-12, epochs=6), prepared).history
    epochs = [row.value for row in history if row.name == "epochs_since_best"]
    evaluations = [row.value for row in history if row.name == "evaluations_since_best"]
    assert epochs == [0, 1, 2, 3, 4, 5]
    assert evaluations == [0, 0, 1, 1, 2, 3]


def test_averaged_weights_stay_near_the_start(prepared):
    start = trained(variant(epochs=0), prepared).best
    for decay, share in ((0.999, 0.05), (0.5, 0.6)):
        history = trained(variant(average=decay, epochs=6), prepared)
        moved = {name: (history.final[name] - start[name]).norm() for name in ("embedding",)}
        plain = (trained(BASE, prepared).final["embedding"] - start["embedding"]).norm()
        assert (moved["embedding"] < share * plain) == (decay == 0.999)
        logged = [row.value for row in history.history if row.name == "validation_initial_share"]
        assert logged[-1] == pytest.approx(decay**12)


def test_gradient_norms_are_those_before_clipping(prepared):
    loose, tight = (
        trained(variant(clip=clip, epochs=1, updates_per_epoch=1), prepared).history for clip in (0.0, 1e-3)
    )
    for name in ("train_gradient_norm", "train_gradient_norm_layers_0", "train_gradient_norm_embedding"):
        a, b = (next(row.value for row in history if row.name == name) for history in (loose, tight))
        assert a == pytest.approx(b, rel=1e-4)
    assert [row.value for row in tight if row.name == "train_clipped"] == [1.0]


def test_targets_of_an_epoch_are_all_edges_once(prepared):
    edges = prepared.train["edges"]
    sampler = Sampler(variant(updates_per_epoch=3), edges, Graph.from_edges(edges, 90), 0)
    parts = [sampler.targets(5, batch) for batch in range(3)]
    assert sorted(np.concatenate(parts)) == list(range(len(edges)))


def test_masked_targets_are_not_propagated_over(prepared):
    edges = prepared.train["edges"]
    sampler = Sampler(variant(mask_targets=True, edge_dropout=0.0), edges, Graph.from_edges(edges, 90), 0)
    graph, targets = sampler.propagated(0, 1), edges[sampler.targets(0, 1)]
    assert not graph.has(targets).any()
    assert len(graph.indices) == 2 * (len(edges) - len(targets))


def test_negatives_are_no_edges_and_hard_ones_score_high(prepared):
    edges = prepared.train["edges"]
    graph = Graph.from_edges(edges, 90)
    score = lambda pairs: torch.from_numpy(pairs.sum(1).astype(np.float32))  # noqa: E731
    drawn = {}
    for share in (0.0, 0.5):
        sampler = Sampler(variant(hard_negatives=share, hard_warm_up=2), edges, graph, 0)
        drawn[share] = sampler.negatives(2, 0, 400, score)
        assert drawn[share].shape == (400, 2) and not graph.has(drawn[share]).any()
        assert np.array_equal(
            sampler.negatives(1, 0, 400, score), Sampler(BASE, edges, graph, 0).negatives(1, 0, 400, score)
        )
    assert drawn[0.5].sum(1).mean() > drawn[0.0].sum(1).mean() + 20


def test_dead_rectifiers_leave_no_gradient(prepared):
    settings = variant(structural_features=False, residual=0.0, norm="none", diversity=0.0, weight_decay=0.0)
    training = learner(settings, prepared.train, 0, CPU)
    with torch.no_grad():
        for layer in training.inner.model.layers:
            layer.bias.fill_(-1e3)
    values = training.step(0, 0)
    assert values["gradient_norm_layers_0"] == values["gradient_norm_embedding"] == 0
    assert training.validate(0)["dead_units_1"] == 1.0


def test_graph_norm_standardises_over_the_nodes():
    x = 3 + 5 * torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
    y = GraphNorm(4)(x)
    torch.testing.assert_close(y.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(0, unbiased=False), torch.ones(4), atol=1e-4, rtol=0)


def test_skip_input_reaches_the_last_layer():
    settings = variant(
        skip="input", residual=1.0, activation="none", norm="none", structural_features=False, dropout=0.0
    )
    model = LinkPredictor(settings, 3)
    with torch.no_grad():
        for layer in model.layers:
            layer.weight.zero_()
            layer.bias.zero_()
        h = model.encode(Graph.from_edges(np.array([[0, 1]]), 3), None)
    torch.testing.assert_close(h, model.embedding.detach())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": "all"}, "pairs: all takes every pair, so hard_negatives must be 0"),
        (
            {"pairs": "all", "decoder": "mlp"},
            "pairs: all needs decoder: dot or signed and loss: cross-entropy or squared, found mlp and cross-entropy",
        ),
        (
            SPECTRAL | {"edge_dropout": 0.0},
            "pairs: all with mask_targets predicts the dropped edges, so edge_dropout must be above 0",
        ),
        (
            SPECTRAL | {"rank": 9},
            "rank: expected at most hidden .8., found 9",
        ),
        (
            SPECTRAL | {"decoder": "dot"},
            r"initialisation: spectral needs .*signed.*, found {'decoder': 'dot', .*}, False and 1.0",
        ),
        ({"model": "degree-product"}, "model: degree-product has nothing to learn, expected epochs: 1 or 0, found 6"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    values = dataclasses.asdict(BASE) | changes
    with pytest.raises(ValueError, match=f"here: {message}"):
        resolve(Settings, values, "here")


def test_a_spectral_start_scores_like_the_closest_matrix_of_that_rank(prepared):
    settings = variant(**SPECTRAL, epochs=0)
    edges, weights = prepared.train["edges"], trained(settings, prepared).best
    values, vectors = np.linalg.eigh(dense(edges, 90))
    chosen = np.argsort(-np.abs(values))[:8]
    expected = (vectors[:, chosen] * values[chosen]) @ vectors[:, chosen].T
    assert (values[chosen] < 0).any()  # or a dot product would do
    model = LinkPredictor(settings, 90)
    model.load_state_dict(weights)
    model.eval()
    pairs = prepared.train["valid_pos"]
    with torch.no_grad():
        found = model.decode(model.encode(Graph.from_edges(edges, 90), None), pairs)
    np.testing.assert_allclose(found, expected[pairs[:, 0], pairs[:, 1]], atol=1e-5)


def test_convolutions_leave_their_start_at_zero(prepared):
    weights = trained(variant(**SPECTRAL), prepared).final
    assert all(weights[f"layers.{number}.weight"].abs().max() > 0.01 for number in (0, 1))


def test_more_columns_than_nodes_are_padded():
    values, vectors = spectrum(Graph.from_edges(SQUARE_WITH_TAIL, 6), 8)
    assert values.shape == (8,) and vectors.shape == (6, 8) and (values[5:] == 0).all()
    kept = (vectors[:, :5] * values[:5]) @ vectors[:, :5].T
    full = np.linalg.eigvalsh(dense(SQUARE_WITH_TAIL, 6))
    assert np.abs(kept - dense(SQUARE_WITH_TAIL, 6)).max() <= np.abs(full).min() + 1e-5


def test_masked_targets_among_all_pairs_are_the_dropped_edges(prepared):
    edges = prepared.train["edges"]
    sampler = Sampler(variant(**SPECTRAL), edges, Graph.from_edges(edges, 90), 0)
    kept, positives = sampler.propagated(0, 1), sampler.predicted(0, 1)
    assert len(kept.indices) + len(positives.indices) == 2 * len(edges)
    assert kept.has(edges).sum() + positives.has(edges).sum() == len(edges)
    assert not (kept.has(edges) & positives.has(edges)).any()


def test_too_narrow_for_the_features():
    with pytest.raises(ValueError, match="hidden: expected more than the 6 structural features, found 4"):
        LinkPredictor(variant(hidden=4), 10, 6)


def test_exported_embeddings_give_the_scores(prepared):
    item = variant(epochs=2)
    weights = learner(item, prepared.train, 1, CPU).weights()
    table = embeddings(item, weights, prepared.train, prepared.test, prepared.names)
    assert list(table.columns[:2]) == ["id", "name"] and len(table) == int(prepared.train["num_nodes"][0])
    h = table.filter(like="dim_").to_numpy()
    found = evaluate(item, weights, prepared.train, prepared.test, prepared.names, CPU).predictions
    first, second = prepared.test["test_pos"].T
    np.testing.assert_allclose((h[first] * h[second]).sum(axis=1), found["score"], rtol=1e-4)
    with pytest.raises(ValueError, match="model adamic-adar: expected embeddings, found scores of pairs only"):
        embeddings(variant(model="adamic-adar", epochs=1), {}, prepared.train, prepared.test, prepared.names)
