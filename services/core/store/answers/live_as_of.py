"""What a facility's live totals were at an instant, as it was known then.

A window is made of the whole hours in it, as they were known
(:mod:`..emissions.hours_as_known`), and of minutes of the hours that it begins and ends in,
computed from the readings of then (:mod:`..computation.hours_then`). Which sources there were is
told by their configurations; how they are banded and checked is today's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.answers.grouping import Groups
from services.core.store.answers.hour_columns import HourColumns, hour_columns
from services.core.store.answers.live import EXPORTED_UNIT, FacilityLive, source_live
from services.core.store.answers.live_windows import SpanTotal
from services.core.store.answers.newest_readings import NewestBySource, newest_readings_as_known
from services.core.store.computation import hours_then, minutes_as_known
from services.core.store.computation.hours_then import HourMinutes, HoursThen
from services.core.store.emissions import hour_history
from services.core.store.emissions.hours_as_known import SourceHours
from services.core.store.registry.replaced_sources import is_replaced
from services.core.store.schema.figures import (
    MASSES,
    METHOD_TIMES,
    METHODS_MS,
    OF_COVERED,
    TIMES,
    WINDOW_AMOUNTS,
    WITHOUT_BOUNDS,
    names,
)
from services.core.timeline import windows
from services.core.timeline.instants import (
    HOUR,
    MILLISECOND,
    MINUTE,
    MINUTE_US,
    from_us,
    hour_at_or_after,
    to_minute,
    to_us,
)

#: A source's newest minute is looked for so far back.
_NEWEST_HOURS = 31 * 24

#: So many sources at a time: a year of their hours takes some 30 MB.
_SOURCES_AT_ONCE: Final = 20

_FACILITY = text(
    """
SELECT f.id, f.slug, f.timezone, p.sequence, p.changed_at
FROM facility f LEFT JOIN facility_progress p ON p.facility_id = f.id WHERE f.slug = :facility
"""
)

_SOURCES = text(
    f"""
SELECT s.id AS source_id, s.slug AS source, coalesce(s.spec->>'name', s.slug) AS name, s.scope,
       a.active, s.retired_at, {EXPORTED_UNIT} AS exported_unit,
       {is_replaced("a.active")} AS replaced
FROM source s
CROSS JOIN LATERAL (SELECT s.active OR s.retired_at > :as_of AS active) a
WHERE s.facility_id = :facility_id AND s.scope > 0 AND NOT (
    EXISTS (SELECT FROM source_revision r WHERE r.source_id = s.id)
    AND NOT EXISTS (SELECT FROM source_revision r
                    WHERE r.source_id = s.id AND r.known_at <= :as_of))
ORDER BY s.id
"""
)

# The newest hours that anything is known of; of the newest one the minutes tell.
_NEWEST = """
SELECT k.source_id, max(k.hour) FROM (
    SELECT source_id, minute_of(hour) / 60 AS hour FROM emission_hour
    WHERE source_id = ANY(%(sources)s) AND hour > %(first)s AND hour <= %(as_of)s
      AND known_at <= %(as_of)s AND covered_ms >= 1000
    UNION ALL
    SELECT source_id, minute_of(hour) / 60 FROM emission_hour_history
    WHERE source_id = ANY(%(sources)s) AND hour > %(first)s AND hour <= %(as_of)s
      AND known_at <= %(as_of)s AND superseded_at > %(as_of)s AND covered_ms >= 1000) k
GROUP BY 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """What had to be computed for an answer of the past."""

    as_of: datetime
    #: None: there were too many
    hours: HoursThen | None
    #: by source and hour (since the epoch): of the hours that windows begin and end in, and of the
    #: newest that anything is known of
    minutes: Mapping[tuple[int, int], HourMinutes]
    #: why nobody can tell what was known of some of them
    unknown: Mapping[tuple[int, int], str]
    #: the newest readings of each source
    newest: NewestBySource


