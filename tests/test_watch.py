"""The live view: every state of a run as its files show it, and nothing written."""

from __future__ import annotations

import json
import os

import pytest
from rich.console import Console
from tiny_learners import mlp

from rematch import watch
from rematch.engine import fit
from rematch.experiment import Run

RUN = Run("a_study", "v1", "cpu", 1)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "logs/train/a_study/v1/cpu").mkdir(parents=True)
    (tmp_path / "results/runs/a_study/v1/cpu/1").mkdir(parents=True)
    return tmp_path


def seen(root, epochs=20, now=None):
    return watch.look(root, RUN, {}, epochs, now or 2e9)


def log(root, text=""):
    path = root / "logs/train/a_study/v1/cpu/1.log"
    path.write_text(text)
    return path


def finish(root, **facts):
    folder = root / "results/runs/a_study/v1/cpu/1"
    (folder / "history.csv").write_text(
        "step,name,value\n5,validation_rmse,2.0\n10,validation_rmse,1.5\n10,train_loss,3.0\n"
    )
    (folder / "manifest.json").write_text(json.dumps({"status": "ok", "criterion": ["rmse", "lower"]} | facts))


def test_waiting_until_there_is_a_log(root):
    assert seen(root).state == "waiting"


def test_running_before_the_first_saved_state(root):
    path = log(root, "2026-01-01 10:00:00,000 INFO started\n")
    os.utime(path, (1000, 1000))
    sight = seen(root, now=1060)
    assert (sight.state, sight.epoch, sight.age, sight.remaining) == ("running", 0, 60, None)


def test_running_with_what_its_resume_state_says(root):
    log(root)
    fit(mlp(1), seed=1, epochs=6, folder=root / "state/a_study/v1/cpu/1", fingerprint="f", save_every_steps=2)
    sight = seen(root, epochs=10)
    assert sight.state == "running" and sight.epoch == 6 and sight.criterion == "validation_mse"
    assert len(sight.course) == 6 and sight.best == pytest.approx(min(sight.course)) and sight.remaining > 0


def test_a_state_that_is_being_written_is_passed_by(root):
    log(root)
    folder = root / "state/a_study/v1/cpu/1"
    folder.mkdir(parents=True)
    (folder / f"state-00000001-{'0' * 32}.safetensors").write_bytes(b"\xff" * 7)
    assert seen(root).state == "running"


def test_failed_with_the_line_of_the_log(root):
    log(root, "2026-01-01 10:00:00,000 INFO started\n2026-01-01 10:00:01,000 ERROR loss became nan in epoch 3\n")
    assert (seen(root).state, seen(root).reason) == ("failed", "loss became nan in epoch 3")


def test_failed_as_its_manifest_says(root):
    finish(root, status="failed: out of memory")
    assert (seen(root).state, seen(root).reason) == ("failed", "out of memory")


def test_done(root):
    finish(root, epochs_run=2, best_value=1.5)
    sight = seen(root)
    assert (sight.state, sight.epoch, sight.best, sight.course, sight.criterion) == (
        "done",
        2,
        1.5,
        (2.0, 1.5),
        "validation_rmse",
    )
    assert "not-converged" in sight.findings


def test_half_a_manifest_counts_as_running(root):
    log(root)
    (root / "results/runs/a_study/v1/cpu/1/manifest.json").write_text('{"status": "o')
    assert seen(root).state == "running"


@pytest.mark.parametrize(
    ("values", "shown"),
    [((), ""), ((1, 2, 3), "▁▄█"), ((2, 2), "▄▄"), ((1, float("nan"), 3), "▁█"), ((float("inf"),), "")],
)
def test_spark(values, shown):
    assert watch.spark(values) == shown


def test_spark_is_never_wider_than_asked():
    assert len(watch.spark(range(1000), 16)) == 16


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, ""), (5, "0:05"), (65.4, "1:05"), (7384, "2:03:04"), (-3, "0:00")]
)
def test_left(seconds, shown):
    assert watch.left(seconds) == shown


def test_view_shows_every_state_and_no_markup_of_a_reason(root):
    sights = [
        watch.Sight(RUN, "running", 20, 4, 1.25, "validation_rmse", (2.0, 1.5), 61.0, 3.0),
        watch.Sight(RUN._replace(seed=2), "failed", 20, reason="[red]nan[/red]", age=2.0),
        watch.Sight(RUN._replace(seed=3), "waiting", 20),
    ]
    console = Console(width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(watch.view(sights))
    text = console.export_text()
    for part in ("0 of 3", "4/20", "1.25", "1:01", "█▁", "[red]nan[/red]"):
        assert part in text
    console.file.close()


def test_once_prints_and_writes_nothing(tmp_path, capsys):
    assert watch.main(["--once", "--directory", str(tmp_path)]) == 0
    assert "antibody_affinity" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_configuration_is_one_line(tmp_path, capsys):
    path = tmp_path / "config.yaml"
    path.write_text("studys: {}\n")
    assert watch.main(["--once", "--configfile", str(path)]) == 2
    assert capsys.readouterr().err.startswith("config: unknown key 'studys'")
