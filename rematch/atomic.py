"""Files that are either whole or not there: written beside their place, synced, renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # no advisory locks on this system: leftovers of a killed writer are then left alone
    fcntl = None


def write_bytes(path: Path | str, content: bytes) -> None:
    """Writes `content` so that no reader and no crash can leave a part of it at `path`.

    A temporary file that an earlier writer of the same path left when it was killed is removed on the way.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent, path.name)
    handle, temporary = _locked_temporary(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)  # still locked: a second writer of this path must not sweep it away
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
    _sync_folder(path.parent)


def write_text(path: Path | str, content: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, content.encode())


def sweep(folder: Path | str, name: str = "") -> None:
    """Removes temporary files of writers that were killed, of one file `name` or of all in `folder`.

    A living writer holds a lock on its temporary file, which the system drops when the process ends, however it ends.
    """
    if fcntl is None or not Path(folder).is_dir():
        return
    prefix = _prefix(name) if name else "."
    for entry in os.scandir(folder):
        if entry.name.startswith(prefix) and entry.name.endswith(".tmp") and entry.is_file(follow_symlinks=False):
            _remove_if_abandoned(entry.path)


def _locked_temporary(path: Path) -> tuple[int, Path]:
    """Descriptor and path of a new file beside `path`, locked so that no `sweep` takes it for abandoned."""
    while True:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path.name), suffix=".tmp")
        if fcntl is None:
            return handle, Path(temporary)
        fcntl.flock(handle, fcntl.LOCK_SH)
        if os.fstat(handle).st_nlink:
            return handle, Path(temporary)
        os.close(handle)  # swept between its creation and the lock: take another


def _prefix(name: str) -> str:
    # A file name may have 255 bytes; the random part and the suffix need a few of them.
    return f".{name[:60]}."


def _remove_if_abandoned(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(path).unlink()
    except OSError:  # locked: its writer lives
        pass
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself durable; some network file systems refuse this, which is harmless."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
