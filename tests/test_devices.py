"""Devices: chosen without torch, opened with a clear refusal."""

import pytest
import torch

from rematch import devices
from rematch.devices import describe, open_device, resolve


def test_auto_takes_the_first_device_that_is_there_and_allowed(monkeypatch):
    monkeypatch.setattr(devices, "visible", lambda: ["cpu", "cuda"])
    assert resolve("auto", {}, "c") == "cuda"
    assert resolve("auto", {"cuda": "too slow"}, "c") == "cpu"
    monkeypatch.setattr(devices, "visible", lambda: ["cpu"])
    assert resolve("auto", {}, "c") == "cpu"


def test_refusals_say_what_is_allowed():
    with pytest.raises(ValueError, match="config: device: expected one of auto, cpu, cuda, mps, found 'gpu'"):
        resolve("gpu", {}, "config")
    with pytest.raises(ValueError, match="device: mps is not allowed for this study: float64 is needed"):
        resolve("mps", {"mps": "float64 is needed"}, "config")


def test_hidden_gpus_are_not_visible(monkeypatch):
    monkeypatch.setattr(devices.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "cuda" not in devices.visible()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert "cuda" in devices.visible()


@pytest.fixture
def torch_as_it_was():
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def test_the_cpu_opens_with_its_threads_and_deterministic_algorithms(torch_as_it_was):
    device = open_device("cpu", 1)
    about = describe(device)
    assert about["device"] == "cpu" and about["threads"] == 1 and about["torch"] == torch.__version__
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_one_line(torch_as_it_was):
    with pytest.raises(ValueError, match=r"device cuda is not available here.*; available: cpu.*Set `device:`"):
        open_device("cuda", 1)
