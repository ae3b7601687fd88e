"""Trainings that failed in known ways, each really run, and what the rules say; and a healthy one, of which they say
nothing."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from rematch.finding_rules import RULES, collapse_state
from rematch.findings import COLUMNS, diagnose, diagnose_runs, table
from rematch.symptoms import Finding, Training


def train(measure, dead=False, epochs=40):
    """Fits y = x w with Adam; `measure` says where the gradient norm is taken. Returns the history by name."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=draw)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]]) + 0.01 * torch.randn(64, 1, generator=draw)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    if dead:
        with torch.no_grad():
            model[0].bias.fill_(-20.0)
        model[2].bias.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=1e-4)
    log = {
        name: []
        for name in ("train_loss", "train_gradient_norm", "train_update_norm", "learning_rate", "validation_loss")
    }
    log["validation_dead_units_1"] = []
    for _ in range(epochs):
        before = [p.detach().clone() for p in model.parameters()]
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(model(x), y)
        early = norm_of(model)
        loss.backward()
        right = norm_of(model)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        late = norm_of(model)
        moved = torch.stack([(p.detach() - b).norm() for p, b in zip(model.parameters(), before, strict=True)]).norm()
        log["train_gradient_norm"].append(measure(early=early, right=right, late=late))
        log["train_update_norm"].append(float(moved))
        log["train_loss"].append(loss.item())
        log["validation_loss"].append(loss.item())
        log["learning_rate"].append(0.01)
        log["validation_dead_units_1"].append(float((model[1](model[0](x)) == 0).all(0).float().mean()))
    return {name: np.array(values) for name, values in log.items()}


def norm_of(model):
    squares = [float(p.grad.square().sum()) for p in model.parameters() if p.grad is not None]
    return float(np.sqrt(sum(squares)))


def names(values, settings=None, criterion="validation_loss", better="lower"):
    return [found.finding for found in diagnose(Training(values, settings or {}, criterion, better))]


