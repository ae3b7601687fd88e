"""The schedule against its written formula, worked by hand."""

import math

import pytest
from flat_samples import settings
from hypothesis import given
from hypothesis import strategies as st

from rematch.studies.graph_embeddings.schedule import learning_rate, loop


def test_document_recipe_epoch_by_epoch():
    v2 = settings(epochs=8, loops=2, learning_rate=0.0015, lr_decay=0.85, warmup_epochs=3, schedule="cosine")
    floor = 0.1

    def cosine(base, t):
        return base * (floor + (1 - floor) * (1 + math.cos(math.pi * t / 4)) / 2)

    first, second = 0.0015, 0.0015 * 0.85
    expected = [0.0005, 0.001, 0.0015, cosine(first, 3), *(cosine(second, t) for t in range(4))]
    assert [learning_rate(v2, epoch) for epoch in range(8)] == pytest.approx(expected)
    assert [loop(v2, epoch) for epoch in range(8)] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_constant_with_decay():
    v1 = settings(epochs=6, loops=3, learning_rate=0.001, lr_decay=0.75)
    assert [learning_rate(v1, e) for e in range(6)] == pytest.approx([1e-3, 1e-3, 7.5e-4, 7.5e-4, 5.625e-4, 5.625e-4])


def test_warm_up_longer_than_a_loop_keeps_the_loop_decay():
    long = settings(epochs=4, loops=2, warmup_epochs=4, lr_decay=0.5, learning_rate=0.004)
    assert [learning_rate(long, e) for e in range(4)] == pytest.approx([0.001, 0.002, 0.0015, 0.002])


@given(
    st.integers(0, 40),
    st.integers(1, 5),
    st.integers(0, 6),
    st.sampled_from(["constant", "cosine"]),
    st.integers(0, 60),
)
def test_rate_stays_positive_and_below_the_base(epochs, loops, warmup, schedule, epoch):
    item = settings(epochs=epochs, loops=loops, warmup_epochs=warmup, schedule=schedule)
    assert 0 < learning_rate(item, epoch) <= item.learning_rate * (1 + 1e-12)
