"""Memory per epoch: what a process holds, what counts as growth, and the finding that follows."""

import subprocess
import sys

import numpy as np
import pytest

from rematch.finding_rules import memory_grows
from rematch.resident import growth_mb, peak_mb, resident_mb
from rematch.symptoms import Training


def test_memory_that_is_filled_is_seen():
    before = resident_mb()
    held = np.ones(8_000_000)  # 64 MB
    assert resident_mb() - before == pytest.approx(held.nbytes / 1e6, abs=10)
    assert peak_mb() >= resident_mb() - 1


def test_the_peak_is_not_that_of_the_process_that_started_this_one():
    held = np.ones(40_000_000)  # 320 MB
    child = "from rematch.resident import peak_mb; print(peak_mb())"
    found = float(subprocess.run([sys.executable, "-c", child], check=True, capture_output=True, text=True).stdout)
    assert found < held.nbytes / 1e6


@pytest.mark.parametrize(
    "resident, growth",
    [
        ([100.0] * 12, 0.0),
        ([10.0, 50.0, 90.0, 100.0, 100.0, 100.0, 100.0, 100.0], 0.0),  # filling up at first is no leak
        ([100.0 + 10 * epoch for epoch in range(12)], 30.0),
        ([100.0, 900.0], 0.0),
        ([100.0] * 11 + [900.0], 0.0),  # one peak is no leak either
    ],
)
def test_growth_is_what_the_second_half_gains(resident, growth):
    assert growth_mb(resident) == growth


def test_growth_of_a_fifth_of_the_peak_is_a_finding():
    def found(growth):
        return memory_grows(Training({"memory_growth_mb": np.array([growth]), "peak_memory_mb": np.array([500.0])}, {}))

    assert found(150.0).evidence == "150 MB gained over the second half of the epochs, 500 MB at most"
    assert found(50.0) is None and memory_grows(Training({}, {})) is None
