"""From the files of a results folder to report.html, manifest.json and README.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rematch.atomic import write_text
from rematch.report import provenance
from rematch.report.material import Material, read_benchmarks, read_study
from rematch.report.page import page

DEVICES = "devices.html"  # the page of `snakemake devices`
LARGEST = 5_000_000  # bytes: a page that can still be mailed


def build(
    studies: Mapping[str, Mapping[str, Any]],
    cards: Mapping[str, str],
    budget: str,
    lock: str,
    benchmarks: Sequence[str],
    outputs: Sequence[str],
    earlier: str,
) -> None:
    """Writes the page, the manifest and the README, in this order of `outputs`.

    `studies`: name -> text, arms, seeds, device, dataset, declaration. `cards`: name -> data card. `earlier`: where the
    manifest is kept for the next report, outside of the outputs, which Snakemake deletes first.
    """
    target, listing, readme = map(Path, outputs)
    results = target.parent
    read = tuple(read_study(name, about, results, cards.get(name, "")) for name, about in studies.items())
    here = provenance.environment(Path(lock) if lock else None)
    now = provenance.manifest(read, here, budget, _files(results))
    parts = provenance.parts(now, provenance.read_manifest(Path(earlier)), results)
    device_page = DEVICES if (results / DEVICES).exists() else ""
    material = Material(read, budget, here, read_benchmarks(benchmarks), tuple(parts), device_page)
    html = page(material)
    if len(html.encode()) > LARGEST:
        html = page(material, with_pdfs=False)
    if len(html.encode()) > LARGEST:
        raise ValueError(
            f"{target}: expected at most {LARGEST} bytes, found {len(html.encode())}; show fewer figures or runs"
        )
    figures = [study.name for study in read if study.figures]
    text = json.dumps(now, indent=1, sort_keys=True) + "\n"
    write_text(readme, provenance.readme(studies, figures))
    write_text(listing, text)
    write_text(target, html)
    write_text(earlier, text)


def _files(results: Path) -> dict[str, Path]:
    """Path from results/ -> file, of all tables and figures."""
    found = [
        path for folder in ("studies", "tables", "figures") for path in (results / folder).rglob("*") if path.is_file()
    ]
    return {path.relative_to(results).as_posix(): path for path in found if not path.name.startswith(".")}
