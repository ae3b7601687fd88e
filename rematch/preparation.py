"""One preparation: the study's `prepare` on raw files, and the check that blocks training on bad data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rematch import prepared
from rematch.atomic import write_text
from rematch.card import blocking
from rematch.failures import readable_input
from rematch.study_modules import study_module


def prepare_run(
    package: str,
    dataset: Mapping[str, Any],
    settings: Mapping[str, Any],
    seed: int,
    listing: Path,
    outputs: tuple[Path, Path, Path, Path],
) -> None:
    """Writes train, test, names and card. `settings` holds the study's data keys only: no other can matter here."""
    module = study_module(package, "data")
    known = json.loads(listing.read_text())
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    raw = listing.parent / "raw"
    with readable_input(raw):
        result = module.prepare(raw, {**dataset, "reader": known["reader"]}, SimpleNamespace(**plain), seed)
    result.card.facts["raw_files"] = known["files"]
    prepared.write(result, *outputs)


def check(cards: Sequence[Path], report: Path) -> None:
    """Writes `report` if no card holds an error; otherwise raises `ValueError` that names all of them in one line."""
    problems = [f"{path}: {line}" for path in cards for line in blocking(json.loads(path.read_text()))]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise ValueError(f"the data cannot be trained on: {'; '.join(problems[:3])}{more}")
    write_text(report, "no error\n")
