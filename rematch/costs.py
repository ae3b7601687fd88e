"""Where the time of a report went: `python -m rematch.costs [folder]` reads the logs of its jobs and prints a table."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

WHOLE = re.compile(r" INFO ([\d.]+) processor seconds$", re.MULTILINE)
IMPORTS = re.compile(r" imported in ([\d.]+) processor seconds$", re.MULTILINE)
WITH_DATASET = ("prepare", "check")  # their logs lie below the data set, those of other rules below the study
PARTS = ("training", "scoring", "data", "tables")
PART = {
    "train": "training",
    "evaluate": "scoring",
    "prepare": "data",
    "check": "data",
    "generate": "data",
    "fetch": "data",
}


class Cost(NamedTuple):
    """Processor seconds of one job."""

    rule: str
    study: str  # empty for a job that serves all studies
    seconds: float
    imports: float  # of the seconds, those that the import of the study's module took


def costs(logs: Path) -> list[Cost]:
    """One entry per finished job with a log below `logs`; an interrupted or failed job has no final line to read."""
    found = []
    for path in sorted(logs.rglob("*.log")):
        text = path.read_text(errors="replace")
        whole = WHOLE.findall(text)
        if whole:
            rule, *rest = path.relative_to(logs).with_suffix("").parts
            study = rest[rule in WITH_DATASET] if rest and rule not in ("generate", "fetch") else ""
            found.append(Cost(rule, study, float(whole[-1]), sum(map(float, IMPORTS.findall(text)))))
    return found


def table(found: Iterable[Cost]) -> str:
    """Markdown: a row per study with jobs and processor seconds, imports apart from the rest, and a row for all."""
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for cost in found:
        for row in (cost.study or "for all studies", "sum"):
            part = PART.get(cost.rule, "tables")
            sums[row]["jobs"] += 1
            sums[row]["imports"] += cost.imports
            sums[row][part] += cost.seconds - cost.imports
            sums[row]["all"] += cost.seconds
    lines = ["| study | jobs | imports | training | scoring | data | tables, figures | all |", "|---|" + "---:|" * 7]
    for row in sorted(sums, key=lambda name: (name == "sum", name == "for all studies", name)):
        cells = [f"{sums[row][key]:.0f}" for key in ("jobs", "imports", *PARTS, "all")]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    print(table(costs(folder / "logs")))
