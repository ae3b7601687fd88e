"""Probes and evaluation."""

import numpy as np
import pandas as pd
import pytest
import torch
from flat_samples import arrays, random_graphs, settings, triangle_path_dot
from sklearn.linear_model import RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from rematch.studies.graph_embeddings.evaluate import embeddings, evaluate
from rematch.studies.graph_embeddings.features import circular_fingerprint, counts, without_edges
from rematch.studies.graph_embeddings.probes import RIDGE_PENALTIES, fold_auc, probe, r2
from rematch.studies.graph_embeddings.svm import choose_cost, fold_accuracy, squared_distances
from rematch.studies.graph_embeddings.train import learner

CPU = torch.device("cpu")


def test_data(count=45):
    graphs = random_graphs(count, 8)
    size = graphs.node_counts.astype(float)
    size[3] = np.nan  # a graph without a target is not probed
    folds = np.arange(count).astype(np.int8) % 3
    label = np.array(
        [float((part == 1).sum() > len(part) / 3) for part in np.split(graphs.node_codes, graphs.node_offsets[1:-1])]
    )
    out = random_graphs(20, 9).arrays("test") | graphs.arrays("probe/sets")
    for name, kind, values in (("size", 0, size), ("label", 1, label)):
        parts = {"values": values, "kind": np.array([kind], np.uint8), "folds": folds}
        out |= {f"task/sets/{name}/{part}": value for part, value in parts.items()}
    return out


test_data.__test__ = False


def scores_of(test=None, **changes):
    item = settings(**changes)
    weights = learner(item, arrays(), 1, CPU).weights()
    return evaluate(item, weights, arrays(), test or test_data(), pd.DataFrame(), CPU)


def as_dict(evaluation):
    return {score.name: score.value for score in evaluation.scores}


def test_ridge_probe_equals_a_pipeline_of_scikit_learn():
    generator = np.random.default_rng(0)
    rows, folds = generator.normal(size=(60, 5)), np.arange(60) % 4
    values = rows @ [1, -2, 0, 0, 1] + generator.normal(size=60)
    ours, changed = probe(rows, rows + 1, values, folds, "regression")
    for fold in range(4):
        train, held = folds != fold, folds == fold
        model = make_pipeline(StandardScaler(), RidgeCV(alphas=RIDGE_PENALTIES)).fit(rows[train], values[train])
        span = values[train].min(), values[train].max()
        np.testing.assert_allclose(ours[held], model.predict(rows[held]).clip(*span))
        np.testing.assert_allclose(changed[held], model.predict(rows[held] + 1).clip(*span))
    assert r2(values, ours) > 0.7 and r2(values, np.full(60, values.mean())) == 0


def test_one_giant_does_not_decide_the_ridge_probe():
    generator = np.random.default_rng(3)
    rows, folds = generator.normal(size=(60, 2)), np.arange(60) % 4
    values = rows[:, 0] + 0.1 * generator.normal(size=60)
    rows[7] = 500.0  # as large as its target is not
    predicted, _ = probe(rows, rows, values, folds, "regression")
    assert predicted[7] <= values.max() and r2(values, predicted) > 0


def test_logistic_probe_finds_classes_and_no_more_than_chance_in_noise():
    generator = np.random.default_rng(1)
    values, folds = np.repeat([2.0, 5.0, 9.0], 40), np.arange(120) % 5
    rows = generator.normal(size=(120, 4))
    noise, _ = probe(rows, rows, values, folds, "classification")
    rows[:, 0] += values
    found, _ = probe(rows, rows, values, folds, "classification")
    truth = np.searchsorted([2.0, 5.0, 9.0], values)
    assert (found.argmax(axis=1) == truth).mean() > 0.85 > 0.5 > (noise.argmax(axis=1) == truth).mean()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_probe_of_one_class_says_so():
    with pytest.raises(ValueError, match="probe: expected at least 2 classes among 6 training rows, found 1"):
        probe(np.ones((9, 2)), np.ones((9, 2)), np.ones(9), np.arange(9) % 3, "classification")


def test_svm_equals_a_grid_search_of_scikit_learn():
    generator = np.random.default_rng(2)
    rows, folds = generator.normal(size=(80, 3)), np.arange(80) % 4
    values = (np.square(rows[:, 0]) + 0.3 * generator.normal(size=80) > 0.5).astype(float)
    expected = []
    for fold in range(4):
        train, held = rows[folds != fold], rows[folds == fold]
        scale = StandardScaler().fit(train)
        search = GridSearchCV(SVC(gamma=1 / 3), {"C": [0.1, 1.0, 10.0]}, cv=StratifiedKFold(5))
        search.fit(scale.transform(train), values[folds != fold])
        expected.append(search.score(scale.transform(held), values[folds == fold]))
    found = fold_accuracy(rows, values, folds, (0.1, 1.0, 10.0))
    assert found == pytest.approx(np.mean(expected)) and found > 0.65  # a band, which no linear probe sees


