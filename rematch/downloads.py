"""Declared data files, verified by checksum: fetched by URL, taken from this machine, or from a mirror folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pooch
import requests

from rematch.atomic import write_text

ATTEMPTS = 3
PAUSE_SECONDS = 2.0


def fetch(
    dataset: Mapping[str, Any], folder: Path, listing: Path, mirror: str | None, progress: bool, base: str = "."
) -> None:
    """Puts the files of a declared data set into `folder` and their checksums into `listing`.

    With a mirror, files come from there: the same bytes (`mirror:` of a file), or the plain form that the mirror
    derived from them (`plain:` of the data set, with its own reader). A file with a `path:` lies on this machine,
    relative to `base`. Every file is verified before it gets its name.
    """
    plain = dataset.get("plain") if mirror is not None else None
    source = plain or dataset
    folder.mkdir(parents=True, exist_ok=True)
    for file in source["files"]:
        if "path" in file:
            _copy(file, folder, Path(base, file["path"]))
        elif mirror is None:
            _download(file, folder, progress)
        elif "mirror" in file:
            _copy(file, folder, Path(mirror, file["mirror"]))
        else:
            raise ValueError(f"{mirror}: the data set does not say where {file['name']} lies in a mirror")
    found = [{"name": file["name"], "bytes": file["bytes"], "check": _declared(file)} for file in source["files"]]
    write_text(listing, json.dumps({"reader": source["reader"], "files": found}, indent=2))


def _download(file: Mapping[str, Any], folder: Path, progress: bool) -> None:
    """Fetches to a hidden name, verifies, renames; again after a pause if the network or the content fails."""
    temporary = folder / f".{file['name']}.part"
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=60)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            downloader(file["url"], str(temporary), None)
            verify(temporary, file, file["url"])
            temporary.replace(folder / file["name"])
            return
        except ValueError as error:
            if attempt == ATTEMPTS:
                raise ValueError(f"{error} (after {ATTEMPTS} attempts)") from None
        except requests.RequestException as error:
            if attempt == ATTEMPTS:
                cause = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                raise ValueError(f"{file['url']}: download failed after {ATTEMPTS} attempts ({cause})") from None
        finally:
            temporary.unlink(missing_ok=True)
        time.sleep(PAUSE_SECONDS * attempt)


def _copy(file: Mapping[str, Any], folder: Path, path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"{path}: not there; expected {file['name']} ({file['bytes']} bytes)")
    temporary = folder / f".{file['name']}.part"
    try:
        shutil.copyfile(path, temporary)
        verify(temporary, file, str(path))
        temporary.replace(folder / file["name"])
    finally:
        temporary.unlink(missing_ok=True)


def verify(path: Path, file: Mapping[str, Any], origin: str) -> None:
    """Raises `ValueError` if the size or the checksum of `path` is not the declared one."""
    size = path.stat().st_size
    if size != file["bytes"]:
        word = "truncated" if size < file["bytes"] else "too long"
        raise ValueError(f"{origin}: {word}: expected {file['bytes']} bytes, found {size}")
    kind, expected = _declared(file)
    found = _CHECKSUMS[kind](path)
    if found != expected:
        raise ValueError(f"{origin}: wrong checksum: expected {kind} {expected[:16]}..., found {found[:16]}...")


def _declared(file: Mapping[str, Any]) -> tuple[str, str]:
    kind = "sha256" if "sha256" in file else "git_blob"
    return kind, str(file[kind])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_blob(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


_CHECKSUMS = {"sha256": _sha256, "git_blob": _git_blob}
