"""A training that hangs ends with its reason: seen from outside, since a hanging process cannot look at itself."""

import json
import subprocess
import sys
import time

from rematch.engine import fit
from rematch.watchdog import Watchdog
from tests.conftest import ROOT
from tests.test_runs import SETTINGS, data  # noqa: F401  (a fixture)
from tests.tiny_learners import Scripted

HANGING = """
import logging, sys, time
logging.basicConfig(level=logging.INFO)
from rematch.devices import open_device
from rematch.runs import Limits, Outputs, train_run
from rematch.studies.antibody_affinity import train
from tests.tiny_learners import Scripted

def hang(learner):
    time.sleep(300)

settings, data, folder, show = {settings!r}, {data!r}, {folder!r}, {show}
open_device("cpu", 1)  # imports that would count as silence on a busy machine
train.learner = lambda *_: Scripted([1.0, 1.0, 1.0], steps=4, losses={{(1, 2): hang}})
outputs = Outputs(*(folder + "/" + name for name in Outputs._fields))
limits = Limits(show_failures=show, hang_seconds=2)
train_run("antibody_affinity", settings, 1, "cpu", 1, data, "", folder + "/state", outputs, limits)
"""
HOLDING = """
import ctypes
from rematch.watchdog import Watchdog

def hang():
    ctypes.PyDLL(None).sleep(300)  # unlike CDLL, PyDLL keeps the lock that every Python thread needs

with Watchdog(0.3, "a run", lambda line: 0) as dog:
    dog.alive(0, 1)
    hang()
"""


def ended(text: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=200)


def run_hanging(folder, data, show):  # noqa: F811
    return ended(HANGING.format(settings=SETTINGS, data=data[0], folder=str(folder), show=show))


def test_a_hanging_training_leaves_its_reason_in_place_of_its_scores(tmp_path, data):  # noqa: F811
    done = run_hanging(tmp_path, data, show=True)
    assert done.returncode == 0, done.stderr
    status = json.loads((tmp_path / "manifest").read_text())["status"]
    place = f"at epoch 1, step 2 of {tmp_path}/state on cpu"
    assert status.startswith(f"failed: hangs: no step within 2 s (hang_seconds) {place}; run again to go on")
    assert "choose another `device:`, or raise hang_seconds" in status
    assert "in hang\n" in done.stderr, "the log says where the code stands"


def test_without_failures_shown_the_job_fails_with_the_reason(tmp_path, data):  # noqa: F811
    done = run_hanging(tmp_path, data, show=False)
    assert done.returncode == 1 and "no step within 2 s" in done.stderr
    assert not (tmp_path / "manifest").exists()


def test_code_that_keeps_python_from_running_is_ended_by_the_interpreters_alarm():
    done = ended(HOLDING)
    assert done.returncode == 1 and "Timeout" in done.stderr and "in hang" in done.stderr


def test_steps_and_validations_are_signs_of_life():
    places = []
    fit(Scripted([1.0, 0.5], steps=2), seed=1, epochs=2, alive=lambda *place: places.append(place))
    assert places == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]


def test_slow_but_living_work_goes_on_and_no_limit_is_no_watchdog():
    ended = []
    with Watchdog(0.2, "a run", ended.append) as dog:
        for step in range(8):
            time.sleep(0.05)
            dog.alive(0, step)
    with Watchdog(None, "a run", ended.append) as dog:
        dog.alive(0, 1)
    assert ended == []


def test_after_its_end_nothing_is_watched():
    ended = []
    with Watchdog(0.05, "a run", ended.append):
        pass
    time.sleep(0.15)
    assert ended == []
