from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.core.timeline.instants import from_us, to_us
from services.ingest.decode.observation import TIME_FROM_BROKER, TIME_FROM_DEVICE
from services.ingest.decode.timestamp import time_rule

ARRIVAL = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)


def told(said: Any, *, at: datetime = ARRIVAL, **rule: str) -> datetime:
    ts_us, source = time_rule({"from": "t", **rule}).time({"t": said}, to_us(at))
    assert source == TIME_FROM_DEVICE
    return from_us(ts_us)


def refusal(said: Any, **rule: str) -> str:
    with pytest.raises(ValueError, match="is not a time: ") as caught:
        time_rule({"from": "t", **rule}).time({"t": said}, to_us(ARRIVAL))
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (1795456800, {}),
        (1795456800.0, {}),
        ("1795456800", {}),
        (1795456800000, {}),
        ("1795456800000", {}),
        (1795456800, {"unit": "s"}),
        (1795456800000, {"unit": "ms"}),
        ("2026-11-23T18:00:00Z", {}),
        ("2026-11-23T19:00:00+01:00", {}),
        ("2026-11-23T19:00:00+01:00", {"timezone": "Asia/Tokyo"}),
        ("2026-11-23T19:00:00", {"timezone": "Europe/Vienna"}),
        ("2026-11-23 19:00:00", {"timezone": "Europe/Vienna"}),
        ("2026-11-24T03:00:00", {"timezone": "Asia/Tokyo"}),
    ],
)
def test_each_way_of_telling_one_time(said: Any, rule: dict[str, str]) -> None:
    assert told(said, **rule) == datetime(2026, 11, 23, 18, tzinfo=UTC)


def test_fractions_of_a_second_are_kept_to_the_microsecond() -> None:
    assert told(1757060280.21) == datetime(2025, 9, 5, 8, 18, 0, 210000, tzinfo=UTC)
    assert told(1757060280210.5).microsecond == 210500
    assert told("2026-11-23T18:00:00.123456Z").microsecond == 123456


def test_a_small_number_of_milliseconds_is_one_only_if_the_rule_says_so() -> None:
    assert told(86_400_000, unit="ms") == datetime(1970, 1, 2, tzinfo=UTC)
    assert told(86_400_000) == datetime(1972, 9, 27, tzinfo=UTC)


@pytest.mark.parametrize("record", [{}, {"t": None}, [], 7, None])
def test_where_nothing_is_told_the_arrival_is_the_time_and_is_named_so(record: Any) -> None:
    assert time_rule({"from": "t"}).time(record, 42) == (42, TIME_FROM_BROKER)


@pytest.mark.parametrize(
    ("arrival", "hour"),
    [
        # at 01:00 UTC Vienna puts its clocks back from 03:00 to 02:00
        (datetime(2026, 10, 25, 0, 30, 1, tzinfo=UTC), 0),
        (datetime(2026, 10, 25, 1, 30, 1, tzinfo=UTC), 1),
    ],
)
def test_in_the_hour_that_comes_twice_the_arrival_decides(arrival: datetime, hour: int) -> None:
    found = told("2026-10-25T02:30:00", at=arrival, timezone="Europe/Vienna")
    assert found == datetime(2026, 10, 25, hour, 30, tzinfo=UTC)


def test_around_the_hour_that_comes_twice_there_is_no_choice() -> None:
    far = ARRIVAL + timedelta(days=300)
    for said, hour in (("01:59:59", 23), ("03:00:00", 2)):
        found = told(f"2026-10-25T{said}", at=far, timezone="Europe/Vienna")
        assert found.hour == hour


def test_a_local_time_that_never_was() -> None:
    what = refusal("2026-03-29T02:30:00", timezone="Europe/Vienna")
    assert "2026-03-29T02:30:00" in what
    assert "Europe/Vienna were put forward" in what


def test_a_text_without_an_offset_needs_the_zone() -> None:
    assert "no timezone" in refusal("2026-11-23T18:00:00")


@pytest.mark.parametrize(
    "said",
    [
        "", "now", "23.11.2026 18:00", True, [], {}, "nan", "1e999", 1e300, -1e300, float("nan"),
        10**400, "9" * 500, "x" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_time_is_named_in_a_short_sentence(said: Any) -> None:
    assert len(refusal(said, timezone="Europe/Vienna")) < 200
