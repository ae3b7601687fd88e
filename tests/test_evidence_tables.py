"""From collected tables to evidence tables, on a study small enough to check by hand."""

import numpy as np
import pandas as pd
import pytest

from rematch.evidence_tables import join_tables, write_attribution, write_claims, write_comparison, write_samples

METRICS = {"rmse": {"label": "RMSE", "better": "lower", "equal_within": 0.01}}
SETTINGS = {"a": 1}
ARMS = {
    "v1": {"kind": "version", "version": "v1", "changes": [], "settings": SETTINGS, "trained_as": "v1"},
    "v2": {"kind": "version", "version": "v2", "changes": ["x", "y"], "settings": SETTINGS, "trained_as": "v2"},
    "v2-minus-x": {
        "kind": "minus",
        "version": "v2",
        "changes": ["y"],
        "settings": SETTINGS,
        "trained_as": "v2-minus-x",
    },
    "v2-minus-y": {
        "kind": "minus",
        "version": "v2",
        "changes": ["x"],
        "settings": SETTINGS,
        "trained_as": "v2-minus-y",
    },
}
LEVELS = {"v1": 2.0, "v2": 1.0, "v2-minus-x": 1.6, "v2-minus-y": 1.4}  # x brings 0.6, y 0.4
NOISE = [0.00, 0.01, -0.01, 0.02, -0.02]


@pytest.fixture
def folder(tmp_path):
    rows = [
        ("toy", arm, "cpu", seed, "test", "rmse", level + noise + 0.003 * ((seed * 7 + len(arm)) % 5), 100, "ok")
        for arm, level in LEVELS.items()
        for seed, noise in enumerate(NOISE, start=1)
    ]
    columns = ["study", "arm", "device", "seed", "split", "name", "value", "n", "status"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "scores.csv", index=False)
    runs = [("toy", arm, "cpu", seed) for arm in LEVELS for seed in range(1, 6)]
    history = [(*run, 10 * (epoch + 1), "validation_rmse", 3.0 - epoch) for run in runs for epoch in range(3)]
    timing = [(*run, epoch, 0.5, 0.0) for run in runs for epoch in range(3)]
    keys = ["study", "arm", "device", "seed"]
    pd.DataFrame(history, columns=[*keys, "step", "name", "value"]).to_csv(tmp_path / "histories.csv", index=False)
    pd.DataFrame(timing, columns=[*keys, "epoch", "seconds", "checkpoint_seconds"]).to_csv(
        tmp_path / "timings.csv", index=False
    )
    manifest = pd.DataFrame([(*run, "['rmse', 'lower']", "ok") for run in runs], columns=[*keys, "criterion", "status"])
    manifest.to_csv(tmp_path / "manifests.csv", index=False)
    (tmp_path / "benchmarks.csv").write_text("program,name,value\n")
    return tmp_path


def test_comparison_and_budgets(folder):
    outputs = [folder / "comparison.csv", folder / "budgets.csv"]
    inputs = [str(folder / f"{name}.csv") for name in ("scores", "histories", "timings", "manifests")]
    write_comparison("toy", "rmse", METRICS, ARMS, *inputs, outputs)
    row = pd.read_csv(outputs[0]).query("before == 'v1' and after == 'v2'").iloc[0]
    assert row["answer"] == "better"
    assert row["difference"] == pytest.approx(-1.0, abs=0.02)
    assert row["pairs"] == 5
    budgets = pd.read_csv(outputs[1])
    assert {"steps", "seconds"} <= set(budgets["budget"])


def test_samples_of_two_runs(tmp_path):
    target = pd.Series(range(100), dtype=float)
    bins = ["low"] * 20 + ["high"] * 80
    for name, error in (("v1", 2.0), ("v2", 1.0)):
        table = pd.DataFrame({"sample": target.index.astype(str), "target": target, "prediction": target + error})
        table.assign(bin=bins).to_parquet(tmp_path / f"{name}.parquet")
    pd.DataFrame({"sample": ["a"]}).to_parquet(tmp_path / "no-target.parquet")
    pair = (1, str(tmp_path / "v1.parquet"), str(tmp_path / "v2.parquet"))
    write_samples("toy", [pair], str(tmp_path / "samples.csv"))
    table = pd.read_csv(tmp_path / "samples.csv").set_index("group")
    assert table.loc["high", "answer"] == "better"
    assert table.loc["low", "answer"] not in ("better", "worse")  # 20 samples are too few for a word
    assert table.loc["high", "difference"] == pytest.approx(-1.0)
    empty = (1, str(tmp_path / "no-target.parquet"), str(tmp_path / "no-target.parquet"))
    write_samples("toy", [empty], str(tmp_path / "empty.csv"))
    assert len(pd.read_csv(tmp_path / "empty.csv")) == 0


