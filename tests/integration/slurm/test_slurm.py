"""A real SLURM: the same report as on one machine, GPUs handed out, and no work lost to time limits and lost nodes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from tests.integration.slurm.conftest import SITE, edit_profile
from tests.test_workflow import copy_of_project
from tests.test_workflow_kill import saved_epoch

pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.timeout(1200)]

TWO_STUDIES = """\
studies:
  antibody_affinity: {dataset: antibody_generated, arms: [v1, v2]}
  link_prediction: {dataset: latent_graph, arms: [v1, v2]}
budget: smoke
seeds: [1, 2]
device: cpu
attribution: {method: none}
"""
ON_A_GPU = """\
studies:
  antibody_affinity: {dataset: antibody_generated, arms: [v1]}
budget: smoke
seeds: [1]
device: cuda
attribution: {method: none}
"""
TRAININGS = """\
studies:
  antibody_affinity: {{dataset: antibody_generated, arms: [v1], seeds: {seeds}, set: {{epochs: {epochs}}}}}
budget: smoke
device: cpu
save_seconds: 0.5
attribution: {{method: none}}
"""
PREPARED = [f"data/antibody_generated/prepared/antibody_affinity/v1/{seed}/checked.txt" for seed in (1, 2)]
MODELS = [f"results/runs/antibody_affinity/v1/cpu/{seed}/model.safetensors" for seed in (1, 2)]
TABLES = ("comparison", "attribution", "samples", "tiers", "lint", "findings", "claims", "runs")
CLOCKS = ("timings.csv", "manifest.json")  # files of a run that hold times


def start(
    project: Path, folder: str, config: str, *arguments: str, profile: str | None = "profiles/slurm"
) -> subprocess.Popen:
    """Snakemake with results in `folder`, through a profile or, with None, on this machine alone."""
    (project / folder).mkdir(exist_ok=True)
    (project / folder / "config.yaml").write_text(config)
    where = ["--profile", profile] if profile else ["--cores", "1"]
    command = [sys.executable, "-m", "snakemake", *where, "--configfile", f"{folder}/config.yaml"]
    command += ["--directory", folder, "--nolock", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(project / ".cache")}
    with (project / folder / "snakemake.log").open("a") as log:
        return subprocess.Popen(command, cwd=project, env=environment, stdout=log, stderr=log)


def said(project: Path, folder: str) -> str:
    return (project / folder / "snakemake.log").read_text()


@contextmanager
def ended(*processes: subprocess.Popen) -> Iterator[None]:
    """Ends what is still running when the body is done or fails."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)  # Snakemake then cancels its jobs
        for process in processes:
            process.wait(timeout=60)


def submitted(text: str) -> list[str]:
    """The SLURM logs of all queue entries, in the order in which they were made."""
    return re.findall(r"has been submitted with SLURM jobid \d+ \(log: (.*)\)\.", text)


def run_files(folder: Path) -> dict[str, bytes]:
    """Path -> content of every file of every run without a clock in it."""
    found = sorted(path for path in (folder / "results/runs").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.name not in CLOCKS}


@pytest.fixture(scope="module")
def both(cluster, project) -> tuple[Path, Path]:
    """The folders of two builds of the same tables: on the cluster, with the report, and on this machine."""
    tables = [f"results/tables/{name}.csv" for name in TABLES]
    there = start(project, "on-slurm", TWO_STUDIES, "--", "results/report.html")
    here = start(project, "local", TWO_STUDIES, "--", *tables, profile=None)
    with ended(there, here):
        for process, folder in ((there, "on-slurm"), (here, "local")):
            assert process.wait() == 0, said(project, folder)[-5000:]
    return project / "on-slurm", project / "local"


def test_the_report_of_two_studies_equals_the_local_one(both):
    there, here = both
    assert run_files(there) == run_files(here)
    assert len(list(there.glob("results/runs/*/*/cpu/*/scores.csv"))) == 8
    for name in TABLES:
        tables = [without_clock(name, pd.read_csv(folder / f"results/tables/{name}.csv")) for folder in both]
        pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert all(
        study in (there / "results/report.html").read_text() for study in ("antibody_affinity", "link_prediction")
    )


