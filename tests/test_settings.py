"""Settings: types, ranges, near misses, and the text of every refusal."""

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rematch import settings as checked
from rematch.fields import setting


@dataclass(frozen=True)
class Example:
    rate: float = setting("step size", above=0, at_most=1)
    epochs: int = setting("passes", unit="epochs", cost=True, at_least=0)
    hidden: tuple[int, ...] = setting("widths", at_least=1)
    method: Literal["near", "far"] = setting("a named choice", data=True)
    flag: bool = setting("a switch")
    name: str = setting("a word", data=True)

    def __post_init__(self):
        if self.flag and self.epochs == 0:
            raise ValueError("epochs: 0 makes no sense while flag is set")


GOOD = {"rate": 0.1, "epochs": 3, "hidden": [4, 2], "method": "near", "flag": False, "name": "x"}


def test_good_values_pass_and_whole_numbers_become_floats():
    assert checked.resolve(Example, GOOD | {"rate": 1}, "f") == GOOD | {"rate": 1.0}
    assert type(checked.resolve(Example, GOOD | {"rate": 1}, "f")["rate"]) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "file: v2: unknown key 'epoch', did you mean 'epochs'"),
        ({"zzz": 3}, "unknown key 'zzz' \\(known: rate, epochs, hidden"),
        ({3: 3}, "unknown key 3"),
        ({"rate": "1e-3"}, r"v2: rate: expected a number, found '1e-3' \(YAML reads 1e-3 as text; write 0.001\)"),
        ({"rate": "fast"}, "rate: expected a number, found 'fast'$"),
        ({"rate": True}, "rate: expected a number, found True"),
        ({"rate": 0.0}, "rate: expected more than 0, found 0"),
        ({"rate": 2}, "rate: expected at most 1, found 2"),
        ({"rate": float("nan")}, "rate: expected a finite number, found nan"),
        ({"rate": float("inf")}, "rate: expected a finite number, found inf"),
        ({"epochs": 2.0}, "epochs: expected a whole number, found 2.0"),
        ({"epochs": -1}, "epochs: expected at least 0 epochs, found -1"),
        ({"epochs": None}, "epochs: expected a whole number, found None"),
        ({"hidden": 3}, "hidden: expected a list, found 3"),
        ({"hidden": [3, "x"]}, r"hidden: \[|hidden\[1\]: expected a whole number, found 'x'"),
        ({"hidden": [3, 0]}, r"hidden\[1\]: expected at least 1, found 0"),
        ({"method": "nearr"}, "method: expected one of near, far, found 'nearr'"),
        ({"method": ["near"]}, "method: expected one of near, far"),
        ({"flag": 1}, "flag: expected true or false, found 1"),
        ({"name": 3}, "name: expected text, found 3"),
        ({"name": "a\nb"}, "name: expected one line of text"),
        ([1], r"expected settings as key: value, found \[1\]"),
        ("text", "expected settings as key: value"),
        ({"name": ["x" * 200]}, r"found \['x{50,}\.\.\."),
    ],
)
def test_refusals_name_the_place_and_the_key(values, message):
    with pytest.raises(ValueError, match=message) as caught:
        checked.check(Example, values, "file: v2")
    assert str(caught.value).startswith("file: v2") and "\n" not in str(caught.value)


def test_v1_must_be_complete():
    with pytest.raises(ValueError, match="v1 must name every setting, missing epochs, name"):
        checked.resolve(Example, {k: v for k, v in GOOD.items() if k not in ("epochs", "name")}, "file: v1")


def test_cross_field_rules_of_the_dataclass_name_the_arm():
    with pytest.raises(ValueError, match="file: untrained: epochs: 0 makes no sense while flag is set"):
        checked.resolve(Example, GOOD | {"epochs": 0, "flag": True}, "file: untrained")


def test_keys_by_kind():
    assert checked.keys(Example, "data") == ("method", "name")
    assert checked.keys(Example, "cost") == ("epochs",)


def test_build_makes_tuples_and_an_unknown_package_is_named():
    arm = checked.build("antibody_affinity", _affinity())
    assert arm.hidden == (256, 128)
    with pytest.raises(ValueError, match=r"no study package rematch/studies/antibody with a settings\.py"):
        checked.settings_class("antibody")


def _affinity():
    values = "split grouped group dataset censored drop labels true model mlp activation relu initialisation default "
    values += "loss mse bin_weights none optimizer adam schedule constant"
    words = values.split()
    settings = dict(zip(words[::2], words[1::2]))
    settings |= {"features": 150, "hidden": [256, 128], "dropout": 0.3, "focal_gamma": 2.0, "extreme_weight": 1.0}
    settings |= {"learning_rate": 1e-3, "weight_decay": 0.0, "restart_epochs": 20, "clip_norm": 0.0, "batch_size": 128}
    return settings | {"epochs": 1, "patience": 0}


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from(sorted(GOOD)) | st.text(max_size=4), value=junk)
def test_any_value_is_accepted_or_refused_in_one_line(key, value):
    try:
        checked.resolve(Example, GOOD | {key: value}, "file: arm")
    except ValueError as error:
        assert str(error).startswith("file: arm") and "\n" not in str(error)
