"""Functions of ranges that overlap by thousands are what each range by itself gives."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from threading import Event
from typing import Any

import numpy as np
import pytest

from services.api.prometheus.evaluate import Evaluation
from services.api.prometheus.parse import parse
from services.api.prometheus.ranges import RANGE_FUNCTIONS, Windows
from services.api.prometheus.refusals import GivenUpError
from services.api.prometheus.values import Samples

_RANDOM = np.random.default_rng(7)


def _windows(values: Any, count: int) -> Windows:
    first = _RANDOM.integers(0, len(values), count)
    end = _RANDOM.integers(first + 1, len(values) + 1)
    times_ms = np.arange(1, len(values) + 1) * 60_000
    return Windows(times_ms, values, first, end, times_ms[end - 1], 10**9)


@pytest.mark.parametrize(
    ("name", "choose"), [("min_over_time", np.fmin), ("max_over_time", np.fmax)]
)
@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 1000])
def test_an_extreme_is_that_of_its_own_range(
    name: str, choose: Callable[..., Any], size: int
) -> None:
    values = _RANDOM.normal(size=size)
    values[_RANDOM.random(size) < 0.1] = np.nan
    windows = _windows(values, 500)
    found_values, present = RANGE_FUNCTIONS[name](windows)
    expected = [choose.reduce(values[a:b]) for a, b in zip(windows.first, windows.end, strict=True)]
    np.testing.assert_array_equal(found_values, expected)
    assert present.all()


def test_a_counter_adds_what_it_had_reached_before_each_fall() -> None:
    values = _RANDOM.integers(0, 100, 400).astype(np.float64)
    first = np.arange(0, 350, 7)
    end = first + 50
    times_ms = np.arange(400) * 60_000
    windows = Windows(times_ms, values, first, end, times_ms[end - 1], 49 * 60_000)
    increases, _ = RANGE_FUNCTIONS["increase"](windows)
    for a, b, increase in zip(first, end, increases, strict=True):
        its = values[a:b]
        fallen = sum(before for before, after in pairwise(its) if after < before)
        assert increase == pytest.approx(its[-1] - its[0] + fallen)


def test_what_nobody_waits_for_ends_before_its_next_series() -> None:
    given_up = Event()
    looked_at = 0

    def select(_: Any) -> Any:
        nonlocal looked_at
        for _ in range(100):
            looked_at += 1
            if looked_at == 3:
                given_up.set()
            yield Samples((("source", str(looked_at)),), np.array([60_000]), np.array([1.0]))

    evaluation = Evaluation(np.array([60_000]), 300_000, select, given_up)
    with pytest.raises(GivenUpError):
        evaluation.value(parse("sum(max_over_time(tonne_co2_kg_total[5m]))"))
    assert looked_at == 3
