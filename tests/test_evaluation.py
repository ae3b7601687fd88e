"""All runs of an arm are scored in one process; what was scored before is not scored again; a bad run stands alone."""

import json
import os
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from rematch import evaluation, prepared
from rematch.card import Card
from rematch.evaluation import NO_SCORES, RunFiles, evaluate_arm
from rematch.failures import RunFailed
from rematch.scores import Evaluation, Score

ARM = {"epochs": 1}


@pytest.fixture
def study(monkeypatch):
    """A study whose score is its weight; a negative weight cannot be scored. `scored` lists what was asked for."""
    module = ModuleType("made_up")
    module.scored = []

    def evaluate(settings, weights, train, test, names, device):
        value = weights["w"].item()
        module.scored.append(value)
        if value < 0:
            raise ValueError("the weight is below zero")
        table = pd.DataFrame({"x": [value]})
        return Evaluation([Score("mae", value, 1)], pd.DataFrame({"sample": ["a"]}), {"best-ones": table})

    module.evaluate = evaluate
    monkeypatch.setattr(evaluation, "study_module", lambda package, name: module)
    monkeypatch.setattr(evaluation, "build", lambda package, settings: settings)
    monkeypatch.setattr(evaluation, "open_device", lambda name, threads: torch.device(name))
    return module


@pytest.fixture
def arm(tmp_path):
    """Folders and files of three trained runs, seeds 1 to 3, whose weight is the seed."""
    data = [tmp_path / "data" / name for name in ("train", "test", "names", "card")]
    prepared.write(prepared.Prepared({}, {}, Card("t"), pd.DataFrame({"sample": ["a"]})), *data)
    runs = []
    for seed in (1, 2, 3):
        folder = tmp_path / "runs" / str(seed)
        folder.mkdir(parents=True)
        save_file({"w": torch.tensor(float(seed))}, folder / "model")
        (folder / "manifest").write_text(json.dumps({"status": "ok", "seconds": seed}))
        made = [str(folder / name) for name in ("scores.csv", "predictions.parquet", "tables", "evaluation.json")]
        runs.append(RunFiles(str(folder / "model"), str(folder / "manifest"), *map(str, data[:3]), *made))
    return runs


def score(runs, tmp_path, settings=ARM, show_failures=False):
    evaluate_arm("made_up", settings, runs, "digest of the code", str(tmp_path / "state"), show_failures)


def remove_outputs(runs):
    """As Snakemake does before it runs a job."""
    for run in runs:
        for path in run.outputs():
            for file in sorted(path.glob("*")) if path.is_dir() else [path]:
                file.unlink()


def values(runs):
    return [pd.read_csv(run.scores)["value"].tolist() for run in runs]


def set_weight(run, value):
    save_file({"w": torch.tensor(value)}, run.model)


def test_the_files_of_a_run_come_from_the_lists_of_the_rule():
    inputs = SimpleNamespace(**{name: [f"{name}1", f"{name}2"] for name in RunFiles._fields[:5]})
    outputs = SimpleNamespace(**{name: [f"{name}1", f"{name}2"] for name in RunFiles._fields[5:]})
    assert RunFiles.of_rule(inputs, outputs) == [RunFiles(*(f"{n}{i}" for n in RunFiles._fields)) for i in (1, 2)]


def test_every_run_is_scored_and_scored_again_only_if_something_changed(study, arm, tmp_path):
    score(arm, tmp_path)
    assert study.scored == [1, 2, 3] and values(arm) == [[1], [2], [3]]
    before = [[path.read_bytes() for path in run.outputs() if path.is_file()] for run in arm]
    remove_outputs(arm)
    set_weight(arm[1], 5.0)
    score(arm, tmp_path)
    assert study.scored == [1, 2, 3, 5] and values(arm) == [[1], [5], [3]]
    after = [[path.read_bytes() for path in run.outputs() if path.is_file()] for run in arm]
    assert after[0] == before[0] and after[2] == before[2]
    assert pd.read_csv(tmp_path / "runs/1/tables/best-ones.csv")["x"].tolist() == [1]
    remove_outputs(arm)
    score(arm, tmp_path, ARM | {"epochs": 2})
    assert study.scored[4:] == [1, 5, 3]


def test_a_further_seed_is_the_only_one_scored(study, arm, tmp_path):
    score(arm[:2], tmp_path)
    remove_outputs(arm[:2])
    score(arm, tmp_path)
    assert study.scored == [1, 2, 3] and values(arm) == [[1], [2], [3]]


def test_a_run_that_cannot_be_scored_leaves_its_reason_and_the_others_their_scores(study, arm, tmp_path):
    set_weight(arm[1], -1.0)
    score(arm, tmp_path, show_failures=True)
    assert values(arm) == [[1], [], [3]] and pd.read_parquet(arm[1].predictions).empty
    states = [json.loads((tmp_path / "runs" / str(seed) / "evaluation.json").read_text()) for seed in (1, 2, 3)]
    assert [state["status"] for state in states] == ["ok", "failed: evaluation: the weight is below zero", "ok"]
    remove_outputs(arm)
    score(arm, tmp_path, show_failures=True)
    assert study.scored == [1, -1, 3, -1], "a failure is tried again"


def test_without_others_that_go_on_the_job_fails_after_all_were_tried(study, arm, tmp_path):
    set_weight(arm[0], -1.0)
    with pytest.raises(RunFailed, match=r"1 of 3 runs cannot be scored: .*1/scores\.csv: the weight is below zero"):
        score(arm, tmp_path)
    assert study.scored == [-1, 2, 3]


def test_a_failed_training_has_no_scores_and_opens_no_test_data(study, arm, tmp_path):
    (tmp_path / "runs/2/manifest").write_text(json.dumps({"status": "failed: no number"}))
    score(arm, tmp_path)
    with open(arm[1].scores) as file:
        assert file.read() == NO_SCORES
    assert study.scored == [1, 3]


def test_scores_that_are_no_numbers_or_come_twice_are_refused(study, arm, tmp_path, monkeypatch):
    set_weight(arm[0], float("inf"))
    with pytest.raises(RunFailed, match="a score is no finite number"):
        score(arm[:1], tmp_path)
    twice = Evaluation([Score("mae", 1.0, 1)] * 2, pd.DataFrame({"sample": ["a"]}))
    monkeypatch.setattr(study, "evaluate", lambda *_: twice)
    with pytest.raises(RunFailed, match="a score is reported twice: mae"):
        score(arm[:1], tmp_path)


def test_a_file_system_without_links_gets_copies(study, arm, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    score(arm, tmp_path)
    remove_outputs(arm)
    score(arm, tmp_path)
    assert study.scored == [1, 2, 3] and values(arm) == [[1], [2], [3]]
