"""What a facility emits now: rates, totals by window, newest readings, read in one statement.

What a retired source emitted stays in the totals, unless an active source of the same scope counts
the same readings in its place.

The cost does not depend on the length of a window. ``rolling_total`` holds the exact total of the
minutes ``since .. upto``; what a window gained and lost since the aggregator last moved it are a
few minutes at its two ends, and those are summed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, LiteralString

from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.accounting.present_rate import (
    UNKNOWN,
    NewestReadings,
    PresentRate,
    present_rate,
)
from services.core.store.answers.live_windows import (
    RANGES_PACKED,
    WINDOWS_PACKED,
    SpanTotal,
    windows,
)
from services.core.store.answers.newest_readings import NEWEST, newest_keys, newest_readings
from services.core.store.database.arrays import binary_record
from services.core.store.emissions import minute_history
from services.core.store.packing import opened
from services.core.store.registry.replaced_sources import is_replaced
from services.core.store.schema.figures import IN_WINDOWS, MASSES, WITHOUT_BOUNDS, per_figure
from services.core.timeline.instants import DAY_MINUTES
from services.core.timeline.intervals import Interval
from services.core.timeline.windows import ROLLING_MINUTES, TO_DATE

#: What the statement sends of each source, in arrays.
_OF_SOURCE = (
    "source_id",
    "source",
    "name",
    "scope",
    "active",
    "replaced",
    "exported_unit",
    "newest_minute",
    "newest_covered_ms",
    *(f"newest_{mass}" for mass in MASSES),
)

_ROLLING_BEGIN: LiteralString = " ".join(
    f"WHEN '{name}' THEN at - interval '{minutes - 1} minutes'"
    for name, minutes in ROLLING_MINUTES.items()
)
#: SQL of the unit of what a source's meter says flows out; null: it does not tell it apart.
EXPORTED_UNIT: LiteralString = (
    "CASE WHEN s.spec->>'direction' IN ('export', 'both') THEN s.activity_unit END"
)
_TO_DATE: LiteralString = ", ".join(f"'{name}'" for name in TO_DATE)

# Of each source and span the stored total, and of each source the minutes that came to its windows
# since or left them. A to-date span that has just begun anew is summed from its start. `at` is the
# last minute of the window; a stored total that is ahead of this machine's clock is taken as it
# stands. The answer is one row, each column of windows an array: there are eight of each source,
# which the database would take longer to join, and the driver to take up, than to find. Masses and
# amounts are text, for they have no bounds.
_LIVE: Final[LiteralString] = f"""
WITH f AS (
    SELECT f.id, f.slug, f.timezone, p.sequence, p.changed_at
    FROM facility f LEFT JOIN facility_progress p ON p.facility_id = f.id
    WHERE f.slug = %(facility)s AND f.retired_at IS NULL
), s AS MATERIALIZED (
    SELECT s.id, s.slug, coalesce(s.spec->>'name', s.slug) AS name, s.scope, s.active, f.timezone,
           CASE WHEN s.active THEN 'infinity'
                ELSE coalesce(s.retired_at, 'infinity') END AS gone_at,
           {is_replaced()} AS replaced, {EXPORTED_UNIT} AS exported_unit,
           n.minute AS newest_minute, n.covered_ms AS newest_covered_ms,
           {per_figure(MASSES, "n.{f} AS newest_{f}")}
    FROM f JOIN source s ON s.facility_id = f.id AND s.scope > 0
    LEFT JOIN LATERAL (
        SELECT m.minute, m.covered_ms, {per_figure(MASSES, "m.{f}")} FROM minute_in_force m
        WHERE m.source_id = s.id AND m.minute <= %(minute)s::timestamptz
          -- covered time is whole milliseconds: over less than a second no rate can be told
          AND m.covered_ms >= 1000
          AND m.minute > %(minute)s::timestamptz - interval '31 days'
        ORDER BY m.minute DESC LIMIT 1
    ) n ON true
), t AS (
    SELECT r.*, s.timezone, s.gone_at, greatest(%(minute)s::timestamptz, r.upto) AS at,
           CASE r.span WHEN 'today' THEN 'day' ELSE r.span END AS unit
    FROM s JOIN rolling_total r ON r.source_id = s.id
), w AS (
    SELECT t.*, CASE span
        {_ROLLING_BEGIN}
        ELSE CASE WHEN date_trunc(unit, since, timezone) = date_trunc(unit, at, timezone)
             THEN since ELSE date_trunc(unit, at, timezone) END
    END AS begins
    FROM t
), r AS MATERIALIZED (
    SELECT w.*, (span NOT IN ({_TO_DATE}) OR since = begins) AS same_period FROM w
), ranges AS (
    SELECT source_id, upto + interval '1 minute' AS lo, at AS hi FROM r
    WHERE same_period AND upto < at
    UNION
    SELECT source_id, since, begins - interval '1 minute' FROM r
    WHERE same_period AND since < begins
    UNION
    SELECT source_id, begins, at FROM r WHERE NOT same_period
), sums AS (
    -- sources share their ranges, and to look which chunks have one takes longer than to sum it
    SELECT x.source_id, shared.lo, shared.hi, {per_figure(IN_WINDOWS, "x.{f}")}
    FROM (SELECT lo, hi, array_agg(source_id) AS source_ids FROM ranges GROUP BY lo, hi) shared,
    LATERAL (
        SELECT m.source_id, {per_figure(IN_WINDOWS, "sum({f.closed}) AS {f}")}
        FROM minute_in_force m
        WHERE m.source_id = ANY(shared.source_ids) AND m.minute BETWEEN shared.lo AND shared.hi
        GROUP BY m.source_id
    ) x
), packed AS (
    -- what is read here are rows: days in which windows begin are opened ahead
    SELECT p.source_id, p.day
    FROM ranges JOIN packed_minutes p ON p.source_id = ranges.source_id
     AND p.day BETWEEN minute_of(ranges.lo) / 1440 AND minute_of(ranges.hi) / 1440
    WHERE ranges.lo < (SELECT minute_start(1440 * upto_day) FROM packing_horizon WHERE id = 2)
    UNION
    SELECT s.id, n.day
    FROM s, LATERAL (
        SELECT p.day FROM packed_minutes p
        WHERE p.source_id = s.id AND p.day <= minute_of(%(minute)s::timestamptz) / 1440
          AND p.day >= coalesce(minute_of(s.newest_minute) / 1440 + 1,
                                minute_of(%(minute)s::timestamptz) / 1440 - 31)
        ORDER BY p.day DESC LIMIT 1) n
)
SELECT f.slug AS facility, f.timezone, f.sequence, f.changed_at, of_source.*, of_window.*,
       of_range.*, of_input.*, ARRAY(SELECT DISTINCT day FROM packed) AS packed_days
