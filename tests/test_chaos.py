"""Killed anywhere, any number of times: the same bytes in the end. The machinery is that of benchmarks/chaos.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHILD = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
import chaos
import pandas as pd
from rematch.atomic import write_bytes, write_text
from rematch.checkpoint import clean, weights_bytes
from rematch.engine import fit
from tiny_learners import Momentum, mlp

def job(name, make):
    def run(folder):
        results = folder / "results"
        if (results / "final.safetensors").exists():
            return
        found = fit(make(3), seed=3, epochs=6, folder=folder / "state")
        write_text(results / "history.csv", pd.DataFrame(found.history).to_csv(index=False))
        write_bytes(results / "model.safetensors", weights_bytes(found.best))
        write_bytes(results / "final.safetensors", weights_bytes(found.final))
        clean(folder / "state")
    return chaos.Job(name, run)

found = list(chaos.trials([job("mlp", mlp), job("momentum", Momentum)], {kills}, {seed}, Path(sys.argv[1])))
chaos.show(found)
print(sum(len(item.deaths) for item in found), sum(item.resumed for item in found), all(item.equal for item in found))
"""


def run(code: str, folder: Path) -> str:
    """Standard output of a Python process of its own: forking out of pytest would take its threads along."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "benchmarks"), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert found.returncode == 0, found.stderr[-3000:]
    return found.stdout


@pytest.mark.parametrize("kills", [8, pytest.param(80, marks=pytest.mark.slow)])
def test_small_learners_survive(tmp_path, kills):
    code = CHILD.format(root=str(ROOT), tests=str(ROOT / "tests"), kills=kills, seed=kills)
    deaths, resumed, equal = run(code, tmp_path).splitlines()[-1].split()
    assert int(deaths) >= kills and int(resumed) >= kills / 4 and equal == "True"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_every_study_survives_fifty_deaths():
    command = [sys.executable, ROOT / "benchmarks" / "chaos.py", "--kills", "50", "--seconds", "15"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr[-3000:]
    results = dict(re.findall(r"^RESULT (\w+) ([\d.]+)$", found.stdout, re.M))
    assert int(results["kills"]) >= 50 and float(results["byte_equal"]) == 1.0, found.stdout


def test_chaos_would_notice_a_difference(tmp_path):
    """A learner that draws from a generator of its own does not resume to the same bytes, and the trial says so."""
    broken = CHILD.replace("def job(", "class Careless(Momentum):\n" + CARELESS + "\ndef job(", 1)
    broken = broken.replace('job("mlp", mlp), job("momentum", Momentum)', 'job("careless", Careless)')
    out = run(broken.format(root=str(ROOT), tests=str(ROOT / "tests"), kills=6, seed=1), tmp_path)
    assert out.splitlines()[-1].endswith("False")


CARELESS = """
    def __init__(self, seed):
        super().__init__(seed)
        import numpy as np
        self.draw = np.random.default_rng(seed)
    def step(self, epoch, step):
        self.weight = self.weight + self.draw.normal(scale=0.01, size=3)
        return super().step(epoch, step)
"""


def test_places_of_death_are_all_reached(tmp_path):
    """The five places in an atomic write are visited in order, once a write."""
    code = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
import chaos
from pathlib import Path
from rematch.atomic import write_text
seen = []
chaos.visit_writes(lambda number, place: seen.append((number, place)))
write_text(Path(sys.argv[1]) / "a", "text")
write_text(Path(sys.argv[1]) / "b", "text")
assert (Path(sys.argv[1]) / "a").read_text() == "text"
print([place for number, place in seen if number == 2])
"""
    assert run(code, tmp_path).strip() == "['empty', 'half', 'written', 'synced', 'renamed', 'written']"
