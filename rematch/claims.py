"""The claims of a study as checked values: what is said, where, what was expected, and the test that decides.

Standard library only: the Snakefile's parse imports this module, so that a mistake stops the workflow before any job.
The format is described in docs/verdicts.md; verdicts are computed by `rematch.verdicts`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rematch.run_metrics import RUN_METRICS

RELATIONS = ("value", "difference", "ratio", "relative_change")
WORDS = ("better", "worse", "equal", "not-worse")
VIAS = ("leave-one-out", "one-at-a-time")
VERDICTS = ("supported", "refuted", "inconclusive", "circular", "not comparable", "not testable here")
BOUNDS = ("at_least", "at_most", "above", "below", "between")
TEST_KEYS = (
    *("metric", "relation", "arm", "against", "change", "changes", "version", "via", "is", *BOUNDS),
    *("controls", "vacuous", "baseline_metric", "split", "device", "against_device", "exact", "criterion", "benchmark"),
)
CLAIM_KEYS = ("id", "source", "says", "expected", "tier", "test", "all_of", "untestable", "note")
_SOURCE = re.compile(r"S[0-9X]-[0-9]{2,3}")


@dataclass(frozen=True)
class Test:
    """One comparison of a measured quantity with bounds, or with a word (better, worse, equal, not-worse)."""

    metric: str
    relation: str = "value"
    arm: str = "v2"
    against: str | None = None  # the arm on the other side; None for a value
    changes: tuple[str, ...] = ()  # the claim is about these changes of `version`: arms are found by their change sets
    version: str = "v2"
    via: str | None = None  # which arms show a change: leave-one-out or one-at-a-time; None: whatever was trained
    low: float = -math.inf  # the claim holds from here ...
    high: float = math.inf  # ... to here
    word: str | None = None
    controls: tuple[str, ...] | None = None  # arms that must fail; None: every control of the study
    baseline_metric: str | None = (
        None  # what a rule without learning reaches in the same runs; at least as good: vacuous
    )
    vacuous: tuple[str, ...] = ()  # baselines that learn nothing: if one of them wins, the claim is vacuous
    split: str = "test"
    device: str | None = None
    against_device: str | None = None
    exact: bool = False  # a fact of the configuration (a count), not a sample: one run decides
    criterion: bool = (
        False  # the bound is a criterion of quality: circular if a control passes, even where the arm fails
    )
    benchmark: str | None = None  # a program under benchmarks/ whose `RESULT <metric> <value>` line decides


@dataclass(frozen=True)
class Claim:
    """One sentence of a source document, in our words, with its test or the reason why there is none."""

    id: str
    source: str
    says: str
    expected: str  # what the document hoped for, for people; never beside a measured number in one column
    low: float  # the expected range as numbers, nan where there is none
    high: float
    tier: str
    tests: tuple[Test, ...]
    untestable: str
    note: str


def read_claims(items: Sequence[Mapping[str, Any]], file: str = "claims") -> list[Claim]:
    """The claims of a `claims:` block. Raises `ValueError` with one line for the first mistake in their form."""
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise ValueError(f"{file}: claims: expected a list, found {type(items).__name__}")
    claims = [_claim(item, file) for item in items]
    seen: set[str] = set()
    for claim in claims:
        if claim.id in seen:
            raise ValueError(f"{file}: {claim.id}: this id is used twice")
        seen.add(claim.id)
    return claims


def check_claims(
    claims: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    changes_by_version: Mapping[str, Iterable[str]],
    arms: Iterable[str],
    file: str,
) -> None:
    """Raises `ValueError` with one line if a claim is malformed or names a metric, change, version or arm that is not
    there.

    `arms` are the arms that the study file declares (versions, references, controls, baselines), trained or not.
    """
    arms = [*arms]
    versions = {name: [*changes] for name, changes in changes_by_version.items()}
    for claim in read_claims(claims, file):
        for test in claim.tests:
            if test.benchmark is None:
                _check_test(test, metrics, versions, arms, f"{file}: {claim.id}")


def _check_test(test: Test, metrics, versions, arms, where: str) -> None:
    known = [*metrics, *RUN_METRICS]
    for metric in filter(None, (test.metric, test.baseline_metric)):
        _known(metric, known, f"{where}: metric")
    if test.word and test.metric in metrics and metrics[test.metric].get("better") not in ("lower", "higher"):
        raise ValueError(f"{where}: metric {test.metric}: `is: {test.word}` needs better: lower or higher")
    if test.changes:
        _known(test.version, versions, f"{where}: version")
        for change in test.changes:
            _known(change, versions[test.version], f"{where}: change of {test.version}")
    else:
        for arm in filter(None, (test.arm, test.against)):
            _known(arm, arms, f"{where}: arm")
    for arm in (*(test.controls or ()), *test.vacuous):
        _known(arm, arms, f"{where}: control")


def _claim(item: Any, file: str) -> Claim:
    if not isinstance(item, Mapping) or "id" not in item:
        raise ValueError(f"{file}: claims: every claim needs an id, found {str(item)[:60]}")
    where = f"{file}: {item['id']}"
    _only(item, CLAIM_KEYS, where)
    for key in ("source", "says"):
        if not isinstance(item.get(key), str) or not item[key].strip():
            raise ValueError(f"{where}: {key} is missing")
    check_source(item["source"], where)
    ways = [key for key in ("test", "all_of", "untestable") if key in item]
    if len(ways) != 1:
        raise ValueError(
            f"{where}: expected exactly one of test, all_of, untestable, found {', '.join(ways) or 'none'}"
        )
    tests: list[Any] = {"test": lambda: [item["test"]], "all_of": lambda: item["all_of"], "untestable": list}[ways[0]]()
    if ways[0] != "untestable" and not (isinstance(tests, list) and tests):
        raise ValueError(f"{where}: all_of: expected a list of tests")
    low, high, expected = _expected(item.get("expected"), where)
    return Claim(
        id=str(item["id"]),
        source=item["source"],
        says=item["says"].strip(),
        expected=expected,
        low=low,
        high=high,
        tier=str(item.get("tier", "")),
        tests=tuple(_test(test, where) for test in tests),
        untestable=str(item.get("untestable", "")).strip(),
        note=str(item.get("note", "")).strip(),
    )


def _expected(value: Any, where: str) -> tuple[float, float, str]:
    """Range and text of an expectation: text, a number, [low, high], or {range: [low, high], text: ...}."""
    if value is None:
        return math.nan, math.nan, ""
    if isinstance(value, str):
        return math.nan, math.nan, value
    if isinstance(value, Mapping):
        _only(value, ("range", "text"), f"{where}: expected")
        low, high, _ = _expected(value.get("range"), where)
        return low, high, str(value.get("text", ""))
    if isinstance(value, list):
        low, high = range_of(value, f"{where}: expected")
        return low, high, f"{low:g} to {high:g}"
    number = number_of(value, f"{where}: expected")
    return number, number, f"{number:g}"


def _test(item: Any, where: str) -> Test:
    if not isinstance(item, Mapping):
        raise ValueError(f"{where}: test: expected keys and values, found {str(item)[:60]}")
    _only(item, TEST_KEYS, f"{where}: test")
    if "metric" not in item:
        raise ValueError(f"{where}: test: metric is missing")
    low, high = _bounds(item, where)
    word = item.get("is")
    if word is not None and word not in WORDS:
        raise ValueError(f"{where}: test: is must be one of {', '.join(WORDS)}, found {word}")
    bounded = low > -math.inf or high < math.inf
    if bounded == (word is not None):
        raise ValueError(
            f"{where}: test: expected a threshold ({', '.join(BOUNDS)}) or `is`, found {'both' if word else 'none'}"
        )
    changes = _changes(item, where)
    sided = bool(changes) or "against" in item or "against_device" in item
    relation = item.get("relation", "difference" if word or sided else "value")
    if relation not in RELATIONS:
        raise ValueError(f"{where}: test: relation must be one of {', '.join(RELATIONS)}, found {relation}")
    if item.get("via") not in (None, *VIAS):
        raise ValueError(f"{where}: test: via must be one of {', '.join(VIAS)}, found {item['via']}")
    if sided and relation == "value":
        raise ValueError(f"{where}: test: relation value has no second arm; use difference, ratio or relative_change")
    against = item.get("against", None if relation == "value" or changes or "against_device" in item else "v1")
    return Test(
        metric=str(item["metric"]),
        relation=relation,
        arm=str(item.get("arm", item.get("version", "v2"))),
        against=against,
        changes=changes,
        version=str(item.get("version", "v2")),
        via=item.get("via"),
        low=low,
        high=high,
        word=word,
        controls=tuple(item["controls"]) if "controls" in item else (() if changes else None),
        vacuous=tuple(item.get("vacuous", ())),
        baseline_metric=item.get("baseline_metric"),
        split=str(item.get("split", "run" if item["metric"] in RUN_METRICS else "test")),
        device=item.get("device"),
        against_device=item.get("against_device"),
        exact=bool(item.get("exact", False)),
        criterion=bool(item.get("criterion", False)),
        benchmark=item.get("benchmark"),
    )


def _changes(item: Mapping[str, Any], where: str) -> tuple[str, ...]:
    if "change" in item and "changes" in item:
        raise ValueError(f"{where}: test: expected change or changes, found both")
    if ("change" in item or "changes" in item) and ("arm" in item or "against" in item):
        raise ValueError(f"{where}: test: a change names its arms itself; leave out arm and against")
    return (str(item["change"]),) if "change" in item else tuple(item.get("changes", ()))


def _bounds(item: Mapping[str, Any], where: str) -> tuple[float, float]:
    if "between" in item:
        return range_of(item["between"], f"{where}: test: between")
    lows = [number_of(item[key], f"{where}: test: {key}") for key in ("at_least", "above") if key in item]
    highs = [number_of(item[key], f"{where}: test: {key}") for key in ("at_most", "below") if key in item]
    low, high = max(lows, default=-math.inf), min(highs, default=math.inf)
    if low > high:
        raise ValueError(f"{where}: test: the range is upside down: at least {low:g}, at most {high:g}")
    return low, high


def range_of(value: Any, where: str) -> tuple[float, float]:
    """The two ends of [low, high], low <= high."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"{where}: expected [low, high], found {value}")
    low, high = (number_of(end, where) for end in value)
    if low > high:
        raise ValueError(f"{where}: the range is upside down: [{low:g}, {high:g}]")
    return low, high


def number_of(value: Any, where: str) -> float:
    """A finite number that is no text and no truth value."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        hint = " (YAML reads 1e-3 as text; write 1.0e-3)" if isinstance(value, str) else ""
        raise ValueError(f"{where}: expected a number, found {value}{hint}")
    return float(value)


def check_source(source: Any, where: str) -> None:
    """Every source names at least one inventory row such as S4-52, or says where else it comes from."""
    if not isinstance(source, str) or not (_SOURCE.search(source) or "/" in source or " " in source):
        raise ValueError(f"{where}: source: expected an inventory row such as S4-52, found {source}")


def _only(item: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in item:
        if key not in keys:
            raise ValueError(f"{where}: unknown key {key}{nearest(str(key), keys)}")


def _known(name: str, names: Iterable[str], where: str) -> None:
    names = [*names]
    if name not in names:
        raise ValueError(f"{where}: {name} is unknown{nearest(name, names)}; known: {', '.join(sorted(names))}"[:400])


def nearest(name: str, names: Iterable[str]) -> str:
    """`, did you mean x?` for the closest of `names`, or nothing."""
    close = difflib.get_close_matches(name, [*names], n=1)
    return f", did you mean {close[0]}?" if close else ""
