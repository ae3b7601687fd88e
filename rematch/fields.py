"""How a study declares its settings: one `setting(...)` per dataclass field. Standard library only."""

from dataclasses import MISSING, Field, field
from typing import Any

_KEY = "rematch"


def setting(
    help: str,
    *,
    unit: str = "",
    data: bool = False,
    cost: bool = False,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    default: Any = MISSING,
) -> Any:
    """A dataclass field that carries its own documentation and limits.

    `data` marks a key that `prepare` reads: arms that differ in it get prepared data of their own.
    `cost` marks a key that a budget (smoke, demo, full) may set. `at_least`/`at_most` are inclusive
    limits, `above`/`below` exclusive ones; values outside are refused when the Snakefile is parsed.
    """
    facts = dict(help=help, unit=unit, data=data, cost=cost)
    facts.update(at_least=at_least, at_most=at_most, above=above, below=below)
    return field(default=default, metadata={_KEY: facts})


def facts(item: Field) -> dict[str, Any]:
    """What `setting` was told about a field; empty facts for a plain field."""
    return item.metadata.get(_KEY) or setting("").metadata[_KEY]