FAULTS = {
    "before backward": lambda early, right, late: early,
    "after zero_grad": lambda early, right, late: late,
    "two decimals": lambda early, right, late: float(f"{right * 1e-3:.2f}"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_logger_that_measures_at_the_wrong_place_is_blamed_and_the_gradient_is_not(fault):
    found = diagnose(Training(train(FAULTS[fault]), {}, "validation_loss"))
    kinds = [one.finding for one in found]
    assert "gradient-log-contradicts-updates" in kinds
    assert "vanishing-gradient" not in kinds
    blamed = found[kinds.index("gradient-log-contradicts-updates")]
    assert blamed.level == "fault"
    assert "gradient norm 0 in 40 of 40 epochs while the parameters moved" in blamed.evidence
    assert "The logger is wrong, not the gradient" in blamed.advice
    assert "S1-74" in blamed.source


def test_a_truly_dead_network_vanishes_and_its_logger_is_right():
    values = train(lambda early, right, late: right, dead=True)
    assert values["train_gradient_norm"].max() == 0
    assert values["train_update_norm"].max() > 0  # weight decay alone still moves the weights
    found = diagnose(Training(values, {}, "validation_loss"))
    kinds = [one.finding for one in found]
    assert "vanishing-gradient" in kinds and "dead-units" in kinds
    assert "gradient-log-contradicts-updates" not in kinds
    assert "dead_units_1 100%" in found[kinds.index("vanishing-gradient")].evidence


def healthy():
    """A ranking that improves, then stays flat; everything else as it should be."""
    n = 60
    rise = np.minimum(np.arange(1, n + 1), 30) / 30
    return {
        "train_loss": 1.3 - 0.8 * rise, "train_gradient_norm": 0.5 - 0.3 * rise, "train_update_norm": np.full(n, 0.1),
        "train_clipped": (rise < 0.2).astype(float), "learning_rate": np.full(n, 0.01),
        "validation_hits_at_20": 0.6 * rise,
        "validation_score_gap": 0.7 * rise, "validation_auc": 0.5 + 0.45 * rise,
        "validation_loss_over_constant": 1 - 0.5 * rise,
        "validation_cosine_mean": np.full(n, 0.2), "validation_cosine_mean_centred": np.full(n, 0.01),
        "validation_effective_rank": np.full(n, 40.0), "validation_pca_90": np.full(n, 20.0),
        "validation_dirichlet_energy_1": np.full(n, 0.4), "validation_dead_units_1": np.full(n, 0.1),
        "train_gradient_norm_layers_0": np.full(n, 0.2), "train_gradient_norm_layers_1": np.full(n, 0.1),
    }  # fmt: skip


HITS = dict(criterion="validation_hits_at_20", better="higher")


def test_a_healthy_run_has_no_finding():
    assert names(healthy(), {"patience": 40, "clip": 1.0, "schedule": "plateau"}, **HITS) == []
    fit = train(lambda early, right, late: right, epochs=200)
    fit["validation_loss"] = np.minimum.accumulate(np.round(fit["validation_loss"], 1))  # flat at the end
    assert names(fit) == []


def test_nothing_logged_nothing_found():
    assert names({}, criterion="") == []
    assert names({"validation_hits_at_20": np.array([0.1])}, **HITS) == []


def flat_start(n, start):
    return np.concatenate([np.zeros(start), np.linspace(0.01, 0.5, n - start - 10), np.full(10, 0.5)])


ILL = [
    ("patience-not-applied", {"validation_hits_at_20": np.r_[0.1, np.zeros(95), 0.2, np.zeros(20)]}, {"patience": 20},
     "patience 20, but 95 epochs without improvement"),
    ("not-converged", {"validation_hits_at_20": np.linspace(0.1, 0.5, 60)}, {}, "best epoch 60 of 60"),
    ("slow-start", {"validation_hits_at_20": flat_start(100, 40)}, {}, "is 0 for the first 40 of 100 epochs"),
    ("slow-start", {"validation_hits_at_20": np.zeros(60)}, {}, "is 0 for the first 60 of 60 epochs"),
    ("rate-cut-before-learning",
     {"validation_hits_at_20": flat_start(60, 4), "learning_rate": np.r_[np.full(3, 0.003), np.full(57, 0.0015)]},
     {"schedule": "plateau"}, "rate lowered at epoch 4 (0.003 to 0.0015), validation_hits_at_20 still 0"),
    ("clipping-binds", {"train_clipped": np.ones(60)}, {"clip": 1.0}, "100% of the updates are clipped to 1.0"),
    ("dead-units", {"validation_dead_units_1": np.full(60, 0.75)}, {}, "dead_units_1 75%"),
    ("collapsed-embeddings",
     {"validation_cosine_mean": np.full(60, 0.98), "validation_cosine_mean_centred": np.full(60, 0.8)}, {},
     "mean cosine 0.980"),
    ("common-offset", {"validation_cosine_mean": np.full(60, 0.98)}, {}, "mean cosine 0.980, centred 0.010"),
    ("over-smoothed", {"validation_dirichlet_energy_2": np.full(60, 1e-4)}, {}, "1.0e-04 after the last of 2 layers"),
    ("gap-is-no-proxy", {"validation_hits_at_20": np.full(60, 0.0526), "validation_score_gap": np.full(60, 0.636)}, {},
     "score gap 0.636, AUC 0.950, Hits@20 0.0526"),
    ("loss-at-chance-despite-gap", {"validation_loss_over_constant": np.full(60, 0.99)}, {}, "score gap 0.700"),
    ("loss-not-falling", {"train_loss": np.full(60, 0.7)}, {}, "training loss 0.7 at first, 0.7 at last"),
    ("average-outlives-training", {"validation_initial_share": np.full(60, 0.999**165)}, {}, "are 85% initial weights"),
    ("layer-without-gradient", {"train_gradient_norm_layers_1": np.full(60, 1e-12)}, {},
     "layers_1 1.0e-12 against 2.0e-01"),
    ("over-fitted", {"validation_loss": np.r_[np.full(30, 0.9), np.full(30, 1.4)]}, {},
     "validation loss 1.4, at best 0.9"),
    ("memory-grows", {"memory_growth_mb": np.array([150.0]), "peak_memory_mb": np.array([500.0])}, {},
     "150 MB gained over the second half of the epochs, 500 MB at most"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "change", "settings", "evidence"), ILL, ids=[f"{i}-{one[0]}" for i, one in enumerate(ILL)]
)
def test_each_illness_is_found_alone_with_its_evidence(kind, change, settings, evidence):
    found = diagnose(Training(healthy() | change, settings, **HITS))
    mine = [one for one in found if one.finding == kind]
    assert len(mine) == 1, [one.finding for one in found]
    assert evidence in mine[0].evidence
    assert mine[0].advice.endswith((".", "?")) and mine[0].source.startswith("S")
    assert {one.finding for one in found} <= {
        kind,
        "not-converged",
        "slow-start",
        "patience-not-applied",
        "gap-is-no-proxy",
    }


def test_every_rule_has_its_case():
    tested = {one[0] for one in ILL} | {"gradient-log-contradicts-updates", "vanishing-gradient"}
    assert len(tested) == len(RULES) + 1  # collapse has two outcomes


@pytest.mark.parametrize(
    ("cosine", "centred", "state"),
    [(0.98, 0.7, "collapsed"), (0.98, 0.0, "offset"), (0.734, 0.0, "undefined"), (0.45, 0.0, "good"),
     (0.0, 0.0, "good"), (float("nan"), 0.0, "unknown")],
)  # fmt: skip
def test_one_table_says_collapsed_or_good(cosine, centred, state):
    assert collapse_state(cosine, centred) == state


def test_files_of_several_studies_become_one_table(tmp_path):
    for study, gap in (("one", 0.636), ("two", 0.1)):
        values = healthy() | {"validation_hits_at_20": np.full(60, 0.05), "validation_score_gap": np.full(60, gap)}
        rows = [
            (study, "v1", "cpu", 3, step, name, value) for name, v in values.items() for step, value in enumerate(v)
        ]
        pd.DataFrame(rows, columns=["study", "arm", "device", "seed", "step", "name", "value"]).to_csv(
            tmp_path / f"{study}-h.csv"
        )
        manifest = {
            "study": [study],
            "arm": ["v1"],
            "device": ["cpu"],
            "seed": [3],
            "criterion": [["hits_at_20", "higher"]],
        }
        pd.DataFrame(manifest).to_csv(tmp_path / f"{study}-m.csv", index=False)
    files = [[str(tmp_path / f"{study}-{kind}.csv") for study in ("one", "two")] for kind in "hm"]
    diagnose_runs({"one": {"v1": {"patience": 0}}, "two": {"v1": {}}}, *files, str(tmp_path / "findings.csv"))
    found = pd.read_csv(tmp_path / "findings.csv")
    assert list(found.columns) == COLUMNS
    assert found[["study", "arm", "seed", "finding"]].values.tolist() == [["one", "v1", 3, "gap-is-no-proxy"]]


def test_untrained_arms_leave_no_rows():
    histories = pd.DataFrame(columns=["study", "arm", "device", "seed", "step", "name", "value"])
    manifests = pd.DataFrame(
        {"study": ["s"], "arm": ["untrained"], "device": ["cpu"], "seed": [1], "criterion": [None]}
    )
    assert table(histories, manifests, {}).empty
    assert Finding("x", "warning", "e", "a", "S1-01")._fields == tuple(COLUMNS[4:])
