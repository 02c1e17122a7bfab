"""Days and months of a time zone are those that answers have buckets of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.api.http.intervals import cut, parse
from services.core.timeline import local_days

FIRST = datetime(2025, 1, 7, 13, tzinfo=UTC)
LAST = datetime(2026, 4, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timezone", "first"),
    [
        ("UTC", FIRST),
        ("Europe/Vienna", FIRST),
        ("America/Havana", FIRST),
        ("Pacific/Auckland", FIRST),
        # midnight was skipped there
        ("America/Sao_Paulo", datetime(2018, 10, 1, tzinfo=UTC)),
        # a whole day was
        ("Pacific/Apia", datetime(2011, 11, 20, tzinfo=UTC)),
    ],
)
def test_days_and_months_are_those_of_answers(timezone: str, first: datetime) -> None:
    last = first + (LAST - FIRST)
    months = list(local_days.months(ZoneInfo(timezone), first, last))[::-1]
    assert [(m.begins, m.ends) for m in months] == [
        (b.begins, b.ends) for b in cut(parse("1mo"), first, last, timezone=timezone, limit=99)
    ]
    assert [(d.begins, d.ends) for m in months for d in m.days] == [
        (b.begins, b.ends)
        for b in cut(parse("1d"), months[0].begins, months[-1].ends, timezone=timezone, limit=999)
    ]


def test_hours_that_no_day_has_whole_are_in_none() -> None:
    (month,) = local_days.months(
        ZoneInfo("Asia/Kolkata"), datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC)
    )
    assert month.begins == datetime(2026, 2, 28, 19, tzinfo=UTC)
    assert month.ends == datetime(2026, 3, 31, 18, tzinfo=UTC)
    assert len(month.days) == 31
    assert {day.ends - day.begins for day in month.days} == {timedelta(hours=23)}
    assert month.days[1].begins - month.days[0].ends == timedelta(hours=1)