def compute_past(
    connection: psycopg.Connection[Any], source_ids: list[int], timezone: str, as_of: datetime
) -> Past:
    """Compute what :func:`facility_live_as_of` takes; ``as_of`` is aware."""
    begins = windows.first_minutes(_minute(as_of), ZoneInfo(timezone))
    try:
        hours = hours_then.open_hours(
            connection,
            [
                SourceHours(
                    source_id=source_id, first=min(begins.values()) - HOUR, last=as_of + MINUTE
                )
                for source_id in source_ids
            ],
            as_of,
        )
    except hours_then.TooManyOpenHoursError:
        hours = None
    cut = {to_minute(begin) // 60 for begin in begins.values() if begin != hour_at_or_after(begin)}
    cut.add(to_minute(as_of) // 60)
    hour_history.open_span(connection, source_ids, as_of - _NEWEST_HOURS * HOUR, as_of + HOUR)
    newest = dict(
        connection.execute(
            _NEWEST,
            {
                "sources": source_ids,
                "first": as_of - _NEWEST_HOURS * HOUR,
                "as_of": as_of,
            },
        ).fetchall()
    )
    for (source_id, hour), figures in (hours.figures if hours else {}).items():
        if (figures["covered_ms"] or 0) >= 1000:
            newest[source_id] = max(newest.get(source_id, hour), hour)
    minutes: dict[tuple[int, int], HourMinutes] = {}
    unknown: dict[tuple[int, int], str] = {}
    for source_id, known_source in minutes_as_known.sources(connection, source_ids).items():
        wanted = cut | ({newest[source_id]} if source_id in newest else set())
        hour_minutes, lost = hours_then.hour_minutes(connection, known_source, wanted, as_of)
        minutes |= {(source_id, hour): of_hour for hour, of_hour in hour_minutes.items()}
        unknown |= {(source_id, hour): why for hour, why in lost.items()}
    return Past(
        as_of=as_of,
        hours=hours,
        minutes=minutes,
        unknown=unknown,
        newest=newest_readings_as_known(connection, source_ids, as_of),
    )


async def zone_and_sources(
    connection: AsyncConnection, facility: str, as_of: datetime
) -> tuple[str, list[int]] | None:
    """Read the time zone and the sources that there were at ``as_of``; None: no such facility."""
    head = (await connection.execute(_FACILITY, {"facility": facility})).one_or_none()
    if head is None:
        return None
    rows = await connection.execute(_SOURCES, {"facility_id": head.id, "as_of": as_of})
    return head.timezone, [row.source_id for row in rows]


async def facility_live_as_of(
    connection: AsyncConnection, facility: str, *, as_of: datetime, past: Past
) -> FacilityLive | None:
    """Read what was known at ``as_of`` (aware, not after now) of ``facility``.

    :returns: None if there is no such facility.
    """
    head = (await connection.execute(_FACILITY, {"facility": facility})).one_or_none()
    if head is None:
        return None
    minute = _minute(as_of)
    sources = (
        (await connection.execute(_SOURCES, {"facility_id": head.id, "as_of": as_of}))
        .mappings()
        .all()
    )
    begins = windows.first_minutes(minute, ZoneInfo(head.timezone))
    source_ids = [source["source_id"] for source in sources]
    totals: dict[tuple[int, str], dict[str, int]] = {}
    for start in range(0, len(source_ids), _SOURCES_AT_ONCE):
        ids = source_ids[start : start + _SOURCES_AT_ONCE]
        hours = await hour_columns(
            connection,
            ids,
            min(begins.values()) - HOUR,
            as_of + MINUTE,
            now=as_of,
            then=past.hours.among(ids).figures if past.hours else {},
        )
        totals |= _of_whole_hours(hours, begins, as_of)
    newest_first: dict[int, list[int]] = {}
    for source_id, hour in sorted(past.minutes, reverse=True):
        newest_first.setdefault(source_id, []).append(hour)
    return FacilityLive(
        slug=head.slug,
        timezone=head.timezone,
        as_of=as_of,
        sequence=head.sequence or 0,
        changed_at=head.changed_at,
        sources=tuple(
            source_live(
                {
                    **source,
                    **_newest(
                        source["source_id"], newest_first.get(source["source_id"], ()), past, as_of
                    ),
                },
                as_of,
                past.newest.get(source["source_id"], ()),
                {
                    window: _span_total(
                        source, minute, since, totals.get((source["source_id"], window)), past
                    )
                    for window, since in begins.items()
                },
            )
            for source in sources
        ),
    )


def _of_whole_hours(
    hours: HourColumns, begins: Mapping[str, datetime], as_of: datetime
) -> dict[tuple[int, str], dict[str, int]]:
    """Add up the whole hours of each window, by source and window; none that was running."""
    running_us = to_us(as_of.replace(minute=0, second=0, microsecond=0))
    times = {"covered_ms": hours.figures["covered_ms"], **hours.methods_ms}
    columns = {**{name: hours.figures[name] for name in names(WITHOUT_BOUNDS)}, **times}
    totals = {}
    for window, since in begins.items():
        within = (hours.hour_us >= to_us(hour_at_or_after(since))) & (hours.hour_us < running_us)
        groups = Groups(hours.source_id[within])
        sums = {name: groups.sums(column[within]).tolist() for name, column in columns.items()}
        for index, source_id in enumerate(groups.keys.tolist()):
            totals[source_id, window] = {name: column[index] for name, column in sums.items()}
    return totals


def _newest(
    source_id: int, newest_first: Sequence[int], past: Past, as_of: datetime
) -> dict[str, Any]:
    """Return the newest minute, among these hours, of which a second is covered."""
    last = to_minute(as_of)
    for hour in newest_first:
        of_hour = past.minutes[source_id, hour]
        known = (of_hour.figures["covered_ms"] >= 1000) & (of_hour.minutes <= last)
        if known.any():
            index = int(known.nonzero()[0][-1])
            return {
                "newest_minute": from_us(int(of_hour.minutes[index]) * MINUTE_US),
                **{f"newest_{mass}": int(of_hour.figures[mass.name][index]) for mass in MASSES},
                "newest_covered_ms": int(of_hour.figures["covered_ms"][index]),
            }
    return {"newest_minute": None, "newest_covered_ms": None}


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _span_total(
    source: Mapping[Any, Any],
    minute: datetime,
    begins: datetime,
    of_hours: Mapping[Any, Any] | None,
    past: Past,
) -> SpanTotal:
    """Return a window's total: that of its whole hours and of the minutes before them."""
    ends = minute + MINUTE
    length = ends - begins
    expected = length
    if not source["active"]:
        expected = min(length, max(timedelta(0), (source["retired_at"] or ends) - begins))
    masses, amounts = (
        [0 if of_hours is None else int(of_hours[name]) for name in names(figures)]
        for figures in (MASSES, WINDOW_AMOUNTS)
    )
    times = {time: 0 if of_hours is None else int(of_hours[time]) for time in TIMES}
    for hour in _cut(begins, minute):
        of_hour = past.minutes.get((source["source_id"], hour))
        if of_hour is None:
            continue
        within = (of_hour.minutes >= to_minute(begins)) & (of_hour.minutes <= to_minute(minute))
        sums = {name: int(column[within].sum()) for name, column in of_hour.figures.items()}
        masses = [
            mass + sums[name] + int(of_hour.added[name][within].sum())
            for mass, name in zip(masses, names(MASSES), strict=True)
        ]
        amounts = [
            amount + sums[name] for amount, name in zip(amounts, names(WINDOW_AMOUNTS), strict=True)
        ]
        times["covered_ms"] += sums["covered_ms"]
        times["measured_ms"] += sums["covered_ms"] + sums["closing_ms"]
        times["measured_ms"] -= sum(sums[time.name] for time in OF_COVERED)
        for time in METHOD_TIMES:
            times[time.name] += sums[time.name]
    methods_ms = tuple(times[time] for time in METHODS_MS)
    return SpanTotal(
        masses_ug=tuple(masses),
        amounts_n=tuple(amounts),
        covered_ms=min(times["covered_ms"], sum(methods_ms)),
        methods_ms=methods_ms,
        window_ms=length // MILLISECOND,
        expected_ms=expected // MILLISECOND,
        unknown=_unknown(source["source_id"], begins, past),
    )


def _unknown(source_id: int, begins: datetime, past: Past) -> str | None:
    """Return why nobody can tell what was known of a window; None: it is known."""
    if past.hours is None:
        return hours_then.TOO_MANY
    reasons = [
        why
        for (known_source, hour), why in past.hours.unknown.items()
        if known_source == source_id and hour * 60 >= to_minute(begins)
    ]
    reasons += [
        past.unknown[source_id, hour]
        for hour in sorted(_cut(begins, past.as_of))
        if (source_id, hour) in past.unknown
    ]
    return next(iter(reasons), None)


def _cut(begins: datetime, as_of: datetime) -> set[int]:
    """Return the hours (since the epoch) of which a window has some minutes."""
    running = to_minute(as_of) // 60
    first = to_minute(begins) // 60
    return {running} if begins == hour_at_or_after(begins) else {first, running}
