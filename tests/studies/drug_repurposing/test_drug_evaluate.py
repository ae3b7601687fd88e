"""Scores of saved weights: the task, the document's criteria and the noise that passes them, trees, clusters,
evidence."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typed_graphs import edge_table, node_table, settings, small_raw, write_raw

from rematch.studies.drug_repurposing import downstream, similarity
from rematch.studies.drug_repurposing.baselines import BASELINES
from rematch.studies.drug_repurposing.data import prepare
from rematch.studies.drug_repurposing.evaluate import embeddings, evaluate
from rematch.studies.drug_repurposing.evidence import Paths
from rematch.studies.drug_repurposing.messages import stored_edges
from rematch.studies.drug_repurposing.suggestions import new_treatments

CPU = torch.device("cpu")
STUDY = Path(__file__).resolve().parents[3] / "config" / "studies" / "drug_repurposing.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepare(small_raw(tmp_path_factory.mktemp("raw")), {}, settings(), 1)


def scores_of(data, arm, weights) -> dict[str, float]:
    result = evaluate(arm, weights, data.train, data.test, data.names, CPU)
    return {score.name: score.value for score in result.scores}


def test_noise_passes_the_documents_criteria_and_knows_nothing(data):
    arm = settings(model="rank-20-noise", embedding=512)
    weights = BASELINES["rank-20-noise"](arm, data.train, stored_edges(data.train), 1)
    found = scores_of(data, arm, weights)
    assert found["criteria_met"] == 1.0
    assert 0.3 <= found["cosine_mean"] <= 0.6 and 15 <= found["pca_components_90"] <= 25
    assert abs(found["cosine_centred"]) < 0.05  # all similarity is the common offset
    assert abs(found["auroc"] - 0.5) < 0.2


def test_perfect_scores_find_every_treatment(data):
    start = int(data.train["type_ptr"][data.train["relation_ends"][data.train["treats"].item(), 1]])
    shape = BASELINES["random"](settings(), data.train, stored_edges(data.train), 1)["scores"].shape
    perfect = torch.zeros(shape)
    compound, disease = torch.from_numpy(data.test["test"])
    perfect[compound - int(data.train["compounds"][0]), disease - start] = 1
    found = scores_of(data, settings(model="degree"), {"scores": perfect})
    assert found["auroc"] == found["auprc"] == found["mrr"] == 1.0
    assert "cosine_mean" not in found
    reversed_scores = scores_of(data, settings(model="degree"), {"scores": -perfect})
    assert reversed_scores["auroc"] == 0.0


def test_predictions_have_a_row_per_disease_with_new_treatments_only(data):
    weights = BASELINES["metapath"](settings(), data.train, stored_edges(data.train), 1)
    table = evaluate(settings(), weights, data.train, data.test, data.names, CPU).predictions
    assert table["sample"].is_unique and table.treatments.sum() == data.test["test"].shape[1]
    names = data.names[data.names.kind == "node"]
    by_name = dict(zip(names.name, names.number))
    known = {tuple(p) for part in (data.train["valid"], data.test["test"]) for p in part.T.tolist()}
    for _, row in table.iterrows():
        assert (by_name[row.suggestion_1], by_name[row.disease]) not in known
        assert row.path_1.startswith(row.suggestion_1) and row.path_1.endswith(row.disease)


def test_evidence_is_the_path_through_the_most_specific_node(tmp_path):
    _, number, paths = tiny(tmp_path)
    best = paths.best(number["Compound::1"], number["Disease::1"])
    assert best == "compound 1 -CbG- gene 1 -DaG- disease 1"
    assert paths.best(number["Compound::6"], number["Disease::1"]) == "no path of two edges"


def test_silhouette_and_mutual_information_equal_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    points, group = torch.from_numpy(rng.normal(size=(40, 3))), torch.from_numpy(rng.integers(0, 4, 40))
    distance = torch.cdist(points, points)
    expected = metrics.silhouette_score(points.numpy(), group.numpy())
    assert similarity.silhouette(distance, group) == pytest.approx(expected, abs=1e-9)
    first, second = rng.integers(0, 5, 60), rng.integers(0, 3, 60)
    expected = metrics.normalized_mutual_info_score(first, second)
    assert downstream.mutual_information(first, second) == pytest.approx(expected)
    assert downstream.mutual_information(first, 7 - first) == pytest.approx(1.0)


def test_cosines_by_type_equal_a_loop_over_pairs():
    generator = torch.Generator().manual_seed(0)
    vectors, kind = torch.randn(12, 5, generator=generator) + 0.5, torch.tensor([0] * 5 + [1] * 7)
    found = similarity.similarity(vectors, kind, {"disease": 1})
    cosine = torch.nn.functional.cosine_similarity
    pairs = {(i, j): float(cosine(vectors[i], vectors[j], dim=0)) for i in range(12) for j in range(i)}
    within = [value for (i, j), value in pairs.items() if kind[i] == kind[j]]
    diseases = [value for (i, j), value in pairs.items() if kind[i] == kind[j] == 1]
    between = [value for (i, j), value in pairs.items() if kind[i] != kind[j]]
    assert found["cosine_mean"] == pytest.approx(np.mean(list(pairs.values())), abs=1e-5)
    assert found["cosine_within"] == pytest.approx(np.mean(within), abs=1e-5)
    assert found["cosine_within_disease"] == pytest.approx(np.mean(diseases), abs=1e-5)
    assert found["cosine_between"] == pytest.approx(np.mean(between), abs=1e-5)


@pytest.mark.parametrize(
    "values, expected",
    [
        ((0.45, 20, 0.6), 1.0),
        ((0.95, 4, 0.97), 0.0),
        ((0.75, 20, 0.6), 0.5),
        ((0.45, 12, 0.6), 0.5),
        ((0.45, 20, 0.9), 0.5),
    ],
)
def test_the_verdict_has_three_states(values, expected):
    names = ("cosine_mean", "pca_components_90", "cosine_within")
    assert similarity.verdict(dict(zip(names, values))) == expected


def test_trees_and_clusters_find_what_is_there():
    rng = np.random.default_rng(0)
    group_of_compound, group_of_disease = np.arange(60) % 3, np.arange(12) % 3
    compounds = np.eye(3)[group_of_compound] + 0.1 * rng.normal(size=(60, 3))
    diseases = np.eye(3)[group_of_disease] + 0.1 * rng.normal(size=(12, 3))
    match = np.argwhere(group_of_compound[:, None] == group_of_disease[None, :])
    match = match[rng.permutation(len(match))].T
    found = downstream.trees(compounds, diseases, match[:, 40:], match[:, :40])
    assert found["xgboost_auroc"] > 0.9
    assert downstream.cluster_agreement(compounds, group_of_compound) == pytest.approx(1.0)


def test_embeddings_leave_with_ids_and_names(data):
    nodes = int(data.train["type_ptr"][-1])
    weights = {"embeddings": torch.arange(2.0 * nodes).view(nodes, 2)}
    table = embeddings(settings(), weights, data.train, data.test, data.names)
    assert list(table.columns) == ["id", "name", "type", "dim_0", "dim_1"] and table.dim_1.iloc[-1] == 2 * nodes - 1
    with pytest.raises(ValueError, match=r"model degree: expected embeddings, found scores of pairs only"):
        embeddings(settings(model="degree"), {"scores": torch.zeros(2, 2)}, data.train, data.test, data.names)


def tiny(tmp_path):
    """Two compounds that bind the gene of disease 1; the first treats disease 2 in every split but the test's."""
    lines = [f"Compound::{i + 1} CtD Disease::{i % 2 + 2}" for i in range(10)]
    lines += ["Compound::1 CbG Gene::1", "Disease::1 DaG Gene::1", "Compound::1 CbG Gene::2", "Disease::1 DaG Gene::2"]
    lines += ["Gene::2 GiG Gene::3", "Compound::5 CpD Disease::1"]
    found = prepare(
        write_raw(tmp_path, node_table(Compound=10, Disease=3, Gene=3), edge_table("\n".join(lines))),
        {},
        settings(),
        1,
    )
    return found, dict(zip(found.names.id, found.names.number)), Paths(found.train, found.names)


