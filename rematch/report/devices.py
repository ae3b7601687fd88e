"""The page about devices: which one to take for each study, what was measured on each, what was promised of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rematch.atomic import write_text
from rematch.claims import read_claims
from rematch.device_comparison.plan import Setup
from rematch.device_comparison.table import Measured, device_scores, device_table, read_measured, recommend
from rematch.evidence import Evidence
from rematch.machine import cores
from rematch.report import numbers, tables
from rematch.report.offline import fill
from rematch.report.tables import Cell, Table, figure, pill, plain
from rematch.run_metrics import RUN_METRICS
from rematch.verdicts import ledger

SOURCE = "tables/devices.csv"
HEADS = [
    *("Version", "Device", "!First step", "#Loss off by", "#Gradients off by", "Reference", "#Seconds per epoch"),
    *("#Times as fast", "#Peak memory, MB", "#Quality after equal steps", "!Against one CPU thread"),
]


def build(
    studies: Mapping[str, Mapping[str, Any]],
    files: Sequence[str],
    epochs: int,
    budget: str,
    table: str,
    page: str,
) -> None:
    """Writes the table of all studies and the page. `studies`: name -> text, arms, compared, seeds, setups."""
    measured, whole, parts = read_measured(files), [], []
    for name, about in studies.items():
        setups = {Setup(device, threads): reason for device, threads, reason in about["setups"]}
        found = device_table(name, about["compared"], setups, measured, about["text"].get("metrics", {}))
        whole.append(found)
        parts.append(section(name, about, found, device_claims(name, about, found, setups, measured)))
    write_text(table, pd.concat(whole, ignore_index=True).to_csv(index=False))
    write_text(page, render(parts, epochs, budget))


def device_claims(
    study: str, about: Mapping[str, Any], table: pd.DataFrame, setups: Mapping[Setup, str], measured: Measured
) -> pd.DataFrame:
    """The verdicts of the claims that speak of devices, judged as all others are, by what was measured here."""
    claims = [claim for claim in about["text"].get("claims", []) if _speaks_of_devices(claim, study)]
    metrics = {**about["text"].get("metrics", {}), **RUN_METRICS}
    evidence = Evidence(study, device_scores(table, measured), about["arms"], metrics)
    found = ledger(study, {"claims": claims}, evidence)
    absent = {setup.device: reason for setup, reason in setups.items() if reason and setup.threads == 1}
    for device, reason in absent.items():
        found["reason"] = found["reason"].replace(f"nothing was run on {device}", f"{device}: {reason}")
    return found


def _speaks_of_devices(claim: Mapping[str, Any], study: str) -> bool:
    (read,) = read_claims([claim], study)
    return any(test.device or test.against_device for test in read.tests)


def section(name: str, about: Mapping[str, Any], table: pd.DataFrame, claims: pd.DataFrame) -> dict[str, Any]:
    """What the template shows of one study."""
    chosen, reason = recommend(table)
    return {
        "name": name,
        "title": about["text"].get("title", name),
        "seeds": len(about["seeds"]),
        "short": chosen.name if chosen else "none",
        "tone": "good" if chosen else "open",
        "reason": f"{reason}.",
        "rows": _rows(name, table),
        "claims": _claims(name, claims),
    }


def _rows(name: str, table: pd.DataFrame) -> Table:
    body, skipped = [], set()
    for row in table.to_dict("records"):
        setup = Setup(row["device"], int(row["threads"]))
        if row["status"] == "ok":
            body.append(_measured(setup, row))
        elif row["status"].startswith("failed") or setup not in skipped:  # a skipped device once, not once a version
            skipped.add(setup)
            which = row["arm"] if row["status"].startswith("failed") else "all"
            word, _, reason = row["status"].partition(": ")
            body.append([plain(which), plain(setup.name), pill(word, more=reason), *[plain("")] * (len(HEADS) - 3)])
    return tables.table(f"{name}-devices", "What was measured on each device", HEADS, body, source=SOURCE)


def _measured(setup: Setup, row: Mapping[str, Any]) -> list[Cell]:
    memory = "" if numbers.is_missing(row["device_memory_mb"]) else f"{numbers.number(row['device_memory_mb'])} on it"
    said = numbers.text(row["quality_answer"])
    interval = "" if said in ("", "identical") else numbers.interval(row["low"], row["high"])
    return [
        plain(row["arm"]),
        plain(setup.name, more=numbers.text(row["name"])),
        pill("agrees" if row["agrees"] else "differs"),
        figure(row["loss_difference"], more=f"at most {row['loss_tolerance']:g}"),
        figure(row["difference"], more=f"at most {row['tolerance']:g}, {row['compared']}"),
        plain(row["reference"]),
        tables.seconds(row["seconds_per_epoch"]),
        figure(row["times_as_fast"]),
        figure(row["peak_memory_mb"], more=memory),
        figure(row["quality"], more=f"{row['criterion']}, {numbers.count(row['steps'])} steps"),
        pill(said, more=interval),
    ]


def _claims(name: str, claims: pd.DataFrame) -> Table:
    heads = ["Claim", "What it says +", "Expected", "#Measured", "!Verdict", "Why +"]
    body = [
        [
            plain(row["claim"], more=row["source"]),
            plain(row["says"]),
            plain(_expected(row["expected"])),
            figure(row["measured"]),
            pill(row["verdict"]),
            plain(row["reason"]),
        ]
        for row in claims.to_dict("records")
    ]
    return tables.table(f"{name}-claims", "What was promised of devices", heads, body, stack=True)


def _expected(value: Any) -> Any:
    return value.get("text", value) if isinstance(value, Mapping) else value


def render(parts: Sequence[Mapping[str, Any]], epochs: int, budget: str) -> str:
    """The page as HTML that needs nothing else and asks no host for anything."""
    return fill(
        "devices.html.j2",
        parts=parts,
        epochs=epochs,
        budget=budget,
        cores=cores(),
    )
