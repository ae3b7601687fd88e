"""From claims and measurements to verdicts. How each is reached is told in docs/verdicts.md."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from rematch import tiers
from rematch.claims import Claim, Test, read_claims
from rematch.evidence import Evidence, Measured, measure, too_few_samples
from rematch.published import WORST_FIRST, PublishedVerdict, about, holds, published_verdicts
from rematch.run_metrics import RUN_METRICS
from rematch.statistics import FEWEST_PAIRS, answer, holm, mean_interval, p_value, paired

COLUMNS = [
    "study",
    "claim",
    "source",
    "says",
    "expected",
    "tier",
    "test",
    "arm",
    "against",
    "measured",
    "low",
    "high",
    "pairs",
    "p",
    "p_holm",
    "controls",
    "verdict",
    "reason",
    "published",
    "published_verdict",
    "next_step",
]


@dataclass(frozen=True)
class Judged:
    """One test with its evidence; `verdict` is final once the p values of all claims are corrected together."""

    test: Test
    measured: Measured
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    p_holm: float = np.nan
    controls: str = ""
    verdict: str = ""
    reason: str = ""


def ledger(study: str, text: Mapping[str, Any], evidence: Evidence, primary: str | None = None) -> pd.DataFrame:
    """The claims ledger of a study, one row per claim, with `COLUMNS`; `expected` and `measured` are columns apart.

    `primary`: the study's primary metric. p values are corrected over all claims but one that asks the study's own
    question (`asks_the_question`): it was named before anything was trained, its answer heads the page, and the two may
    not differ.
    """
    claims = read_claims(text.get("claims", []), study)
    judged = [(claim, judge(test, evidence)) for claim in claims for test in claim.tests]
    alone = [asks_the_question(item.test, primary, evidence) for _, item in judged]
    open_p = [np.nan if item.verdict else item.p for _, item in judged]
    together = holm(np.where(alone, np.nan, open_p))
    adjusted = np.where(alone, open_p, together)
    final: dict[str, list[Judged]] = {claim.id: [] for claim in claims}
    for (claim, item), p_holm in zip(judged, adjusted, strict=True):
        final[claim.id].append(conclude(replace(item, p_holm=float(p_holm)), evidence.metrics))
    published = published_verdicts(claims, tiers.read_published(text.get("published", []), study), evidence.metrics)
    scales = tiers.read_tiers(text.get("tiers", []), evidence.metrics, study)
    steps = tiers.read_next_steps(text.get("next_steps", []), list(final), scales, study)
    rows = [_row(study, claim, final[claim.id], published.get(claim.id), steps) for claim in claims]
    return pd.DataFrame(rows, columns=COLUMNS)


def asks_the_question(test: Test, primary: str | None, evidence: Evidence) -> bool:
    """Whether the test is the page's first one: is the second version better than the first in the primary metric?"""
    versions = evidence.of_kind("version")[:2]
    return (
        test.word is not None
        and test.metric == primary
        and test.relation == "difference"
        and [test.against, test.arm] == versions
        and not test.changes
        and test.split == "test"
        and test.device == test.against_device
    )


def judge(test: Test, evidence: Evidence) -> Judged:
    """One test with interval and uncorrected p value. `verdict` is set already where numbers cannot change it."""
    measured = measure(test, evidence)
    if measured.verdict:
        return Judged(test, measured, verdict=measured.verdict, reason=measured.problem)
    low, high = mean_interval(measured.values)
    item = Judged(test, measured, low, high, p=_p(test, measured.values))
    if test.exact or test.benchmark:
        return replace(
            item, p=np.nan, verdict="supported" if holds(test, measured.mean, evidence.metrics) else "refuted"
        )
    circular, shown = control_check(test, measured, evidence)
    item = replace(item, controls=shown)
    if circular:
        return replace(item, p=np.nan, verdict="circular", reason=circular)
    few = too_few_samples(measured)
    if not few and len(measured.values) < FEWEST_PAIRS:
        unit = "runs" if test.relation == "value" else "pairs"
        few = f"{len(measured.values)} {unit}, {FEWEST_PAIRS} are needed for a sentence"
    return replace(item, p=np.nan, verdict="inconclusive", reason=few) if few else item