def test_svm_chooses_c_without_the_rows_that_are_held_out():
    generator = np.random.default_rng(3)
    rows, folds = generator.normal(size=(60, 5)), np.arange(60) % 3
    values = generator.integers(0, 2, 60).astype(float)
    assert fold_accuracy(rows, values, folds) < 0.7  # noise: the best of seven C on the held-out rows would look better
    kernel = np.exp(-squared_distances(rows, rows))
    assert choose_cost(kernel[:2, :2], np.array([0.0, 1.0])) == 1.0  # nothing to choose by: the middle of the grid


def test_svm_is_scored_where_the_task_asks_for_it():
    asked = test_data() | {"task/sets/label/svm": np.ones(1, np.uint8)}
    assert 0.4 < as_dict(scores_of(asked))["svm_accuracy_label"] <= 1
    assert not any(name.startswith("svm") for name in as_dict(scores_of()))


def test_auc_is_the_mean_over_folds_that_hold_both_classes():
    truth, scores = np.array([0, 1, 0, 1, 1, 1]), np.array([0.1, 0.2, 0.9, 0.3, 0.5, 0.5])
    folds = np.array([0, 0, 1, 1, 2, 2])
    assert fold_auc(truth, scores, folds) == np.mean(
        [roc_auc_score([0, 1], [0.1, 0.2]), roc_auc_score([0, 1], [0.9, 0.3])]
    )
    assert np.isnan(fold_auc(np.ones(6), scores, folds))


def test_scores_of_a_learned_encoder():
    found = as_dict(scores_of())
    assert found["probe"] == pytest.approx((found["probe_accuracy_label"] + found["probe_r2_size"]) / 2)
    assert found["probe_r2"] == found["probe_r2_size"] and found["probe_auc"] == found["probe_auc_label"]
    expected = (
        "contrastive_loss retrieval_at_1 retrieval_at_10 retrieval_at_1_dropped alignment uniformity effective_rank "
        "effective_rank_head probe_dropped probe_accuracy_dropped probe_r2_dropped_size"
    )
    assert set(expected.split()) <= found.keys() and np.isfinite(list(found.values())).all()
    assert 1 <= found["effective_rank"] <= 16 and 0 <= found["retrieval_at_1"] <= found["retrieval_at_10"] <= 1


def test_predictions_are_paired_by_sample():
    table = scores_of().predictions
    assert len(table) == 45 + 44 and table["sample"].is_unique
    assert table.loc[0, ["sample", "task"]].tolist() == ["sets:0:label", "label"]
    assert "sets:3:size" not in set(table["sample"])
    assert set(table.query("task == 'label'")["predicted"]) <= {0.0, 1.0}


@pytest.mark.parametrize(("encoder", "metric"), [("counts", "probe_r2_size"), ("morgan", "retrieval_at_1")])
def test_baselines_need_no_weights(encoder, metric):
    found = as_dict(scores_of(encoder=encoder, epochs=0))
    assert found[metric] > 0.5
    assert "contrastive_loss" not in found and 0 <= found["retrieval_at_1"] <= 1


def test_evaluation_repeats():
    assert scores_of().scores == scores_of().scores


def test_counts_and_fingerprint_by_hand():
    graphs = triangle_path_dot()
    assert counts(graphs).tolist() == [[3, 3, 1], [2, 1, 0.5], [1, 0, 0]]
    rows = circular_fingerprint(graphs, radius=0, bins=64)
    assert rows.sum(axis=1).tolist() == [3, 2, 1] and rows[0].max() == 2  # two nodes of the triangle share a label


def test_dropping_edges_keeps_nodes_and_edge_rows():
    graphs = random_graphs(50, 2)
    fewer = without_edges(graphs, 0.5, np.random.default_rng(0))
    assert np.array_equal(fewer.node_offsets, graphs.node_offsets) and len(fewer.edges) < len(graphs.edges)
    for g in range(50):
        one, other = (item.select(np.array([g])) for item in (graphs, fewer))
        pairs = [set(map(tuple, np.column_stack([i.edges, i.edge_codes]).tolist())) for i in (one, other)]
        assert pairs[1] <= pairs[0]
    assert without_edges(graphs, 0.0, np.random.default_rng(0)).edges.shape == graphs.edges.shape


def test_embeddings_of_test_and_probe_graphs_leave_with_names():
    item = settings()
    weights = learner(item, arrays(), 1, CPU).weights()
    counts_of = {"test": 20, "sets": 45}
    names = pd.DataFrame([(f"{part}:{i}", part, f"graph {i}") for part, n in counts_of.items() for i in range(n)])
    names.columns = ["sample", "set", "name"]
    table = embeddings(item, weights, arrays(), test_data(), names)
    assert list(table.columns[:4]) == ["id", "set", "name", "dim_0"] and len(table) == 65
    assert table.shape[1] == 3 + item.embedding_width
    backwards = embeddings(item, weights, arrays(), test_data(), names.iloc[::-1])
    np.testing.assert_array_equal(backwards.dim_0[:45], table.dim_0[20:])  # sets are found by name, not by place
