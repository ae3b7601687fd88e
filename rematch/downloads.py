"""Declared data files, fetched by URL and checksum, or taken from a mirror folder that stands in for the network."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pooch

from rematch.atomic import write_text

ATTEMPTS = 3


def fetch(dataset: Mapping[str, Any], folder: Path, listing: Path, mirror: str | None, progress: bool) -> None:
    """Puts the files of a declared data set into `folder` and their checksums into `listing`.

    With a mirror, files come from there: the same bytes (`mirror:` of a file), or the plain form that the mirror
    derived from them (`plain:` of the data set, with its own reader). Every file is verified before it gets its name.
    """
    plain = dataset.get("plain") if mirror is not None else None
    source = plain or dataset
    folder.mkdir(parents=True, exist_ok=True)
    for file in source["files"]:
        if mirror is None:
            _download(file, folder, progress)
        else:
            _copy(file, folder, Path(mirror))
    found = [{"name": file["name"], "bytes": file["bytes"], "check": _declared(file)} for file in source["files"]]
    write_text(listing, json.dumps({"reader": source["reader"], "files": found}, indent=2))


def _download(file: Mapping[str, Any], folder: Path, progress: bool) -> None:
    kind, value = _declared(file)
    if kind == "git_blob":  # no SHA-256 is published; the blob id in the pinned commit is a checksum as well
        temporary = pooch.retrieve(file["url"], None, f".{file['name']}.part", folder, progressbar=progress)
        try:
            verify(Path(temporary), file, file["url"])
            Path(temporary).replace(folder / file["name"])
        finally:
            Path(temporary).unlink(missing_ok=True)
        return
    try:
        downloader = pooch.create(folder, "", registry={file["name"]: f"sha256:{value}"}, retry_if_failed=ATTEMPTS - 1)
        downloader.urls[file["name"]] = file["url"]
        downloader.fetch(file["name"], progressbar=progress)
    except ValueError as error:
        raise ValueError(f"{file['url']}: {str(error).splitlines()[0]}") from None


def _copy(file: Mapping[str, Any], folder: Path, mirror: Path) -> None:
    path = mirror / file["mirror"]
    if not path.is_file():
        raise ValueError(f"{path}: not in the mirror; expected {file['name']} ({file['bytes']} bytes)")
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
