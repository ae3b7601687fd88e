"""Numbers and empty cells as a reader wants to see them."""

from __future__ import annotations

import math
from typing import Any

MINUS = "\u2212"
NOTHING = "\u2013"


def is_missing(value: Any) -> bool:
    """Whether a table cell holds nothing: None, nan or an empty text."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def text(value: Any) -> str:
    """A cell as text; empty where the cell holds nothing."""
    return "" if is_missing(value) else str(value)


def number(value: Any, signed: bool = False) -> str:
    """A number with three decimals near 1, fewer for large ones, in powers of ten where it would read 0.000."""
    if is_missing(value):
        return NOTHING
    value = float(value)
    if math.isinf(value):
        return "\u221e" if value > 0 else f"{MINUS}\u221e"
    size = abs(value)
    if size == 0:
        shown = "0"
    elif size < 0.001 or size >= 1e7:
        shown = _scientific(size)
    elif size >= 1000 or (size >= 100 and size == int(size)):
        shown = f"{size:,.0f}".replace(",", "\u2009")
    else:
        shown = f"{size:.{3 if size < 10 else 2 if size < 100 else 1}f}"
    sign = MINUS if value < 0 else "+" if signed and value > 0 else ""
    return sign + shown


def percent(value: float) -> str:
    """A share as signed percent with one decimal."""
    sign = MINUS if value < 0 else "+" if value > 0 else ""
    return f"{sign}{abs(value) * 100:.1f}\u202f%"


def count(value: Any) -> str:
    """A whole number with thin spaces between thousands."""
    return NOTHING if is_missing(value) else f"{int(value):,}".replace(",", "\u2009")


def interval(low: Any, high: Any) -> str:
    """`[low, high]`, with the signs that tell on which side of 0 it lies."""
    if is_missing(low) or is_missing(high):
        return NOTHING
    return f"[{number(low, signed=True)}, {number(high, signed=True)}]"


def with_unit(shown: str, unit: str) -> str:
    """`shown` with its unit behind a thin no-break space."""
    return f"{shown}\u202f{unit}" if unit else shown


def seconds(value: Any) -> str:
    """Seconds, minutes or hours, whichever is short."""
    if is_missing(value):
        return NOTHING
    value = float(value)
    if value < 1:
        return f"{value * 1000:.0f}\u202fms"
    if value < 120:
        return f"{value:.1f}\u202fs"
    return f"{value / 60:.1f}\u202fmin" if value < 7200 else f"{value / 3600:.1f}\u202fh"


def setting(value: Any) -> str:
    """A value of a study file as it is written there."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(setting(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _scientific(size: float) -> str:
    mantissa, exponent = f"{size:.1e}".split("e")
    raised = str(int(exponent)).translate(
        str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
    )
    return f"{mantissa}\u00d710{raised}"
