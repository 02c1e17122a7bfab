from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.intervals import INTERVALS, Interval, count_about, cut, finest, whole_hours

ZONES = ("UTC", "Europe/Vienna", "Asia/Kolkata", "America/Havana", "Australia/Lord_Howe",
         "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca")  # fmt: skip
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants naive bounds


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.thorough
@given(
    begins=INSTANTS,
    length=st.timedeltas(timedelta(microseconds=1), timedelta(days=70)),
    interval=st.sampled_from([i for i in INTERVALS if i != "1m"]),
    timezone=st.sampled_from(ZONES),
)
def test_intervals_join_and_cover_the_span(
    begins: datetime, length: timedelta, interval: Interval, timezone: str
) -> None:
    ends = begins + length
    buckets = cut(interval, begins, ends, timezone=timezone, most=100_000)
    assert buckets[0].begins <= begins < buckets[0].ends
    assert buckets[-1].begins < ends <= buckets[-1].ends
    assert all(a.ends == b.begins for a, b in pairwise(buckets))
    assert abs(len(buckets) - count_about(interval, begins, ends)) <= 3


@given(begins=INSTANTS, timezone=st.sampled_from(ZONES), monthly=st.booleans())
def test_days_and_months_begin_at_a_local_date(
    begins: datetime, timezone: str, monthly: bool
) -> None:
    for bucket in cut(
        "1mo" if monthly else "1d", begins, begins + timedelta(days=40), timezone=timezone, most=99
    ):
        local = bucket.begins.astimezone(ZoneInfo(timezone))
        before = (bucket.begins - timedelta(microseconds=1)).astimezone(ZoneInfo(timezone))
        assert local.date() != before.date() or local.fold
        if monthly:
            assert local.day == 1


def test_at_most_as_many_as_asked_for() -> None:
    begins = at("2026-01-01T00:00:00Z")
    for interval in INTERVALS:
        assert len(cut(interval, begins, at("2027-01-01T00:00:00Z"), timezone="UTC", most=3)) == 3
    assert cut("1h", begins, begins, timezone="UTC", most=3) == []


@pytest.mark.parametrize(
    ("days", "most", "expected"),
    [
        (1, 1440, "1m"),
        (1, 1439, "5m"),
        (1, 24, "1h"),
        (1, 23, "1d"),
        (400, 300, "1mo"),
        (400, 1, "1mo"),
    ],
)
def test_the_finest_interval_that_fits(days: int, most: int, expected: str) -> None:
    begins = at("2026-01-01T00:00:00Z")
    assert finest(begins, begins + timedelta(days=days), most=most) == expected


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [("Europe/Vienna", True), ("Asia/Kolkata", False), ("Australia/Lord_Howe", False),
     ("Asia/Kathmandu", False), ("America/St_Johns", False)],
)  # fmt: skip
def test_whose_hours_begin_with_utcs(timezone: str, expected: bool) -> None:
    begins = at("2026-01-01T00:00:00Z")
    assert whole_hours(timezone, begins, begins + timedelta(days=365)) is expected