def conclude(item: Judged, metrics: Mapping[str, Any]) -> Judged:
    """The verdict from the corrected p value: decided if it is at most 0.05, inconclusive otherwise."""
    if item.verdict:
        return item
    verdict = _word_verdict(item, metrics) if item.test.word else _bound_verdict(item)
    reason = item.measured.note
    if verdict == "inconclusive":
        kind = "corrected p" if item.p_holm > item.p else "p"
        reason = f"the interval does not decide ({kind} {item.p_holm:.2g})"
    return replace(item, verdict=verdict, reason=reason)


def _bound_verdict(item: Judged) -> str:
    if item.p_holm > 0.05:
        return "inconclusive"
    return "supported" if item.test.low <= item.measured.mean <= item.test.high else "refuted"


def _word_verdict(item: Judged, metrics: Mapping[str, Any]) -> str:
    known = about(item.test.metric, metrics)
    better, band = known["better"], known.get("equal_within", 0.0)
    values = item.measured.values
    found = answer(paired(np.zeros_like(values), values), better, band, item.p_holm)
    if item.test.word == found:
        return "supported"
    if item.test.word == "not-worse":
        within = item.low >= -band if better == "higher" else item.high <= band
        return (
            "supported"
            if found in ("better", "equal") or within
            else ("refuted" if found == "worse" else "inconclusive")
        )
    return "inconclusive" if found == "inconclusive" else "refuted"


def _p(test: Test, values: np.ndarray) -> float:
    """Two-sided p value for the side that the mean lies on: inside the bounds, or outside of them; 0 for words."""
    if len(values) < 2:
        return np.nan
    if test.word:
        return p_value(values)
    bounds = [(bound, side) for bound, side in ((test.low, "greater"), (test.high, "less")) if math.isfinite(bound)]
    if test.low <= values.mean() <= test.high:  # every bound must be kept: the worst one counts
        return min(1.0, 2 * max(p_value(values, bound, side) for bound, side in bounds))
    opposite = {"greater": "less", "less": "greater"}
    return min(1.0, 2 * min(p_value(values, bound, opposite[side]) for bound, side in bounds))


def control_check(test: Test, measured: Measured, evidence: Evidence) -> tuple[str, str]:
    """Why the claim is circular (empty if it is not), and what the controls reached.

    Circular: the arm meets the test, and a control that must fail meets it too. Vacuous: a baseline that learns
    nothing is at least as good as the arm.
    """
    names = test.controls if test.controls is not None else _controls(test, evidence)
    meets = holds(test, measured.mean, evidence.metrics)
    reasons, shown = [], []
    for name in dict.fromkeys((*names, *test.vacuous)):
        if name in (measured.arm, measured.against):
            continue
        control = measure(replace(test, arm=name, changes=(), against=measured.against or None), evidence)
        if control.verdict:
            continue
        passes = holds(test, control.mean, evidence.metrics)
        if test.word and len(control.values) >= FEWEST_PAIRS:
            passes = _word_verdict(replace(_bare(test, control)), evidence.metrics) == "supported"
        shown.append(f"{name} {control.arm_mean:.4g} ({'passes' if passes else 'fails'})")
        if name in test.vacuous and _as_good(test, control, measured, evidence.metrics):
            reasons.append(f"vacuous: {name}, which learns nothing, reaches {control.arm_mean:.4g}")
        elif passes and (meets or test.criterion) and name in names:
            reasons.append(
                f"{name}, which must fail, reaches {control.arm_mean:.4g} and passes{' too' if meets else ''}"
            )
    if test.baseline_metric and test.relation == "value":
        rule = measure(replace(test, metric=test.baseline_metric), evidence)
        if not rule.verdict:
            shown.append(f"{test.baseline_metric} {rule.arm_mean:.4g}")
            if _as_good(test, rule, measured, evidence.metrics):
                reasons.append(f"vacuous: without learning, {test.baseline_metric} is {rule.arm_mean:.4g}")
    return "; ".join(reasons), "; ".join(shown)


def _bare(test: Test, control: Measured) -> Judged:
    low, high = mean_interval(control.values)
    return Judged(test, control, low, high, p_holm=p_value(control.values))


