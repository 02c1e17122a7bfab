from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.api.http.intervals import (
    INTERVALS,
    IntervalLength,
    count_about,
    cut,
    finest,
    parse,
    whole_hours,
)
from services.core.timeline.instants import from_us

ZONES = ("UTC", "Europe/Vienna", "Asia/Kolkata", "America/Havana", "Australia/Lord_Howe",
         "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca")  # fmt: skip
TRIED = ("7m", "25m", "5h", "5m", "15m", "30m", "1h", "90m", "2h", "6h", "12h", "1d", "2d", "1w",
         "1mo", "3mo", "1y", "90s", "7h", "1441m", "25h", "36h", "30d", "5mo", "11mo")  # fmt: skip
#: More minutes than the longest span tried has.
LIMIT = 110_000
#: All that may be asked for.
LENGTHS = st.one_of(
    st.integers(30, 366 * 86_400).map(str),
    st.integers(30, 3 * 86_400).map("{}s".format),
    st.integers(1, 12).map("{}mo".format),
    st.sampled_from(TRIED),
)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants naive bounds


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.thorough
@settings(deadline=None)
@given(
    begins=INSTANTS,
    length=st.timedeltas(timedelta(microseconds=1), timedelta(days=70)),
    interval=LENGTHS.map(parse),
    timezone=st.sampled_from(ZONES),
)
def test_intervals_join_and_cover_the_span(
    begins: datetime, length: timedelta, interval: IntervalLength, timezone: str
) -> None:
    ends = begins + length
    buckets = cut(interval, begins, ends, timezone=timezone, limit=LIMIT)
    assert buckets[0].begins <= begins < buckets[0].ends
    assert buckets[-1].begins < ends <= buckets[-1].ends
    assert (buckets.ends_us[:-1] == buckets.begins_us[1:]).all()
    assert (buckets.begins_us < buckets.ends_us).all()
    assert abs(len(buckets) - count_about(interval, begins, ends)) <= 3


@pytest.mark.thorough
@settings(deadline=None)
@given(
    begins=INSTANTS,
    later=st.timedeltas(timedelta(0), timedelta(days=40)),
    interval=LENGTHS.map(parse),
    timezone=st.sampled_from(ZONES),
)
def test_intervals_are_the_same_wherever_one_begins_to_ask(
    begins: datetime, later: timedelta, interval: IntervalLength, timezone: str
) -> None:
    def boundaries(since: datetime) -> list[int]:
        ends = begins + timedelta(days=41)
        buckets = cut(interval, since, ends, timezone=timezone, limit=LIMIT)
        return [*buckets.begins_us.tolist(), int(buckets.ends_us[-1])]

    everything = boundaries(begins)
    page = boundaries(begins + later)
    assert page == everything[-len(page) :]
    # a cursor is the start of an interval
    assert boundaries(from_us(page[0])) == page


@given(begins=INSTANTS, timezone=st.sampled_from(ZONES), monthly=st.booleans())
def test_days_and_months_begin_at_a_local_date(
    begins: datetime, timezone: str, monthly: bool
) -> None:
    for bucket in cut(
        parse("1mo" if monthly else "1d"),
        begins,
        begins + timedelta(days=40),
        timezone=timezone,
        limit=99,
    ):
        local = bucket.begins.astimezone(ZoneInfo(timezone))
        before = (bucket.begins - timedelta(microseconds=1)).astimezone(ZoneInfo(timezone))
        assert local.date() != before.date() or local.fold
        if monthly:
            assert local.day == 1


def test_at_most_as_many_as_asked_for() -> None:
    begins = at("2026-01-01T00:00:00Z")
    for interval in INTERVALS:
        assert len(cut(interval, begins, at("2027-01-01T00:00:00Z"), timezone="UTC", limit=3)) == 3
    assert not cut(parse("1h"), begins, begins, timezone="UTC", limit=3)


