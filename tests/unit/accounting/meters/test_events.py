from __future__ import annotations

import numpy as np

from services.core.accounting.events import minute_amounts
from services.core.timeline.instants import MINUTE_US


def computed(
    events: list[tuple[float, float]], since: float = 0.0, uncertain: list[bool] | None = None
) -> tuple[list[float], list[int], list[int]]:
    """Compute minutes 0 to 4 of a log; times in minutes, answers in seconds."""
    amount, covered, estimated = minute_amounts(
        np.array([round(at * MINUTE_US) for at, _ in events], dtype=np.int64),
        np.array([value for _, value in events]),
        round(since * MINUTE_US),
        0,
        4,
        np.zeros(len(events), dtype=np.int64),
        1,
        None if uncertain is None else np.array(uncertain),
    )
    return amount.tolist(), (covered // 1_000_000).tolist(), (estimated // 1_000_000).tolist()


def test_minutes_without_an_event_are_zero_and_known() -> None:
    assert computed([]) == ([0] * 5, [60] * 5, [0] * 5)


def test_events_of_one_minute_add_up() -> None:
    assert computed([(1.0, 2.5), (1.5, 0.5), (4.999, 7.0)]) == (
        [0, 3.0, 0, 0, 7.0],
        [60] * 5,
        [0] * 5,
    )


def test_nothing_is_known_before_the_log_begins() -> None:
    assert computed([(0.5, 9.0), (2.25, 9.0), (2.75, 1.0)], since=2.5) == (
        [0, 0, 1.0, 0, 0],
        [0, 0, 30, 60, 60],
        [0] * 5,
    )


def test_an_event_of_unknown_amount_makes_its_minute_unknown() -> None:
    assert computed([(3.1, np.nan), (3.6, 4.0)]) == ([0] * 5, [60, 60, 60, 0, 60], [0] * 5)


def test_an_uncertain_amount_is_estimated() -> None:
    found = computed([(0.1, 1.0), (2.0, 4.0)], uncertain=[False, True])
    assert found == ([1.0, 0, 4.0, 0, 0], [60] * 5, [0, 0, 60, 0, 0])


def test_logs_side_by_side_do_not_mix() -> None:
    amount, covered, _ = minute_amounts(
        np.array([0, 0, MINUTE_US]), np.array([1.0, 2.0, np.nan]), 0, 0, 1, np.array([0, 1, 1]), 2
    )
    assert amount.tolist() == [1.0, 0.0, 2.0, 0.0]
    assert covered.tolist() == [MINUTE_US, MINUTE_US, MINUTE_US, 0]
