"""Generated data sets: the study's generator called with declared sizes, and a listing with checksums."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rematch.atomic import write_text
from rematch.digests import file_digest


def generate(recipe: Mapping[str, Any], folder: Path, listing: Path) -> None:
    """Writes the raw files of `recipe` (module, seed, sizes, reader) into `folder`, their checksums into `listing`."""
    module = importlib.import_module(f"rematch.studies.{recipe['module']}.generate")
    folder.mkdir(parents=True, exist_ok=True)
    module.generate(folder, seed=recipe["seed"], **recipe["sizes"])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = [
        {
            "name": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "check": ["sha256", file_digest(path)],
        }
        for path in files
    ]
    write_text(listing, json.dumps({"reader": recipe["reader"], "files": found}, indent=2))
