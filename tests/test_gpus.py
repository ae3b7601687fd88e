"""On a machine with several GPUs each job has one of its own, and a killed job gives its back."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rematch.gpus import one_gpu, visible_gpus
from tests.conftest import ROOT

HOLD = """
import sys, time
from pathlib import Path
from rematch.gpus import one_gpu
import os
with one_gpu("cuda", Path(sys.argv[1])):
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(folder, gpus, seconds):
    """A process that takes a GPU and keeps it so long."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": gpus}
    command = [sys.executable, "-c", HOLD, str(folder), str(seconds)]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_gpus_are_those_the_environment_names(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-1f3a")
    assert visible_gpus() == ["2", "GPU-1f3a"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_gpus_are_counted_by_nvidia_smi_where_the_environment_is_silent(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    listing = tmp_path / "nvidia-smi"
    listing.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: a)'\necho '  MIG 1g: x'\necho 'GPU 1: A (UUID: b)'\n")
    listing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert visible_gpus() == ["0", "1"]


@pytest.mark.parametrize(("device", "gpus"), [("cpu", "0,1"), ("cuda", "1"), ("cuda", "")])
def test_nothing_happens_where_there_is_nothing_to_choose(monkeypatch, tmp_path, device, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    with one_gpu(device, tmp_path / "locks"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == gpus
    assert not (tmp_path / "locks").exists()


def test_two_jobs_have_different_gpus_and_the_environment_is_put_back(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with one_gpu("cuda", tmp_path):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
        other = hold(tmp_path, "4,7", 0)
        assert other.communicate()[0].strip() == "7"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,7"


def test_a_third_job_waits_until_a_killed_one_has_given_its_gpu_back(tmp_path):
    first, second = hold(tmp_path, "0,1", 60), hold(tmp_path, "0,1", 60)
    taken = {process.stdout.readline().strip(): process for process in (first, second)}
    assert set(taken) == {"0", "1"}
    third = hold(tmp_path, "0,1", 0)
    time.sleep(1)
    assert third.poll() is None
    taken["1"].send_signal(signal.SIGKILL)
    assert third.communicate(timeout=30)[0].strip() == "1"
    for process in (first, second):
        process.kill()
        process.communicate()
