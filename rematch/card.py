"""The data card: what went into `prepare`, what came out, and every finding about the data on the way."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One observation. An `error` blocks every training on these data; a `warning` was counted and handled
    as `text` says; a `note` is for the reader."""

    level: Level
    code: str  # short, kebab-case, stable: tests and the report refer to it
    text: str  # one sentence for a person: what was expected, what was found, what was done
    count: int = 1
    examples: tuple[str, ...] = ()  # the first few rows, keys or ids concerned
    source: str = ""  # inventory rows behind the check


@dataclass
class Card:
    """Facts for people (`facts`: name -> number, text, or a small table as list of rows) and findings."""

    title: str
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, level: Level, code: str, text: str, count: int = 1, examples=(), source: str = "") -> None:
        """Records a finding, keeping at most ten examples."""
        shown = tuple(str(example) for example in list(examples)[:10])
        self.findings.append(Finding(level, code, text, int(count), shown, source))

    def as_dict(self) -> dict[str, Any]:
        """The card as plain values, ready for JSON."""
        return asdict(self)


def blocking(card: dict[str, Any]) -> list[str]:
    """One line for every error in a card that was read back from JSON."""
    return [f"{f['code']}: {f['text']}" for f in card["findings"] if f["level"] == "error"]
