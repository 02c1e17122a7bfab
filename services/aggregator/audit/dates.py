"""Hold the dates of hours against when their readings arrived: `as_of` answers by these dates.

An hour cannot be known before what it is made of. It may be known later, for the aggregator may
have stood still; not where it closed other hours meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from services.aggregator.audit.findings import hour_start
from services.aggregator.audit.then import Then
from services.core.store.emissions import ledger_dates
from services.core.store.emissions.final_hours import StoredHour
from services.core.store.emissions.stored_minutes import StoredMinutes
from services.core.timeline.instants import HOUR, SECOND

#: After an outage, or a back-fill, hours are closed within a day.
_CATCH_UP: Final = timedelta(days=1)


def wrong(
    connection: psycopg.Connection[Any],
    then: Then,
    source_id: int,
    stored: Mapping[int, StoredHour],
    minutes: StoredMinutes,
    hours: Collection[int],
    *,
    channels: Collection[int],
    cuts: Sequence[datetime],
    lateness_s: float,
) -> Iterator[tuple[int, str]]:
    """Return which of ``hours`` have a date that their readings rule out, and what is wrong.

    Of final hours that no rule judged. ``cuts``: when the configuration changed, ascending.
    """
    plain = {hour for hour in hours if stored[hour].final and stored[hour].code is None}
    if not plain:
        return
    arrivals = ledger_dates.arrivals(connection, channels, min(plain), max(plain))
    early = {
        hour
        for hour in plain
        if hour in arrivals and arrivals[hour] > stored[hour].known_at + SECOND
    }
    yield from _before_its_readings(then, stored, minutes, early, arrivals)
    late = {
        hour
        for hour in plain - early
        if stored[hour].version == 1
        and stored[hour].known_at - 2 * _CATCH_UP
        > max(
            filter(
                None,
                (
                    hour_start(hour) + HOUR + timedelta(seconds=lateness_s),
                    arrivals.get(hour),
                    ledger_dates.last_before(cuts, stored[hour].known_at),
                ),
            )
        )
    }
    yield from _long_after(connection, then, source_id, stored, minutes, late)


def _before_its_readings(
    then: Then,
    stored: Mapping[int, StoredHour],
    minutes: StoredMinutes,
    hours: Collection[int],
    arrivals: Mapping[int, datetime],
) -> Iterator[tuple[int, str]]:
    """Return which of the hours were something else when they are said to have been known."""
    sums = minutes.sums(hours)
    for known_at, of_instant in _by_known_at(stored, hours):
        known = then.sums(of_instant, known_at)
        for hour in of_instant:
            if known[hour] not in (None, sums[hour]):
                detail = (
                    f"readings that make it what it is arrived at {_text(arrivals[hour])}, and it"
                    f" is said to be known since {_text(known_at)}"
                )
                yield hour, detail


def _long_after(
    connection: psycopg.Connection[Any],
    then: Then,
    source_id: int,
    stored: Mapping[int, StoredHour],
    minutes: StoredMinutes,
    hours: Collection[int],
) -> Iterator[tuple[int, str]]:
    """Return which of the hours could have been known days before, while others were closed."""
    sums = minutes.sums(hours)
    for known_at, of_instant in _by_known_at(stored, hours):
        before = known_at - 2 * _CATCH_UP
        if not ledger_dates.were_hours_closed(connection, source_id, before, known_at - _CATCH_UP):
            continue
        known = then.sums(of_instant, before)
        for hour in of_instant:
            if known[hour] == sums[hour]:
                detail = (
                    f"it is said to be known since {_text(known_at)}, though all that it is made"
                    " of was there days before, and other hours were closed meanwhile"
                )
                yield hour, detail


def _by_known_at(
    stored: Mapping[int, StoredHour], hours: Collection[int]
) -> Iterator[tuple[datetime, list[int]]]:
    by_instant: dict[datetime, list[int]] = {}
    for hour in sorted(hours):
        by_instant.setdefault(stored[hour].known_at, []).append(hour)
    yield from by_instant.items()


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
