"""What was measured for a claim: the quantity it speaks of, one value per seed, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rematch.claims import Test
from rematch.comparability import why_not_comparable
from rematch.statistics import FEWEST_SAMPLES

_NO_RUNS = pd.DataFrame({"value": [], "n": []}, index=pd.Index([], name="seed"))


@dataclass(frozen=True)
class Evidence:
    """All that is known about one study when verdicts are reached.

    `scores`: columns arm, device, seed, split, name, value, n, status. `arms`: name -> kind, version, changes,
    settings, trained_as. `metrics`: the study's metrics and those of every run. `benchmarks`: columns program, name,
    value.
    """

    study: str
    scores: pd.DataFrame
    arms: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]]
    benchmarks: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["program", "name", "value"]))

    def values(self, metric: str, arm: str, split: str, device: str | None = None) -> pd.DataFrame:
        """Columns value and n, indexed by seed, of the runs that went well; empty if there are none."""
        trained = self.arms.get(arm, {}).get("trained_as") or arm
        return self._by_key.get((device or self.device, trained, split, metric), _NO_RUNS)

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, str, str], pd.DataFrame]:
        good = self.scores[(self.scores["status"] == "ok") & np.isfinite(self.scores["value"].astype(float))]
        parts = good.groupby(["device", "arm", "split", "name"])[["seed", "value", "n"]]
        return {key: part.set_index("seed").sort_index() for key, part in parts}

    @cached_property
    def device(self) -> str:
        """The device with the most runs, the first by name among equals."""
        counts = self.scores.drop_duplicates(["arm", "device", "seed"])["device"].value_counts()
        return "" if counts.empty else str(min(counts.index, key=lambda name: (-counts[name], name)))

    def of_kind(self, kind: str) -> list[str]:
        """Names of the arms of one kind, in the study's order."""
        return [name for name, arm in self.arms.items() if arm["kind"] == kind]


@dataclass(frozen=True)
class Measured:
    """The quantity of a claim. `values` is `(seeds,)`; `problem` says why a verdict cannot be reached, in one of two
    ways."""

    values: np.ndarray
    arm: str = ""
    against: str = ""
    arm_mean: float = np.nan
    against_mean: float = np.nan
    samples: float = np.nan  # the fewest samples a score rests on
    note: str = ""
    verdict: str = ""  # "not testable here" or "not comparable", with the reason in `problem`
    problem: str = ""

    @property
    def mean(self) -> float:
        """Mean over seeds, nan if nothing was measured."""
        return float(self.values.mean()) if len(self.values) else np.nan


def measure(test: Test, evidence: Evidence) -> Measured:
    """The quantity that `test` speaks of, or the reason why it was not measured here."""
    if test.benchmark:
        return _benchmark(test, evidence)
    arm, against, note = arms_of_test(test, evidence.arms)
    if not arm and len(test.changes) == 1:
        return _averaged(test, evidence, note)
    if not arm and len(test.changes) > 1 and test.relation in ("difference", "relative_change"):
        return _summed(test, evidence, note)
    if not arm:
        return _missing(note)
    found = evidence.values(test.metric, arm, test.split, test.device)
    if found.empty:
        return _absent(test.metric, arm, test.device, evidence)
    if test.relation == "value":
        values = found["value"].to_numpy(float)
        return Measured(values, arm, "", float(values.mean()), samples=_samples(found, test), note=note)
    other = evidence.values(test.metric, against, test.split, test.against_device or test.device)
    if other.empty:
        return _absent(test.metric, against, test.against_device or test.device, evidence)
    settings = [evidence.arms[name].get("settings", {}) for name in (against, arm)]
    reason = why_not_comparable(test.metric, evidence.metrics, *settings)
    if reason:
        return replace(_missing(reason), verdict="not comparable", arm=arm, against=against)
    both = found.join(other, how="inner", lsuffix="_arm", rsuffix="_against")
    if both.empty:
        return _missing(f"{arm} and {against} share no seed")
    after, before = both["value_arm"].to_numpy(float), both["value_against"].to_numpy(float)
    if test.relation != "difference" and not before.all():
        return _missing(f"{test.metric} of {against} is 0, so that a {test.relation.replace('_', ' ')} is undefined")
    return Measured(
        values=related(test.relation, after, before),
        arm=arm,
        against=against,
        arm_mean=float(after.mean()),
        against_mean=float(before.mean()),
        samples=min(_samples(found, test), _samples(other, test)),
        note=note,
    )


def _averaged(test: Test, evidence: Evidence, reason: str) -> Measured:
    """One change that was neither left out nor added alone: the mean, seed by seed, over all pairs of arms that differ
    in this change and no other (the arms that a Shapley value is made of)."""
    sets = sets_of_changes(test.version, evidence.arms)
    change = frozenset(test.changes)
    pairs = [
        (name, sets[chosen - change]) for chosen, name in sets.items() if change <= chosen and chosen - change in sets
    ]
    parts = [measure(replace(test, changes=(), arm=with_it, against=without), evidence) for with_it, without in pairs]
    parts = [part for part in parts if part.verdict != "not testable here"]
    longest = max((len(part.values) for part in parts), default=0)
    whole = [part for part in parts if len(part.values) == longest and not part.verdict]
    if not whole:
        return next((part for part in parts if part.verdict), _missing(reason))
    note = f"mean over {len(whole)} pairs of arms that differ in this change alone"
    return replace(
        whole[0],
        values=np.mean([part.values for part in whole], axis=0),
        arm=f"{len(whole)} arms with it",
        against=f"{len(whole)} arms without it",
        arm_mean=float(np.mean([part.arm_mean for part in whole])),
        against_mean=float(np.mean([part.against_mean for part in whole])),
        samples=min(part.samples for part in whole),
        note=note,
    )


