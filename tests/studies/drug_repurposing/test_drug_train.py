"""Sampling, losses, gradient accumulation, resuming and the prediction of memory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from typed_graphs import settings, small_raw

from rematch.engine import fit
from rematch.studies.drug_repurposing import losses
from rematch.studies.drug_repurposing.baselines import BASELINES
from rematch.studies.drug_repurposing.data import prepare
from rematch.studies.drug_repurposing.memory import check_memory, predicted_mb
from rematch.studies.drug_repurposing.messages import draw, message_relations, piece, shuffled, stored_edges
from rematch.studies.drug_repurposing.model import DECODERS, score_matrix
from rematch.studies.drug_repurposing.train import Task, learner

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepare(small_raw(tmp_path_factory.mktemp("raw")), {}, settings(), 1).train


def gradients(arm, data) -> dict[str, torch.Tensor]:
    made = learner(arm, data, 1, CPU)
    made.step(0, 0)
    return {name: item.grad for name, item in made.model.named_parameters() if item.grad is not None}


def both_losses(**changes):
    return settings(link_weight=0.5, contrastive_weight=0.5, ranking_weight=0.5, **changes)


def test_four_accumulated_batches_equal_one_four_fold_batch(data):
    one = gradients(both_losses(edges_per_relation=48), data)
    four = gradients(both_losses(edges_per_relation=12, accumulation=4), data)
    for name, gradient in one.items():
        assert torch.allclose(gradient, four[name], rtol=1e-4, atol=1e-6), name


def test_with_sampled_messages_accumulation_is_not_a_larger_batch(data):
    one = gradients(settings(edges_per_relation=48, messages="sampled"), data)
    four = gradients(settings(edges_per_relation=12, accumulation=4, messages="sampled"), data)
    assert not torch.allclose(one["nodes"], four["nodes"], rtol=1e-2)


@example_settings(max_examples=40)
@given(st.lists(st.integers(0, 9), max_size=5), st.integers(1, 6))
def test_pieces_cover_every_edge_once_and_share_each_relation_evenly(sizes, parts):
    relation = np.repeat(np.arange(len(sizes)), sizes)
    pieces = [piece(relation, part, parts) for part in range(parts)]
    assert sorted(np.concatenate(pieces).tolist()) == list(range(len(relation)))
    for number, size in enumerate(sizes):
        shares = [int((relation[p] == number).sum()) for p in pieces]
        assert max(shares) - min(shares) <= 1 and sum(shares) == size


def test_drawn_edges_are_distinct_limited_and_depend_on_the_step():
    ptr = np.array([0, 5, 5, 105])
    drawn = draw(ptr, 10, seed=1, epoch=0, step=0)
    assert len(drawn) == 15 and len(set(drawn.tolist())) == 15
    assert set(drawn[:5].tolist()) == set(range(5))
    assert np.array_equal(drawn, draw(ptr, 10, 1, 0, 0)) and not np.array_equal(drawn, draw(ptr, 10, 1, 0, 1))


def test_shuffling_keeps_degrees_and_relations(data):
    real = stored_edges(data)
    mixed = shuffled(real, 1)
    for number in range(len(data["relation_ends"])):
        chosen = real.relation == number
        for side in (0, 1):
            assert sorted(real.pairs[side, chosen]) == sorted(mixed.pairs[side, chosen])
    assert (real.pairs != mixed.pairs).any()


def test_silent_relations_carry_no_message(data):
    loud = message_relations(data, stored_edges(data))
    silent = message_relations(data, stored_edges(data), silent=[data["treats"].item()])
    treatments = int(np.diff(data["relation_ptr"])[data["treats"].item()])
    assert sum(r.shape[1] for r in loud) - sum(r.shape[1] for r in silent) == 2 * treatments


def test_training_lowers_the_loss_and_repeats(data):
    arm = both_losses(epochs=12, messages="sampled", accumulation=2)
    first, again = (fit(learner(arm, data, 1, CPU), seed=1, epochs=12) for _ in range(2))
    loss = [row.value for row in first.history if row.name == "train_loss"]
    assert loss[-1] < loss[0]
    assert first.history == again.history
    assert all(torch.equal(first.final[name], again.final[name]) for name in first.final)
    other = fit(learner(arm, data, 2, CPU), seed=2, epochs=1)
    assert not torch.equal(first.final["nodes"], other.final["nodes"])


def test_restored_training_goes_on_as_if_never_interrupted(data):
    whole, start = (learner(both_losses(updates_per_epoch=3), data, 1, CPU) for _ in range(2))
    for step in range(3):
        whole.step(0, step)
    start.step(0, 0)
    resumed = learner(both_losses(updates_per_epoch=3), data, 1, CPU)
    resumed.restore(start.weights(), start.state())
    for step in (1, 2):
        resumed.step(0, step)
    assert all(torch.equal(value, resumed.weights()[name]) for name, value in whole.weights().items())


def test_untrained_weights_hold_embeddings_of_the_initial_model(data):
    weights = fit(learner(settings(epochs=0), data, 1, CPU), seed=1, epochs=0).best
    assert weights["embeddings"].shape == (data["type_ptr"][-1], 8) and weights["embeddings"].abs().sum() > 0


@pytest.mark.parametrize("model", BASELINES)
def test_baselines_are_learners_of_one_step(model, data):
    made = learner(settings(model=model), data, 1, CPU)
    result = fit(made, seed=1, epochs=1)
    made.restore(result.final, {})
    assert result.epochs_run == 1 and made.weights().keys() == result.best.keys()


def test_ranking_loss_by_hand():
    scores = torch.tensor([[2.0, 0.0], [1.0, -1.0], [0.0, 3.0]])
    treated = torch.tensor([[True, False], [False, False], [False, True]])
    own = scores[treated]
    by_disease = (
        torch.log1p(torch.exp(torch.tensor([1.0, 0.0]) - own[0]).sum()),
        torch.log1p(torch.exp(torch.tensor([0.0, -1.0]) - own[1]).sum()),
    )
    by_compound = torch.log1p(torch.exp(0.0 - own[0])), torch.log1p(torch.exp(0.0 - own[1]))
    expected = (sum(by_disease) / 2 + sum(by_compound) / 2) / 2
    assert torch.allclose(losses.ranking_loss(scores, treated, treated), expected)


def test_contrastive_loss_equals_a_loop_over_edges():
    generator = torch.Generator().manual_seed(0)
    z, relation = torch.randn(9, 4, generator=generator), torch.tensor([0, 0, 0, 2, 2])
    source, target = torch.randint(9, (2, 5), generator=generator)
    others = torch.randint(9, (3, 6), generator=generator)
    batch = losses.Batch(source, relation, target, target[:, None], others, 1.0)
    cosine = torch.nn.functional.cosine_similarity
    terms = []
    for s, r, t in zip(source, relation, target):
        logits = torch.cat([cosine(z[s], z[t], dim=0)[None], cosine(z[s][None], z[others[r]])]) / 0.1
        terms.append(logits.logsumexp(0) - logits[0])
    assert torch.allclose(losses.contrastive_loss(z, batch, 0.1), torch.stack(terms).mean(), atol=1e-5)


@pytest.mark.parametrize("decoder", DECODERS)
def test_score_matrix_equals_scores_of_single_pairs(decoder):
    generator = torch.Generator().manual_seed(0)
    compounds, diseases, scale = (torch.randn(n, 3, generator=generator) for n in (4, 2, 1))
    matrix = score_matrix(decoder, compounds, diseases, scale[0])
    one = DECODERS[decoder](compounds[3], diseases[1], scale[0])
    assert torch.allclose(matrix[3, 1], one)


def test_memory_is_predicted_before_training_and_the_line_says_what_fits(data):
    wide = settings(hidden=256, embedding=512)
    needed = predicted_mb(wide, data)
    assert needed > predicted_mb(settings(), data)
    check_memory(settings(hidden=256, embedding=512, memory_limit_mb=int(needed) + 1), data)
    between = int((needed + predicted_mb(settings(), data)) / 2)
    with pytest.raises(ValueError, match=r"declared, but embedding 512 .* width_divisor \d+ would fit \(embedding"):
        learner(settings(hidden=256, embedding=512, memory_limit_mb=between), data, 1, CPU)
    with pytest.raises(ValueError, match=r"no width fits this graph; use limit_nodes"):
        check_memory(settings(memory_limit_mb=1), data)


def test_memory_of_path_features_and_of_plans_per_part_is_counted(data):
    plain = predicted_mb(settings(), data)
    assert predicted_mb(settings(treatments_in_messages="others"), data) > plain
    assert predicted_mb(settings(path_features=True, ranking_weight=1.0), data) > plain


def test_path_features_start_from_the_regression_and_are_kept(data):
    arm = settings(path_features=True, ranking_weight=1.0, link_weight=0.0, treatments_in_messages="others")
    made = learner(arm, data, 1, CPU)
    regression = BASELINES["path-regression"](settings(), data, stored_edges(data), 1)
    assert torch.allclose(made.weights()["path_weights"], regression["path_weights"])
    assert torch.allclose(made.weights()["path_scores"], regression["scores"], atol=1e-5)
    first = fit(made, seed=1, epochs=7)
    assert not torch.allclose(first.final["path_weights"], regression["path_weights"])
    again = fit(learner(arm, data, 1, CPU), seed=1, epochs=7)
    assert all(torch.equal(first.final[name], again.final[name]) for name in first.final)


def test_treatments_that_are_asked_for_carry_no_message(data):
    arm = settings(treatments_in_messages="others", ranking_weight=1.0)
    task = Task(arm, data, stored_edges(data), 1, CPU)
    missing = [task.plan.num_edges - plan.num_edges for plan in task.plans]
    assert missing == [2 * int(question.asked.sum()) for question in task.questions]
    assert sum(missing) == 2 * task.known.shape[1]


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"hidden": 10, "heads": 4}, "hidden: expected a multiple of heads = 4, found 10"),
        ({"embedding": 8, "width_divisor": 8}, "embedding / width_divisor: expected at least 2, found 1"),
        ({"valid_fraction": 0.5, "test_fraction": 0.45}, "valid_fraction \\+ test_fraction: expected less than 0.9"),
        ({"path_features": True}, "path_features: expected ranking_weight above 0"),
        ({"link_weight": 0.0}, "link_weight, contrastive_weight, ranking_weight: expected at least one above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, line):
    with pytest.raises(ValueError, match=line):
        settings(**changes)


def test_budget_scales_epochs_widths_and_edges():
    arm = settings(epochs=10, epochs_scale=0.5, hidden=80, embedding=160, width_divisor=8, edges_divisor=5)
    assert (arm.epochs_to_train, arm.width("hidden"), arm.width("embedding"), arm.edges_per_batch) == (5, 10, 20, 2)
    assert settings(epochs=0, epochs_scale=10.0).epochs_to_train == 0
