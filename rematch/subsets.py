"""Which sets of changes must be trained to share out the difference between two versions. Standard library only."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations
from math import factorial

METHODS = ("none", "leave-one-out", "one-at-a-time", "shapley")


def attribution_arms(changes: Sequence[str], method: str, arms: int = 0, seed: int = 0) -> list[frozenset[str]]:
    """The sets of changes that must be trained besides v1 (no change) and v2 (all of them), in a fixed order.

    leave-one-out: all but one. one-at-a-time: exactly one. shapley: all 2^k sets if they fit the budget `arms` (v1
    and v2 counted in), otherwise those that the `orders` pass through. `seed` draws the orders.
    """
    changes = _checked(changes, method)
    full = frozenset(changes)
    if method == "none" or not changes:
        sets: Iterator[frozenset[str]] = iter(())
    elif method == "leave-one-out":
        sets = (full - {change} for change in changes)
    elif method == "one-at-a-time":
        sets = (frozenset({change}) for change in changes)
    elif is_exact(changes, arms):
        sets = (frozenset(part) for size in range(1, len(changes)) for part in combinations(changes, size))
    else:
        sets = (prefix for order in orders(changes, arms, seed) for prefix in prefixes(order))
    return [part for part in dict.fromkeys(sets) if part and part != full]


def is_exact(changes: Sequence[str], arms: int) -> bool:
    """Whether all 2^k sets of k changes fit the budget of arms."""
    return 2 ** len(changes) <= arms


def orders(changes: Sequence[str], arms: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Orders in which to switch the changes on, each followed by its reverse (antithetic pairs, Mitchell et al. 2022).

    As many pairs as the budget `arms` of distinct sets allows, v1 and v2 counted in.
    """
    changes = _checked(changes, "shapley")
    least = 2 + 2 * max(len(changes) - 1, 0)
    if arms < least:
        raise ValueError(
            f"attribution: shapley over {len(changes)} changes needs arms of at least {least}, found {arms}"
        )
    generator = random.Random(f"shapley {seed}")
    chosen: list[tuple[str, ...]] = []
    sets: set[frozenset[str]] = set()
    for _ in range(50 * arms):  # later draws may reuse sets and still fit when an earlier one did not
        order = tuple(generator.sample(changes, len(changes)))
        pair = [order, order[::-1]]
        grown = sets.union(*(prefixes(one) for one in pair))
        if len(grown) > arms or order in chosen:
            continue
        chosen += pair
        sets = grown
        if len(chosen) >= factorial(len(changes)):
            break
    return chosen


def prefixes(order: Sequence[str]) -> list[frozenset[str]]:
    """The k + 1 sets along an order, from no change to all of them."""
    return [frozenset(order[:stop]) for stop in range(len(order) + 1)]


def _checked(changes: Sequence[str], method: str) -> list[str]:
    if method not in METHODS:
        raise ValueError(f"attribution: method must be one of {', '.join(METHODS)}, found {method}")
    if len(set(changes)) != len(changes):
        raise ValueError(f"attribution: a change is listed twice in {', '.join(changes)}")
    return list(changes)