def without_clock(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """A table without what a clock or the operating system filled in."""
    if name == "claims":
        table = table[~table["test"].astype(str).str.contains("seconds|memory")].reset_index(drop=True)
    return table[[column for column in table if not re.search("seconds|memory", column)]]


def test_many_runs_share_one_queue_entry_and_their_logs_say_which(both, cluster):
    there, _ = both
    entries = [Path(log) for log in submitted(said(there.parent, there.name))]
    trained, scored = ([log.stem for log in entries if name in str(log)] for name in ("runs-cpu", "scores"))
    assert len(trained) == len(scored) == 1
    facts = cluster.ask("scontrol", "show", "job", trained[0])  # eight times 15 minutes, one after the other
    assert "TimeLimit=02:00:00" in facts and "TRES=cpu=1,mem=2000M" in facts
    for path in there.glob("results/runs/*/*/cpu/*/manifest.json"):
        study, arm, device, seed = path.parts[-5:-1]
        log = (there / f"logs/train/{study}/{arm}/{device}/{seed}.log").read_text()
        assert f"SLURM job {trained[0]} on " in log
        assert json.loads(path.read_text())["slurm_job"] == trained[0]
    assert not list((there / "state").rglob("state-*.safetensors"))


@pytest.fixture(scope="module")
def data(project) -> Path:
    """A folder of prepared data."""
    process = start(project, "prepared", TRAININGS.format(seeds=[1, 2], epochs=1), "--", *PREPARED, profile=None)
    with ended(process):
        assert process.wait() == 0, said(project, "prepared")[-5000:]
    return project / "prepared/data"


def test_a_training_on_a_gpu_gets_its_index_and_the_partition(cluster, data, project):
    """Whether the training then succeeds depends on the GPU: on a pretended one it fails, which its log says."""
    shutil.copytree(data, project / "gpu/data")
    process = start(project, "gpu", ON_A_GPU, "--", "runs")
    with ended(process):
        process.wait()
    log = (project / "gpu/logs/train/antibody_affinity/v1/cuda/1.log").read_text()
    number = re.search(r"SLURM job (\d+) on \S+, CUDA_VISIBLE_DEVICES=0$", log, re.MULTILINE)[1]
    facts = cluster.ask("scontrol", "show", "job", number)
    assert f"Partition={SITE['gpu_partition']}" in facts and "TresPerJob=gres:gpu:1" in facts
    assert "submitted with SLURM jobid" in said(project, "gpu") and process.returncode == 0


def trainings(project: Path, data: Path, folder: str, seeds: list[int], epochs: int, **options) -> subprocess.Popen:
    """Snakemake that trains in `folder` with prepared data."""
    shutil.copytree(data, project / folder / "data")
    models = MODELS[: len(seeds)]
    return start(project, folder, TRAININGS.format(seeds=seeds, epochs=epochs), "--", *models, **options)


def saved_at(folder: Path, seed: int) -> int:
    """The epoch of the newest state of a training, 0 if there is none."""
    while True:
        try:
            return saved_epoch(folder).get(str(seed), 0)
        except FileNotFoundError:  # the training has just removed an old one
            continue


def train_log(folder: Path, seed: int) -> str:
    path = folder / f"logs/train/antibody_affinity/v1/cpu/{seed}.log"
    return path.read_text() if path.exists() else ""


def went_on_at(folder: Path, seed: int) -> int:
    """The epoch at which a training went on, by its log, which starts anew with the training; 0 if it began."""
    return int((re.findall(r"going on at epoch (\d+)", train_log(folder, seed)) or [0])[0])


def wait_until(true: Callable[[], object], process: subprocess.Popen, folder: Path) -> None:
    """Returns once `true()` is, or fails if Snakemake ends before."""
    while not true():
        text = (folder / "snakemake.log").read_text()[-5000:]
        assert process.poll() is None, f"Snakemake ended before what the test waits for:\n{text}"
        time.sleep(0.2)


def test_a_node_drained_and_lost_in_the_middle_loses_no_work(cluster, data, project):
    """Two trainings in one queue entry; the node is lost when one of them is done and the other has saved its state."""
    process = trainings(project, data, "lost", [1, 2], epochs=250)
    in_peace = trainings(project, data, "in-peace", [1, 2], epochs=250, profile=None)
    folder = project / "lost"

    def done() -> list[int]:
        return [seed for seed in (1, 2) if (folder / MODELS[seed - 1]).with_name("manifest.json").exists()]

    with ended(process, in_peace):
        wait_until(lambda: len(done()) == 1 and saved_at(folder, 3 - done()[0]) > 0, process, folder)
        cluster.node("drain")
        (first,) = done()
        second = 3 - first
        assert jobs(cluster)["RUNNING"] == 1  # draining lets jobs end
        number = Path(submitted(said(project, "lost"))[-1]).stem
        saved = saved_at(folder, second)
        cluster.node("down")
        wait_until(lambda: jobs(cluster) == {"PENDING": 1}, process, folder)  # SLURM puts it back into the queue
        cluster.node("resume")
        assert process.wait() == 0 and in_peace.wait() == 0, said(project, "lost")[-5000:]
    assert "Restarts=1" in cluster.ask("scontrol", "show", "job", number)
    assert went_on_at(folder, second) >= saved > 0
    assert went_on_at(folder, first) == 250, "a training that was done is not done again"
    assert run_files(folder) == run_files(project / "in-peace")
    assert len(run_files(folder)) == 8


def jobs(cluster) -> Counter:
    """State -> number of jobs in the queue."""
    return Counter(cluster.ask("squeue", "--noheader", "--format=%T").split())


def test_a_training_that_runs_into_its_time_limit_goes_on(cluster, data, project):
    """The limit is a minute, the warning comes at once; the training has far more epochs than that allows."""
    shutil.copytree(project / "profiles/slurm", project / "profiles/hurry")
    edit_profile(project, "hurry", minutes="1")
    process = trainings(project, data, "limited", [1], epochs=10**6, profile="profiles/hurry")
    folder = project / "limited"
    saved = 0

    def resumed() -> bool:
        nonlocal saved
        newest = saved_at(folder, 1)
        if not went_on_at(folder, 1):
            saved = newest  # saved by an attempt that ended since, or goes on to its end
        return went_on_at(folder, 1) > 0

    with ended(process):
        wait_until(resumed, process, folder)
        assert went_on_at(folder, 1) >= saved > 0
        entries = [Path(log) for log in submitted(said(project, "limited"))]
        limits = [re.search(r"TimeLimit=(\S+)", cluster.ask("scontrol", "show", "job", log.stem))[1] for log in entries]
        assert limits[:2] == ["00:01:00", "00:02:00"] and "Trying to restart job" in said(project, "limited")
        ends = "interrupted by SIGTERM before epoch|DUE TO TIME LIMIT"  # asked in time, or not
        assert any(re.search(ends, log.read_text()) for log in entries[:-1])


@pytest.mark.parametrize(
    ("values", "config", "options", "line"),
    [
        (
            {"cpu_partition": ""},
            TWO_STUDIES,
            [],
            "cpu_partition: expected the name of a partition, found nothing: `sinfo`",
        ),
        (
            {"gpu_partition": ""},
            ON_A_GPU,
            [],
            "gpu_partition: expected the name of a partition, found nothing: `sinfo`",
        ),
        ({}, ON_A_GPU, ["--resources", "gpu=0"], "--resources gpu=0: expected at least 1"),
        ({}, ON_A_GPU, ["--set-resources", "train:gpu=0"], "--set-resources train:gpu=0: expected at least 1"),
    ],
)
def test_a_wrong_request_is_one_line_before_any_job(tmp_path, values, config, options, line):
    project = copy_of_project(tmp_path)
    edit_profile(project, **values)
    assert start(project, "wrong", config, "--dry-run", *options, "--", "runs").wait() != 0
    text = said(project, "wrong")
    assert line in text and "Traceback" not in text and "rule train" not in text
