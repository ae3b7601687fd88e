"""What a document's own numbers say about its claims: values or ranges taken at their word, without intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rematch import tiers
from rematch.claims import Claim, Test
from rematch.run_metrics import RUN_METRICS

# A claim of several parts: the first of these that any part has is the verdict of the whole.
WORST_FIRST = ("refuted", "not comparable", "not testable here", "circular", "inconclusive", "supported")


def holds(test: Test, value: float, metrics: Mapping[str, Any]) -> bool:
    """Whether a single number, taken at its word, meets the test."""
    if not test.word:
        return test.low <= value <= test.high
    known = about(test.metric, metrics)
    gain = value if known["better"] == "higher" else -value
    band = known.get("equal_within", 0.0)
    return {"better": gain > band, "worse": gain < -band, "equal": abs(gain) <= band, "not-worse": gain >= -band}[
        test.word
    ]


def about(metric: str, metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is known about a metric: the study's declaration, or that of every run."""
    return metrics.get(metric) or RUN_METRICS[metric]


class PublishedVerdict(NamedTuple):
    """What a document's own numbers say about a claim: value and verdict, both as text."""

    value: str
    verdict: str
    reason: str


def published_verdicts(
    claims: Sequence[Claim], published: Sequence[tiers.Published], metrics: Mapping[str, Any], kind: str = "measured"
) -> dict[str, PublishedVerdict]:
    """Claim id -> verdict from published numbers of one kind (`measured`, or `wish` to see what the wishes would
    prove).

    Published numbers are single runs: there is no interval, the number is taken at its word. Ranges are carried through
    the arithmetic; a test that holds in one part of the range only is inconclusive, and so is one whose numbers have
    caveats.
    """
    numbers = {(entry.arm, entry.metric): entry for entry in published if entry.kind == kind}
    if kind == "wish":  # a wish is about the new version; the old one's numbers are the measured ones
        measured = {(entry.arm, entry.metric): entry for entry in published if entry.kind == "measured"}
        numbers = {**{key: entry for key, entry in measured.items() if key[0] == "v1"}, **numbers}
    found = {}
    for claim in claims:
        parts = [_published_part(test, numbers, metrics) for test in claim.tests]
        if parts and all(part is not None for part in parts):
            verdict = next(word for word in WORST_FIRST if any(part.verdict == word for part in parts))
            reasons = "; ".join(part.reason for part in parts if part.verdict == verdict and part.reason)
            found[claim.id] = PublishedVerdict("; ".join(part.value for part in parts), verdict, reasons)
    return found


def _published_part(test: Test, numbers: Mapping[tuple[str, str], tiers.Published], metrics) -> PublishedVerdict | None:
    own = numbers.get((test.arm, test.metric))
    other = numbers.get((test.against or "", test.metric))
    if test.changes or own is None or (test.relation != "value" and other is None):
        return None
    ends = _carried(test.relation, own, other)
    held = {holds(test, end, metrics) for end in ends}
    value = f"{ends[0]:.4g}" if ends[0] == ends[1] else f"{ends[0]:.4g} to {ends[1]:.4g}"
    caveats = [caveat for entry in (own, other) if entry for caveat in entry.caveats]
    if len(held) == 2 or caveats:
        reason = (
            ", ".join(dict.fromkeys(caveats)) or "one end of the published range meets the test, the other does not"
        )
        return PublishedVerdict(value, "inconclusive", reason)
    return PublishedVerdict(value, "supported" if held == {True} else "refuted", f"published single run, {own.source}")


def _carried(relation: str, own: tiers.Published, other: tiers.Published | None) -> tuple[float, float]:
    """Smallest and largest value of a relation between two published ranges."""
    if relation == "value" or other is None:
        return own.low, own.high
    if relation == "difference":
        return own.low - other.high, own.high - other.low
    ratios = [a / b for a in (own.low, own.high) for b in (other.low, other.high)]
    shift = 1.0 if relation == "relative_change" else 0.0
    return min(ratios) - shift, max(ratios) - shift


def published_tiers(scales: Sequence[tiers.Scale], published: Sequence[tiers.Published]) -> dict[str, str]:
    """Scale -> tier that the published measured numbers of its arm reach."""
    return {
        scale.name: tiers.reached(
            scale, {one.metric: one.low for one in published if one.arm == scale.arm and one.kind == "measured"}
        )[0]
        for scale in scales
    }
