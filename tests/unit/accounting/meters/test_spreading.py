from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.accounting.spreading import MINUTE_US, spread

SECOND = 1_000_000


def _spread(
    *rows: tuple[int, int, float], first: int = 0, last: int = 3
) -> tuple[list[float], list[int]]:
    t0, t1, amount = (np.array(column) for column in zip(*rows, strict=True))
    amounts, covered = spread(
        t0.astype(np.int64), t1.astype(np.int64), amount.astype(np.float64), first, last
    )
    return amounts.tolist(), covered.tolist()


def test_an_amount_is_spread_evenly_over_its_time() -> None:
    amounts, covered = _spread((30 * SECOND, 150 * SECOND, 12.0))
    assert amounts == [3.0, 6.0, 3.0, 0.0]
    assert covered == [30 * SECOND, MINUTE_US, 30 * SECOND, 0]


def test_a_step_that_ends_on_a_boundary_leaves_the_next_minute_uncovered() -> None:
    amounts, covered = _spread((0, MINUTE_US, 6.0))
    assert amounts == [6.0, 0.0, 0.0, 0.0]
    assert covered == [MINUTE_US, 0, 0, 0]


def test_what_lies_outside_is_cut_off() -> None:
    amounts, covered = _spread((-MINUTE_US, 5 * MINUTE_US, 6.0), first=1, last=2)
    assert amounts == [1.0, 1.0]
    assert covered == [MINUTE_US, MINUTE_US]


def test_steps_in_one_minute_add_up() -> None:
    amounts, covered = _spread((0, 20 * SECOND, 1.0), (20 * SECOND, 60 * SECOND, 2.0))
    assert amounts[0] == 3.0
    assert covered[0] == MINUTE_US


def test_a_step_without_length_lands_in_its_minute() -> None:
    amounts, covered = _spread((90 * SECOND, 90 * SECOND, 5.0), (MINUTE_US * 2, MINUTE_US * 2, 1.0))
    assert amounts == [0.0, 5.0, 1.0, 0.0]
    assert covered == [0, 0, 0, 0]


def test_coverage_never_passes_a_minute() -> None:
    assert _spread((0, MINUTE_US, 1.0), (0, MINUTE_US, 1.0))[1][0] == MINUTE_US


def test_no_minutes_and_no_steps() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert spread(none, none, np.zeros(0), 0, 1)[0].tolist() == [0.0, 0.0]
    assert spread(none, none, np.zeros(0), 5, 4)[0].size == 0


def test_before_the_epoch_minutes_are_negative() -> None:
    amounts, _ = _spread((-90 * SECOND, -30 * SECOND, 2.0), first=-2, last=-1)
    assert amounts == [1.0, 1.0]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 1e6)), min_size=1, max_size=30),
    st.integers(-(10**10), 10**10),
)
def test_nothing_is_lost_and_nothing_is_made(steps: list[tuple[int, float]], start: int) -> None:
    edges = np.cumsum([start, *(length for length, _ in steps)]).astype(np.int64)
    amount = np.array([each for _, each in steps])
    first, last = int(edges[0] // MINUTE_US), int(edges[-1] // MINUTE_US)
    amounts, covered = spread(edges[:-1], edges[1:], amount, first, last)
    assert amounts.sum() == pytest.approx(amount.sum(), rel=1e-12, abs=1e-9)
    assert int(covered.sum()) == int(edges[-1] - edges[0])
    half = (first + last) // 2
    left, _ = spread(edges[:-1], edges[1:], amount, first, half)
    right, _ = spread(edges[:-1], edges[1:], amount, half + 1, last)
    assert np.concatenate((left, right)).tolist() == amounts.tolist()
