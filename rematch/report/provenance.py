"""Where the page comes from: commit, environment, digests of everything it shows, and why runs were made again."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rematch.digests import file_digest
from rematch.report import numbers
from rematch.report.material import StudyMaterial
from rematch.repository import git

FORMAT = 1
PACKAGES = ["torch", "torch-geometric", "geoopt", "numpy", "pandas", "scipy", "statsmodels", "matplotlib", "snakemake"]
CAUSES = {"settings_digest": "settings", "data_digest": "data", "code_digest": "code", "status": "its end"}
RUN = ("arm", "device", "seed")


def environment(lock: Path | None) -> dict[str, Any]:
    """Commit, whether files differ from it, digest of the lock file, versions of Python and packages."""
    found: dict[str, Any] = {
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_edits": bool(git("status", "--porcelain")),
    }
    if lock is not None and lock.exists():
        found["lock_sha256"] = file_digest(lock)
    found |= {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    return found | {package: said for package in PACKAGES if (said := _version(package))}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def manifest(
    studies: Iterable[StudyMaterial], environment: Mapping[str, Any], budget: str, files: Mapping[str, Path]
) -> dict[str, Any]:
    """The page for machines. `files`: path from results/ -> file, each listed with bytes and SHA-256."""
    listed = {name: {"bytes": path.stat().st_size, "sha256": file_digest(path)} for name, path in sorted(files.items())}
    return {
        "format": FORMAT,
        "budget": budget,
        "environment": dict(environment),
        "studies": {study.name: _study(study) for study in studies},
        "files": listed,
    }


def _study(study: StudyMaterial) -> dict[str, Any]:
    keys = (
        "status",
        "settings_digest",
        "data_digest",
        "code_digest",
        "fingerprint",
        "commit",
        "dirty",
        "torch",
        "name",
    )
    runs = {_run(row): {key: _json(row.get(key)) for key in keys} for row in study.rows("manifests")}
    arms = {name: {"kind": arm["kind"], "trained_as": study.trained(name)} for name, arm in study.arms.items()}
    raw = {file.get("name"): file.get("check") for file in study.card.get("facts", {}).get("raw_files", [])}
    return {
        "dataset": study.dataset,
        "raw_files": raw,
        "seeds": list(study.seeds),
        "device": study.device,
        "arms": arms,
        "runs": runs,
    }


def _run(row: Mapping[str, Any]) -> str:
    return "/".join(str(row[key]) for key in RUN)


def _json(value: Any) -> Any:
    if numbers.is_missing(value):
        return None
    return value.item() if hasattr(value, "item") else value


def parts(now: Mapping[str, Any], before: Mapping[str, Any], results: Path) -> list[dict[str, Any]]:
    """Per study: study, runs, first and last time a run was made (UTC), and why runs were made again since `before`.

    `now` and `before` are manifests; an empty `before` means that no earlier report is known.
    """
    rows = []
    for name, study in now["studies"].items():
        files = [results / "runs" / name / run / "manifest.json" for run in study["runs"]]
        times = sorted(path.stat().st_mtime for path in files if path.exists())
        earlier = before.get("studies", {}).get(name, {}).get("runs", {})
        first, last = (_moment(times[0]), _moment(times[-1])) if times else ("", "")
        why = _why(study["runs"], earlier) if before else "first report in this folder"
        rows.append({"study": name, "runs": len(study["runs"]), "first": first, "last": last, "why": why})
    return rows


def _why(now: Mapping[str, Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]]) -> str:
    """A sentence such as `settings: 5 runs; new: 2 runs`, against the report before."""
    causes: dict[str, int] = {}
    for run, facts in now.items():
        if run not in before:
            changed = ["new"]
        else:
            changed = [word for key, word in CAUSES.items() if before[run].get(key) != facts.get(key)]
        for word in changed:
            causes[word] = causes.get(word, 0) + 1
    return (
        "; ".join(f"{word}: {n} run{'s' * (n != 1)}" for word, n in causes.items())
        or "nothing changed since the report before"
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def read_manifest(path: Path) -> dict[str, Any]:
    """An earlier manifest; empty if there is none that this version can read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("format") == FORMAT else {}


def readme(studies: Iterable[str], figures: Iterable[str]) -> str:
    """results/README.md: one line per entry."""
    lines = ["# What lies here", "", "Generated with the report; edits are overwritten.", ""]
    lines += ["- `report.html`: open this in a browser; it needs nothing else and asks no host for anything"]
    lines += ["- `manifest.json`: commit, environment, digests of all data, settings and tables, for machines"]
    lines += ["- `tables/`: one table of each kind over all studies, as CSV, Markdown and LaTeX"]
    for study in studies:
        lines += [
            f"- `studies/{study}/`: the tables of this study, one value a row",
            f"- `runs/{study}/<arm>/<device>/<seed>/`: its runs",
        ]
    lines += [f"- `figures/{folder}/`: its figures as SVG and PDF" for folder in figures]
    lines += [
        "",
        "In a run folder: `settings.yaml` (resolved), `history.csv` (what was logged), `timings.csv`,",
        "`model.safetensors` (best epoch),",
    ]
    lines += [
        "`final.safetensors` (last epoch), `scores.csv`, `predictions.parquet` (per test sample),",
        "`manifest.json` (versions, digests).",
        "",
    ]
    return "\n".join(lines)
