"""Runs in long tables; a failed run keeps a row with its reason."""

import json

import pandas as pd
import pytest

from rematch.collect import collect, collect_run, wide


def run_folder(base, arm, seed, rmse=1.0, status="ok", evaluation="ok"):
    folder = base / arm / "cpu" / str(seed)
    folder.mkdir(parents=True)
    manifest = {"status": status}
    if status == "ok":
        manifest |= {"criterion": ["rmse", "lower"], "peak_memory_mb": 12.5, "parameters": 7}
        history = "step,name,value\n5,validation_rmse,2.0\n10,validation_rmse,1.5\n"
        timings = "epoch,seconds,checkpoint_seconds\n0,1.0,0.0\n1,1.0,0.0\n"
        scores = f"split,name,value,n\ntest,mae,0.5,9\ntest,rmse,{rmse},9\n"
    else:
        history, timings = "step,name,value\n", "epoch,seconds,checkpoint_seconds\n"
        scores = "split,name,value,n\n"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "evaluation.json").write_text(json.dumps({"status": evaluation}))
    for name, text in (("history", history), ("timings", timings), ("scores", scores)):
        (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.fixture
def folders(tmp_path):
    found = [run_folder(tmp_path, arm, seed, seed + (arm == "v2")) for arm in ("v1", "v2") for seed in (1, 2)]
    return [*found, run_folder(tmp_path, "v3", 1, status="failed: the loss is no number")]


def test_every_score_is_one_row(folders):
    scores = collect("s", folders)["scores"]
    rmse = scores[(scores["name"] == "rmse") & (scores["split"] == "test")]
    assert list(zip(rmse["arm"], rmse["seed"], rmse["value"])) == [
        ("v1", 1, 1),
        ("v1", 2, 2),
        ("v2", 1, 2),
        ("v2", 2, 3),
    ]
    assert set(rmse["study"]) == {"s"} and set(rmse["device"]) == {"cpu"} and set(rmse["n"]) == {9}


def test_a_failed_run_stays_visible_with_its_reason(folders):
    tables = collect("s", folders)
    failed = tables["scores"][tables["scores"]["arm"] == "v3"]
    assert list(failed["status"]) == ["failed: the loss is no number"] and failed["value"].isna().all()
    assert set(tables["histories"]["arm"]) == {"v1", "v2"}


def test_a_run_that_was_trained_and_not_scored_is_a_failed_run(tmp_path):
    good = run_folder(tmp_path, "v1", 1)
    bad = run_folder(tmp_path, "v1", 2, evaluation="failed: evaluation: no finite number")
    tables = collect("s", [good, bad])
    failed = tables["scores"][tables["scores"]["status"] != "ok"]
    assert set(failed["status"]) == {"failed: evaluation: no finite number"} and failed["value"].isna().all()
    assert tables["manifests"]["status"].tolist() == ["ok", "failed: evaluation: no finite number"]


def test_the_wide_table_has_one_row_per_run_with_settings(folders):
    settings = {arm: {"hidden": [2, 1], "rate": 0.5} for arm in ("v1", "v2", "v3")}
    table = wide(collect("s", folders)["scores"], settings)
    assert list(zip(table["arm"], table["seed"])) == [("v1", 1), ("v1", 2), ("v2", 1), ("v2", 2), ("v3", 1)]
    assert list(table["rmse"].dropna()) == [1, 2, 2, 3] and table["set_hidden"].iloc[0] == "2 1"
    assert table["status"].iloc[-1].startswith("failed")


def test_five_tables_are_written_in_order_and_equal_runs_leave_equal_bytes(folders, tmp_path):
    names = ("scores", "histories", "timings", "manifests", "runs")
    for place in ("a", "b"):
        outputs = [str(tmp_path / place / f"{name}.csv") for name in names]
        settings = {arm: {"x": 1} for arm in ("v1", "v2", "v3")}
        collect_run("s", settings, [str(folder / "scores.csv") for folder in folders], outputs)
    for name in names:
        assert (tmp_path / "a" / f"{name}.csv").read_bytes() == (tmp_path / "b" / f"{name}.csv").read_bytes()
    assert len(pd.read_csv(tmp_path / "a" / "runs.csv")) == 5