def _controls(test: Test, evidence: Evidence) -> list[str]:
    """By default every control of the study; none for costs, where doing nothing is cheap and proves nothing, and none
    for claims that something is worse or no different, which a control that fails meets as it should."""
    wanted = test.metric not in RUN_METRICS and test.word in (None, "better")
    return evidence.of_kind("control") if wanted else []


def _as_good(test: Test, control: Measured, measured: Measured, metrics: Mapping[str, Any]) -> bool:
    higher = about(test.metric, metrics)["better"] == "higher"
    return control.arm_mean >= measured.arm_mean if higher else control.arm_mean <= measured.arm_mean


def tier_table(study: str, text: Mapping[str, Any], evidence: Evidence) -> pd.DataFrame:
    """The tier that each scale's arm reaches by its mean over seeds, and in how many seeds it is that tier."""
    scales = tiers.read_tiers(text.get("tiers", []), evidence.metrics, study)
    ids = [claim["id"] for claim in text.get("claims", [])]
    steps = tiers.read_next_steps(text.get("next_steps", []), ids, scales, study)
    rows = []
    for scale in scales:
        names = dict.fromkeys(criterion.metric for level in scale.levels for criterion in level.criteria)
        split = {name: "run" if name in RUN_METRICS else "test" for name in names}
        values = pd.DataFrame({name: evidence.values(name, scale.arm, split[name])["value"] for name in names})
        if values.empty:
            continue
        tier, missed = tiers.reached(scale, values.mean().to_dict())
        same = sum(tiers.reached(scale, row)[0] == tier for row in values.to_dict("records"))
        do = [f"{step.do} ({step.source})" for step in steps if step.scale == scale.name and tier in step.tiers]
        rows.append((study, scale.name, scale.arm, tier, f"{same} of {len(values)}", missed, " ".join(do)))
    return pd.DataFrame(rows, columns=["study", "scale", "arm", "tier", "seeds", "missed", "next_step"])


def describe(test: Test) -> str:
    """A test in words, for example `rmse of v2 <= 1` or `rmse of v2 is better than that of v1`."""
    if test.benchmark:
        who = f"{test.metric} of benchmarks/{test.benchmark}.py"
    elif test.changes:
        who = f"{test.metric} with against without {' and '.join(test.changes)}"
    elif test.against_device:
        who = f"{test.metric} of {test.arm} on {test.device} against {test.against_device}"
    else:
        who = f"{test.metric} of {test.arm}" + (f" against {test.against}" if test.against else "")
    if test.word:
        return f"{who} is {test.word.replace('-', ' ')}"
    what = "" if test.relation == "value" else f", {test.relation.replace('_', ' ')}"
    ends = [f">= {test.low:g}"] * math.isfinite(test.low) + [f"<= {test.high:g}"] * math.isfinite(test.high)
    return f"{who}{what} {' and '.join(ends)}"


def _row(study: str, claim: Claim, parts: list[Judged], published: PublishedVerdict | None, steps) -> tuple[Any, ...]:
    if parts:
        verdict = next(word for word in WORST_FIRST if any(part.verdict == word for part in parts))
        deciding = next(part for part in parts if part.verdict == verdict)
        reason = "; ".join(dict.fromkeys(part.reason for part in parts if part.verdict == verdict and part.reason))
    else:
        verdict, reason, deciding = "not testable here", claim.untestable, None
    do = [f"{step.do} ({step.source})" for step in steps if claim.id in step.claims and verdict in step.verdicts]
    numbers: tuple[Any, ...] = ("", "", np.nan, np.nan, np.nan, 0, np.nan, np.nan, "")
    if deciding is not None:
        found = deciding.measured
        numbers = (found.arm, found.against, found.mean, deciding.low, deciding.high, len(found.values))
        numbers += (deciding.p, deciding.p_holm, deciding.controls)
    tests = " and ".join(describe(part.test) for part in parts)
    shown = (f"{published.value} ({published.reason})", published.verdict) if published else ("", "")
    head = (study, claim.id, claim.source, claim.says, claim.expected, claim.tier, tests)
    return (*head, *numbers, verdict, reason, *shown, " ".join(do))
