"""A live view of all runs, from their files alone: `python -m rematch.watch` beside a running workflow, also over ssh.

Nothing is written and nothing is asked of Snakemake: a finished run has its manifest, a running one its log and, once
it was saved, its resume state.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rematch.experiment import Experiment, Run, load_experiment
from rematch.findings import Training, diagnose
from rematch.nested import unpack
from rematch.yamlfile import load_mapping

BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_ERROR = re.compile(r"^\S+ \S+ ERROR (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Sight:
    """What can be seen of one run. `state`: waiting, running, done or failed; `age`: seconds since a sign of life."""

    run: Run
    state: str
    epochs: int = 0  # in all, by its settings
    epoch: int = 0  # finished so far
    best: float | None = None
    criterion: str = ""
    course: tuple[float, ...] = ()  # the validation value of every epoch
    remaining: float | None = None  # seconds
    age: float | None = None
    reason: str = ""
    findings: tuple[str, ...] = ()


def look(root: Path, run: Run, settings: Mapping[str, Any], epochs: int, now: float) -> Sight:
    """One run as its files show it; a file that is being replaced at this moment counts as not there."""
    place = Path(run.study, run.arm, run.device, str(run.seed))
    folder, log = root / "results" / "runs" / place, (root / "logs" / "train" / place).with_suffix(".log")
    manifest = _json(folder / "manifest.json")
    if manifest is not None:
        return _finished(run, folder, manifest, settings, epochs, now)
    if not log.exists():
        return Sight(run, "waiting", epochs)
    progress, seen = _progress(root / "state" / place)
    seen = max(seen, log.stat().st_mtime)
    errors = _ERROR.findall(log.read_text(errors="replace"))
    if errors:
        return Sight(run, "failed", epochs, progress.get("epoch", 0), reason=errors[-1], age=now - seen)
    name, course, values = _course(progress.get("history", []))
    finished = progress.get("epoch", 0)
    spent = [timing[1] for timing in progress.get("timings", [])]
    remaining = (epochs - finished) * float(np.median(spent)) if spent else None
    found = tuple(finding.finding for finding in diagnose(Training(values, settings, name)))
    best = progress.get("best_value")
    return Sight(run, "running", epochs, finished, best, name, course, remaining, now - seen, findings=found)


def _finished(run: Run, folder: Path, manifest, settings, epochs: int, now: float) -> Sight:
    age = now - (folder / "manifest.json").stat().st_mtime
    if manifest.get("status") != "ok":
        return Sight(run, "failed", epochs, reason=str(manifest.get("status", "")).removeprefix("failed: "), age=age)
    try:
        rows = pd.read_csv(folder / "history.csv")
    except (OSError, ValueError):
        rows = pd.DataFrame(columns=["step", "name", "value"])
    criterion, better = (manifest.get("criterion") or ["", "lower"])[:2]
    name, course, values = _course(rows.itertuples(index=False, name=None), f"validation_{criterion}")
    found = tuple(finding.finding for finding in diagnose(Training(values, settings, name, better)))
    done, best = int(manifest.get("epochs_run", 0)), manifest.get("best_value")
    return Sight(run, "done", epochs, done, best, name, course, 0.0, age, findings=found)


def _course(rows: Iterable[Sequence[Any]], name: str = "") -> tuple[str, tuple[float, ...], dict[str, np.ndarray]]:
    """Name and values of the validation value shown, and all values by name."""
    values: dict[str, list[float]] = {}
    for _, what, value in rows:
        values.setdefault(what, []).append(value)
    if name not in values:
        name = next((what for what in values if what.startswith("validation_")), "")
    return name, tuple(values.get(name, ())), {what: np.array(found) for what, found in values.items()}


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _progress(folder: Path) -> tuple[dict[str, Any], float]:
    """What the newest resume state says of its run, and when it was saved. Only the head of the file is read."""
    for path in sorted(folder.glob("state-*.safetensors"), reverse=True):
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                head = json.loads(file.read(min(length, path.stat().st_size)))
            document = json.loads(head["__metadata__"]["rematch"])["state"]
            progress = next(value for key, value in document[1] if key == "progress")
            return unpack(progress, {}), path.stat().st_mtime
        except (OSError, ValueError, KeyError, StopIteration, IndexError, TypeError):
            continue  # being written, removed, or of another version
    return {}, 0.0


def look_at_all(root: Path, experiment: Experiment, now: float, known: dict[Run, Sight] | None = None) -> list[Sight]:
    """Every planned run; those that `known` saw done or failed by manifest are not read again."""
    known = {} if known is None else known
    sights = []
    for run in experiment.runs():
        arm = experiment.entries[run.study].arms[run.arm]
        settings = dict(arm.settings)
        seen = known.get(run) or look(root, run, settings, _epochs(experiment, run), now)
        if seen.state == "done":
            known[run] = seen
        sights.append(seen)
    return sights


def _epochs(experiment: Experiment, run: Run) -> int:
    entry = experiment.entries[run.study]
    settings = entry.study.settings(**entry.arms[run.arm].settings)
    return int(getattr(settings, "epochs_to_train", settings.epochs))


def spark(values: Sequence[float], width: int = 16) -> str:
    """A line of at most `width` bars; values that are no numbers are left out."""
    values = [value for value in values if np.isfinite(value)]
    if not values:
        return ""
    cells = [float(np.mean(part)) for part in np.array_split(values, min(width, len(values)))]
    low, high = min(cells), max(cells)
    return "".join(BARS[int((cell - low) / (high - low) * 7.999)] if high > low else BARS[3] for cell in cells)


def left(seconds: float | None) -> str:
    """A time such as 1:05 or 2:03:04; empty if unknown."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def view(sights: Sequence[Sight], last: int = 8):
    """The whole screen: one line per study, then what runs, what failed and what was finished last."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    studies = Table("study", "done", "running", "failed", "waiting", "findings so far", box=None, pad_edge=False)
    for study in dict.fromkeys(sight.run.study for sight in sights):
        mine = [sight for sight in sights if sight.run.study == study]
        counts = [sum(sight.state == state for sight in mine) for state in ("done", "running", "failed", "waiting")]
        found = pd.Series([name for sight in mine for name in sight.findings], dtype=str).value_counts()
        told = ", ".join(f"{name} {count}" for name, count in list(found.items())[:4])
        studies.add_row(study, f"{counts[0]} of {len(mine)}", *map(str, counts[1:]), Text(told))
    running = [sight for sight in sights if sight.state == "running"]
    failed = [sight for sight in sights if sight.state == "failed"]
    done = sorted((sight for sight in sights if sight.state == "done"), key=lambda sight: sight.age or 0)[:last]
    runs = Table(box=None, pad_edge=False)
    for head in ("run", "state", "epoch", "best", "left", "validation", "last sign"):
        runs.add_column(head, overflow="fold", no_wrap=head not in ("run", "validation"))
    for sight in [*running, *failed, *done]:
        best = "" if sight.best is None else f"{sight.best:.4g}"
        epoch = f"{sight.epoch}/{sight.epochs}"
        shown = Text(sight.reason) if sight.state == "failed" else Text(spark(sight.course))
        name = Text("/".join(map(str, sight.run)))
        runs.add_row(name, sight.state, epoch, best, left(sight.remaining), shown, f"{left(sight.age)} ago")
    return Group(studies, Text(""), runs)


def main(arguments: Sequence[str] | None = None) -> int:
    """Shows the view until interrupted; 0 on success, 2 if the configuration cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m rematch.watch", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--configfile", type=Path, help="the configuration of the workflow (default: config/config.yaml)"
    )
    parser.add_argument("--directory", type=Path, default=Path(), help="where the workflow works (default: here)")
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between two looks")
    parser.add_argument("--once", action="store_true", help="look once, print, and end")
    options = parser.parse_args(arguments)
    base = Path(__file__).resolve().parents[1]
    try:
        experiment = load_experiment(load_mapping(options.configfile or base / "config" / "config.yaml"), base)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    from rich.console import Console
    from rich.live import Live

    console, known = Console(), {}
    if options.once or not console.is_terminal:
        console.print(view(look_at_all(options.directory, experiment, time.time())))
        return 0
    with Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(view(look_at_all(options.directory, experiment, time.time(), known)), refresh=True)
                time.sleep(options.interval)
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
