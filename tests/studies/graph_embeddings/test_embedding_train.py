"""The learner: it learns, repeats, resumes, and each named choice does what it says."""

import dataclasses

import numpy as np
import pytest
import torch
from flat_samples import ROOT, SIZES, arrays, random_graphs, settings

from rematch.divergence import Diverged
from rematch.engine import fit
from rematch.studies.graph_embeddings.batch import collate
from rematch.studies.graph_embeddings.settings import Settings
from rematch.studies.graph_embeddings.train import PRECISIONS, chunks, learner
from rematch.study import load_study

CPU = torch.device("cpu")


def trained(seed=1, data=None, **changes):
    item = settings(**changes)
    made = learner(item, data or arrays(), seed, CPU)
    return fit(made, seed=seed, epochs=item.epochs, patience=item.patience)


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def logged(result, name):
    return [row.value for row in result.history if row.name == name]


def test_it_learns_to_find_graphs_again():
    found = logged(trained(epochs=12, learning_rate=0.005, normalise=True, temperature=0.1), "validation_retrieval")
    assert max(found) > found[0] + 0.05


def test_seed_decides():
    one, again, other = trained(1), trained(1), trained(2)
    assert same(one.final, again.final) and not same(one.final, other.final)


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_resumed_in_mid_epoch_is_the_same(precision):
    item = settings(
        precision=precision, optimizer="adamw", schedule="cosine", warmup_epochs=1, edge_drop=0.1, views="both"
    )
    whole, first = (learner(item, arrays(), 1, CPU) for _ in range(2))
    for epoch in range(2):
        for step in range(whole.steps_per_epoch):
            whole.step(epoch, step)
        whole.end_epoch(epoch, {})
    for step in range(whole.steps_per_epoch):
        first.step(0, step)
    first.end_epoch(0, {})
    first.step(1, 0)
    second = learner(item, arrays(), 1, CPU)
    second.restore(first.weights(), first.state())
    for step in range(1, second.steps_per_epoch):
        second.step(1, step)
    assert same(whole.weights(), second.weights())


def test_log_of_rate_loop_and_warm_up():
    result = trained(epochs=4, loops=2, warmup_epochs=2, lr_decay=0.5, learning_rate=0.01)
    assert logged(result, "learning_rate") == pytest.approx([0.005, 0.01, 0.005, 0.005])
    assert logged(result, "warmup_factor") == [0.5, 1, 1, 1] and logged(result, "loop") == [0, 0, 1, 1]
    assert logged(result, "batch_graphs") == [16] * 4


def test_untrained_is_the_initialisation():
    assert same(trained(epochs=0).best, learner(settings(), arrays(), 1, CPU).weights())


def test_shuffled_pairs_teach_nothing():
    real, shuffled = (trained(epochs=12, learning_rate=0.005, positives=p) for p in ("same-graph", "shuffled"))
    assert logged(shuffled, "train_loss")[-1] > logged(real, "train_loss")[-1] + 0.2


