"""The declared data sets: config/datasets/*.yaml, checked. Standard library and PyYAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rematch.study import LABEL
from rematch.yamlfile import load_mapping

_FILE = re.compile(r"[^\W.][^/\\\0]*")  # no folder, not hidden: hidden names are those of unfinished downloads


def load_datasets(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Data set name -> declaration, from every YAML file in config/datasets.

    A declaration has either `generate` (module, seed, sizes per budget) or `files` (name, url or path, bytes, sha256 or
    git_blob, and `mirror` if a mirror folder holds the same bytes) with `reader`. `plain` is the form that the mirror
    derived from the original files, with a reader and files of its own.
    """
    datasets: dict[str, Mapping[str, Any]] = {}
    for path in sorted(folder.glob("*.yaml")):
        for name, item in load_mapping(path).items():
            where = f"config/datasets/{path.name}: {name}"
            if name in datasets:
                raise ValueError(f"{where}: this data set is declared twice")
            if not LABEL.fullmatch(str(name)):
                raise ValueError(f"{where!r:.120}: expected a snake_case name")
            if not isinstance(item, Mapping) or ("generate" in item) == ("files" in item):
                raise ValueError(f"{where}: expected either `generate` or `files`")
            if "generate" in item:
                _check_generate(item["generate"], where)
            else:
                _check_source(item, where, "url or path")
            if "plain" in item:
                _check_source(item["plain"], f"{where}: plain", "mirror")
            datasets[name] = item
    return datasets


def _check_generate(item: Any, where: str) -> None:
    for key in ("module", "seed", "sizes"):
        if not isinstance(item, Mapping) or key not in item:
            raise ValueError(f"{where}: generate: expected module, seed and sizes, {key} is missing")
    if not isinstance(item["sizes"], Mapping) or "demo" not in item["sizes"]:
        raise ValueError(f"{where}: generate: sizes: expected at least `demo: {{...}}`")


def _check_source(item: Any, where: str, origin: str) -> None:
    if not isinstance(item, Mapping) or "reader" not in item or not isinstance(item.get("files"), list):
        raise ValueError(f"{where}: expected `reader` and a list of `files`")
    for file in item["files"]:
        for key in ("name", "bytes", origin):
            if not isinstance(file, Mapping) or not any(word in file for word in key.split(" or ")):
                raise ValueError(f"{where}: files: {key} is missing in {file!r:.80}")
        if ("sha256" in file) == ("git_blob" in file):
            raise ValueError(f"{where}: files: {file['name']}: expected one checksum, sha256 or git_blob")
        if not isinstance(file["name"], str) or not _FILE.fullmatch(file["name"]):
            raise ValueError(f"{where}: files: name: expected a plain file name, found {file['name']!r}")
