"""Which treatments are held out, what must leave the graph with them, and the check that it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rematch.card import Card
from rematch.streams import numpy_generator
from rematch.studies.drug_repurposing.readers import Relation


class Parts(NamedTuple):
    """Treatment pairs `(2, n)` of compound and disease, by part, and the diseases `(d,)` that each ranking is over."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    valid_diseases: np.ndarray
    test_diseases: np.ndarray


def by_edge(pairs: np.ndarray, valid_fraction: float, test_fraction: float, seed: int) -> Parts:
    """Treatments drawn at random; rankings are over every disease that has a known treatment."""
    order = numpy_generator(seed, "split").permutation(pairs.shape[1])
    return from_parts(*(pairs[:, np.sort(part)] for part in _cut(order, valid_fraction, test_fraction)))


def by_disease(pairs: np.ndarray, valid_fraction: float, test_fraction: float, seed: int) -> Parts:
    """All treatments of diseases drawn at random; rankings are over the held-out diseases alone."""
    diseases = numpy_generator(seed, "split").permutation(np.unique(pairs[1]))
    parts = [np.sort(part) for part in _cut(diseases, valid_fraction, test_fraction)]
    train, valid, test = (pairs[:, np.isin(pairs[1], part)] for part in parts)
    return Parts(train, valid, test, parts[1], parts[2])


def from_parts(train: np.ndarray, valid: np.ndarray, test: np.ndarray) -> Parts:
    """A split that is given; rankings are over every disease that has a known treatment."""
    diseases = np.unique(np.concatenate([train[1], valid[1], test[1]]))
    return Parts(train, valid, test, diseases, diseases)


def _cut(order: np.ndarray, valid_fraction: float, test_fraction: float) -> list[np.ndarray]:
    valid, test = (max(1, round(len(order) * fraction)) for fraction in (valid_fraction, test_fraction))
    if valid + test >= len(order):
        raise ValueError(f"valid_fraction, test_fraction: expected some of {len(order)} left to train on, found none")
    return [order[valid + test :], order[:valid], order[valid : valid + test]]


def remove_pairs(relations: Sequence[Relation], held_out: np.ndarray, card: Card) -> list[Relation]:
    """The relations without any edge, of whatever relation and direction, between the two nodes of a held-out pair."""
    kept = []
    for item in relations:
        joins = _joins(item.pairs, held_out)
        kept.append(replace(item, pairs=item.pairs[:, ~joins]) if joins.any() else item)
        if joins.any():
            text = f"{item.name}: edges between the two nodes of a held-out treatment, removed from the graph"
            card.add("note", "held-out-edges-removed", text, joins.sum(), source="S3-92")
    return kept


def check_leaks(relations: Sequence[Relation], parts: Parts, card: Card) -> None:
    """Adds an error to `card` for held-out pairs that are still joined by an edge, and for pairs in two parts."""
    held_out = np.concatenate([parts.valid, parts.test], axis=1)
    for item in relations:
        joins = _joins(item.pairs, held_out)
        if joins.any():
            text = (
                f"{item.name}: expected no edge between the nodes of a held-out treatment, found {joins.sum()}: a leak"
            )
            pairs = [f"{a}-{b}" for a, b in item.pairs[:, joins].T]
            card.add("error", "held-out-pair-in-graph", text, joins.sum(), pairs, source="S3-92")
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        shared = _joins(getattr(parts, first), getattr(parts, second))
        if shared.any():
            text = f"{first} and {second}: expected different treatments, found {shared.sum()} in both"
            card.add("error", "treatment-in-two-parts", text, shared.sum(), source="S3-92")


def check_parts(parts: Parts, compounds: int, card: Card) -> None:
    """Counts what makes a ranking hard or empty: diseases that training knows no treatment for."""
    cold = np.setdiff1d(parts.test[1], parts.train[1])
    if len(cold):
        queries = int(np.isin(parts.test[1], cold).sum())
        text = f"diseases with test but no training treatment ({queries} of {parts.test.shape[1]} test treatments)"
        card.add("note", "disease-without-training-treatment", text, len(cold), source="S3-92")
    for name in ("train", "valid", "test"):
        if getattr(parts, name).shape[1] == 0:
            card.add("error", "empty-part", f"{name}: expected at least one treatment, found none")
    if compounds < 2:
        card.add("error", "too-few-compounds", f"expected at least 2 compounds to rank, found {compounds}")


def _joins(pairs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which of `pairs (2, n)` join the two nodes of one of `wanted (2, m)`, in either direction; `(n,)`."""
    base = int(max(pairs.max(initial=0), wanted.max(initial=0))) + 1
    keys = [np.minimum(*both).astype(np.int64) * base + np.maximum(*both) for both in (pairs, wanted)]
    return np.isin(*keys)
