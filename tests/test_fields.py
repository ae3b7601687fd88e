"""`setting` keeps what it was told about a field."""

from dataclasses import dataclass, fields

import pytest

from rematch.fields import facts, setting


@dataclass(frozen=True)
class Example:
    rate: float = setting("step size", unit="1/step", above=0, at_most=1)
    rows: int = setting("rows kept", data=True, cost=True, at_least=1, default=3)
    plain: int = 7


def test_facts_are_what_was_declared():
    rate, rows, _ = fields(Example)
    assert facts(rate) == {
        "help": "step size",
        "unit": "1/step",
        "data": False,
        "cost": False,
        "at_least": None,
        "at_most": 1,
        "above": 0,
        "below": None,
    }
    assert facts(rows)["data"] and facts(rows)["cost"] and facts(rows)["at_least"] == 1


def test_a_plain_field_has_empty_facts():
    about = facts(fields(Example)[2])
    assert about["help"] == "" and not about["data"] and not about["cost"]


def test_defaults_work_and_a_field_without_one_is_required():
    assert Example(rate=0.1).rows == 3
    with pytest.raises(TypeError, match="rate"):
        Example()
