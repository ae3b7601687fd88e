"""One call that checks everything a study file says about evidence. Standard library only, for the Snakefile's
parse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rematch.claims import check_claims, number_of, read_claims
from rematch.lint_claims import read_facts
from rematch.tiers import read_next_steps, read_published, read_tiers


def check_ledger(
    text: Mapping[str, Any], changes_by_version: Mapping[str, Iterable[str]], arms: Iterable[str], file: str
) -> None:
    """Raises `ValueError` with one line for the first mistake in metrics, claims, tiers, next steps, published, facts.

    `text` is the study file with its ledger merged in; `arms` are the arms it declares (versions, references,
    controls).
    """
    metrics, arms = text["metrics"], [*arms]
    check_metrics(metrics, file)
    claims = text.get("claims", [])
    check_claims(claims, metrics, changes_by_version, arms, file)
    scales = read_tiers(text.get("tiers", []), metrics, file)
    for scale in scales:
        if scale.arm not in arms:
            raise ValueError(
                f"{file}: tiers: {scale.name}: arm {scale.arm} is unknown; known: {', '.join(sorted(arms))}"
            )
    read_next_steps(text.get("next_steps", []), [claim.id for claim in read_claims(claims, file)], scales, file)
    read_published(text.get("published", []), file)
    read_facts(text.get("facts", []), file)


def check_metrics(metrics: Mapping[str, Any], file: str) -> None:
    """Raises `ValueError` with one line if a metric has no direction or a negative practical-equality band."""
    for name, about in metrics.items():
        where = f"{file}: metrics: {name}"
        if about.get("better") not in ("lower", "higher"):
            raise ValueError(f"{where}: better must be lower or higher, found {about.get('better')}")
        if number_of(about.get("equal_within", 0.0), f"{where}: equal_within") < 0:
            raise ValueError(f"{where}: equal_within must not be negative, found {about['equal_within']:g}")
