"""Reads the arrays of an OGB split file without running what a pickle may ask for.

OGB writes `split/<name>/*.pt` with torch.save: a dictionary of NumPy arrays in a pickle, bare (before torch 1.6) or
inside a zip archive. Unpickling can call any function it names; here the only names are those that rebuild arrays.
"""

from __future__ import annotations

import io
import pickle  # only `Unpickler`, with every name refused that is not listed below
import zipfile
from pathlib import Path

import numpy as np

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),  # how protocol 2 writes bytes
    *((module, name) for module in _MULTIARRAY for name in ("_reconstruct", "scalar")),
    *((module, "_frombuffer") for module in ("numpy.core.numeric", "numpy._core.numeric")),
}
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return super().find_class(module, name)

    def persistent_load(self, pid):
        raise pickle.UnpicklingError("holds torch storages")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The NumPy arrays by name that a torch.save file holds; anything but arrays is refused."""
    content = path.read_bytes()
    try:
        value = _load(content)
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        IndexError,
        zipfile.BadZipFile,
    ) as e:
        raise ValueError(f"{path.name}: expected a pickle of NumPy arrays only, found one that {e}") from None
    wrong = [k for k, v in value.items() if not isinstance(v, np.ndarray)] if isinstance(value, dict) else ["it all"]
    if wrong:
        raise ValueError(f"{path.name}: expected a dictionary of NumPy arrays, found something else in {wrong[0]!r}")
    return value


def _load(content: bytes):
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inner = [name for name in archive.namelist() if name.endswith("data.pkl")]
            if len(inner) != 1:
                raise pickle.UnpicklingError(f"has {len(inner)} data.pkl members in its archive, not one")
            return _ArraysOnly(io.BytesIO(archive.read(inner[0]))).load()
    stream = io.BytesIO(content)
    first = _ArraysOnly(stream).load()
    if first != _TORCH_MAGIC if isinstance(first, int) else True:
        return first  # a bare pickle
    _ArraysOnly(stream).load()  # protocol version
    _ArraysOnly(stream).load()  # byte order and sizes of the writer
    return _ArraysOnly(stream).load()