def test_shares_of_two_changes(folder):
    write_attribution(
        "toy", METRICS, ARMS, {"version": "v2", "arms": 8}, str(folder / "scores.csv"), folder / "out.csv"
    )
    table = pd.read_csv(folder / "out.csv").query("method == 'leave-one-out'").set_index("change")["share"]
    assert table["x"] == pytest.approx(-0.6, abs=0.03)
    assert table["y"] == pytest.approx(-0.4, abs=0.03)
    assert table["x"] + table["y"] + table["interaction"] == pytest.approx(table["total"])


def test_a_claim_gets_its_verdict(folder):
    claim = {"id": "T.1", "source": "S4-52", "says": "The error falls below 1.2.", "expected": [0.8, 1.2]}
    text = {"metrics": METRICS, "claims": [claim | {"test": {"metric": "rmse", "arm": "v2", "at_most": 1.2}}]}
    outputs = [folder / f"{name}.csv" for name in ("claims", "tiers", "lint")]
    write_claims("toy", "rmse", text, ARMS, str(folder / "scores.csv"), str(folder / "benchmarks.csv"), outputs)
    assert pd.read_csv(outputs[0])["verdict"].tolist() == ["supported"]
    assert all(path.exists() for path in outputs)


def test_the_studys_question_is_corrected_with_no_other_claim(folder):
    noisy = pd.read_csv(folder / "scores.csv")
    noisy.loc[noisy["arm"] == "v2", "value"] += np.linspace(-4, 5, (noisy["arm"] == "v2").sum())
    noisy.to_csv(folder / "scores.csv", index=False)
    question = {"metric": "rmse", "arm": "v2", "against": "v1", "is": "better"}
    tests = [question, {"metric": "rmse", "arm": "v2", "at_most": 1.2}, {"metric": "rmse", "arm": "v1", "at_most": 3.0}]
    claims = [{"id": f"T.{i}", "source": "S4-52", "says": "x", "test": test} for i, test in enumerate(tests)]
    outputs = [folder / f"{name}.csv" for name in ("claims", "tiers", "lint")]
    inputs = [str(folder / f"{name}.csv") for name in ("scores", "benchmarks")]
    write_claims("toy", "rmse", {"metrics": METRICS, "claims": claims}, ARMS, *inputs, outputs)
    found = pd.read_csv(outputs[0])
    assert found.p_holm[0] == found.p[0] and (found.p_holm[1:] > found.p[1:]).any()
    assert found.reason[0] == f"the interval does not decide (p {found.p[0]:.2g})"  # not called corrected


def test_a_study_without_claims_and_facts_leaves_tables_that_can_be_joined(folder, tmp_path):
    outputs = [str(folder / f"{name}.csv") for name in ("claims", "tiers", "lint")]
    write_claims(
        "toy", "rmse", {"metrics": METRICS}, ARMS, str(folder / "scores.csv"), str(folder / "benchmarks.csv"), outputs
    )
    join_tables(outputs, [str(tmp_path / f"all/{name}.csv") for name in ("claims", "tiers", "lint")])
    assert (tmp_path / "all/lint.csv").read_text() == "study,check,source,result,finding\n"


def test_tables_of_studies_stand_one_under_the_other(tmp_path):
    for study in ("a", "b"):
        (tmp_path / study).mkdir()
        (tmp_path / study / "claims.csv").write_text(f"study,claim\n{study},1\n")
    outputs = [str(tmp_path / "claims.csv"), str(tmp_path / "claims.md")]
    join_tables([str(tmp_path / study / "claims.csv") for study in ("a", "b")], outputs)
    assert pd.read_csv(outputs[0])["study"].tolist() == ["a", "b"]
    assert "| a" in (tmp_path / "claims.md").read_text()


def test_a_claim_about_a_failed_arm_is_inconclusive(folder):
    scores = pd.read_csv(folder / "scores.csv")
    lost = scores["arm"] == "v2"
    scores.loc[lost, ["name", "value", "n"]] = [None, float("nan"), 0]
    scores.loc[lost, "status"] = "failed: loss is inf"
    scores.to_csv(folder / "scores.csv", index=False)
    claim = {"id": "T.1", "source": "S4-52", "says": "The error falls below 1.2.", "expected": [0.8, 1.2]}
    text = {"metrics": METRICS, "claims": [claim | {"test": {"metric": "rmse", "arm": "v2", "at_most": 1.2}}]}
    outputs = [folder / f"{name}.csv" for name in ("claims", "tiers", "lint")]
    write_claims("toy", "rmse", text, ARMS, str(folder / "scores.csv"), str(folder / "benchmarks.csv"), outputs)
    row = pd.read_csv(outputs[0]).iloc[0]
    assert row["verdict"] == "inconclusive" and "loss is inf" in row["reason"]
