"""One GPU for one job on a machine with several. Snakemake counts the GPUs in use but hands no job its index."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS_BETWEEN_TRIES = 0.5

_log = logging.getLogger(__name__)


def visible_gpus() -> list[str]:
    """The GPUs this process may use, as CUDA_VISIBLE_DEVICES names them; nvidia-smi is asked where that is unset."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [gpu.strip() for gpu in named.split(",") if gpu.strip()]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout.splitlines()
    return [str(index) for index, _ in enumerate(line for line in listed if line.startswith("GPU "))]


@contextmanager
def one_gpu(device: str, folder: Path | None = None) -> Iterator[None]:
    """While entered, one of several GPUs belongs to this process alone, and CUDA_VISIBLE_DEVICES names it.

    Nothing happens for other devices, or where a cluster has chosen the GPU already. A GPU is taken by locking a file
    in `folder`, which ends with the process however that ends. Waits while all are taken. Enter it before CUDA starts.
    """
    gpus = visible_gpus() if device == "cuda" else []
    if len(gpus) < 2:
        yield
        return
    folder = folder or Path(tempfile.gettempdir()) / f"rematch-gpus-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpu, lock = _free_gpu(gpus, folder)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    _log.info("uses GPU %s of %s", gpu, ", ".join(gpus))
    try:
        yield
    finally:
        os.close(lock)
        if before is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


def _free_gpu(gpus: list[str], folder: Path) -> tuple[str, int]:
    """The first GPU that nobody has locked, and its lock, an open file."""
    while True:
        for gpu in gpus:
            lock = os.open(folder / f"{gpu.replace('/', '-')}.lock", os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            return gpu, lock
        time.sleep(SECONDS_BETWEEN_TRIES)
