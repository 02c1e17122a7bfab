from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.core.accounting.present_rate import NewestReadings, PresentRate, present_rate

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def channel(
    kind: str, newest: datetime, interval: timedelta | None, max_gap: timedelta = 2 * MINUTE
) -> NewestReadings:
    before = None if interval is None else newest - interval
    return NewestReadings(kind=kind, max_gap=max_gap, newest=newest, before=before)


@pytest.mark.parametrize(
    ("quiet_for", "basis"),
    [(10 * SECOND, "measured"), (119 * SECOND, "measured"), (12 * MINUTE, "unknown")],
)
def test_a_gauge_is_known_for_its_max_gap(quiet_for: timedelta, basis: str) -> None:
    # its minutes are there as far as it holds
    rate = present_rate(
        NOON + quiet_for,
        NOON + min(quiet_for // MINUTE, 1) * MINUTE,
        [channel("gauge", NOON, 10 * SECOND)],
    )
    assert rate.basis == basis


@pytest.mark.parametrize(
    ("quiet_for", "basis"), [(1, "interval"), (59, "interval"), (119, "interval"), (122, "unknown")]
)
def test_an_hourly_register_tells_the_mean_of_its_hour_until_it_is_overdue(
    quiet_for: int, basis: str
) -> None:
    rate = present_rate(
        NOON + quiet_for * MINUTE,
        NOON - MINUTE,
        [channel("counter", NOON, 60 * MINUTE)],
    )
    assert rate.basis == basis
    if basis == "interval":
        assert (rate.begins, rate.ends) == (NOON - 60 * MINUTE, NOON)


def test_a_sum_of_a_quarter_of_an_hour_is_the_mean_of_that_quarter() -> None:
    # stamped at its start, of which the last minute is known
    rate = present_rate(
        NOON + 20 * MINUTE,
        NOON + 14 * MINUTE,
        [channel("interval", NOON, 15 * MINUTE)],
    )
    assert rate == PresentRate(basis="interval", begins=NOON, ends=NOON + 15 * MINUTE)


def test_a_register_that_is_read_often_tells_what_is_now() -> None:
    often = [channel("counter", NOON, 10 * SECOND)]
    assert present_rate(NOON + 4 * MINUTE, NOON - MINUTE, often).basis == "measured"
    assert present_rate(NOON + 6 * MINUTE, NOON - MINUTE, often).basis == "unknown"


def test_of_several_channels_the_first_to_fall_silent_ends_what_is_known() -> None:
    both = [
        channel("gauge", NOON, 10 * SECOND, 10 * MINUTE),
        channel("gauge", NOON - MINUTE, 10 * SECOND, 2 * MINUTE),
    ]
    assert present_rate(NOON + 3 * MINUTE, NOON, both).basis == "unknown"
    # one that was silent before has made nothing of the newest minute
    silent = channel("gauge", NOON - 60 * MINUTE, 10 * SECOND)
    assert present_rate(NOON + 3 * MINUTE, NOON, [both[0], silent]).basis == "measured"


def test_without_readings_a_minute_is_of_now_for_five_minutes() -> None:
    assert present_rate(NOON + 5 * MINUTE, NOON, []).basis == "measured"
    assert present_rate(NOON + 6 * MINUTE, NOON, []).basis == "unknown"
    assert present_rate(NOON, None, []).basis == "unknown"