@pytest.mark.parametrize(
    ("days", "limit", "expected"),
    [
        (1, 1440, "1m"),
        (1, 1439, "5m"),
        (1, 24, "1h"),
        (1, 23, "1d"),
        (400, 300, "1mo"),
        (400, 1, "1mo"),
    ],
)
def test_the_finest_interval_that_fits(days: int, limit: int, expected: str) -> None:
    begins = at("2026-01-01T00:00:00Z")
    assert str(finest(begins, begins + timedelta(days=days), limit=limit)) == expected


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [("Europe/Vienna", True), ("Asia/Kolkata", False), ("Australia/Lord_Howe", False),
     ("Asia/Kathmandu", False), ("America/St_Johns", False)],
)  # fmt: skip
def test_whose_hours_begin_with_utcs(timezone: str, expected: bool) -> None:
    begins = at("2026-01-01T00:00:00Z")
    assert whole_hours(timezone, begins, begins + timedelta(days=365)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1m", "1m"), ("30m", "30m"), ("1800", "30m"), ("1800s", "30m"), ("PT30M", "30m"),
        ("60m", "1h"), ("1h30m", "90m"), ("PT1H30M", "90m"), ("2H", "2h"), ("24h", "1d"),
        ("P1D", "1d"), ("7d", "1w"), ("1w", "1w"), ("P1W", "1w"), ("1mo", "1mo"), ("P1M", "1mo"),
        ("12mo", "1y"), ("1y", "1y"), ("P1Y", "1y"), ("30s", "1m"), ("7m", "7m"), ("7h", "7h"),
        ("1ms", "1m"), ("500ms", "1m"), ("60000ms", "1m"), ("120000ms", "2m"),
        # minutes are the finest: between two whole numbers of them it is the longer
        ("90s", "2m"), ("1m30s", "2m"), ("60001ms", "2m"), ("86401s", "1441m"),
        ("25h", "25h"), ("36h", "36h"), ("1d1h", "25h"), ("36h30m", "2190m"), ("10d", "10d"),
        ("5mo", "5mo"), ("11mo", "11mo"), ("P7M", "7mo"), ("366d", "366d"),
        # what Grafana makes of a year for $__interval_ms
        ("31536000000ms", "365d"), ("2592000000ms", "30d"),
    ],
)  # fmt: skip
def test_an_interval_is_read_as_any_duration_is(text: str, expected: str) -> None:
    assert str(parse(text)) == expected
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("", "write 1m"), ("P", "write 1m"), ("PT", "write 1m"), ("soon", "write 1m"),
        ("-5m", "write 1m"), ("1.5h", "write 1m"), ("9" * 30, "write 1m"), ("0", "use 1m"),
        ("0ms", "use 1m"), ("1mo1d", r"whole months \(1mo, 5mo, 1y\) or days"), ("2y", "use 1y"),
        ("13mo", "use 1y"), ("53w", "use 1y"), ("400d", "use 1y"), ("1M", "write m or mo"),
        ("1h5M", "write m or mo"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_is_refused_with_what_can(text: str, instead: str) -> None:
    with pytest.raises(ValueError, match=instead):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", "1h"), ("15m", "1h"), ("61m", "2h"), ("90m", "2h"), ("25h", "25h"), ("5mo", "5mo")],
)
def test_where_hours_are_the_finest_intervals_are_whole_hours(text: str, expected: str) -> None:
    assert str(parse(text, resolution=60)) == expected


#: What Grafana rounds an interval to (``rangeutil.roundInterval``), as it writes it.
GRAFANAS = ("1ms", "10ms", "20ms", "50ms", "100ms", "200ms", "500ms", "1s", "2s", "5s", "10s",
            "15s", "20s", "30s", "1m", "2m", "5m", "10m", "15m", "20m", "30m", "1h", "2h", "3h",
            "6h", "12h", "1d", "7d", "30d", "1y")  # fmt: skip


@pytest.mark.parametrize("text", GRAFANAS)
def test_every_interval_of_grafana_is_taken(text: str) -> None:
    assert parse(text).mean >= timedelta(minutes=1)


def test_from_an_hour_up_intervals_follow_the_local_clock() -> None:
    def begins(text: str, since: str, zone: str, limit: int) -> list[str]:
        found = cut(parse(text), at(since), at("2027-01-01T00:00Z"), timezone=zone, limit=limit)
        return [each.begins.astimezone(ZoneInfo(zone)).strftime("%d.%m. %H:%M") for each in found]

    # the clock jumps from 02:00 to 03:00 on 29 March: that interval is an hour shorter
    assert begins("6h", "2026-03-28T22:30Z", "Europe/Vienna", 6) == [
        "28.03. 18:00", "29.03. 00:00", "29.03. 06:00", "29.03. 12:00", "29.03. 18:00",
        "30.03. 00:00",
    ]  # fmt: skip
    assert begins("2h", "2026-03-28T23:00Z", "Europe/Vienna", 3) == [
        "29.03. 00:00", "29.03. 03:00", "29.03. 04:00",
    ]  # fmt: skip
    assert begins("90m", "2026-03-01T00:00Z", "Asia/Kolkata", 2) == ["01.03. 04:30", "01.03. 06:00"]
    assert begins("5h", "2026-03-01T15:00Z", "Europe/Vienna", 4) == [
        "01.03. 15:00", "01.03. 20:00", "02.03. 00:00", "02.03. 05:00",
    ]  # fmt: skip
    assert begins("25m", "2026-03-28T22:30Z", "Europe/Vienna", 4) == [
        "28.03. 23:20", "28.03. 23:45", "29.03. 00:00", "29.03. 00:25",
    ]  # fmt: skip
    assert begins("1w", "2026-03-05T00:00Z", "Europe/Vienna", 2) == ["02.03. 00:00", "09.03. 00:00"]
    assert begins("3mo", "2026-03-05T00:00Z", "Europe/Vienna", 2) == [
        "01.01. 00:00",
        "01.04. 00:00",
    ]
    assert begins("1y", "2025-12-31T23:00Z", "Europe/Vienna", 1) == ["01.01. 00:00"]
    # longer than a day: by the local clock, which skips an hour on 29 March
    assert begins("36h", "2026-03-27T00:00Z", "Europe/Vienna", 4) == [
        "27.03. 00:00", "28.03. 12:00", "30.03. 00:00", "31.03. 12:00",
    ]  # fmt: skip
    assert begins("25h", "2026-04-04T00:00Z", "Australia/Lord_Howe", 3) == [
        "03.04. 17:00", "04.04. 18:00", "05.04. 19:00",
    ]  # fmt: skip
    # of five months, counted from January 1970
    assert begins("5mo", "2026-03-05T00:00Z", "Europe/Vienna", 2) == [
        "01.11. 00:00",
        "01.04. 00:00",
    ]
