"""Devices in the workflow: what is refused before any job, and what a switch of device makes again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rematch.machine import cores
from tests.conftest import ROOT

CONFIG = """\
studies:
  {study}: {{dataset: {dataset}, arms: [v1], threads: {threads}}}
budget: smoke
seeds: [1]
device: {device}
attribution: {{method: none}}
"""


def call(folder: Path, *options: str, target="runs", variables=(), without=(), **config) -> tuple[int, str]:
    """Exit code and output of a call in `folder` with a tiny config."""
    values = {"study": "antibody_affinity", "dataset": "antibody_generated", "threads": 1, "device": "cpu"} | config
    (folder / "config.yaml").write_text(CONFIG.format(**values))
    files = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(folder / "config.yaml")]
    command = [sys.executable, "-m", "snakemake", *files, "--directory", str(folder), "--cores", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / ".cache")} | dict(variables)
    environment = {key: value for key, value in environment.items() if key not in without}
    done = subprocess.run([*command, *options, "--", target], env=environment, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "config", "variables", "message"),
    [
        ((), {"device": "tpu"}, {}, "device: expected one of auto, cpu, cuda, mps, found 'tpu'"),
        (
            (),
            {"device": "[cpu, mps]", "study": "taxonomy", "dataset": "generated_taxonomy"},
            {},
            "config: studies: taxonomy: device: mps is not allowed for this study: the document's training hung",
        ),
        (
            (),
            {"device": "cuda"},
            {"CUDA_VISIBLE_DEVICES": ""},
            "device: cuda is not here, CUDA_VISIBLE_DEVICES hides every GPU; available: cpu. Set `device:`",
        ),
        ((), {"threads": 4096}, {}, f"threads: expected at most the {cores()} cores of this machine, found 4096"),
        (
            ("--sdm", "conda"),
            {},
            {"PATH": "/usr/bin:/bin"},
            "--sdm conda: there is no conda command here; install",
        ),
    ],
)
def test_what_cannot_run_is_one_line_before_any_job(tmp_path, options, config, variables, message):
    code, text = call(tmp_path, "--dry-run", *options, variables=variables, **config)
    assert code != 0 and message in text, text
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if message in line]
    assert len(line) < 300


def planned(text: str) -> dict[str, int]:
    """Rule -> number of jobs of a dry run."""
    if "Nothing to be done" in text:
        return {}
    table = text[text.index("Job stats:") :].split("\n\n")[0]
    found = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    return {rule: count for rule, count in found.items() if rule not in ("total", "runs")}


@pytest.fixture(scope="module")
def with_gpu(tmp_path_factory) -> dict[str, str]:
    """Variables under which a machine seems to have a GPU: enough for a plan."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "nvidia-smi").write_text("#!/bin/sh\n")
    (folder / "nvidia-smi").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": "0"}


@pytest.mark.slow
def test_a_switch_of_device_makes_its_runs_and_keeps_the_others(tmp_path, with_gpu):
    code, text = call(tmp_path, "--quiet", "rules")
    assert code == 0, text
    (run,) = (tmp_path / "results/runs/antibody_affinity/v1").iterdir()
    assert run.name == "cpu", "the device is a folder, so that runs of one arm stand side by side"
    code, text = call(tmp_path, "--dry-run", device="cuda", variables=with_gpu)
    assert code == 0 and planned(text) == {"train": 1, "evaluate": 1}, "the data are prepared already"
    assert re.findall(r"results/runs/antibody_affinity/v1/(\w+)/1/model", text)[0] == "cuda"
    code, text = call(tmp_path, "--dry-run", device="[cpu, cuda]", variables=with_gpu)
    assert code == 0 and planned(text) == {"train": 1, "evaluate": 1}, "the run on the CPU is kept"
    code, text = call(tmp_path, "--dry-run", device="cpu")
    assert code == 0 and planned(text) == {}


@pytest.mark.slow
def test_the_comparison_measures_what_is_there_and_is_a_target(tmp_path, with_gpu):
    code, text = call(tmp_path, "--dry-run", target="results/devices.html", variables=with_gpu)
    found = planned(text)
    names = set(re.findall(r"results/devices/antibody_affinity/v1/(\w+-\d+)\.json", text))
    threads = {f"cpu-{n}" for n in (1, 2, 4, 8) if n <= cores()}
    assert code == 0 and names == {*threads, "cuda-1"}
    assert found["devices_measure"] == len(names) and "train" not in found
