"""A run folder is written whole, repeats byte for byte, and failed runs say why."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from rematch import prepared
from rematch.card import Card
from rematch.evaluation import RunFiles, evaluate_run
from rematch.runs import Limits, Outputs, train_run

SETTINGS = {
    "split": "grouped",
    "group": "dataset",
    "censored": "drop",
    "features": 5,
    "labels": "true",
    "model": "mlp",
    "hidden": [8],
    "activation": "relu",
    "dropout": 0.3,
    "initialisation": "default",
    "loss": "mse",
    "focal_gamma": 2.0,
    "bin_weights": "inverse-frequency",
    "extreme_weight": 1.0,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": "plateau",
    "restart_epochs": 20,
    "clip_norm": 0.0,
    "batch_size": 16,
    "epochs": 2,
    "patience": 0,
}
CODE = "digest of the code"


@pytest.fixture(autouse=True)
def torch_as_it_was():
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


@pytest.fixture
def data(tmp_path):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(90, 5)).astype(np.float32)
    y = np.clip(8 + 2 * x[:, 0], 1, 15).astype(np.float32)
    train = {"x_train": x[:60], "y_train": y[:60], "x_valid": x[60:75], "y_valid": y[60:75]}
    test = {"x_test": x[75:], "y_test": y[75:], "row": np.arange(75, 90)}
    names = pd.DataFrame({"sample": [f"s{i}" for i in range(90)], "source": "a"})
    paths = [tmp_path / "data" / name for name in ("train", "test", "names", "card")]
    prepared.write(prepared.Prepared(train, test, Card("t"), names), *paths)
    return [str(path) for path in paths[:3]]


def train(folder, data, seed=1, limits=None, progress=None, **changes):
    outputs = Outputs(*(str(folder / name) for name in Outputs._fields))
    arm = SETTINGS | changes
    state, limits = str(folder / "state"), limits or Limits()
    train_run("antibody_affinity", arm, seed, "cpu", 1, data[0], CODE, state, outputs, limits, progress)
    return outputs


def evaluate(folder, data, outputs):
    outcome = [str(folder / name) for name in ("scores.csv", "predictions.parquet", "tables", "evaluation.json")]
    evaluate_run("antibody_affinity", SETTINGS, RunFiles(outputs.model, outputs.manifest, *data, *outcome))
    return folder / "scores.csv"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_the_same_seed_gives_the_same_files_and_another_seed_differs(data, tmp_path):
    one, two, other = (train(tmp_path / name, data, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    for name in ("settings", "history", "model", "final"):
        assert read(getattr(one, name)) == read(getattr(two, name)), name
    assert read(one.model) != read(other.model)
    scores = [evaluate(tmp_path / name, data, run).read_bytes() for name, run in (("a", one), ("b", two), ("c", other))]
    assert scores[0] == scores[1] != scores[2]


def test_the_manifest_says_what_was_run_and_on_what(data, tmp_path):
    facts = json.loads(read(train(tmp_path, data).manifest))
    assert facts["status"] == "ok" and facts["seed"] == 1 and facts["device"] == "cpu" and facts["epochs_run"] == 2
    assert facts["criterion"] == ["rmse", "lower"] and len(facts["data_digest"]) == 64
    assert facts["peak_memory_mb"] > 0 and facts["seconds"] > 0


def test_training_opens_no_test_data(data, tmp_path):
    (tmp_path / "data/test").unlink()
    (tmp_path / "data/names").unlink()
    assert json.loads(read(train(tmp_path / "run", data).manifest))["status"] == "ok"


def test_a_failed_run_leaves_its_reason_if_others_go_on(data, tmp_path):
    wild = {"learning_rate": 1.0, "loss": "focal", "focal_gamma": 300.0}
    outputs = train(tmp_path, data, limits=Limits(show_failures=True), **wild)
    assert json.loads(read(outputs.manifest))["status"].startswith("failed: ")
    assert evaluate(tmp_path, data, outputs).read_text() == "split,name,value,n\n"
    with pytest.raises((ValueError, RuntimeError)):
        train(tmp_path / "alone", data, **wild)
    assert not (tmp_path / "alone/model").exists()


def test_whoever_looks_on_is_told_every_update(data, tmp_path):
    told = []

    @contextmanager
    def progress(label, updates):
        told.append((label, updates))
        yield SimpleNamespace(at=told.append)

    train(tmp_path, data, progress=progress)
    assert told[0] == (str(tmp_path / "state"), 8)  # 60 rows in batches of 16, two epochs
    assert told[1:] == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8]  # after each update and each validation


def test_limits_are_read_from_a_rules_resources():
    none = SimpleNamespace(
        max_seconds=0, save_milliseconds=0, keep_states=0, keep_newest=0, show_failures=0, hang_seconds=0
    )
    assert Limits.read(none) == Limits(None, None, "remove", False, None)
    some = SimpleNamespace(
        max_seconds=60, save_milliseconds=200, keep_states=1, keep_newest=0, show_failures=1, hang_seconds=90
    )
    assert Limits.read(some) == Limits(60, 0.2, "keep", True, 90)
