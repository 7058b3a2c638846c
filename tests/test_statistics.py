"""Percentiles of waits, by nearest rank."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.statistics import latency_of


@pytest.mark.parametrize(
    ("count", "median", "p95", "p99"),
    [(1, 1, 1, 1), (2, 1, 2, 2), (20, 10, 19, 20), (100, 50, 95, 99), (2048, 1024, 1946, 2028)],
)
def test_ranks(count: int, median: int, p95: int, p99: int) -> None:
    found = latency_of([float(number) for number in range(count, 0, -1)])
    assert (found.count, found.median_s, found.p95_s, found.p99_s, found.max_s) == (count, median, p95, p99, count)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_a_percentile_is_the_smallest_sample_that_enough_samples_do_not_exceed(samples: list[float]) -> None:
    found = latency_of(samples)
    assert found.median_s == statistics.median_low(samples)
    for percent, value in ((95, found.p95_s), (99, found.p99_s)):
        assert sum(sample <= value for sample in samples) * 100 >= percent * len(samples)
        assert sum(sample < value for sample in samples) * 100 < percent * len(samples)