FROM f CROSS JOIN (
    SELECT array_agg(id) AS source_id, array_agg(slug) AS source, array_agg(name) AS name,
           array_agg(scope) AS scope,
           array_agg(active) AS active, array_agg(replaced) AS replaced,
           array_agg(exported_unit) AS exported_unit,
           array_agg(newest_minute) AS newest_minute,
           array_agg(newest_covered_ms) AS newest_covered_ms,
           {per_figure(MASSES, "array_agg(newest_{f}) AS newest_{f}")}
    FROM (SELECT * FROM s ORDER BY id) x
) of_source CROSS JOIN (
    SELECT {WINDOWS_PACKED} AS window_packed, array_agg(span) AS window_span,
           {per_figure(WITHOUT_BOUNDS, "string_agg(CAST({f} AS text), ' ') AS window_{f}")}
    FROM r
) of_window CROSS JOIN (
    SELECT {RANGES_PACKED} AS range_packed,
           {per_figure(WITHOUT_BOUNDS, "string_agg(CAST({f} AS text), ' ') AS range_{f}")}
    FROM sums
) of_range CROSS JOIN ({NEWEST}) of_input
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceLive:
    """One source now."""

    slug: str
    #: the id where the file gives it none
    name: str
    scope: int
    #: False: the facility file names it no more; what it emitted stays
    active: bool
    #: an active source counts the same readings in its place
    replaced: bool
    #: unit of what its meter says flows out; None: the meter does not tell it apart
    exported_unit: str | None
    #: micrograms per hour in the newest known minute, in the order of ``MASSES``, CO2 first; None:
    #: nobody knows what it emits now
    rates_ug_h: tuple[float, ...] | None
    #: what that rate is
    rate: PresentRate
    #: of its channels, in the last 31 days
    newest_reading: datetime | None
    #: start of the newest known minute of the last 31 days
    newest_minute: datetime | None
    #: by span; a span is missing while the aggregator has not yet seen the source
    totals: Mapping[str, SpanTotal] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityLive:
    """A facility now, source by source."""

    slug: str
    timezone: str
    as_of: datetime
    #: rises with every change of the facility's totals
    sequence: int
    changed_at: datetime | None
    sources: tuple[SourceLive, ...]


async def facility_live(
    connection: AsyncConnection, facility: str, *, now: datetime
) -> FacilityLive | None:
    """Read the state of ``facility`` at ``now``, its current minute included.

    :returns: None if there is no such facility, or it is retired.
    """
    minute = now.replace(second=0, microsecond=0)
    keys = {"facility": facility, "minute": minute, **newest_keys(now)}
    row = await binary_record(connection, _LIVE, keys)
    if row is not None and row["packed_days"]:
        days = [
            Interval(start=day * DAY_MINUTES, end=(day + 1) * DAY_MINUTES)
            for day in row["packed_days"]
        ]
        source_ids = list(row["source_id"])
        async with opened.snapshot_async(connection):
            await connection.run_sync(
                lambda same: minute_history.open_intervals(same, source_ids, days)
            )
            row = await binary_record(connection, _LIVE, keys)
    if row is None:
        return None
    totals = windows(row)
    readings = newest_readings(row)
    columns = [row[name] or () for name in _OF_SOURCE]
    sources = [dict(zip(_OF_SOURCE, values, strict=True)) for values in zip(*columns, strict=True)]
    return FacilityLive(
        slug=row["facility"],
        timezone=row["timezone"],
        as_of=now,
        sequence=row["sequence"] or 0,
        changed_at=row["changed_at"],
        sources=tuple(
            source_live(
                source,
                now,
                readings.get(source["source_id"], ()),
                totals.get(source["source_id"], {}),
            )
            for source in sources
        ),
    )


def source_live(
    row: Mapping[Any, Any],
    now: datetime,
    readings: Sequence[NewestReadings],
    totals: Mapping[str, SpanTotal],
) -> SourceLive:
    """Return a source from a row with its newest known minute at ``now``."""
    newest: datetime | None = row["newest_minute"]
    rate = present_rate(now, newest, readings) if row["active"] else UNKNOWN
    return SourceLive(
        slug=row["source"],
        name=row["name"],
        scope=row["scope"],
        active=row["active"],
        replaced=row["replaced"],
        exported_unit=row["exported_unit"],
        rates_ug_h=None
        if rate.basis == "unknown"
        else tuple(row[f"newest_{mass}"] * 3_600_000 / row["newest_covered_ms"] for mass in MASSES),
        rate=rate,
        newest_reading=max((channel.newest for channel in readings), default=None),
        newest_minute=newest,
        totals=totals,
    )
