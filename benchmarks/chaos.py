"""Kills real trainings with SIGKILL, goes on, and compares every byte they leave with an undisturbed training.

    python benchmarks/chaos.py [--quick] [--kills N] [--studies a,b] [--seed S] [--seconds T]

Each trial trains and evaluates one arm of one study in child processes. A child dies in one of three ways: at a random
moment (its parent kills it), right after a random update (before the engine has noted it), or inside a random atomic
write - of a state or of an output - at any of five places between an empty temporary file and the finished rename.
Then the training is started again, up to three deaths in a row, and at last left alone. A trial is equal if weights,
history, settings, scores and predictions have the bytes of the undisturbed run and no temporary file is left anywhere.

Children are forked from one process that has imported everything, so that a death costs a second instead of ten.
In the trials states are saved almost without pause; the cost of saving is measured apart, at the default pace.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before NumPy starts threads, which a forked child would miss

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.recorded import report  # noqa: E402
from rematch import checkpoint, engine  # noqa: E402

NOT_COMPARED = ("timings.csv", "manifest.json")  # clocks, and what the machine was like
PLACES = ("empty", "half", "written", "synced", "renamed")


class Kill(NamedTuple):
    """How a child dies: at a `moment` (seconds), after an `update` (number), at a `place` in a `write` (number)."""

    kind: str
    at: float
    place: str = ""


@dataclass(frozen=True)
class Job:
    """A training with its evaluation: `run(folder)` leaves outputs in folder/results and its state in folder/state."""

    name: str
    run: Callable[[Path], None]


@dataclass
class Reference:
    """The undisturbed outcome, and how much there is to interrupt."""

    files: dict[str, bytes]
    seconds: float
    updates: int
    writes: int


@dataclass
class Trial:
    """What became of one trial."""

    job: str
    deaths: list[str]
    equal: bool
    resumed: int
    left: list[str]


def in_child(body: Callable[[], None], after: float | None = None) -> int:
    """The exit status of a forked child that runs `body`: 0, a positive code, or minus the signal it died of.

    With `after` the child is killed so many seconds from now, unless it is done before.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            body()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)  # the child is not waited for yet, so its number cannot be another's
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die() -> None:
    """Ends this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def count_updates(noted: Callable[[int], None]) -> None:
    """Calls `noted` with the number of updates done, after each one and before the engine counts it."""
    inner, done = engine.check_values, [0]

    def check(values):
        done[0] += 1
        noted(done[0])
        return inner(values)

    engine.check_values = check


def visit_writes(visit: Callable[[int, str], None]) -> None:
    """Calls `visit` with the number of the atomic write and the place in it, at every place of every write."""
    begun = [0]
    fdopen, fsync, replace = os.fdopen, os.fsync, Path.replace

    class HalfWritten:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            visit(begun[0], "half")
            self.file.write(content[len(content) // 2 :])

    def open_descriptor(handle, mode="r", *rest, **options):
        file = fdopen(handle, mode, *rest, **options)
        if mode != "wb":
            return file
        begun[0] += 1
        visit(begun[0], "empty")
        return HalfWritten(file)

    def sync(descriptor):
        visit(begun[0], "written")
        fsync(descriptor)

    def rename(self, target):
        visit(begun[0], "synced")
        replace(self, target)
        visit(begun[0], "renamed")

    os.fdopen, os.fsync, Path.replace = open_descriptor, sync, rename


def save_all_the_time() -> None:
    """Saves take about a third of the time, so that many deaths fall into one."""
    checkpoint.Pace.LEAST_SECONDS, checkpoint.Pace.TIMES_COST = 0.0, 2.0


def prepare_to_die(kill: Kill | None) -> None:
    """Arms the running child."""
    save_all_the_time()
    if kill is not None and kill.kind == "update":
        count_updates(lambda done: die() if done >= kill.at else None)
    if kill is not None and kill.kind == "write":
        visit_writes(lambda number, place: die() if number >= kill.at and place == kill.place else None)


def observe(job: Job, folder: Path) -> Reference:
    """The undisturbed run, then one that saves all the time: it must leave the same bytes, and counts its steps."""
    started = time.monotonic()
    if in_child(lambda: job.run(folder / "alone")):
        raise RuntimeError(f"{job.name}: the undisturbed training failed")
    seconds, files = time.monotonic() - started, outputs(folder / "alone")

    def counted() -> None:
        save_all_the_time()
        seen = [0, 0]
        count_updates(lambda done: seen.__setitem__(0, done))
        visit_writes(lambda number, place: seen.__setitem__(1, number))
        job.run(folder / "saving")
        (folder / "counts").write_text(f"{seen[0]} {seen[1]}")

    if in_child(counted) or outputs(folder / "saving") != files:
        raise RuntimeError(f"{job.name}: a training that saves its state differs from one that does not")
    updates, writes = map(int, (folder / "counts").read_text().split())
    return Reference(files, seconds, updates, writes)


def outputs(folder: Path) -> dict[str, bytes]:
    """Path -> content of every result but those with a clock in them."""
    found = sorted(path for path in (folder / "results").rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in found if p.name not in NOT_COMPARED}


def draw_kill(draw: random.Random, reference: Reference) -> Kill:
    """A way to die, each kind as likely, uniform over the run."""
    kind = draw.choice(("moment", "update", "write"))
    if kind == "moment":
        return Kill(kind, draw.uniform(0, reference.seconds))
    if kind == "update" and reference.updates:
        return Kill(kind, draw.randint(1, reference.updates))
    return Kill("write", draw.randint(1, reference.writes), draw.choice(PLACES))


def trial(job: Job, reference: Reference, folder: Path, draw: random.Random) -> Trial:
    """Up to three deaths, then an undisturbed end."""
    result, log = Trial(job.name, [], False, 0, []), folder / "log"
    folder.mkdir(parents=True)

    def body(kill: Kill | None) -> None:
        logging.getLogger().handlers[:] = [logging.FileHandler(log)]
        logging.getLogger().setLevel(logging.INFO)
        prepare_to_die(kill)
        job.run(folder)

    for _ in range(draw.randint(1, 3)):
        kill = draw_kill(draw, reference)
        code = in_child(lambda kill=kill: body(kill), after=kill.at if kill.kind == "moment" else None)
        if code == -signal.SIGKILL:
            result.deaths.append(kill.kind)
        elif code:
            raise RuntimeError(f"{job.name}: after {kill} the training ended with code {code}; see {log}")
    if code := in_child(lambda: body(None)):
        raise RuntimeError(f"{job.name}: the last start ended with code {code}; see {log}")
    result.resumed = log.read_text().count("going on at epoch")
    result.left = [str(path) for path in folder.rglob("*") if path.name.endswith(".tmp")]
    result.equal = outputs(folder) == reference.files and not result.left
    return result


def trials(jobs: list[Job], kills: int, seed: int, folder: Path) -> Iterator[Trial]:
    """Trials of every job in turn until so many kills took place; trials that are equal leave nothing on the disk."""
    draw, done, number = random.Random(seed), 0, 0
    references = {job.name: observe(job, folder / job.name / "reference") for job in jobs}
    while done < kills:
        job = jobs[number % len(jobs)]
        place = folder / job.name / str(number)
        found = trial(job, references[job.name], place, draw)
        done, number = done + len(found.deaths), number + 1
        if found.equal:
            shutil.rmtree(place)
        yield found


def study_job(name: str, package: str, dataset: str, folder: Path, budget: str = "smoke") -> Job:
    """v2 of a study on generated data; prepared once in a child."""
    from rematch.evaluation import RunFiles, evaluate_run
    from rematch.experiment import load_experiment
    from rematch.generated import generate
    from rematch.preparation import prepare_run
    from rematch.runs import Limits, Outputs, train_run
    from rematch.settings import keys
    from rematch.sources import code_digest

    chosen = {"studies": {name: {"dataset": dataset, "study": package}}, "budget": budget, "seeds": [1]}
    entry = load_experiment(chosen | {"attribution": {"method": "none"}}, ROOT).entries[name]
    declared = load_experiment(chosen, ROOT).datasets[dataset]
    arm = entry.arms["v2"]
    values = dict(arm.settings)
    data = [str(folder / "data" / file) for file in ("train.safetensors", "test.safetensors", "names.parquet")]

    def prepare() -> None:
        recipe = {"reader": declared.get("reader", "plain"), **declared["generate"]}
        recipe["sizes"] = recipe["sizes"].get(budget, recipe["sizes"]["demo"])
        generate(recipe, folder / "data" / "raw", folder / "data" / "raw.json")
        known = {k: v for k, v in declared.items() if k not in ("generate", "files", "plain", "citation", "licence")}
        read = {key: values[key] for key in keys(entry.study.settings, "data")}
        paths = tuple(Path(path) for path in (*data, str(folder / "data" / "card.json")))
        prepare_run(package, known, read, 1, folder / "data" / "raw.json", paths)

    if in_child(prepare):
        raise RuntimeError(f"{name}: the preparation failed")
    for module in ("train", "evaluate"):  # before any fork, or every child pays for the imports
        importlib.import_module(f"rematch.studies.{package}.{module}")
    code = code_digest("rematch/runs.py", *(f"rematch/studies/{package}/{file}.py" for file in ("settings", "train")))

    def run(place: Path) -> None:
        here, results = place / "state", place / "results"
        left = Outputs(
            *(str(results / f"{field}{suffix}") for field, suffix in zip(Outputs._fields, SUFFIXES, strict=True))
        )
        if not Path(left.manifest).exists():  # what Snakemake does with outputs: whole, or trained again
            train_run(package, values, 1, "cpu", 1, data[0], code, str(here), left, Limits())
        files = [str(results / file) for file in ("scores.csv", "predictions.parquet", "tables", "evaluation.json")]
        evaluate_run(package, values, RunFiles(left.model, left.manifest, *data, *files))

    return Job(name, run)


SUFFIXES = (".yaml", ".csv", ".csv", ".safetensors", ".safetensors", ".json")


def studies(only: set[str]) -> Iterator[tuple[str, str, str]]:
    """Name, package and generated data set of every study in the configuration."""
    from rematch.datasets import load_datasets
    from rematch.yamlfile import load_mapping

    datasets = load_datasets(ROOT / "config" / "datasets")
    for path in sorted((ROOT / "config" / "studies").glob("*.yaml")):
        package = str(load_mapping(path).get("settings", path.stem))
        made = [name for name, item in datasets.items() if item.get("generate", {}).get("module") == package]
        if made and (not only or path.stem in only):
            yield path.stem, package, made[0]


class Cost(NamedTuple):
    """What saving cost in one training at the default pace, and what it may cost at most in the long run."""

    percent: float
    saves: int
    megabytes: float
    milliseconds: float


def overhead(job: Job, seconds: float, folder: Path) -> Cost:
    """Trains the job over and over its epochs for so many seconds at the default pace and adds up its savings."""
    from rematch.interrupt import Interrupted

    report = folder / "overhead"

    def body() -> None:
        fit, save, spent, sizes = engine.fit, checkpoint.StateFolder.save, [], []

        def timed(self, state):
            started = time.perf_counter()
            path = save(self, state)
            spent.append(time.perf_counter() - started)
            sizes.append(path.stat().st_size)
            return path

        def longer(learner, **options):
            checkpoint.StateFolder.save = timed
            started = time.perf_counter()
            with contextlib.suppress(Interrupted):
                fit(learner, **options | {"epochs": 10**9, "patience": 0, "max_seconds": seconds, "keep_every": None})
            total = time.perf_counter() - started - spent[-1]  # the last save is the interruption's, not the pace's
            mean = sum(spent) / len(spent)
            report.write_text(f"{sum(spent[:-1]) / total * 100} {len(spent) - 1} {sizes[-1] / 1e6} {mean * 1000}")
            os._exit(0)

        import rematch.runs

        rematch.runs.fit = longer
        job.run(folder / "long")

    folder.mkdir(parents=True)
    if in_child(body):
        raise RuntimeError(f"{job.name}: the long training failed")
    percent, saves, megabytes, milliseconds = map(float, report.read_text().split())
    return Cost(percent, int(saves), megabytes, milliseconds)


def show(found: list[Trial]) -> None:
    """One line a study: trials, deaths by kind, resumed starts, equal ends."""
    print(f"{'study':<22}{'trials':>7}{'moment':>8}{'update':>8}{'write':>7}{'resumed':>9}{'equal':>7}")
    for name in dict.fromkeys(item.job for item in found):
        mine = [item for item in found if item.job == name]
        kinds = Counter(kind for item in mine for kind in item.deaths)
        counts = f"{kinds['moment']:>8}{kinds['update']:>8}{kinds['write']:>7}{sum(item.resumed for item in mine):>9}"
        print(f"{name:<22}{len(mine):>7}{counts}{sum(item.equal for item in mine):>7}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="end within a minute or so")
    parser.add_argument("--kills", type=int, help="how many deaths in all (default 200; quick 12)")
    parser.add_argument("--studies", default="", help="comma-separated names (default: all; quick: the first)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="length of the training that measures the cost (60; quick 12)")
    parser.add_argument("--record", action="store_true", help="put the results into config/benchmarks.csv")
    options = parser.parse_args()
    chosen = list(studies(set(filter(None, options.studies.split(",")))))
    if options.quick and not options.studies:
        chosen = chosen[:1]
    if not chosen:
        parser.error(f"--studies: no study with generated data is called {options.studies}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = [study_job(*item, folder / item[0]) for item in chosen]
        kills = options.kills or (12 if options.quick else 200)
        found = list(trials(jobs, kills, options.seed, folder / "trials"))
        seconds = options.seconds or (12 if options.quick else 60)
        costs = {job.name: overhead(job, seconds, folder / "cost" / job.name) for job in jobs}
    show(found)
    print(f"\ncost of saving at the default pace, {seconds:g} s of training each")
    for job, cost in costs.items():
        print(
            f"{job:<22}{cost.percent:6.2f} % {cost.saves:3d} saves {cost.megabytes:8.2f} MB {cost.milliseconds:8.1f} ms"
        )
    results = {
        "kills": sum(len(item.deaths) for item in found),
        "byte_equal": sum(item.equal for item in found) / len(found),
        "checkpoint_overhead_percent": max(cost.percent for cost in costs.values()),
    }
    report("chaos", results, options.record)


if __name__ == "__main__":
    main()
