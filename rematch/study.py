"""A study file as values: versions in a chain, changes, references, controls, metrics. No torch here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rematch import settings as checked
from rematch.study_tables import check_tables
from rematch.yamlfile import load_mapping

NAME = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")  # kebab-case: change and arm names become folders and table rows
LABEL = re.compile(r"[a-z][a-z0-9_]{0,63}")
METRIC = re.compile(r"[a-z][a-z0-9_]*")
SECTIONS = (
    *("title", "question", "settings", "primary", "metrics", "versions", "references", "controls", "budgets", "claims"),
    *("tiers", "next_steps", "published", "facts", "forbidden_devices", "notes", "gaps", "tables"),
)


@dataclass(frozen=True)
class Change:
    """One named edit of a recipe."""

    name: str
    why: str
    source: str
    set: Mapping[str, Any]


@dataclass(frozen=True)
class Version:
    """A recipe: v1 with complete settings, or the version `parent` plus ordered changes."""

    name: str
    parent: str | None
    why: str
    source: str
    base: Mapping[str, Any]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Named:
    """A recipe beside the chain: `version` with `set` laid over it. Kind: reference, control or baseline."""

    name: str
    kind: str
    version: str
    why: str
    source: str
    set: Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """One study file, checked. `text` is everything else in the file (metrics, claims, tiers, ...) as plain values."""

    name: str
    package: str
    file: str
    settings: type
    versions: Mapping[str, Version]  # in chain order
    named: Mapping[str, Named]
    budgets: Mapping[str, Mapping[str, Any]]
    text: Mapping[str, Any]

    def titled(self, title: str) -> Study:
        """The same study under another title."""
        return replace(self, text={**self.text, "title": title})

    def lineage(self, version: str) -> list[Version]:
        """The chain from v1 to `version`."""
        chain = [self.versions[version]]
        while chain[0].parent is not None:
            chain.insert(0, self.versions[chain[0].parent])
        return chain


def load_study(path: Path, name: str, claims: Path | None = None) -> Study:
    """The study in `path` under the label `name`, with the ledger in `claims` merged in if that file exists.

    Raises `ValueError` with one line naming file, change and key.
    """
    text = load_mapping(path)
    if claims is not None and claims.exists():
        ledger = load_mapping(claims)
        twice = sorted(set(ledger) & set(text))
        if twice:
            raise ValueError(f"{claims}: {twice[0]} stands in {path} as well")
        text = text | ledger
    file = str(path)
    _check_sections(text, file)
    package = str(text.get("settings", path.stem))
    try:
        cls = checked.settings_class(package)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    versions = _versions(_mapping(text["versions"], f"{file}: versions"), cls, file)
    named = _named(text, versions, cls, file)
    changed = {key for version in versions.values() for change in version.changes for key in change.set}
    budgets = _budgets(text["budgets"], cls, changed, file)
    _check_metrics(text, cls, file)
    _check_gaps(text, {*versions, *named}, file)
    check_tables(text.get("tables", {}), {*versions, *named}, file)
    return Study(name, package, file, cls, versions, named, budgets, text)


def _check_sections(text: Mapping[str, Any], file: str) -> None:
    for key in text:
        if key not in SECTIONS:
            raise ValueError(f"{file}: unknown section {key!r}{checked.suggestion(key, SECTIONS)}")
    for key in ("title", "question", "primary", "metrics", "versions", "budgets"):
        if key not in text:
            raise ValueError(f"{file}: section {key!r} is missing")
    _refuse_seed(text, file)


def _refuse_seed(value: Any, where: str) -> None:
    """Seeds are repetitions and belong to config.yaml: a recipe that names one can be tuned to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in ("seed", "seeds"):
                raise ValueError(
                    f"{where}: {key}: a seed does not belong in a study file; set seeds in config/config.yaml"
                )
            _refuse_seed(inner, f"{where}: {key}")


def _versions(block: Mapping[str, Any], cls: type, file: str) -> dict[str, Version]:
    versions = {name: _version(name, item, cls, file) for name, item in block.items()}
    first = [version for version in versions.values() if version.parent is None]
    if [version.name for version in first] != ["v1"]:
        raise ValueError(f"{file}: versions: expected v1 and only v1 without `from`, found {[v.name for v in first]}")
    ordered = {"v1": first[0]}
    waiting = [version for version in versions.values() if version.parent is not None]
    for version in waiting:
        if version.parent not in versions:
            known = checked.suggestion(version.parent, versions)
            raise ValueError(f"{file}: {version.name}: from: no version {version.parent!r}{known}")
    while waiting:
        ready = [version for version in waiting if version.parent in ordered]
        if not ready:
            names = ", ".join(sorted(version.name for version in waiting))
            raise ValueError(f"{file}: versions: the chain has a cycle among {names}")
        ordered.update({version.name: version for version in ready})
        waiting = [version for version in waiting if version.name not in ordered]
    return ordered


def _version(name: str, item: Any, cls: type, file: str) -> Version:
    where = f"{file}: {name}"
    _check_name(name, where)
    item = _mapping(item, where, allowed=("from", "why", "source", "set", "changes"))
    if "from" not in item:
        base = checked.check(cls, item.get("set", {}), f"{where}: set", complete=True)
        return Version(name, None, _sentence(item, where), str(item.get("source", "")), base, ())
    changes = [_change(key, value, cls, where) for key, value in _mapping(item.get("changes", {}), where).items()]
    if not changes:
        raise ValueError(f"{where}: changes: expected at least one named change")
    owner: dict[str, str] = {}
    for change in changes:
        for key in change.set:
            if key in owner:
                raise ValueError(f"{where}: {owner[key]} and {change.name} both set {key!r}; one change, or two keys")
            owner[key] = change.name
    why = str(item.get("why", ""))
    return Version(name, str(item["from"]), why, str(item.get("source", "")), {}, tuple(changes))