def test_new_treatments_are_unknown_pairs_with_marks_and_evidence(tmp_path):
    found, number, paths = tiny(tmp_path)
    diseases = np.array([number["Disease::1"], number["Disease::2"]])
    scores = np.arange(20.0).reshape(10, 2)[::-1].copy()  # the first compound and the second disease first
    known = np.array([[0, 2], [1, 1]])  # compounds 1 and 2: numbers follow the ids as text
    rejected = np.array([[number["Compound::1"]], [number["Disease::1"]]])
    table = new_treatments(scores, known, diseases, found.train, rejected, paths)
    shown = list(zip(table.drug, table.disease))
    assert len(table) == 6  # three for each of two diseases
    assert ("compound 2", "disease 2") not in shown and ("compound 10", "disease 2") in shown
    assert table.score.is_monotonic_decreasing
    first = table[(table.drug == "compound 1") & (table.disease == "disease 1")].iloc[0]
    assert first.note == "rejected by curators" and first.known_drug == 1 and first.known_disease == 0
    assert first.evidence.split("; ") == [
        "compound 1 -CbG- gene 1 -DaG- disease 1",
        "compound 1 -CbG- gene 2 -DaG- disease 1",
    ]


def test_an_edge_between_drug_and_disease_is_noted(tmp_path):
    found, number, paths = tiny(tmp_path)
    scores = np.zeros((10, 1))
    scores[number["Compound::5"] - int(found.train["compounds"][0])] = 1.0
    none = np.zeros((2, 0), np.int64)
    table = new_treatments(scores, none, np.array([number["Disease::1"]]), found.train, none, paths)
    assert table.note.iloc[0] == "joined by CpD" and table.note.iloc[1] == ""


def test_evaluation_brings_the_tables_that_the_study_file_shows(data):
    import yaml

    weights = BASELINES["path-regression"](settings(), data.train, stored_edges(data.train), 1)
    result = evaluate(settings(model="path-regression"), weights, data.train, data.test, data.names, CPU)
    shown = yaml.safe_load(STUDY.read_text())["tables"]
    for name, item in shown.items():
        assert set(item["columns"]) <= set(result.tables[name].columns), name
    assert result.tables["path-weights"].path.str.contains("CbG-DaG").any()
    assert np.isfinite(result.tables["path-weights"].weight).all()
