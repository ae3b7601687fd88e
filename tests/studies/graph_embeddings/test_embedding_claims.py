"""What the study must show, at a size for tests: planted classes, a refused loss, C0.1 in epochs and seconds."""

import pytest
import torch
from flat_samples import DATASETS, ROOT

from rematch.arms import arms_of
from rematch.comparability import why_not_comparable
from rematch.engine import fit
from rematch.run_metrics import RUN_METRICS
from rematch.studies.graph_embeddings.data import prepare
from rematch.studies.graph_embeddings.evaluate import evaluate
from rematch.studies.graph_embeddings.generate import generate
from rematch.studies.graph_embeddings.settings import Settings
from rematch.studies.graph_embeddings.train import learner
from rematch.study import load_study

CPU = torch.device("cpu")
STUDY = load_study(
    ROOT / "config/studies/graph_embeddings.yaml", "graph_embeddings", ROOT / "config/claims/graph_embeddings.yaml"
)


def arm(name, **cost):
    return Settings(**arms_of(STUDY, "demo", cost, {}, [name])[name].settings)


def test_planted_motifs_are_decodable_from_v2_and_not_from_the_size(tmp_path):
    generate(tmp_path, seed=3, graphs=300, probe_graphs=200, nodes=14)
    cost = dict(epochs=6, largest_batch_share=0.2)  # 48 graphs a batch: 30 steps in all
    found = {}
    for name in ("v2", "counts"):
        item = arm(name, **(cost if name == "v2" else {}))
        ready = prepare(tmp_path, DATASETS["graph_generated"], item, 1)
        weights = fit(learner(item, ready.train, 1, CPU), seed=1, epochs=item.epochs, patience=item.patience).best
        scores = evaluate(item, weights, ready.train, ready.test, ready.names, CPU).scores
        found[name] = {score.name: score.value for score in scores}["probe_accuracy_motif"]
    assert found["v2"] > 0.5 and found["counts"] < 0.35  # five classes: chance is 0.2


def test_the_loss_of_v1_and_v2_is_refused_with_the_reason():
    (claim,) = [item for item in STUDY.text["claims"] if item["id"] == "C0.2"]
    metric = claim["test"]["metric"]
    one, other = ({key: getattr(arm(name), key) for key in arm(name).__dataclass_fields__} for name in ("v1", "v2"))
    reason = why_not_comparable(metric, STUDY.text["metrics"], one, other)
    for part in ("temperature (0.5 and 0.07)", "batch_size (128 and 384)", "normalise (False and True)"):
        assert part in reason
    assert why_not_comparable(metric, STUDY.text["metrics"], one, one) == ""
    assert why_not_comparable("probe", STUDY.text["metrics"], one, other) == ""


@pytest.mark.parametrize(("claim", "metric"), [("C0.1", "epochs_to_v1_best"), ("R0.3", "seconds_to_v1_best")])
def test_c01_is_asked_in_epochs_and_in_seconds(claim, metric):
    (item,) = [one for one in STUDY.text["claims"] if one["id"] == claim]
    assert item["test"] == {"metric": metric, "arm": "v2", "against": "v1", "relation": "ratio", "at_most": 0.7}
    assert metric in RUN_METRICS
