"""The whole of Snakemake killed in the middle of trainings, and started again: the same bytes, no saved epoch twice."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KILLS = 10
# Saves often, so that short trainings are cut between saves many times.
CONFIG = """
studies:
  antibody_affinity: {{dataset: antibody_generated, arms: [v1], set: {{epochs: {epochs}, patience: 0}}}}
budget: smoke
seeds: [1, 2]
device: cpu
save_seconds: 0.2
attribution: {{method: none}}
"""
NOT_COMPARED = ("timings.csv", "manifest.json")


def start(folder: Path) -> subprocess.Popen:
    """Snakemake with all its jobs in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--configfile", folder / "config.yaml"]
    command += ["--directory", folder, "--cores", "2", "--nolock", "--rerun-incomplete", "--quiet", "--", "runs"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    with (folder / "snakemake.log").open("a") as log:
        return subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=log, start_new_session=True, cwd=ROOT, env=environment
        )


def results(folder: Path) -> dict[str, bytes]:
    """Path -> content of every file of every run without a clock in it."""
    found = sorted(path for path in (folder / "results").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.name not in NOT_COMPARED}


def saved_epoch(folder: Path) -> dict[str, int]:
    """Seed -> the epoch at which its newest state stands."""
    epochs = {}
    for path in sorted((folder / "state").rglob("state-*.safetensors")):
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        head = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["rematch"])
        progress = dict(dict(head["state"][1])["progress"][1])
        epochs[path.parent.name] = progress["epoch"]
    return epochs


def resumed_epoch(folder: Path) -> dict[str, int]:
    """Seed -> the epoch at which its last training went on, as its log says."""
    logs = (folder / "logs" / "train").rglob("*.log")
    found = {path.stem: re.findall(r"going on at epoch (\d+)", path.read_text()) for path in logs}
    return {seed: int(epochs[-1]) for seed, epochs in found.items() if epochs}


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_ten_times_ends_in_the_same_bytes(tmp_path):
    epochs = int(os.environ.get("REMATCH_KILL_EPOCHS", "150"))
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    for folder in (alone, killed):
        folder.mkdir()
        (folder / "config.yaml").write_text(CONFIG.format(epochs=epochs))
    began = time.monotonic()
    assert start(alone).wait() == 0, (alone / "snakemake.log").read_text()[-3000:]
    whole = time.monotonic() - began
    draw, before, resumed = random.Random(4), {}, 0
    for _ in range(KILLS):
        process = start(killed)
        try:
            process.wait(timeout=draw.uniform(0.3, 0.7) * whole)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for seed, epoch in resumed_epoch(killed).items():
            assert epoch >= before.get(seed, 0), "an epoch that was saved was trained again"
            resumed += 1
        before = saved_epoch(killed)
    assert start(killed).wait() == 0, (killed / "snakemake.log").read_text()[-3000:]
    assert resumed > 0, "no start found a state: the trainings are too short for this test"
    assert results(killed) == results(alone)
    assert not [path for path in killed.rglob("*.tmp") if "cache" not in path.parts and ".snakemake" not in path.parts]
