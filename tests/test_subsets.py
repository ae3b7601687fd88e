"""Which sets of changes are trained."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rematch.subsets import attribution_arms, is_exact, orders, prefixes

ABC = ["a", "b", "c"]


def test_leave_one_out_and_one_at_a_time_by_hand():
    assert attribution_arms(ABC, "leave-one-out") == [frozenset("bc"), frozenset("ac"), frozenset("ab")]
    assert attribution_arms(ABC, "one-at-a-time") == [frozenset("a"), frozenset("b"), frozenset("c")]
    assert attribution_arms(ABC, "none") == []
    assert attribution_arms(["a"], "leave-one-out") == []  # without its only change v2 is v1


def test_shapley_is_exact_when_all_sets_fit():
    assert is_exact(ABC, 8) and not is_exact(ABC, 7)
    found = attribution_arms(ABC, "shapley", arms=8)
    assert len(found) == len(set(found)) == 6  # 8 without none and all
    assert {len(part) for part in found} == {1, 2}


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 9), st.integers(0, 60), st.integers(0, 5))
def test_the_budget_is_kept_and_orders_come_with_their_reverse(count, more, seed):
    changes = [f"change-{number}" for number in range(count)]
    budget = 2 * count + more
    drawn = orders(changes, budget, seed)
    sets = {part for order in drawn for part in prefixes(order)}
    assert len(sets) <= budget
    assert all(order[::-1] == after for order, after in zip(drawn[::2], drawn[1::2], strict=True))
    assert all(sorted(order) == changes for order in drawn)
    if not is_exact(changes, budget):
        assert set(attribution_arms(changes, "shapley", budget, seed)) == sets - {frozenset(), frozenset(changes)}
    assert drawn == orders(changes, budget, seed)


def test_a_larger_budget_draws_more_orders():
    changes = [f"change-{number}" for number in range(8)]
    assert len(orders(changes, 16)) == 2
    assert len(orders(changes, 60)) > len(orders(changes, 30)) > 2


def test_prefixes_run_from_nothing_to_everything():
    assert prefixes("ab") == [frozenset(), frozenset("a"), frozenset("ab")]


def test_errors_are_one_line():
    with pytest.raises(ValueError, match=r"^attribution: shapley over 8 changes needs arms of at least 16, found 10$"):
        attribution_arms("abcdefgh", "shapley", arms=10)
    with pytest.raises(
        ValueError, match=r"^attribution: method must be one of none, leave-one-out, .*, found banzhaf$"
    ):
        attribution_arms(ABC, "banzhaf")
    with pytest.raises(ValueError, match=r"^attribution: a change is listed twice in a, a$"):
        attribution_arms(["a", "a"], "none")
