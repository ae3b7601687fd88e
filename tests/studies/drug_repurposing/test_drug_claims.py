"""The ledger of the study on scores of noise: criteria that noise passes come out circular (S3-83)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typed_graphs import settings, small_raw

from rematch.evidence import Evidence
from rematch.studies.drug_repurposing.baselines import BASELINES
from rematch.studies.drug_repurposing.data import prepare
from rematch.studies.drug_repurposing.messages import stored_edges
from rematch.studies.drug_repurposing.similarity import similarity
from rematch.verdicts import ledger
from rematch.yamlfile import load_mapping

CONFIG = Path(__file__).resolve().parents[3] / "config"
CONTROLS = ("rank-20-noise", "gaussian")
COLLAPSED = {"cosine_mean": 0.93, "pca_components_90": 4.0, "cosine_within_disease": 0.997, "auprc": 0.02, "auroc": 0.8}


def noise(folder, model: str) -> dict[str, float]:
    """What the document measures of its 512 dimensions, on vectors that know nothing."""
    data = prepare(small_raw(folder), {}, settings(), 1).train
    arm = settings(model=model, embedding=512)
    vectors = BASELINES[arm.model](arm, data, stored_edges(data), 1)["embeddings"]
    sizes = np.diff(data["type_ptr"])
    return similarity(vectors, torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)), {"disease": 1})


def arm(kind: str) -> dict:
    return {"kind": kind, "version": "v2", "changes": [], "settings": {}, "trained_as": None}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    found = {"v2": COLLAPSED} | {name: noise(tmp_path_factory.mktemp("raw"), name) for name in CONTROLS}
    rows = [
        ("s", name, "cpu", seed, "test", metric, value + 1e-4 * seed, 99, "ok")
        for name, values in found.items()
        for metric, value in values.items()
        for seed in range(1, 6)
    ]
    table = pd.DataFrame(rows, columns=["study", "arm", "device", "seed", "split", "name", "value", "n", "status"])
    text = load_mapping(CONFIG / "claims" / "drug_repurposing.yaml")
    metrics = load_mapping(CONFIG / "studies" / "drug_repurposing.yaml")["metrics"]
    arms = {"v2": arm("version")} | {name: arm("control") for name in CONTROLS}
    return ledger("s", text, Evidence("s", table, arms, metrics)).set_index("claim")


@pytest.mark.parametrize("claim, by", [("C3.3", "gaussian"), ("C3.4", "rank-20-noise"), ("C3.15", "rank-20-noise")])
def test_criteria_that_noise_passes_are_circular_even_where_v2_fails_them(verdicts, claim, by):
    assert verdicts.verdict[claim] == "circular"
    assert f"{by}, which must fail, reaches" in verdicts.reason[claim]


def test_a_claim_about_the_task_is_not_circular(verdicts):
    assert verdicts.verdict["C3.16"] != "circular"


def test_every_claim_of_the_document_has_a_row(verdicts):
    assert {f"C3.{number}" for number in range(1, 18)} <= set(verdicts.index)
