"""The arms of a study: versions, leave-one-out, one-at-a-time and subset arms, references, controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rematch import settings as checked
from rematch.study import Change, Study


@dataclass(frozen=True)
class Arm:
    """What is trained. `trained_as` names the arm that stands for all arms with equal settings."""

    name: str
    kind: str  # version, minus, plus, subset, reference, control, baseline
    version: str  # the version that it is, or is derived from
    changes: tuple[str, ...]  # the changes of `version` that it contains
    settings: Mapping[str, Any]
    trained_as: str


def arms_of(
    study: Study,
    budget: str,
    overrides: Mapping[str, Any],
    subsets: Mapping[str, Iterable[frozenset[str]]],
    only: Iterable[str] | None = None,
) -> dict[str, Arm]:
    """Arm name -> arm, versions first. Every arm is resolved and checked here, before any job.

    `overrides` are laid over v1 after the budget. `subsets` gives for a version the sets of its changes that
    attribution wants; sets that miss one change become `v2-minus-x`, single ones `v1-plus-x`. `only` keeps the
    named versions, references and controls.
    """
    if budget not in [*study.budgets]:
        raise ValueError(f"{study.file}: budgets: no budget {budget!r}{checked.suggestion(budget, study.budgets)}")
    known = {*study.versions, *study.named}
    wanted = known if only is None else set(only)
    for name in wanted - known:
        raise ValueError(f"{study.file}: no arm {name!r}{checked.suggestion(name, known)}")
    base = {**study.versions["v1"].base, **study.budgets[budget]}
    base |= checked.check(study.settings, overrides, f"{study.file}: set")
    drafts: list[tuple[str, str, str, tuple[str, ...], dict[str, Any]]] = []
    for version in study.versions.values():
        if version.name in wanted:
            names = tuple(change.name for change in version.changes)
            drafts.append((version.name, "version", version.name, names, _with(study, base, version.name, names)))
    for version, sets in subsets.items():
        names = [change.name for change in study.versions[version].changes]
        for chosen in sets:
            kept = tuple(name for name in names if name in chosen)
            name, kind = subset_name(study, version, kept)
            drafts.append((name, kind, version, kept, _with(study, base, version, kept)))
    for item in study.named.values():
        if item.name in wanted:
            names = tuple(change.name for change in study.versions[item.version].changes)
            values = _with(study, base, item.version, names) | dict(item.set)
            drafts.append((item.name, item.kind, item.version, names, values))
    return _canonical(study, drafts)


def subset_name(study: Study, version: str, kept: tuple[str, ...]) -> tuple[str, str]:
    """The arm name and kind for a version with only the changes `kept`."""
    item = study.versions[version]
    names = [change.name for change in item.changes]
    left_out = [name for name in names if name not in kept]
    if not left_out:
        return version, "version"
    if not kept:
        return str(item.parent), "version"
    if len(left_out) == 1:
        return f"{version}-minus-{left_out[0]}", "minus"
    if len(kept) == 1:
        return f"{item.parent}-plus-{kept[0]}", "plus"
    if len(kept) <= len(left_out):
        return f"{item.parent}-plus-{'+'.join(kept)}", "subset"
    return f"{version}-minus-{'+'.join(left_out)}", "subset"


def _with(study: Study, base: Mapping[str, Any], version: str, kept: tuple[str, ...]) -> dict[str, Any]:
    """v1's values, the whole chain below `version`, and of `version` itself the changes `kept`."""
    values = dict(base)
    *below, last = study.lineage(version)
    changes: list[Change] = [change for item in below for change in item.changes]
    changes += [change for change in last.changes if change.name in kept]
    for change in changes:
        values |= dict(change.set)
    return values


def _canonical(study: Study, drafts: list[tuple[str, str, str, tuple[str, ...], dict[str, Any]]]) -> dict[str, Arm]:
    arms: dict[str, Arm] = {}
    first: dict[str, str] = {}
    for name, kind, version, names, values in drafts:
        if name in arms:  # a subset that is a version, asked for by attribution
            continue
        values = checked.resolve(study.settings, values, f"{study.file}: {name}")
        trained_as = first.setdefault(repr(sorted(values.items())), name)
        arms[name] = Arm(name, kind, version, names, values, trained_as)
    return arms
