"""A results folder with made-up numbers, for tests of the report: real study files and evidence, drawn scores."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from rematch.attribution import attribution
from rematch.comparison import comparison, sample_comparison
from rematch.convergence import budgets, curves, run_scores
from rematch.evidence import Evidence
from rematch.experiment import Entry, load_experiment
from rematch.lint_claims import Finding, lint
from rematch.run_metrics import RUN_METRICS
from rematch.verdicts import ledger, tier_table

BASE = Path(__file__).resolve().parents[2]
RUN = ("study", "arm", "device", "seed")


def write_results(
    root: Path, labels=("antibody_affinity",), seeds=(1, 2, 3, 4, 5), gain: float = 0.12, package="antibody_affinity"
):
    """The experiment, after its tables, runs and cards were written below `root`."""
    study = {"dataset": "antibody_generated"}
    wanted = {label: study | ({} if label == package else {"study": package}) for label in labels}
    config = {"studies": wanted, "budget": "demo", "seeds": list(seeds), "attribution": {"method": "leave-one-out"}}
    experiment = load_experiment(config, BASE)
    for place, entry in enumerate(experiment.entries.values()):
        _study(root, entry, np.random.default_rng(place), gain * (1, -1, 0.05, 2, 0)[place % 5])
    return experiment


def arms_of(entry: Entry) -> dict:
    return {arm.name: dict(kind=arm.kind, version=arm.version, changes=list(arm.changes), settings=dict(arm.settings),
                           trained_as=arm.trained_as) for arm in entry.arms.values()}  # fmt: skip


def _study(root: Path, entry: Entry, draw: np.random.Generator, gain: float) -> None:
    name, arms, metrics = entry.study.name, arms_of(entry), entry.study.text["metrics"]
    worth = {change: draw.normal(gain / 9, 0.03) for change in arms["v2"]["changes"]}
    scores, histories, timings, manifests = [], [], [], []
    noise = {seed: draw.normal(0, 0.03) for seed in entry.seeds}
    for arm in [arm for arm in arms if arms[arm]["trained_as"] == arm]:
        about = arms[arm]
        level = {"control": -0.9, "baseline": 0.03}.get(
            about["kind"], sum(worth[c] for c in about["changes"] if c in worth)
        )
        level += 0.4 * (about["settings"]["split"] == "random")
        for seed in entry.seeds:
            key = (name, arm, entry.device, seed)
            status = (
                "failed: loss became nan in epoch 3" if (arm, seed) == ("v2-minus-xavier", entry.seeds[-1]) else "ok"
            )
            ok = status == "ok"
            here = level + noise[seed] + draw.normal(0, 0.015)
            if ok:
                for metric, item in metrics.items():
                    value = 0.5 + 0.3 * here if item["better"] == "higher" else 1.4 - here
                    few = 12 if metric == "rmse_very_strong" else 400
                    scores.append((*key, "test", metric, value + draw.normal(0, 0.01), few, status))
            else:
                scores.append((*key, "test", None, np.nan, 0, status))
            epochs = 20 if ok and about["kind"] not in ("baseline", "control") else 1
            for epoch in range(epochs):
                fall = np.exp(-epoch / 5)
                logged = {"train_loss": 2 * fall + 0.5, "validation_rmse": 1.4 - here + fall}
                logged |= {"learning_rate": 1e-3 * 0.9**epoch, "train_gradient_norm": 3 * fall + 0.2}
                for what, value in logged.items():
                    histories.append((*key, 20 * (epoch + 1), what, value + draw.uniform(0, 0.02)))
                timings.append((*key, epoch, 0.2 + 0.2 * (about["version"] != "v1"), 0.0))
            manifests.append(_manifest(key, status, epochs))
            target = draw.normal(8, 1.5, 400)
            frame = pd.DataFrame(
                {
                    "sample": range(400),
                    "target": target,
                    "prediction": 8 + 0.7 * (target - 8) + draw.normal(0, 1 - here / 3, 400),
                }
            )
            frame["bin"] = pd.cut(
                target, [-9, 5, 7, 9, 11, 99], labels=["very_weak", "weak", "moderate", "strong", "very_strong"]
            ).astype(str)
            folder = root / "results" / "runs" / name / arm / entry.device / str(seed)
            folder.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(folder / "predictions.parquet")
            (folder / "manifest.json").write_text(json.dumps(manifests[-1]))
    _tables(root, entry, arms, scores, histories, timings, manifests)


def _with_a_long_word(study) -> Finding:
    """A narrow page must break it."""
    word = "_".join(["taxonomy_model_hierarchical_small_epoch"] * 3) + ".pth"
    return Finding(study, "conflict", "S2-01", "contradicts", f"checkpoint names: {word}")


def _manifest(key, status, epochs) -> dict:
    digest = f"{zlib.crc32(repr(key).encode()):08x}" * 8
    values = dict(zip(RUN, key)) | {
        "package": "antibody_affinity",
        "settings_digest": digest,
        "data_digest": "d" * 64,
        "code_digest": "c" * 64,
        "fingerprint": "f" * 32,
        "commit": "0" * 40,
        "dirty": False,
        "python": "3.11.7",
        "system": "Linux x86_64",
        "cpu_count": 2,
        "slurm_job": "",
        "status": status,
    }
    if status == "ok":
        values |= {
            "criterion": ["rmse", "lower"],
            "threads": 1,
            "torch": "2.13.0+cpu",
            "name": "x86_64",
            "best_epoch": epochs - 1,
            "best_value": 1.2,
            "epochs_run": epochs,
            "stop_reason": "epochs",
            "resumed": False,
            "parameters": 253703,
            "seconds": 8.6,
            "peak_memory_mb": 407.5,
        }
    return values


def _tables(root: Path, entry: Entry, arms, scores, histories, timings, manifests) -> None:
    name, text = entry.study.name, entry.study.text
    metrics = text["metrics"]
    scores = pd.DataFrame(scores, columns=[*RUN, "split", "name", "value", "n", "status"])
    histories = pd.DataFrame(histories, columns=[*RUN, "step", "name", "value"])
    timings = pd.DataFrame(timings, columns=[*RUN, "epoch", "seconds", "checkpoint_seconds"])
    course = curves(histories, timings, "validation_rmse", "lower")
    scores = pd.concat([scores, run_scores(course, histories, timings, "lower")], ignore_index=True)
    evidence = Evidence(name, scores, arms, {**RUN_METRICS, **metrics})
    tables = {
        "scores": scores,
        "histories": histories,
        "timings": timings,
        "manifests": pd.DataFrame(manifests),
        "runs": scores[["study", "arm", "device", "seed", "status"]].drop_duplicates(),
        "comparison": comparison(name, metrics, arms, scores),
        "attribution": attribution(name, metrics, arms, scores),
        "claims": ledger(name, text, evidence),
        "tiers": tier_table(name, text, evidence),
        "budgets": budgets(course, "validation_rmse", "lower"),
        "lint": pd.DataFrame([*lint(text, name), _with_a_long_word(name)], columns=Finding._fields),
    }
    found = ("not-converged", "warning", "best epoch 20 of 20", "Train longer.", "S1-76")
    columns = [*RUN, "finding", "level", "evidence", "advice", "source"]
    findings = pd.DataFrame([(name, "v2", entry.device, seed, *found) for seed in entry.seeds[:3]], columns=columns)
    (root / "results" / "tables").mkdir(parents=True, exist_ok=True)
    findings.to_csv(root / "results" / "tables" / "findings.csv", index=False)
    tables["samples"] = _samples(root, entry)
    folder = root / "results" / "studies" / name
    folder.mkdir(parents=True, exist_ok=True)
    for what, table in tables.items():
        table.to_csv(folder / f"{what}.csv", index=False)
    path = root / "data" / f"{name}-card.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(CARD))


def _samples(root: Path, entry: Entry) -> pd.DataFrame:
    seed = entry.seeds[0]
    place = f"{entry.device}/{seed}/predictions.parquet"
    runs = root / "results" / "runs" / entry.study.name
    pair = [pd.read_parquet(runs / arm / place).rename(columns={"bin": "group"}) for arm in ("v1", "v2")]
    return sample_comparison(*pair, seed=seed, resamples=50).assign(study=entry.study.name, seed=seed)


CARD = {
    "title": "Generated data",
    "facts": {
        "rows_read": 800,
        "rows_used": 785,
        "split": "grouped by family",
        "bins": [
            {"bin": "very_weak", "from_pkd": 0.0, "to_pkd": 5.0, "train": 23, "weight": 4.8435},
            {"bin": "weak", "from_pkd": 5.0, "to_pkd": 7.0, "train": 120, "weight": 0.93},
        ],
        "features": {"before": 180, "after": 150},
        "raw_files": [{"name": "affinity.csv", "bytes": 30001, "check": ["sha256", "2387ff" * 10]}],
    },
    "findings": [
        {
            "level": "warning",
            "code": "censored",
            "text": "1.3% of the rows are left-censored; they are left out.",
            "count": 10,
            "examples": ["a", "b"],
            "source": "S4-91",
        }
    ],
}
