"""Whether two arms may be compared on a metric: not if they differ in a setting that moves its scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def why_not_comparable(
    metric: str, metrics: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> str:
    """The reason why `metric` must not be compared between two arms with these settings; empty if it may.

    A metric lists in `depends_on` the settings its scale depends on (temperature, batch, normalisation, weights,
    split).
    """
    differing = [key for key in metrics.get(metric, {}).get("depends_on", []) if before.get(key) != after.get(key)]
    if not differing:
        return ""
    pairs = ", ".join(f"{key} ({before.get(key)} and {after.get(key)})" for key in differing)
    return f"the scale of {metric} depends on {pairs}"
