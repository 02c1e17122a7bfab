"""Alerts from transitions, and which alert is which after data changed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.core.accounting.alerting.episodes import Known, episodes, reconcile
from services.core.accounting.alerting.states import (
    FIRING,
    FIRING_NO_DATA,
    INACTIVE,
    PENDING,
    RESOLVED,
    Transition,
)
from services.core.timeline.windows import fixed_bounds, rolling_minutes


def history(*steps: tuple[int, int]) -> list[Transition]:
    return [
        Transition(threshold=0, minute=minute, state=state, projected=False, since=minute)
        for minute, state in steps
    ]


def test_an_alert_is_what_lies_between_firing_and_resolved() -> None:
    found = episodes(
        history((1, PENDING), (2, INACTIVE), (4, FIRING), (5, FIRING_NO_DATA), (9, RESOLVED),
                (12, FIRING))
    )  # fmt: skip
    assert [(each.fired, each.resolved) for each in found] == [(4, 9), (12, None)]
    assert found[0].newest.state == FIRING_NO_DATA


def test_an_alert_that_overlaps_is_the_same_one() -> None:
    now = episodes(history((3, FIRING), (8, RESOLVED), (20, FIRING)))
    known = [Known(key="a", fired=5, resolved=9), Known(key="b", fired=12, resolved=14)]
    found = reconcile(known, now)
    assert [(k.key, e.fired) for k, e in found.same] == [("a", 3)]
    assert [e.fired for e in found.new] == [20]
    assert [k.key for k in found.retracted] == ["b"]


def test_two_alerts_that_turn_out_to_be_one_leave_one_retracted() -> None:
    now = episodes(history((3, FIRING)))
    known = [Known(key="a", fired=3, resolved=6), Known(key="b", fired=9, resolved=None)]
    found = reconcile(known, now)
    assert [k.key for k, _ in found.same] == ["a"]
    assert [k.key for k in found.retracted] == ["b"]


def minute(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) // 60  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("window", "begins", "ends"),
    [
        ("hour", (2026, 3, 29, 10), (2026, 3, 29, 11)),
        ("today", (2026, 3, 28, 23), (2026, 3, 29, 22)),
        ("month", (2026, 2, 28, 23), (2026, 3, 31, 22)),
        ("year", (2025, 12, 31, 23), (2026, 12, 31, 23)),
    ],
)
def test_fixed_windows_follow_the_facilitys_calendar(
    window: str, begins: tuple[int, ...], ends: tuple[int, ...]
) -> None:
    span = fixed_bounds(window, minute(2026, 3, 29, 10, 30), ZoneInfo("Europe/Vienna"))
    assert span == (minute(*begins), minute(*ends))


def test_rolling_windows() -> None:
    assert [rolling_minutes(w) for w in ("15m", "1h", "365d", "today", "0")] == [
        15, 60, 525_600, None, None,
    ]  # fmt: skip
