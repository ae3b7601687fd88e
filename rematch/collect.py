"""All runs of one study in long tables, one value a row. Failed runs keep a row with their reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rematch.atomic import write_text
from rematch.convergence import curves, run_scores

RUN = ("study", "arm", "device", "seed")


def collect(study: str, folders: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Tables `scores`, `histories`, `timings` and `manifests` of the run folders.

    `scores` has the columns study, arm, device, seed, split, name, value, n, status.
    A run folder is `results/runs/<study>/<arm>/<device>/<seed>`.
    """
    manifests = [_manifest(folder) for folder in folders]
    keys = [_key(study, folder) for folder in folders]
    histories = _stack(keys, (pd.read_csv(folder / "history.csv") for folder in folders))
    timings = _stack(keys, (pd.read_csv(folder / "timings.csv") for folder in folders))
    scores = [_scores(folder, manifest) for folder, manifest in zip(folders, manifests, strict=True)]
    whole = _stack(keys, scores)
    costs = _costs(keys, manifests)
    training = _training_scores(manifests, histories, timings)
    tables = [table for table in (whole, costs, training) if len(table)]
    columns = [*RUN, "split", "name", "value", "n", "status"]
    flat = pd.DataFrame([dict(zip(RUN, key)) | manifest for key, manifest in zip(keys, manifests, strict=True)])
    return {
        "scores": pd.concat(tables, ignore_index=True)[columns],
        "histories": histories,
        "timings": timings,
        "manifests": flat,
    }


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a training, whose status is that of the evaluation where only this failed."""
    manifest, evaluation = (json.loads((folder / f"{name}.json").read_text()) for name in ("manifest", "evaluation"))
    return manifest if evaluation["status"] == "ok" else manifest | {"status": evaluation["status"]}


def wide(scores: pd.DataFrame, settings: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """One row per run: every score a column, then every setting of its arm (lists as text)."""
    named = scores.assign(
        name=scores["name"].where(scores["split"] == "test", scores["split"] + "_" + scores["name"].astype(str))
    )
    measured = named[named["name"].notna() & named["value"].notna()]
    index = [*RUN, "status"]
    table = measured.pivot_table(index=index, columns="name", values="value", aggfunc="first", sort=False).reset_index()
    failed = scores[scores["status"] != "ok"][index].drop_duplicates()
    table = pd.concat([table, failed], ignore_index=True).drop_duplicates(list(RUN))
    setting = pd.DataFrame(
        [{"arm": arm} | {f"set_{k}": _cell(v) for k, v in values.items()} for arm, values in settings.items()]
    )
    return table.merge(setting, on="arm", how="left").sort_values(list(RUN), ignore_index=True)


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _key(study: str, folder: Path) -> tuple[str, str, str, int]:
    arm, device, seed = folder.parts[-3:]
    return study, arm, device, int(seed)


def _stack(keys: Sequence[tuple[str, str, str, int]], tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    stacked = []
    for key, table in zip(keys, tables, strict=True):
        for place, (name, value) in enumerate(zip(RUN, key)):
            table.insert(place, name, value)
        stacked.append(table)
    filled = [table for table in stacked if len(table)] or stacked[:1]
    return pd.concat(filled, ignore_index=True)


def _scores(folder: Path, manifest: dict[str, Any]) -> pd.DataFrame:
    table = pd.read_csv(folder / "scores.csv")
    if manifest["status"] != "ok":
        table = pd.DataFrame([{"split": "test", "name": None, "value": float("nan"), "n": 0}])
    return table.assign(status=manifest["status"])


def _costs(keys: Sequence[tuple[str, str, str, int]], manifests: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Peak and growth of the memory of the process and the size of the model, as scores of the split `run`."""
    rows = [
        (*key, "run", name, float(manifest[name]), 1, "ok")
        for key, manifest in zip(keys, manifests, strict=True)
        for name in ("peak_memory_mb", "memory_growth_mb", "parameters")
        if manifest["status"] == "ok" and name in manifest
    ]
    return pd.DataFrame(rows, columns=[*RUN, "split", "name", "value", "n", "status"])


def _training_scores(
    manifests: Sequence[dict[str, Any]], histories: pd.DataFrame, timings: pd.DataFrame
) -> pd.DataFrame:
    """What training cost and how it went, by the criterion that most runs share."""
    criteria = pd.Series([tuple(manifest["criterion"]) for manifest in manifests if manifest.get("criterion")])
    if criteria.empty or histories.empty or timings.empty:
        return pd.DataFrame()
    name, better = criteria.value_counts().index[0]
    table = curves(histories, timings, f"validation_{name}", better)
    return run_scores(table, histories, timings, better)


def collect_run(study: str, settings: dict[str, dict[str, Any]], files: Sequence[str], outputs: Sequence[str]) -> None:
    """Writes scores, histories, timings, manifests and the wide table of runs as CSV, in this order."""
    tables = collect(study, [Path(file).parent for file in files])
    tables["runs"] = wide(tables["scores"], settings)
    for name, output in zip(("scores", "histories", "timings", "manifests", "runs"), outputs, strict=True):
        write_text(output, tables[name].to_csv(index=False))
