"""Failures that a person can act on: one line, what happened and what to change; and the state stays whole."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_learners import Scripted

from rematch.engine import fit
from rematch.failures import RunFailed, explained_failures, readable_input

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, "x", "f.csv"), "the disk is full at f.csv: free space or choose another --directory"),
        (OSError(errno.EDQUOT, "x"), "the disk quota is used up: free space"),
        (OSError(errno.EFBIG, "x", "f"), "the file-size limit is reached at f: free space"),
        (OSError(errno.EROFS, "x", "f"), "cannot write at f, the file system is read-only: make the folder writable"),
        (OSError(errno.EACCES, "x", "f"), "cannot write at f, permission is denied: make the folder writable"),
        (OSError(errno.ENOMEM, "x"), "out of memory .*: lower batch_size or the width of the model, raise the memory"),
        (MemoryError(), "out of memory [(]MemoryError[)]: lower batch_size"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried\nto"),
            "out of memory [(]CUDA out of memory. Tried[)]: lower",
        ),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), "out of memory .*: lower"),
        (RuntimeError("MPS backend out of memory (MPS allocated)"), "out of memory .*: lower"),
        (ImportError("libx.so: failed to map segment from shared object"), "out of memory .*: lower"),
    ],
)
def test_known_failures_become_one_line(error, text):
    with pytest.raises(RunFailed, match=text) as caught, explained_failures():
        raise error
    assert "\n" not in str(caught.value) and caught.value.__cause__ is error


def test_the_settings_that_decide_memory_are_named():
    text = "lower edges_per_type or raise accumulate, raise the memory limit"
    with pytest.raises(RunFailed, match=text), explained_failures("edges_per_type or raise accumulate"):
        raise MemoryError


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), OSError(errno.ENOENT, "x"), RunFailed("as it is")])
def test_other_failures_pass_unchanged(error):
    with pytest.raises(type(error)) as caught, explained_failures():
        raise error
    assert caught.value is error


def test_an_allocation_that_torch_refuses_is_explained():
    with pytest.raises(RunFailed, match="out of memory"), explained_failures():
        torch.empty(1 << 46)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnicodeDecodeError("utf-8", b"\x91", 0, 1, "invalid start byte"), "UnicodeDecodeError: 'utf-8' codec can't"),
        (OverflowError("int too large"), "OverflowError: int too large"),
        (EOFError("ended early"), "EOFError: ended early"),
        (OSError("Not a gzipped file"), "Not a gzipped file"),
        (ValueError("first\nsecond"), "first"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_the_place(error, text):
    line = rf"^data/raw: damaged or in another format [(]{text}"
    with pytest.raises(ValueError, match=line) as caught, readable_input("data/raw"):
        raise error
    assert type(caught.value) is ValueError and "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [ValueError("nodes.tsv: row 3: expected 3 columns"), OSError(errno.ENOSPC, "full")])
def test_what_a_reader_says_itself_passes(error):
    with pytest.raises(type(error)) as caught, readable_input("data/raw"):
        raise error
    assert caught.value is error


def run_limited(code: str, **limits: int) -> subprocess.CompletedProcess:
    """A Python child with resource limits set after its imports."""
    set_limits = "".join(f"resource.setrlimit(resource.RLIMIT_{k}, ({v}, {v}))\n" for k, v in limits.items())
    program = f"import resource, sys, torch, numpy as np\nfrom pathlib import Path\n{PREPARE}\n{set_limits}{code}"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=120)


PREPARE = """
from rematch.engine import fit
from rematch.failures import RunFailed, explained_failures
from tiny_learners import Scripted
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
"""


def test_a_file_size_limit_stops_in_one_line_and_leaves_the_state(tmp_path):
    """`ulimit -f`: the state that no longer fits is not there at all, those before it are whole."""
    code = f"""
class Growing(Scripted):
    def state(self):
        return {{"rate": self.rate, "ballast": torch.zeros(self.updates * 1000)}}
try:
    with explained_failures():
        fit(Growing([1.0] * 20), seed=0, epochs=20, folder=Path({str(tmp_path)!r}), save_every_steps=1)
except RunFailed as error:
    print(error)
"""
    found = run_limited(code, FSIZE=30_000)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("the file-size limit is reached at ") and found.stdout.count("\n") == 1
    assert not list(tmp_path.glob(".*")) and len(list(tmp_path.glob("state-*"))) == 5
    again = fit(Scripted([1.0] * 20), seed=0, epochs=20, folder=tmp_path)
    assert again.resumed and again.final["updates"] == 20


def test_a_memory_limit_stops_in_one_line():
    """`ulimit -v`: an allocation beyond the address space."""
    code = """
class Large(Scripted):
    def step(self, epoch, step):
        self.ballast = [torch.empty(1 << 26) for _ in range(64)]
        return super().step(epoch, step)
try:
    with explained_failures():
        fit(Large([1.0]), seed=0, epochs=1)
except RunFailed as error:
    print(error)
"""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if Path("/proc").exists() else 0
    found = run_limited(code, AS=max(now, 4 << 30) + (1 << 30))
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("out of memory (") and "lower batch_size" in found.stdout


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small tmpfs needs root")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"mounting a small tmpfs is not possible here: {made.stderr.strip()}")
    yield folder
    subprocess.run([shutil.which("umount"), folder], check=True)


class Growing(Scripted):
    """Its state grows by 8 kB an update."""

    def state(self):
        return {"rate": self.rate, "ballast": torch.zeros(self.updates * 2000)}


def test_a_full_disk_stops_in_one_line_and_leaves_the_state(small_disk):
    with pytest.raises(RunFailed, match=r"the disk is full at .*disk/.*: free space"), explained_failures():
        fit(Growing([1.0] * 30), seed=0, epochs=30, folder=small_disk / "state", save_every_steps=1)
    assert not list((small_disk / "state").glob(".*"))
    again = fit(Scripted([1.0] * 30), seed=0, epochs=30, folder=small_disk / "state")
    assert again.resumed and again.final["updates"] == 30


def test_a_read_only_folder_stops_in_one_line(small_disk):
    remount = [shutil.which("mount"), "-o", "remount,ro", small_disk]
    if subprocess.run(remount, capture_output=True).returncode:
        pytest.skip("remounting read-only is not possible here")
    with (
        pytest.raises(RunFailed, match=r"cannot write at .*disk/.*, the file system is read-only"),
        explained_failures(),
    ):
        fit(Scripted([1.0] * 3), seed=0, epochs=3, folder=small_disk / "state", save_every_steps=1)
