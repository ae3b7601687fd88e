"""The state folder of a run: the last few states, each whole, checked and self-contained, to go on from after a crash.

    state-00000007-<digest>.safetensors   the newest five; the digest covers every byte of the file
    best.safetensors, final.safetensors   weights alone, for people; resuming does not read them
    epoch-00010.safetensors               weights alone, every `keep_every` epochs
    set-aside/                            states of another fingerprint, kept once

A state is one safetensors file: its tensors, and in the header's metadata a JSON document of everything else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rematch.atomic import sweep, write_bytes
from rematch.nested import pack, unpack

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
_NAME = re.compile(r"state-(\d{8})-([0-9a-f]{32})\.safetensors")
_log = logging.getLogger(__name__)


class BadState(ValueError):
    """A state file that cannot be trusted, and why."""


def fingerprint(**parts: Any) -> str:
    """A hex digest of everything that decides a run: settings, hashes of code and of data, versions.

    `parts` are nested plain values; bytes are hashed. The order of keys does not matter, types do (1 is not 1.0).
    """
    text = json.dumps(parts, sort_keys=True, default=_plain, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, (Path, os.PathLike)):
        return os.fspath(value)
    raise TypeError(f"a fingerprint is made of plain values, found {type(value).__name__}")


class StateFolder:
    """Saves and finds the states of one run. One process at a time may use a folder."""

    def __init__(self, folder: Path, fingerprint: str, keep: int = 5):
        self.folder, self.fingerprint, self.keep = Path(folder), fingerprint, keep
        self.newest: Path | None = None
        self._serial = 0

    def save(self, state: Mapping[str, Any]) -> Path:
        """The path of the new state file; older ones beyond `keep` are removed after it is safely there."""
        content = encode(state, self.fingerprint)
        self._serial += 1
        self.newest = self.folder / f"state-{self._serial:08d}-{_digest(content)}.safetensors"
        write_bytes(self.newest, content)
        for old in self._files()[self.keep :]:
            old.unlink(missing_ok=True)
        return self.newest

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole and belongs to this fingerprint, or None. Warns once of what was passed by."""
        sweep(self.folder)
        bad, state = [], None
        for path in self._files():
            self._serial = max(self._serial, int(_NAME.fullmatch(path.name)[1]))
            try:
                state = decode(path.read_bytes(), self.fingerprint, expected=_NAME.fullmatch(path.name)[2])
            except OtherRun as other:
                self._set_aside(str(other))
                break
            except (BadState, OSError) as error:
                bad.append((path, error))
                continue
            self.newest = path
            break
        if bad:
            where = (
                f"going on from {self.newest.name}" if state else "no earlier state can be used, training starts anew"
            )
            _log.warning("%s cannot be used (%s): %s", ", ".join(p.name for p, _ in bad), bad[0][1], where)
            for path, _ in bad:
                path.unlink(missing_ok=True)
        return state

    def write_weights(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Leaves weights alone under `<name>.safetensors`, for people and for `evaluate`."""
        write_bytes(self.folder / f"{name}.safetensors", weights_bytes(weights))

    def _files(self) -> list[Path]:
        """State files, newest first."""
        if not self.folder.is_dir():
            return []
        return sorted((p for p in self.folder.iterdir() if _NAME.fullmatch(p.name)), reverse=True)

    def _set_aside(self, why: str) -> None:
        """Moves what another fingerprint left into `set-aside/`, in place of what was there, so disk stays bounded."""
        aside = self.folder / "set-aside"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for path in sorted(self.folder.glob("*.safetensors")):
            path.replace(aside / path.name)
        _log.warning("the state in %s %s: set aside in %s, training starts anew", self.folder, why, aside)


class OtherRun(BadState):
    """A whole state, but of other settings, code or data, or of another version of rematch."""


def encode(state: Mapping[str, Any], fingerprint: str) -> bytes:
    """A safetensors file of a nested state."""
    from safetensors.torch import save

    document, tensors = pack(state)
    head = {"format": FORMAT, "fingerprint": fingerprint, "state": document}
    return save(tensors, metadata={"rematch": json.dumps(head)})


def decode(content: bytes, fingerprint: str, expected: str) -> dict[str, Any]:
    """The nested state of a safetensors file whose digest is `expected`; nothing is parsed before the digest fits."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    if _digest(content) != expected:
        raise BadState(f"checksum is {_digest(content)[:8]}…, expected {expected[:8]}…, {len(content)} bytes")
    try:
        length = int.from_bytes(content[:8], "little")
        head = json.loads(json.loads(content[8 : 8 + length].decode())["__metadata__"]["rematch"])
        tensors = load(content)
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise BadState(f"not a state of rematch: {error}") from None
    if head["format"] != FORMAT:
        raise OtherRun(f"has format {head['format']}, expected {FORMAT}")
    if head["fingerprint"] != fingerprint:
        raise OtherRun(
            f"is of other settings, code or data (fingerprint {head['fingerprint'][:8]}, expected {fingerprint[:8]})"
        )
    return unpack(head["state"], tensors)


def weights_bytes(weights: Mapping[str, Tensor]) -> bytes:
    """A safetensors file of named tensors, equal bytes for equal weights."""
    from safetensors.torch import save

    _, tensors = pack(dict(weights))
    return save(dict(zip(weights, tensors.values(), strict=True)))


def clean(folder: Path, policy: Literal["remove", "newest", "keep"] = "remove") -> None:
    """After the outputs are written: `remove` deletes the state folder, `newest` leaves the finished state alone, from
    which the outputs can be written again without training, `keep` leaves the last five, best and final."""
    if policy not in ("remove", "newest", "keep"):
        raise ValueError(f"policy for finished states must be 'remove', 'newest' or 'keep', found {policy!r}")
    if policy == "remove":
        shutil.rmtree(folder, ignore_errors=True)
    if policy == "newest" and folder.is_dir():
        states = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
        for path in states[:-1] + [path for path in folder.glob("*.safetensors") if path not in states]:
            path.unlink()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


class Pace:
    """When to save next. By default the pause is a hundred times what the last save took, and at least ten seconds, so
    that saving stays near one per cent of the time however large the state is."""

    LEAST_SECONDS = 10.0
    TIMES_COST = 100.0

    def __init__(self, every_seconds: float | None = None, every_steps: int | None = None):
        self.every_seconds, self.every_steps = every_seconds, every_steps
        self._pause = self.LEAST_SECONDS if every_seconds is None else every_seconds
        self._steps, self._last = 0, time.monotonic()

    def stepped(self) -> None:
        """Counts an update."""
        self._steps += 1

    def due(self) -> bool:
        """Whether a state should be saved after this step."""
        if self.every_steps is not None and self._steps >= self.every_steps:
            return True
        if self.every_steps is not None and self.every_seconds is None:
            return False
        return time.monotonic() - self._last >= self._pause

    def saved(self, cost_seconds: float) -> None:
        """Starts the next pause."""
        self._steps, self._last = 0, time.monotonic()
        if self.every_seconds is None:
            self._pause = max(self.LEAST_SECONDS, self.TIMES_COST * cost_seconds)
