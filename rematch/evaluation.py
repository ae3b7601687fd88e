"""The scores of saved models. All runs of one arm in one process: starting it takes longer than scoring small data."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rematch import prepared
from rematch.atomic import write_bytes, write_text
from rematch.checkpoint import fingerprint
from rematch.devices import open_device
from rematch.digests import file_digest
from rematch.failures import RunFailed, explained_failures
from rematch.settings import build
from rematch.study_modules import study_module

NO_SCORES = "split,name,value,n\n"

_log = logging.getLogger(__name__)


class RunFiles(NamedTuple):
    """What the evaluation of one run reads and writes."""

    model: str
    manifest: str
    train: str
    test: str
    names: str
    scores: str
    predictions: str
    tables: str  # the folder of the study's further tables; it is there even if the study writes none
    evaluation: str

    @classmethod
    def of_rule(cls, inputs: Any, outputs: Any) -> list[RunFiles]:
        """The files of each run, from the lists of the rule."""
        lists = [getattr(inputs if name in cls._fields[:5] else outputs, name) for name in cls._fields]
        return [cls(*files) for files in zip(*lists, strict=True)]

    def outputs(self) -> list[Path]:
        """What a finished evaluation leaves."""
        return [Path(path) for path in self[5:]]


def evaluate_arm(
    package: str,
    settings: Mapping[str, Any],
    runs: Sequence[RunFiles],
    code: str,
    state: str,
    show_failures: bool,
) -> None:
    """Scores every run of an arm that was not scored before with the same model, data, settings and code (a digest).

    Snakemake removes the outputs of a job before it runs, so the folder `state` holds a second link to each. A run that
    cannot be scored does not stop the others; with `show_failures` it leaves its reason in place of its scores.
    """
    failures = []
    for run in runs:
        mark = _fingerprint(package, settings, run, code)
        kept = Path(state) / Path(run.scores).parent.name
        if _put_back(kept, mark, run):
            continue
        try:
            with explained_failures():
                evaluate_run(package, settings, run)
            write_text(run.evaluation, json.dumps({"status": "ok", "fingerprint": mark}))
            _keep(kept, run)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            _log.exception("%s: not scored", run.scores)
            failures.append(f"{run.scores}: {reason}")
            _write_no_scores(run, f"failed: evaluation: {reason}")
    if failures and not show_failures:
        raise RunFailed(f"{len(failures)} of {len(runs)} runs cannot be scored: {failures[0]}")


def evaluate_run(package: str, settings: Mapping[str, Any], run: RunFiles) -> None:
    """Scores one saved model on the test data. A failed training gives an empty table, so that it stays visible."""
    import pandas as pd

    Path(run.tables).mkdir(parents=True, exist_ok=True)
    if json.loads(Path(run.manifest).read_text())["status"] != "ok":
        _write_no_scores(run, "ok")
        return
    module = study_module(package, "evaluate")
    from safetensors.torch import load_file

    result = module.evaluate(
        build(package, settings),
        load_file(run.model),
        prepared.read(Path(run.train)),
        prepared.read(Path(run.test)),
        pd.read_parquet(run.names),
        open_device("cpu", 1),
    )
    table = result.table()
    if table[["split", "name"]].duplicated().any():
        raise ValueError(
            f"{run.scores}: a score is reported twice: {table['name'][table['name'].duplicated()].iloc[0]}"
        )
    if not table["value"].map(lambda value: value == value and abs(value) != float("inf")).all():
        bad = table["name"][~table["value"].map(lambda value: value == value)].tolist()
        raise ValueError(f"{run.scores}: a score is no finite number: {', '.join(bad) or 'infinite'}")
    result.write_tables(Path(run.tables))
    write_bytes(run.predictions, result.predictions.to_parquet(index=False))
    write_text(run.scores, table.to_csv(index=False))


def _write_no_scores(run: RunFiles, status: str) -> None:
    import pandas as pd

    Path(run.tables).mkdir(parents=True, exist_ok=True)
    write_bytes(run.predictions, pd.DataFrame({"sample": []}).to_parquet(index=False))
    write_text(run.scores, NO_SCORES)
    write_text(run.evaluation, json.dumps({"status": status}))


def _fingerprint(package: str, settings: Mapping[str, Any], run: RunFiles, code: str) -> str:
    """Of everything that decides the scores of a run."""
    status = json.loads(Path(run.manifest).read_text())["status"]
    read = [file_digest(path) for path in (run.model, run.train, run.test, run.names)]
    return fingerprint(package=package, settings=dict(settings), code=code, status=status, read=read)


def _keep(kept: Path, run: RunFiles) -> None:
    """Links the outputs of a run into `kept`; the one with the fingerprint last."""
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in run.outputs():
        _link(path, kept / path.name)


def _put_back(kept: Path, mark: str, run: RunFiles) -> bool:
    """Whether this evaluation was done before; its outputs then lie in their places again."""
    evaluation = kept / Path(run.evaluation).name
    if not evaluation.exists() or json.loads(evaluation.read_text())["fingerprint"] != mark:
        return False
    for path in run.outputs():
        _link(kept / path.name, path)
    _log.info("%s: scored before", run.scores)
    return True


def _link(source: Path, target: Path) -> None:
    """A second name of a file, or of every file in a folder; a copy where the file system knows no such thing."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_file, dirs_exist_ok=True)
    else:
        _link_file(source, target)


def _link_file(source: str | Path, target: str | Path) -> None:
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
