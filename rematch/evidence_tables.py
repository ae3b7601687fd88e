"""From the collected tables of one study to its evidence tables, and from all studies to results/tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rematch.atomic import write_text
from rematch.attribution import attribution
from rematch.comparison import comparison, sample_comparison
from rematch.convergence import budgets, curves
from rematch.evidence import Evidence
from rematch.lint_claims import Finding, lint
from rematch.run_metrics import RUN_METRICS
from rematch.verdicts import ledger, tier_table

Arms = Mapping[str, Mapping[str, Any]]


def write_comparison(
    study: str,
    primary: str,
    metrics: Mapping[str, Any],
    arms: Arms,
    scores: str,
    histories: str,
    timings: str,
    manifests: str,
    outputs: Sequence[str],
) -> None:
    """Writes the pairwise comparison, and what arms reach after equal steps, samples and seconds."""
    measured = _scores(scores)
    write_text(outputs[0], comparison(study, metrics, arms, measured, primary=primary).to_csv(index=False))
    criterion = pd.read_csv(manifests).get("criterion", pd.Series(dtype=str)).dropna()
    history, spent = pd.read_csv(histories), pd.read_csv(timings)
    table = pd.DataFrame()
    if len(criterion) and len(history) and len(spent):
        name, better = (part.strip(" '\"[]") for part in criterion.value_counts().index[0].split(","))
        table = budgets(curves(history, spent, f"validation_{name}", better), f"validation_{name}", better)
    write_text(outputs[1], table.to_csv(index=False) if len(table.columns) else "study\n")


def write_samples(study: str, pairs: Sequence[tuple[int, str, str]], output: str) -> None:
    """Writes, seed by seed, how sure the difference of two single runs is on the test samples, whole and per group.

    `pairs`: seed and the two files of predictions. Empty but for the header where predictions have no target.
    """
    tables = []
    for seed, *files in pairs:
        one, other = (pd.read_parquet(file) for file in files)
        if all({"sample", "target", "prediction"} <= set(table.columns) for table in (one, other)):
            grouped = [table.rename(columns={"bin": "group"}) for table in (one, other)]
            tables.append(sample_comparison(*grouped, seed=seed).assign(study=study, seed=seed))
    columns = ["study", "seed", "group", "n", "before", "after", "difference", "low", "high", "answer"]
    whole = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    write_text(output, whole.to_csv(index=False))


def write_claims(
    study: str,
    primary: str,
    text: Mapping[str, Any],
    arms: Arms,
    scores: str,
    benchmarks: str,
    outputs: Sequence[str],
) -> None:
    """Writes the ledger of claims, the tiers reached, and what the claims say against each other."""
    found = pd.read_csv(benchmarks)
    evidence = Evidence(study, _scores(scores), arms, {**RUN_METRICS, **text["metrics"]}, found)
    write_text(outputs[0], ledger(study, text, evidence, primary).to_csv(index=False))
    write_text(outputs[1], tier_table(study, text, evidence).to_csv(index=False))
    write_text(outputs[2], pd.DataFrame(lint(text, study), columns=Finding._fields).to_csv(index=False))


def write_attribution(
    study: str, metrics: Mapping[str, Any], arms: Arms, plan: Mapping[str, Any], scores: str, output: str
) -> None:
    """Writes the share of every change of the version that the plan names."""
    table = attribution(study, metrics, arms, _test(_scores(scores)), plan["version"], plan["arms"])
    write_text(output, table.to_csv(index=False))


def join_tables(files: Sequence[str], outputs: Sequence[str]) -> None:
    """Puts the tables of all studies one under the other: outputs are named like the files they are made of."""
    for output in outputs:
        parts = [pd.read_csv(file) for file in files if Path(file).name == Path(output).with_suffix(".csv").name]
        parts = [part for part in parts if len(part)] or parts[:1]
        whole = pd.concat(parts, ignore_index=True)
        write_text(
            output, whole.to_csv(index=False) if output.endswith(".csv") else whole.to_markdown(index=False) + "\n"
        )


def _scores(path: str) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"status": str})


def _test(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[scores["split"] == "test"]