@pytest.mark.parametrize(
    "change",
    [
        {"head": "full"}, {"normalise": True}, {"edge_drop": 0.3}, {"node_noise": 0.5}, {"edge_noise": 0.5},
        {"temperature": 0.07}, {"optimizer": "adamw", "weight_decay": 0.1}, {"clip_norm": 1e-3},
        {"learning_rate": 0.01}, {"warmup_epochs": 2}, {"schedule": "cosine"}, {"precision": "mixed"},
        {"batch_size": 8}, {"views": "both"}, {"negatives": "cross-view"}, {"node_mask": 0.4}, {"readout": "mean"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_choice_changes_the_training(change):
    plain, changed = trained(loops=1), trained(loops=1, **change)
    key = "input.weight"
    assert not torch.equal(plain.final[key], changed.final[key])


def test_mixed_precision_is_close_and_leaves_float32_weights():
    plain, mixed = trained(epochs=1), trained(epochs=1, precision="mixed")
    assert all(value.dtype != torch.bfloat16 for value in mixed.final.values())
    assert logged(mixed, "train_loss") == pytest.approx(logged(plain, "train_loss"), rel=0.02)


def test_precision_follows_the_device():
    with PRECISIONS["mixed"](CPU)[0]():
        assert torch.get_autocast_dtype("cpu") is torch.bfloat16 and torch.is_autocast_enabled("cpu")
    assert PRECISIONS["mixed"](CPU)[1] is None and PRECISIONS["mixed"](torch.device("mps"))[1] is None


def test_batch_larger_than_the_data():
    with pytest.raises(ValueError, match="batch_size: expected at most the 60 training graphs, found 384; lower it"):
        trained(batch_size=384)
    assert logged(trained(batch_size=384, largest_batch_share=0.5), "batch_graphs") == [30, 30]


def test_divergence_stops_with_the_settings_to_look_at():
    with pytest.raises(Diverged, match=r"at epoch \d+, step \d+.*learning_rate \(1e\+20\), clip_norm or temperature"):
        trained(learning_rate=1e20, optimizer="adamw", weight_decay=1.0, epochs=8, layer_norm="none")


def test_corrupt_store_is_refused():
    data = arrays()
    data["train.edges"] = data["train.edges"][::-1].copy()
    with pytest.raises(ValueError, match="train: corrupt graph store"):
        learner(settings(), data, 1, CPU)


def test_validation_loss_does_not_depend_on_the_training_state_of_batch_norm():
    made = learner(settings(), arrays(), 1, CPU)
    assert made.validate(0) == made.validate(1)


@pytest.mark.parametrize(("count", "size"), [(5, 2), (7, 384), (200, 128), (3, 2), (2, 2)])
def test_chunks_cover_and_never_leave_a_single_graph(count, size):
    parts = chunks(count, size)
    assert np.concatenate(parts).tolist() == list(range(count))
    assert min(map(len, parts)) >= 2 and max(map(len, parts)) <= size + 1


def test_settings_refuse_what_makes_no_sense():
    with pytest.raises(ValueError, match=r"validation_share [+] test_share: expected less than 1, found 1\.2"):
        settings(validation_share=0.6, test_share=0.6)
    with pytest.raises(ValueError, match="epochs: expected 0 for encoder 'counts'"):
        settings(encoder="counts")
    assert settings().notes == ()
    assert settings(learning_rate=0.07).notes == (
        "learning_rate: 0.07 lies outside 1e-05 to 0.01, implausible for Adam",
    )
    assert (settings(hidden_dim=384, width_scale=0.25).hidden_width, settings(embedding_dim=192).head_width) == (96, 96)
    capped = settings(embedding_dim=512, hidden_dim=1024, width_scale=0.25, widest=192)
    assert (capped.embedding_width, capped.hidden_width, capped.head_width) == (128, 192, 64)
    assert settings(hidden_dim=1024, widest=0).hidden_width == 1024


def test_implausible_rate_is_said_and_run(caplog):
    learner(settings(learning_rate=0.07), arrays(), 1, CPU)
    assert "learning_rate: 0.07 lies outside" in caplog.text


def test_study_file_holds_the_documents_recipe():
    study = load_study(ROOT / "config/studies/graph_embeddings.yaml", "graph_embeddings")
    values = dict(study.versions["v1"].base)
    for change in study.versions["v2"].changes:
        values |= dict(change.set)
    v2 = Settings(**values)
    expected = dict(
        embedding_dim=192, hidden_dim=384, num_layers=5, batch_size=384, learning_rate=0.0015, lr_decay=0.85,
        optimizer="adamw", weight_decay=5e-6, clip_norm=2.0, node_noise=0.08, edge_noise=0.08, edge_drop=0.1,
        temperature=0.07, warmup_epochs=3, patience=10, cosine_floor=0.1, normalise=True, head="full",
    )  # fmt: skip
    assert expected.items() <= dataclasses.asdict(v2).items()


def test_graph_without_an_edge_can_be_embedded():
    graphs = random_graphs(1, 1)
    lonely = dataclasses.replace(
        graphs, edge_offsets=np.array([0, 0]), edges=graphs.edges[:0], edge_codes=graphs.edge_codes[:0]
    )
    made = learner(settings(), arrays(), 1, CPU)
    assert made.inner.model.eval()(collate(lonely, np.array([0]), *SIZES)).isfinite().all()