def _change(name: str, item: Any, cls: type, where: str) -> Change:
    where = f"{where}: {name}"
    _check_name(name, where)
    item = _mapping(item, where, allowed=("why", "source", "set"))
    values = checked.check(cls, item.get("set", {}), where)
    if not values:
        raise ValueError(f"{where}: set: expected at least one key")
    return Change(name, _sentence(item, where), str(item.get("source", "")), values)


def _named(text: Mapping[str, Any], versions: Mapping[str, Version], cls: type, file: str) -> dict[str, Named]:
    named: dict[str, Named] = {}
    for section, kinds in (("references", ("reference",)), ("controls", ("control", "baseline"))):
        for name, item in _mapping(text.get(section, {}), f"{file}: {section}").items():
            where = f"{file}: {section}: {name}"
            _check_name(name, where)
            if name in versions or name in named:
                raise ValueError(f"{where}: this name is taken by another arm")
            item = _mapping(item, where, allowed=("from", "kind", "why", "source", "set"))
            if item.get("from") not in [*versions]:  # a list, so that an unhashable value is no surprise
                raise ValueError(
                    f"{where}: from: no version {item.get('from')!r}{checked.suggestion(item.get('from'), versions)}"
                )
            kind = item.get("kind", kinds[0])
            if kind not in kinds:
                raise ValueError(f"{where}: kind: expected one of {', '.join(kinds)}, found {kind!r}")
            values = checked.check(cls, item.get("set", {}), where)
            named[name] = Named(name, kind, item["from"], _sentence(item, where), str(item.get("source", "")), values)
    return named


def _budgets(block: Any, cls: type, changed: set[str], file: str) -> dict[str, Mapping[str, Any]]:
    cost = checked.keys(cls, "cost")
    budgets = {}
    for name, values in _mapping(block, f"{file}: budgets").items():
        where = f"{file}: budgets: {name}"
        values = checked.check(cls, values if values is not None else {}, where)
        for key in values:
            if key not in cost:
                raise ValueError(f"{where}: {key} is no cost key; a budget may set {', '.join(cost)}")
            if key in changed:
                raise ValueError(
                    f"{where}: {key} is set by a change as well; the budget would alter what the change means"
                )
        budgets[str(name)] = values
    return budgets


def _check_metrics(text: Mapping[str, Any], cls: type, file: str) -> None:
    metrics = _mapping(text["metrics"], f"{file}: metrics")
    for name, item in metrics.items():
        where = f"{file}: metrics: {name}"
        if not METRIC.fullmatch(str(name)):
            raise ValueError(f"{where}: expected a snake_case name")
        item = _mapping(
            item, where, allowed=("label", "unit", "better", "equal_within", "depends_on", "about", "source")
        )
        if item.get("better") not in ("lower", "higher"):
            raise ValueError(f"{where}: better: expected lower or higher, found {item.get('better')!r}")
        band = item.get("equal_within")
        if isinstance(band, bool) or not isinstance(band, int | float) or not 0 <= band < float("inf"):
            raise ValueError(f"{where}: equal_within: expected a number >= 0, found {band!r}")
        needed = item.get("depends_on", [])
        if not isinstance(needed, list):
            raise ValueError(f"{where}: depends_on: expected a list of settings, found {needed!r:.60}")
        for key in needed:
            if key not in [*checked.declared(cls)]:
                raise ValueError(
                    f"{where}: depends_on: unknown key {key!r}{checked.suggestion(key, checked.declared(cls))}"
                )
    if text["primary"] not in [*metrics]:
        raise ValueError(
            f"{file}: primary: no metric {text['primary']!r}{checked.suggestion(text['primary'], metrics)}"
        )


def _check_gaps(text: Mapping[str, Any], arms: set[str], file: str) -> None:
    """A gap shows two arms side by side that are not to be compared, such as the same recipe under two splits."""
    gaps = text.get("gaps", [])
    if not isinstance(gaps, list):
        raise ValueError(f"{file}: gaps: expected a list, found {gaps!r:.60}")
    for i, item in enumerate(gaps):
        where = f"{file}: gaps: {i + 1}"
        item = _mapping(item, where, allowed=("name", "arms", "metric", "why", "source"))
        _sentence(item, where)
        pair = item.get("arms")
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"{where}: arms: expected two arms, found {pair!r}")
        for arm in pair:
            if arm not in arms:
                raise ValueError(f"{where}: no arm {arm!r}{checked.suggestion(arm, arms)}")
        if item.get("metric") not in text["metrics"]:
            known = checked.suggestion(item.get("metric"), text["metrics"])
            raise ValueError(f"{where}: no metric {item.get('metric')!r}{known}")


def _mapping(value: Any, where: str, allowed: tuple[str, ...] = ()) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: expected key: value pairs, found {value!r:.60}")
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"{where}: expected names as keys, found {key!r}")
        if allowed and key not in allowed:
            raise ValueError(f"{where}: unknown key {key!r}{checked.suggestion(key, allowed)}")
    return value


def _check_name(name: str, where: str) -> None:
    if not NAME.fullmatch(name) or len(name) > 64:
        raise ValueError(f"{where[:120]!r}: expected a short kebab-case name such as lr-1e-4")


def _sentence(item: Mapping[str, Any], where: str) -> str:
    why = item.get("why")
    if not isinstance(why, str) or not why.strip():
        raise ValueError(f"{where}: why: say in a sentence what this is for")
    return why.strip()
