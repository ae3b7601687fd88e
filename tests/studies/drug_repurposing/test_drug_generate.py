"""The generator: its files, its ceilings, and that the planted mechanism can be found."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typed_graphs import small_raw

from rematch.engine import fit
from rematch.experiment import load_experiment
from rematch.settings import build
from rematch.studies.drug_repurposing.data import prepare
from rematch.studies.drug_repurposing.evaluate import evaluate
from rematch.studies.drug_repurposing.generate import ceiling, generate
from rematch.studies.drug_repurposing.train import learner

probabilities = st.lists(st.tuples(st.integers(0, 4), st.floats(0.05, 0.95)), min_size=2, max_size=12)


@given(probabilities)
def test_ceiling_equals_the_sum_over_all_pairs(rows):
    score, chance = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    wins = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
    weight = chance[:, None] * (1 - chance[None, :])
    assert ceiling(score, chance) == pytest.approx((wins * weight).sum() / weight.sum())


def test_ceiling_is_what_popularity_reaches_on_average():
    rng = np.random.default_rng(0)
    chance = rng.random((40, 20)) * 0.3
    from rematch.studies.drug_repurposing.ranking import auroc

    found = [auroc(chance.ravel(), (rng.random(chance.shape) < chance).ravel()) for _ in range(200)]
    assert np.mean(found) == pytest.approx(ceiling(chance, chance), abs=0.01)


def test_files_repeat_byte_for_byte_and_say_what_was_planted(tmp_path):
    first, second = small_raw(tmp_path / "a"), small_raw(tmp_path / "b")
    for name in ("nodes.tsv", "edges.tsv", "truth.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    truth = json.loads((first / "truth.json").read_text())
    assert 0.5 < truth["popularity_ceiling_auroc"] < 0.85 < truth["mechanism_ceiling_auroc"]
    assert truth["treatments"] == pytest.approx(60, rel=0.3)


def test_training_finds_the_planted_mechanism_where_popularity_does_not(tmp_path):
    config = {"studies": {"drug_repurposing": {"dataset": "drug_repurposing_generated"}}, "seeds": [1]}
    entry = load_experiment(config, Path(__file__).resolve().parents[3]).entries["drug_repurposing"]
    generate(tmp_path, seed=7, mechanisms=10, compounds=120, diseases=50, genes=300, treatments=260)
    scores = {}
    for name in ("v3", "degree"):  # as the study file has them, at the default budget
        arm = build("drug_repurposing", entry.arms[name].settings)
        data = prepare(tmp_path, {}, arm, 1)
        weights = fit(learner(arm, data.train, 1, torch.device("cpu")), seed=1, epochs=arm.epochs_to_train).best
        result = evaluate(arm, weights, data.train, data.test, data.names, torch.device("cpu"))
        scores[name] = {score.name: score.value for score in result.scores}
    limit = scores["v3"]["popularity_ceiling"]
    assert limit < 0.75
    assert scores["degree"]["auroc"] < limit + 0.05  # the ceiling is a mean over draws of treatments
    assert scores["v3"]["auroc"] >= 0.9
