"""What a benchmark program found: its RESULT lines, and on request rows of config/benchmarks.csv, which claims read."""

from __future__ import annotations

import csv
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "config/benchmarks.csv"
COLUMNS = ("program", "name", "value", "when", "where")


def report(program: str, values: Mapping[str, float], record: bool, table: Path = TABLE) -> None:
    """Prints a line `RESULT <name> <value>` for each value; `record` also puts them in place of the program's rows in
    `table`, with the day and the kind of machine."""
    shown = {name: f"{value:.4g}" for name, value in values.items()}
    print("\n".join(f"RESULT {name} {value}" for name, value in shown.items()))
    if not record:
        return
    with table.open(newline="") as file:
        kept = [row for row in csv.DictReader(file) if row["program"] != program]
    today, where = time.strftime("%Y-%m-%d"), machine()
    rows = [dict(zip(COLUMNS, (program, name, value, today, where), strict=True)) for name, value in shown.items()]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(kept + rows, key=lambda row: row["program"]))


def machine() -> str:
    """The kind of machine, without its name."""
    gpu = "one GPU or more" if any(Path("/dev").glob("nvidia[0-9]*")) else "no GPU"
    return f"{os.cpu_count()} cores ({platform.machine()}), {gpu}"
