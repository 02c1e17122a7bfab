"""Instants are read one way everywhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from services.core.timeline import relative

#: A Thursday.
NOW = datetime(2026, 11, 26, 18, 30, 15, 500_000, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("written", "begins", "ends"),
    [
        ("2026-11-23T18:00:00.250Z", "2026-11-23T18:00:00.250Z", None),
        ("2026-11-23T19:00:00 01:00", "2026-11-23T18:00:00Z", None),
        ("2026-11-27", "2026-11-27T00:00:00Z", None),
        ("1795456800.25", "2026-11-23T18:00:00.250Z", None),
        ("1795456800250", "2026-11-23T18:00:00.250Z", None),
        ("now", "2026-11-26T18:30:15.500Z", None),
        ("now-7d", "2026-11-19T18:30:15.500Z", None),
        ("now-90m", "2026-11-26T17:00:15.500Z", None),
        ("now 1h", "2026-11-26T19:30:15.500Z", None),
        ("now/h", "2026-11-26T18:00:00Z", "2026-11-26T19:00:00Z"),
        ("now/d", "2026-11-26T00:00:00Z", "2026-11-27T00:00:00Z"),
        ("now-1d/d", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"),
        ("now/w", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("now/M", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("now/Q", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("now-1y/y", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("now/d+6h", "2026-11-26T06:00:00Z", "2026-11-27T06:00:00Z"),
    ],
)
def test_what_people_write_is_understood(written: str, begins: str, ends: str | None) -> None:
    assert relative.read(written, now=NOW) == at(begins)
    assert relative.read(written, now=NOW, is_end=True) == at(ends or begins)


def test_a_month_without_the_day_ends_with_its_last() -> None:
    march = datetime(2024, 3, 31, 12, tzinfo=UTC)
    assert relative.read("now-1M", now=march) == datetime(2024, 2, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "accepted are"),
        ("yesterday", "accepted are"),
        ("now-", "accepted are"),
        ("now-7x", "accepted are"),
        ("now/", "accepted are"),
        ("nowadays", "accepted are"),
        ("nan", "accepted are"),
        ("1e300", "accepted are"),
        ("now-999999y", "accepted are"),
        ("2026-02-30", "accepted are"),
        ("2026-11-23T18:00:00", "write 2026-11-23T18:00:00Z for UTC"),
        ("1066-10-14", "outside the years"),
    ],
)
def test_what_is_no_time_is_told_what_to_write(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        relative.read(written, now=NOW)


def test_a_span_that_is_reversed_or_empty_is_refused_with_both_ends() -> None:
    relative.in_order(None, NOW)
    relative.in_order(NOW - timedelta(days=1), NOW)
    for begins in (NOW, NOW + timedelta(days=1)):
        with pytest.raises(ValueError, match=r"is not before 2026-11-26T18:30:15\.500000Z"):
            relative.in_order(begins, NOW)


def test_a_reversed_span_of_days_names_both_days() -> None:
    relative.in_order(date(2026, 1, 1), date(2026, 2, 1))
    with pytest.raises(ValueError, match="but 2026-02-01 is not before 2026-01-01"):
        relative.in_order(date(2026, 2, 1), date(2026, 1, 1))