def sets_of_changes(version: str, arms: Mapping[str, Mapping[str, Any]]) -> dict[frozenset[str], str]:
    """Set of the version's changes -> the arm that has exactly these; the version before stands for none."""
    kinds = ("version", "minus", "plus", "subset")
    found = {
        frozenset(arm["changes"]): name
        for name, arm in reversed(list(arms.items()))
        if arm["version"] == version and arm["kind"] in kinds
    }
    parent = _parent(version, arms)
    return ({frozenset(): parent} if parent else {}) | found


def _summed(test: Test, evidence: Evidence, reason: str) -> Measured:
    """Several changes that no arm has or lacks together: the sum of their single effects, seed by seed."""
    parts = [measure(replace(test, changes=(change,)), evidence) for change in test.changes]
    if any(part.verdict for part in parts) or len({len(part.values) for part in parts}) > 1:
        return next((part for part in parts if part.verdict), _missing(reason))
    note = "sum of the single effects; what the changes do to each other was not measured"
    values = np.sum([part.values for part in parts], axis=0)
    return replace(parts[0], values=values, against=" and ".join(part.against for part in parts), note=note)


def related(relation: str, after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The quantity of a relation, seed by seed `(seeds,)`; a relative change is a share of the size of `before`."""
    if relation == "ratio":
        return after / before
    return (after - before) / (np.abs(before) if relation == "relative_change" else 1.0)


def arms_of_test(test: Test, arms: Mapping[str, Mapping[str, Any]]) -> tuple[str, str, str]:
    """Arm, arm to compare it with, and a note; or two empty names and the reason.

    A claim about changes is answered by the version with and without them (leave-one-out) or, failing that, by its
    parent with and without them (one-at-a-time). Arms are found by their sets of changes, not by name.
    """
    if not test.changes:
        for name in (test.arm, test.against):
            if name and name not in arms:
                return "", "", f"arm {name} is not part of this experiment"
        if test.against_device:
            return test.arm, test.arm, f"{test.device} against {test.against_device}"
        return test.arm, test.against or "", ""
    whole = next((name for name, arm in arms.items() if arm["kind"] == "version" and name == test.version), "")
    if not whole:
        return "", "", f"{test.version} is not part of this experiment"
    chosen, every = frozenset(test.changes), frozenset(arms[whole]["changes"])
    if not chosen <= every:
        return "", "", f"{test.version} has no change {' and '.join(sorted(chosen - every))}"
    by_set = sets_of_changes(test.version, arms)
    without, alone, parent = by_set.get(every - chosen), by_set.get(chosen), _parent(whole, arms)
    if without and test.via != "one-at-a-time":
        return whole, without, "left out of the version"
    if alone and parent and test.via != "leave-one-out":
        return alone, parent, "added alone to the version before"
    return (
        "",
        "",
        f"no arm with or without {' and '.join(test.changes)} was trained; see `attribution` in the configuration",
    )


def _parent(version: str, arms: Mapping[str, Mapping[str, Any]]) -> str:
    """The version before: the one that the arms list just ahead of it."""
    versions = [name for name, arm in arms.items() if arm["kind"] == "version"]
    place = versions.index(version)
    return versions[place - 1] if place else ""


def _benchmark(test: Test, evidence: Evidence) -> Measured:
    rows = evidence.benchmarks
    rows = rows[(rows["program"] == test.benchmark) & (rows["name"] == test.metric)]
    if rows.empty:
        return _missing(f"run `python benchmarks/{test.benchmark}.py`, which prints {test.metric}")
    return Measured(
        rows["value"].to_numpy(float)[-1:], arm=f"benchmarks/{test.benchmark}.py", arm_mean=rows["value"].iloc[-1]
    )


def _missing(reason: str) -> Measured:
    return Measured(np.empty(0), verdict="not testable here", problem=reason)


def _absent(metric: str, arm: str, device: str | None, evidence: Evidence) -> Measured:
    """No value of an arm: inconclusive where its trainings failed, for another run may tell; else not testable here."""
    reason = _why_empty(metric, arm, device, evidence)
    failed = reason.startswith(f"every run of {arm} failed")
    return replace(_missing(reason), verdict="inconclusive") if failed else _missing(reason)


def _why_empty(metric: str, arm: str, device: str | None, evidence: Evidence) -> str:
    trained = evidence.arms.get(arm, {}).get("trained_as") or arm
    runs = evidence.scores[evidence.scores["arm"] == trained]
    if device:
        if device not in set(evidence.scores["device"]):
            return f"nothing was run on {device}"
        runs = runs[runs["device"] == device]
    failed = runs.loc[runs["status"] != "ok", "status"]
    if len(failed) and not (runs["status"] == "ok").any():
        return f"every run of {arm} {failed.iloc[0]}"
    return f"{arm} has no {metric}" if len(runs) else f"arm {arm} was not run"


def _samples(found: pd.DataFrame, test: Test) -> float:
    """The fewest samples behind a score; nan where a count has no meaning (costs, facts of the configuration)."""
    counts = found["n"].to_numpy(float)
    if test.split == "run" or test.exact or not np.isfinite(counts).any():
        return np.nan
    return float(np.nanmin(counts))


def too_few_samples(measured: Measured) -> str:
    """The reason for no verdict when a score rests on fewer than 30 samples (S4-91); empty otherwise."""
    if measured.samples < FEWEST_SAMPLES:
        return f"rests on {measured.samples:.0f} samples, {FEWEST_SAMPLES} are needed"
    return ""
