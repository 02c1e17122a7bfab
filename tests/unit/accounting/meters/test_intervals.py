from __future__ import annotations

import numpy as np
import pytest

from services.core.accounting.intervals import steps
from services.core.accounting.spreading import MINUTE_US, spread

QUARTER = 15 * MINUTE_US


def test_a_stamp_at_the_start_looks_forward() -> None:
    t0, t1, amount = steps(np.array([0, QUARTER]), np.array([3.0, 4.0]), QUARTER, "start")
    assert t0.tolist() == [0, QUARTER]
    assert t1.tolist() == [QUARTER, 2 * QUARTER]
    assert amount.tolist() == [3.0, 4.0]


def test_a_stamp_at_the_end_looks_back() -> None:
    t0, t1, _ = steps(np.array([QUARTER]), np.array([3.0]), QUARTER, "end")
    assert (t0.tolist(), t1.tolist()) == ([0], [QUARTER])


def test_a_gap_is_not_zero() -> None:
    t0, t1, amount = steps(np.array([0, QUARTER]), np.array([np.nan, 15.0]), QUARTER, "start")
    amounts, covered = spread(t0, t1, amount, 0, 29)
    assert covered[:15].sum() == 0
    assert amounts[15:].tolist() == pytest.approx([1.0] * 15)


@pytest.mark.parametrize(("hours", "quarters"), [(23, 92), (25, 100)])
def test_days_with_a_clock_change_have_92_or_100_quarter_hours(hours: int, quarters: int) -> None:
    ts = np.arange(quarters, dtype=np.int64) * QUARTER
    t0, t1, amount = steps(ts, np.ones(quarters), QUARTER, "start")
    amounts, covered = spread(t0, t1, amount, 0, hours * 60 - 1)
    assert amounts.sum() == pytest.approx(quarters)
    assert (covered == MINUTE_US).all()


def test_a_length_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="above zero"):
        steps(np.array([0]), np.array([1.0]), 0, "start")
