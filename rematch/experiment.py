"""What to run: config.yaml as values. Studies with data set, seeds, device, budget; the list of runs. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rematch import settings as checked
from rematch.arms import Arm, arms_of
from rematch.datasets import load_datasets
from rematch.device_comparison.plan import Plan, read_plan
from rematch.ledger import check_ledger
from rematch.machine import resolve as resolve_devices
from rematch.study import LABEL, Study, load_study
from rematch.subsets import attribution_arms

KEYS = (
    "studies",
    "budget",
    "seeds",
    "device",
    "attribution",
    "mirror",
    "max_seconds",
    "save_seconds",
    "states",
    "hang_seconds",
    "device_comparison",
)
ENTRY = ("study", "dataset", "set", "arms", "seeds", "device", "attribution", "threads")
HANG_SECONDS = 1800  # far longer than a step or a validation of any study here takes
METHODS = ("leave-one-out", "one-at-a-time", "shapley", "none")


class Run(NamedTuple):
    """One training: the path below results/runs."""

    study: str
    arm: str
    device: str
    seed: int


@dataclass(frozen=True)
class Entry:
    """One line of `studies:` in config.yaml: a study on a data set."""

    study: Study
    dataset: str
    arms: Mapping[str, Arm]
    seeds: tuple[int, ...]
    devices: tuple[str, ...]  # every arm is trained on each of them
    attribution: Mapping[str, Any]
    threads: int

    @property
    def device(self) -> str:
        """The device whose numbers the page shows: the first one."""
        return self.devices[0]

    def trained(self) -> list[Arm]:
        """The arms that are really trained: one for each distinct set of settings."""
        return [arm for arm in self.arms.values() if arm.trained_as == arm.name]

    def view(self, arm: str) -> str:
        """The first trained arm whose data settings equal those of `arm`: they share prepared data."""
        wanted = self._data_settings(self.arms[arm])
        return next(item.name for item in self.trained() if self._data_settings(item) == wanted)

    def preparation(self, arm: str, seed: int) -> str:
        """The folder name of the preparation: the seed, or `all` where the arm's split does not depend on it."""
        arm_settings = checked.build(self.study.package, self.arms[arm].settings)
        return str(seed) if getattr(arm_settings, "seeded_preparation", True) else "all"

    def _data_settings(self, arm: Arm) -> list[Any]:
        return [arm.settings[key] for key in checked.keys(self.study.settings, "data")]


@dataclass(frozen=True)
class Experiment:
    """All of config.yaml, checked."""

    entries: Mapping[str, Entry]
    datasets: Mapping[str, Mapping[str, Any]]
    budget: str
    mirror: str | None
    max_seconds: float | None
    save_seconds: float | None  # how often a training saves its state; None: so rarely that it costs about 1 %
    states: str  # what happens to resume states after success: remove or keep
    hang_seconds: float  # a training without a step for so long ends with the reason
    device_comparison: Plan

    def runs(self, study: str | None = None) -> Iterator[Run]:
        """Every training that the report needs."""
        for name, entry in self.entries.items():
            if study in (None, name):
                for arm in entry.trained():
                    for device in entry.devices:
                        yield from (Run(name, arm.name, device, seed) for seed in entry.seeds)


def load_experiment(config: Mapping[str, Any], base: Path) -> Experiment:
    """The experiment that `config` describes, with files looked up below `base` (the folder of the Snakefile).

    Everything is checked here, before any job; a mistake is a `ValueError` with one line.
    """
    for key in config:
        if key not in KEYS:
            raise ValueError(f"config: unknown key {key!r}{checked.suggestion(key, KEYS)}")
    if not isinstance(config.get("studies"), Mapping) or not config["studies"]:
        raise ValueError("config: studies: expected at least one entry such as `antibody_affinity: {dataset: ...}`")
    datasets = load_datasets(base / "config" / "datasets")
    budget = config.get("budget", "demo")
    entries = {
        str(name): _entry(str(name), item, config, budget, datasets, base) for name, item in config["studies"].items()
    }
    entries = _told_apart(entries)
    mirror = config.get("mirror")
    limit, pause = (_seconds(config, key) for key in ("max_seconds", "save_seconds"))
    states = config.get("states", "remove")
    if states not in ("remove", "keep"):
        raise ValueError(f"config: states: expected remove or keep, found {states!r}")
    folder = None if mirror is None else str((base / str(mirror)).resolve())
    hang = _seconds(config, "hang_seconds") or HANG_SECONDS
    compared = read_plan(config.get("device_comparison", {}))
    return Experiment(entries, datasets, budget, folder, limit, pause, states, hang, compared)


