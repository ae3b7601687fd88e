"""Success tiers, next steps and published numbers of a study, checked, and which tier a set of values reaches.

Standard library only. A *ladder* has levels that each ask at least as much as the one before (minimum, target,
stretch). *states* are named regions (good, collapsed); what lies in none of them is `undefined`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rematch.claims import BOUNDS, VERDICTS, check_source, nearest, number_of, range_of
from rematch.run_metrics import RUN_METRICS

KINDS = ("ladder", "states")
PUBLISHED_KINDS = ("measured", "wish")


@dataclass(frozen=True)
class Criterion:
    """One bound on one metric; strict bounds leave their end out."""

    metric: str
    low: float = -math.inf
    high: float = math.inf
    low_strict: bool = False
    high_strict: bool = False

    def holds(self, value: float) -> bool:
        """Whether a measured value meets the bound; nan meets none."""
        above = value > self.low if self.low_strict else value >= self.low
        below = value < self.high if self.high_strict else value <= self.high
        return above and below

    def __str__(self) -> str:
        ends = []
        if self.low > -math.inf:
            ends.append(f"{'>' if self.low_strict else '>='} {self.low:g}")
        if self.high < math.inf:
            ends.append(f"{'<' if self.high_strict else '<='} {self.high:g}")
        return f"{self.metric} {' and '.join(ends)}"


@dataclass(frozen=True)
class Level:
    """A named set of criteria that must all hold."""

    name: str
    source: str
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True)
class Scale:
    """The tiers by which one arm is judged."""

    name: str
    kind: str
    arm: str
    levels: tuple[Level, ...]

    def outcomes(self) -> list[str]:
        """Every word that `reached` can return."""
        return [level.name for level in self.levels] + [self.otherwise()]

    def otherwise(self) -> str:
        """The word for a ladder whose first level is missed, or for values in no state."""
        return f"below {self.levels[0].name}" if self.kind == "ladder" else "undefined"


def reached(scale: Scale, values: Mapping[str, float]) -> tuple[str, str]:
    """The tier that `values` (metric -> value) reach, and why not more: the criteria of the next level that fail."""
    if scale.kind == "states":
        names = [level.name for level in scale.levels if not failing(level, values)]
        return (" and ".join(names) or "undefined"), ""
    best = scale.otherwise()
    for level in scale.levels:
        missed = failing(level, values)
        if missed:
            return best, f"{level.name} needs " + ", ".join(missed)
        best = level.name
    return best, ""


def failing(level: Level, values: Mapping[str, float]) -> list[str]:
    """The criteria of a level that `values` do not meet, each with the value found."""
    missed = []
    for criterion in level.criteria:
        value = values.get(criterion.metric, math.nan)
        if not criterion.holds(value):
            missed.append(f"{criterion}, found {'no value' if math.isnan(value) else format(value, '.4g')}")
    return missed


def read_tiers(items: Sequence[Mapping[str, Any]], metrics: Mapping[str, Any], file: str) -> list[Scale]:
    """The scales of a `tiers:` block. Raises `ValueError` with one line: unknown metric, no bound, not monotone."""
    scales = [_scale(item, metrics, file) for item in _list(items, f"{file}: tiers")]
    names = [scale.name for scale in scales]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{file}: tiers: scale {name} is defined twice")
    return scales


def _scale(item: Mapping[str, Any], metrics: Mapping[str, Any], file: str) -> Scale:
    name = item.get("scale")
    where = f"{file}: tiers: {name}"
    _keys(item, ("scale", "arm", "kind", "levels"), ("scale", "kind", "levels"), where)
    if item["kind"] not in KINDS:
        raise ValueError(f"{where}: kind must be one of {', '.join(KINDS)}, found {item['kind']}")
    levels = tuple(_level(level, metrics, where) for level in _list(item["levels"], where))
    if not levels:
        raise ValueError(f"{where}: levels: expected at least one")
    scale = Scale(str(name), item["kind"], str(item.get("arm", "v2")), levels)
    if scale.kind == "ladder":
        _check_monotone(scale, where)
    return scale


def _level(item: Mapping[str, Any], metrics: Mapping[str, Any], where: str) -> Level:
    where = f"{where}: {item.get('name')}"
    _keys(item, ("name", "source", "all"), ("name", "source", "all"), where)
    check_source(item["source"], where)
    criteria = tuple(_criterion(one, metrics, where) for one in _list(item["all"], where))
    if not criteria:
        raise ValueError(f"{where}: all: expected at least one criterion")
    return Level(str(item["name"]), item["source"], criteria)


def _criterion(item: Mapping[str, Any], metrics: Mapping[str, Any], where: str) -> Criterion:
    _keys(item, ("metric", *BOUNDS), ("metric",), where)
    metric = item["metric"]
    if metric not in metrics and metric not in RUN_METRICS:
        raise ValueError(f"{where}: metric {metric} is unknown{nearest(str(metric), [*metrics, *RUN_METRICS])}")
    where = f"{where}: {metric}"
    if not any(key in item for key in BOUNDS):
        raise ValueError(f"{where}: expected a threshold ({', '.join(BOUNDS)}), found none")
    if "between" in item:
        return Criterion(metric, *range_of(item["between"], where))
    ends = {key: number_of(item[key], f"{where}: {key}") for key in BOUNDS if key in item}
    low = ends.get("above", ends.get("at_least", -math.inf))
    high = ends.get("below", ends.get("at_most", math.inf))
    if low > high:
        raise ValueError(f"{where}: the range is upside down: at least {low:g}, at most {high:g}")
    return Criterion(metric, low, high, "above" in ends, "below" in ends)


def _check_monotone(scale: Scale, where: str) -> None:
    for easier, harder in zip(scale.levels, scale.levels[1:], strict=False):
        asked = {criterion.metric: criterion for criterion in harder.criteria}
        for criterion in easier.criteria:
            other = asked.get(criterion.metric)
            if other is None:
                raise ValueError(f"{where}: {harder.name} drops {criterion.metric}, which {easier.name} asks for")
            if other.low < criterion.low or other.high > criterion.high:
                raise ValueError(
                    f"{where}: not monotone: {harder.name} ({other}) asks less than {easier.name} ({criterion})"
                )


@dataclass(frozen=True)
class Step:
    """What the document says to do for an outcome: of claims (verdicts) or of a scale (tier)."""

    do: str
    source: str
    claims: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    scale: str = ""
    tiers: tuple[str, ...] = ()


def read_next_steps(items, claim_ids: Iterable[str], scales: Sequence[Scale], file: str) -> list[Step]:
    """The steps of a `next_steps:` block. Raises `ValueError` with one line for an unknown claim, verdict or tier."""
    claim_ids, by_name = [*claim_ids], {scale.name: scale for scale in scales}
    steps = []
    for number, item in enumerate(_list(items, f"{file}: next_steps"), start=1):
        where = f"{file}: next_steps: {number}"
        _keys(item, ("do", "source", "claims", "verdict", "scale", "tier"), ("do", "source"), where)
        check_source(item["source"], where)
        claims, scale = tuple(item.get("claims", ())), str(item.get("scale", ""))
        verdicts, tiers = _texts(item.get("verdict", ())), _texts(item.get("tier", ()))
        for claim in claims:
            if claim not in claim_ids:
                raise ValueError(f"{where}: claim {claim} is unknown{nearest(str(claim), claim_ids)}")
        for verdict in verdicts:
            if verdict not in VERDICTS:
                raise ValueError(f"{where}: verdict must be one of {', '.join(VERDICTS)}, found {verdict}")
        if scale and scale not in by_name:
            raise ValueError(f"{where}: scale {scale} is unknown{nearest(scale, by_name)}")
        for tier in tiers:
            if not scale or tier not in by_name[scale].outcomes():
                outcomes = ", ".join(by_name[scale].outcomes()) if scale else "those of a named scale"
                raise ValueError(f"{where}: tier must be one of {outcomes}, found {tier}")
        if bool(claims) == bool(scale) or bool(claims) != bool(verdicts) or bool(scale) != bool(tiers):
            raise ValueError(f"{where}: expected either claims and verdict, or scale and tier")
        steps.append(Step(str(item["do"]), item["source"], claims, verdicts, scale, tiers))
    return steps


@dataclass(frozen=True)
class Published:
    """A number from a document: `measured` there, or only wished for. One value or the ends of a range; no spread."""

    what: str
    metric: str
    arm: str
    low: float
    high: float
    source: str
    kind: str
    caveats: tuple[str, ...]


def read_published(items: Sequence[Mapping[str, Any]], file: str) -> list[Published]:
    """The entries of a `published:` block. Raises `ValueError` with one line for the first mistake."""
    entries = []
    for number, item in enumerate(_list(items, f"{file}: published"), start=1):
        where = f"{file}: published: {number}"
        allowed = ("what", "metric", "arm", "value", "source", "kind", "caveats")
        _keys(item, allowed, ("what", "metric", "value", "source"), where)
        check_source(item["source"], where)
        kind = item.get("kind", "measured")
        if kind not in PUBLISHED_KINDS:
            raise ValueError(f"{where}: kind must be one of {', '.join(PUBLISHED_KINDS)}, found {kind}")
        value = item["value"]
        low, high = range_of(value, where) if isinstance(value, list) else (number_of(value, f"{where}: value"),) * 2
        caveats = _texts(item.get("caveats", ()))
        entries.append(
            Published(item["what"], item["metric"], str(item.get("arm", "")), low, high, item["source"], kind, caveats)
        )
    return entries


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(one) for one in value)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected a list, found {type(value).__name__}")
    return value


def _keys(item: Any, allowed: Sequence[str], needed: Sequence[str], where: str) -> None:
    if not isinstance(item, Mapping):
        raise ValueError(f"{where}: expected keys and values, found {str(item)[:60]}")
    for key in item:
        if key not in allowed:
            raise ValueError(f"{where}: unknown key {key}{nearest(str(key), allowed)}")
    for key in needed:
        if key not in item:
            raise ValueError(f"{where}: {key} is missing")
