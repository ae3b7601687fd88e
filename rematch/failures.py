"""Failures a person can act on: one line that says what happened and what to change."""

from __future__ import annotations

import csv
import errno
from collections.abc import Iterator
from contextlib import contextmanager

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file-size limit is reached",
}
_FORBIDDEN = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "the operation is not permitted",
}
# What the allocators of torch, CUDA, Metal and the loader say; they share no exception type.
_MEMORY_TEXTS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
)


class RunFailed(RuntimeError):
    """A failure whose text is one line for a person: what happened, where, and what to change."""


@contextmanager
def explained_failures(memory_settings: str = "batch_size or the width of the model") -> Iterator[None]:
    """Turns a full disk, a folder that cannot be written and exhausted memory into `RunFailed`; lets the rest pass.

    `memory_settings` names the settings of the study that decide how much memory a run needs.
    """
    try:
        yield
    except (MemoryError, RuntimeError, ImportError, OSError) as error:
        line = explain(error, memory_settings)
        if line is None or isinstance(error, RunFailed):
            raise
        raise RunFailed(line) from error


def explain(error: BaseException, memory_settings: str = "batch_size or the width of the model") -> str | None:
    """One line for a known failure, None for any other."""
    number = getattr(error, "errno", None)
    where = f" at {error.filename}" if getattr(error, "filename", None) else ""
    if number in _FULL:
        return (
            f"{_FULL[number]}{where}: free space or choose another --directory, then run again; saved state is intact"
        )
    if number in _FORBIDDEN and isinstance(error, OSError):
        return f"cannot write{where}, {_FORBIDDEN[number]}: make the folder writable or choose another --directory"
    if _is_memory(error):
        return (
            f"out of memory ({_first_line(error)}): lower {memory_settings}, raise the memory limit (mem_mb), "
            "or use another device, then run again; saved state is intact"
        )
    return None


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if getattr(error, "errno", None) == errno.ENOMEM:
        return True
    text = str(error).lower()
    return isinstance(error, (RuntimeError, ImportError)) and any(part in text for part in _MEMORY_TEXTS)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]


@contextmanager
def readable_input(where: object) -> Iterator[None]:
    """Turns what libraries raise over a damaged or foreign file into a `ValueError` of one line that names `where`.

    Readers check what a person can get wrong and say it better; this catches what is left: bytes of another encoding,
    a torn archive, a number beyond every type.
    """
    import lzma
    import zlib

    try:
        yield
    except (UnicodeError, OverflowError, EOFError, zlib.error, lzma.LZMAError, csv.Error) as error:
        raise ValueError(
            f"{where}: damaged or in another format ({type(error).__name__}: {_first_line(error)})"
        ) from error
    except OSError as error:
        if error.errno is not None:  # gzip raises OSError without a number for what is no gzip file
            raise
        raise ValueError(f"{where}: damaged or in another format ({_first_line(error)})") from error
    except ValueError as error:
        if type(error) is ValueError and "\n" not in str(error):
            raise
        raise ValueError(f"{where}: damaged or in another format ({_first_line(error)})") from error
