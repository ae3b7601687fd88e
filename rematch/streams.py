"""Random streams that are functions of the seed and a purpose, never of what was drawn before.

A run that is cut and resumed at (epoch, step) asks for the same stream again and gets the same numbers,
so no generator state has to be stored. Two arms of one seed that ask for the same purpose share the stream.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def stream(seed: int, *purpose: str | int) -> int:
    """A 63-bit integer that depends on `seed` and every part of `purpose`, the same on every machine."""
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def numpy_generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator for one purpose, e.g. `numpy_generator(seed, "negatives", epoch, step)`."""
    return np.random.Generator(np.random.Philox(stream(seed, *purpose)))


def torch_generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU torch generator for one purpose; draw on the CPU and move, so that devices share the numbers."""
    import torch

    return torch.Generator().manual_seed(stream(seed, *purpose))


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order `(count,)` in which an epoch visits `count` items; a cursor is enough to resume in it."""
    return numpy_generator(seed, "order", epoch).permutation(count)
