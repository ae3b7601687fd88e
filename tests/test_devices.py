"""Devices: chosen without torch, opened with a clear refusal."""

import pytest
import torch

from rematch import machine
from rematch.devices import describe, open_device
from rematch.machine import check_machine, cores, resolve


def test_auto_takes_the_first_device_that_is_there_and_allowed(monkeypatch):
    monkeypatch.setattr(machine, "visible", lambda: ["cpu", "cuda"])
    assert resolve("auto", {}, "c") == ("cuda",)
    assert resolve("auto", {"cuda": "too slow"}, "c") == ("cpu",)
    monkeypatch.setattr(machine, "visible", lambda: ["cpu"])
    assert resolve("auto", {}, "c") == ("cpu",)


def test_a_list_gives_every_device_in_its_order():
    assert resolve(["cpu", "cuda"], {}, "c") == ("cpu", "cuda")


@pytest.mark.parametrize(
    ("wanted", "forbidden", "message"),
    [
        ("gpu", {}, "config: device: expected one of auto, cpu, cuda, mps, found 'gpu'"),
        (["cpu", "tpu"], {}, "config: device: expected one of auto, cpu, cuda, mps, found 'tpu'"),
        ("mps", {"mps": "float64 is needed"}, "config: device: mps is not allowed for this study: float64 is needed"),
        (["cpu", "mps"], {"mps": "it hangs"}, "config: device: mps is not allowed for this study: it hangs"),
        ([], {}, r"config: device: expected at least one of auto, cpu, cuda, mps, found \[\]"),
        (["cpu", "cpu"], {}, "config: device: expected different devices, found cpu, cpu"),
        ("auto", {"cpu": "too slow"}, r"config: device: auto finds none of cpu allowed \(cpu: too slow\)"),
    ],
)
def test_refusals_say_what_is_allowed(monkeypatch, wanted, forbidden, message):
    monkeypatch.setattr(machine, "visible", lambda: ["cpu"])
    with pytest.raises(ValueError, match=message):
        resolve(wanted, forbidden, "config")


def test_what_this_machine_lacks_is_one_line_with_what_it_has(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(ValueError, match=r"c: device: cuda is not here, no NVIDIA GPU was found .*; available: cpu"):
        check_machine(["cpu", "cuda"], 1, "c")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ValueError, match="cuda is not here, CUDA_VISIBLE_DEVICES hides every GPU; available: cpu"):
        check_machine(["cuda"], 1, "c")
    monkeypatch.setattr(machine, "cores", lambda: 4)
    with pytest.raises(ValueError, match="c: threads: expected at most the 4 cores of this machine, found 64"):
        check_machine(["cpu"], 64, "c")
    check_machine(["cpu"], 4, "c")


def test_hidden_gpus_are_not_visible(monkeypatch):
    monkeypatch.setattr(machine.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "cuda" not in machine.visible()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert "cuda" in machine.visible()


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


def test_a_job_with_more_threads_than_cores_is_refused(torch_as_it_was):
    with pytest.raises(ValueError, match=rf"threads: expected at most the {cores()} cores .*, found {cores() + 1}"):
        open_device("cpu", cores() + 1)
