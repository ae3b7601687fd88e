"""Checked settings: plain values from a study file against the study's `Settings` dataclass. Standard library only."""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rematch.fields import facts


def settings_class(package: str) -> type:
    """The `Settings` dataclass of `rematch/studies/<package>/settings.py`."""
    name = f"rematch.studies.{package}.settings"
    try:
        return importlib.import_module(name).Settings
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            raise ValueError(f"no study package rematch/studies/{package} with a settings.py") from None
        raise


def build(package: str, values: Mapping[str, Any]) -> Any:
    """A `Settings` object of a study package from resolved plain values (lists become tuples)."""
    return settings_class(package)(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def check(cls: type, values: Mapping[str, Any], where: str, *, complete: bool = False) -> dict[str, Any]:
    """`values` with numbers in their declared type; `where` opens every error line (file and change).

    Raises `ValueError` for an unknown key (with the nearest known one), a wrong type, a value out of range and,
    if `complete`, for a key that is missing.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where}: expected settings as key: value, found {_show(values)}")
    known = declared(cls)
    for key in values:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}{suggestion(key, known)}")
    if complete:
        missing = [key for key in known if key not in values]
        if missing:
            raise ValueError(f"{where}: v1 must name every setting, missing {', '.join(missing)}")
    return {key: _checked(value, *known[key], f"{where}: {key}") for key, value in values.items()}


def resolve(cls: type, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Complete, checked values of one arm, after the dataclass's own cross-field checks."""
    values = check(cls, values, where, complete=True)
    try:
        cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return values


@cache
def declared(cls: type) -> Mapping[str, tuple[Any, Mapping[str, Any]]]:
    """Key -> (type, facts given to `setting`) in the order of the dataclass."""
    hints = get_type_hints(cls)
    return MappingProxyType({item.name: (hints[item.name], facts(item)) for item in fields(cls)})


def keys(cls: type, kind: Literal["data", "cost"]) -> tuple[str, ...]:
    """The keys that `prepare` reads (`data`) or that a budget may set (`cost`)."""
    return tuple(key for key, (_, about) in declared(cls).items() if about[kind])


def suggestion(word: Any, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the nearest known word, else the list of the known ones."""
    known = list(known)
    near = difflib.get_close_matches(str(word), known, n=1)
    return f", did you mean {near[0]!r}?" if near else f" (known: {', '.join(known) or 'none'})"


def _checked(value: Any, kind: Any, about: Mapping[str, Any], where: str) -> Any:
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            raise ValueError(f"{where}: expected one of {', '.join(map(str, choices))}, found {_show(value)}")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where}: expected a list, found {_show(value)}")
        return [_checked(item, get_args(kind)[0], about, f"{where}[{i}]") for i, item in enumerate(value)]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{where}: expected {_WORDS[kind]}, found {_show(value)}{_hint(value, kind)}")
    if kind in (int, float):
        _check_range(value, about, where)
    if kind is str and any(ord(letter) < 32 for letter in value):
        raise ValueError(f"{where}: expected one line of text, found a control character")
    return value


def _check_range(value: float, about: Mapping[str, Any], where: str) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{where}: expected a finite number, found {value}")
    limits = (
        ("at_least", "at least", lambda limit: value >= limit),
        ("at_most", "at most", lambda limit: value <= limit),
        ("above", "more than", lambda limit: value > limit),
        ("below", "less than", lambda limit: value < limit),
    )
    for key, words, holds in limits:
        if about[key] is not None and not holds(about[key]):
            unit = f" {about['unit']}" if about["unit"] else ""
            raise ValueError(f"{where}: expected {words} {about[key]:g}{unit}, found {value:g}")


_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _hint(value: Any, kind: Any) -> str:
    if kind in (int, float) and isinstance(value, str):
        try:
            return f" (YAML reads {value} as text; write {float(value)!r})"
        except ValueError:
            return ""
    return ""


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
