"""Small helpers that many tests share."""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Started by nohup or as a job in the background, a process ignores these signals, and so do all it starts."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture
def root() -> Path:
    """The folder of the Snakefile."""
    return ROOT


@pytest.fixture(scope="session")
def affinity_study() -> dict[str, Any]:
    """The study file of the affinity study as plain values; copy it before you change it."""
    return yaml.safe_load((ROOT / "config/studies/antibody_affinity.yaml").read_text())


@pytest.fixture
def edited(affinity_study: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """A function that writes the study file with one value changed: `edited("versions", "v2", "why", value=3)`.

    A value of `...` deletes the key.
    """

    def write(*keys: str, value: Any) -> Path:
        text = copy.deepcopy(affinity_study)
        place = text
        for key in keys[:-1]:
            place = place[key]
        if value is ...:
            del place[keys[-1]]
        else:
            place[keys[-1]] = value
        path = tmp_path / "antibody_affinity.yaml"
        path.write_text(yaml.safe_dump(text, sort_keys=False))
        return path

    return write