def _told_apart(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries; those that share a title (one study on several data sets) with their own name behind it."""
    times = Counter(entry.study.text["title"] for entry in entries.values())
    return {
        name: replace(entry, study=entry.study.titled(f"{title} ({name})")) if times[title] > 1 else entry
        for name, entry in entries.items()
        for title in [entry.study.text["title"]]
    }


def _entry(
    name: str, item: Any, config: Mapping[str, Any], budget: str, datasets: Mapping[str, Any], base: Path
) -> Entry:
    where = f"config: studies: {name}"
    if not LABEL.fullmatch(name):
        raise ValueError(f"config: studies: {name[:80]!r}: expected a snake_case name")
    if not isinstance(item, Mapping):
        raise ValueError(f"{where}: expected `dataset: ...`, found {item!r}")
    for key in item:
        if key not in ENTRY:
            raise ValueError(f"{where}: unknown key {key!r}{checked.suggestion(key, ENTRY)}")
    dataset = item.get("dataset")
    if dataset not in [*datasets]:
        raise ValueError(f"{where}: dataset: no data set {dataset!r}{checked.suggestion(dataset, datasets)}")
    package = str(item.get("study", name))
    path = base / "config" / "studies" / f"{package}.yaml"
    study = load_study(path, name, base / "config" / "claims" / f"{package}.yaml")
    changes = {version.name: [change.name for change in version.changes] for version in study.versions.values()}
    check_ledger(study.text, changes, [*study.versions, *study.named], f"config/studies/{package}.yaml")
    attribution = _attribution(item.get("attribution", config.get("attribution", {})), study, where)
    chosen = attribution_arms(
        [change.name for change in study.versions[attribution["version"]].changes],
        attribution["method"],
        attribution["arms"],
        seed=0,
    )
    only = item.get("arms")
    if only is not None and not (isinstance(only, list) and only and all(isinstance(arm, str) for arm in only)):
        raise ValueError(f"{where}: arms: expected a list of arms such as [v1, v2], found {only!r:.60}")
    arms = arms_of(study, budget, item.get("set", {}), {attribution["version"]: chosen}, only)
    devices = resolve_devices(
        item.get("device", config.get("device", "cpu")), study.text.get("forbidden_devices", {}), where
    )
    threads = item.get("threads", 1)
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"{where}: threads: expected a whole number >= 1, found {threads!r}")
    return Entry(
        study, dataset, arms, _seeds(item.get("seeds", config.get("seeds")), where), devices, attribution, threads
    )


def _seconds(config: Mapping[str, Any], key: str) -> float | None:
    value = config.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
        raise ValueError(f"config: {key}: expected seconds > 0, found {value!r}")
    return value


def _seeds(value: Any, where: str) -> tuple[int, ...]:
    if isinstance(value, list):  # `--config seeds=[1,2]` arrives as text
        value = [int(seed) if isinstance(seed, str) and seed.isdecimal() else seed for seed in value]
    ok = isinstance(value, list) and value and all(type(seed) is int and 0 <= seed < 2**31 for seed in value)
    if not ok or len(set(value)) != len(value):
        raise ValueError(
            f"{where}: seeds: expected a list of different whole numbers such as [1, 2, 3, 4, 5], found {value!r}"
        )
    return tuple(value)


def _attribution(item: Any, study: Study, where: str) -> Mapping[str, Any]:
    where = f"{where}: attribution"
    if not isinstance(item, Mapping):
        raise ValueError(f"{where}: expected `method: leave-one-out`, found {item!r}")
    for key in item:
        if key not in ("method", "arms", "version"):
            raise ValueError(f"{where}: unknown key {key!r}{checked.suggestion(key, ('method', 'arms', 'version'))}")
    value = {"method": "leave-one-out", "arms": 64, "version": "v2", **item}
    if value["method"] not in METHODS:
        raise ValueError(f"{where}: method: expected one of {', '.join(METHODS)}, found {value['method']!r}")
    if type(value["arms"]) is not int or value["arms"] < 1:
        raise ValueError(f"{where}: arms: expected a whole number >= 1, found {value['arms']!r}")
    if value["version"] not in [*study.versions] or study.versions[value["version"]].parent is None:
        raise ValueError(f"{where}: version: expected a version with changes, found {value['version']!r}")
    return value
