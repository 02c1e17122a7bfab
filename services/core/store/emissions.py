"""Emissions by interval: buckets of minutes or of hours, gaps included.

Every answer is whole buckets. Intervals below an hour come from the minutes; an hour or longer
comes from the versioned hours, so that substitution and restatement show, and so that a past state
can be asked for (``as_of``). Where the hours of a facility's time zone do not begin with UTC's
(India, Newfoundland ...), its days and months are summed from minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

Quality = Literal["measured", "partial", "missing", "substituted", "estimated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A span of time, ``begins`` inclusive, ``ends`` exclusive."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class EmissionRow:
    """What one source emitted in one bucket; null is unknown."""

    bucket: int
    source_id: int
    co2_ug: int | None
    co2e_ug: int | None
    #: 1e-9 of the source's activity unit
    activity_n: int | None
    covered_ms: int
    #: None: no hour of the bucket was ever computed
    version: int | None
    final: bool
    #: None: to be judged by the coverage
    quality: Quality | None


_FROM_MINUTES = """
WITH b AS (
    SELECT ordinality - 1 AS bucket, begins, ends
    FROM unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
         WITH ORDINALITY AS u(begins, ends)
), m AS (
    SELECT m.source_id, {bucket} AS begins, sum(m.co2_ug) AS co2_ug, sum(m.co2e_ug) AS co2e_ug,
           sum(m.activity_n) AS activity_n, sum(m.covered_ms) AS covered_ms
    FROM emission_minute m
    WHERE m.source_id = ANY(:sources) AND m.minute >= :first AND m.minute < :last
      AND m.minute <= :minute AND m.covered_ms > 0
    GROUP BY 1, 2
), h AS (
    SELECT h.source_id, {hour_bucket} AS begins, max(h.version) AS version, bool_and(h.final) AS final
    FROM emission_hour h
    WHERE h.source_id = ANY(:sources) AND h.hour >= date_trunc('hour', CAST(:first AS timestamptz))
      AND h.hour < :last
    GROUP BY 1, 2
)
SELECT b.bucket, s.id AS source_id, m.co2_ug, m.co2e_ug, m.activity_n,
       coalesce(m.covered_ms, 0) AS covered_ms, h.version, coalesce(h.final, false) AS final,
       NULL AS quality
FROM b CROSS JOIN unnest(CAST(:sources AS int[])) AS s(id)
LEFT JOIN m ON m.source_id = s.id AND m.begins = b.begins
LEFT JOIN h ON h.source_id = s.id AND h.begins = {hour_of_bucket}
ORDER BY b.bucket, s.id
"""

_MINUTES_BELOW_AN_HOUR = text(
    _FROM_MINUTES.format(
        bucket="date_bin(CAST(:step AS interval), m.minute, timestamptz 'epoch')",
        hour_bucket="h.hour",
        hour_of_bucket="date_trunc('hour', b.begins)",
    )
)

_MINUTES_BY_CALENDAR = text(
    _FROM_MINUTES.format(
        bucket="date_trunc(:unit, m.minute, :timezone)",
        hour_bucket="date_trunc(:unit, h.hour, :timezone)",
        hour_of_bucket="b.begins",
    )
)

_FROM_HOURS = """
WITH b AS (
    SELECT ordinality - 1 AS bucket, begins, ends
    FROM unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
         WITH ORDINALITY AS u(begins, ends)
), v AS ({versions}), h AS (
    SELECT v.source_id, {bucket} AS begins,
           sum(v.co2_ug) FILTER (WHERE v.known) AS co2_ug,
           sum(v.co2e_ug) FILTER (WHERE v.known) AS co2e_ug,
           sum(v.activity_n) FILTER (WHERE v.known) AS activity_n,
           sum(v.covered_ms) AS covered_ms, max(v.version) AS version,
           bool_and(v.final) AS final, count(*) AS hours,
           CASE WHEN bool_and(v.quality = 'missing') THEN 'missing'
                WHEN bool_or(v.quality = 'estimated') THEN 'estimated'
                WHEN bool_or(v.quality = 'substituted') THEN 'substituted'
                WHEN bool_and(v.quality = 'measured') THEN 'measured'
                ELSE 'partial' END AS quality
    FROM (SELECT *, covered_ms > 0 OR quality IN ('substituted', 'estimated') AS known FROM v) v
    GROUP BY 1, 2
)
SELECT b.bucket, s.id AS source_id, h.co2_ug, h.co2e_ug, h.activity_n,
       coalesce(h.covered_ms, 0) AS covered_ms, h.version,
       coalesce(h.final AND h.hours = round(extract(epoch FROM b.ends - b.begins) / 3600), false)
           AS final,
       CASE WHEN h.quality IS NULL THEN 'missing'
            WHEN h.quality = 'measured' AND h.hours
                 < extract(epoch FROM least(b.ends, CAST(:minute AS timestamptz)) - b.begins) / 3600
            THEN 'partial' ELSE h.quality END AS quality
FROM b CROSS JOIN unnest(CAST(:sources AS int[])) AS s(id)
LEFT JOIN h ON h.source_id = s.id AND h.begins = b.begins
ORDER BY b.bucket, s.id
"""

_IN_FORCE = """
SELECT source_id, hour, co2_ug, co2e_ug, activity_n, covered_ms, version, final, quality
FROM emission_hour
WHERE source_id = ANY(:sources) AND hour >= :first AND hour < :last AND hour <= :minute
"""

_AS_KNOWN = (
    _IN_FORCE
    + " AND known_at <= :as_of UNION ALL "
    + _IN_FORCE.replace("emission_hour", "emission_hour_history")
    + " AND known_at <= :as_of AND superseded_at > :as_of"
)

_BY_HOUR = "v.hour"
_BY_CALENDAR = "date_trunc(:unit, v.hour, :timezone)"


def _hours_statement(*, calendar: bool, as_known: bool) -> TextClause:
    return text(
        _FROM_HOURS.format(
            versions=_AS_KNOWN if as_known else _IN_FORCE,
            bucket=_BY_CALENDAR if calendar else _BY_HOUR,
        )
    )


_HOURS = {
    (calendar, as_known): _hours_statement(calendar=calendar, as_known=as_known)
    for calendar in (False, True)
    for as_known in (False, True)
}


async def by_minutes(
    connection: AsyncConnection,
    sources: Sequence[int],
    buckets: Sequence[Bucket],
    *,
    step: timedelta,
    now: datetime,
) -> list[EmissionRow]:
    """Rows of equal buckets of ``step``, a divisor of the hour, aligned to the hour."""
    return await _rows(
        connection, _MINUTES_BELOW_AN_HOUR, sources, buckets, now=now, extra={"step": step}
    )


async def by_calendar_minutes(
    connection: AsyncConnection,
    sources: Sequence[int],
    buckets: Sequence[Bucket],
    *,
    unit: Literal["day", "month"],
    timezone: str,
    now: datetime,
) -> list[EmissionRow]:
    """Rows of days or months in ``timezone``, summed from minutes."""
    return await _rows(
        connection,
        _MINUTES_BY_CALENDAR,
        sources,
        buckets,
        now=now,
        extra={"unit": unit, "timezone": timezone},
    )


async def by_hours(
    connection: AsyncConnection,
    sources: Sequence[int],
    buckets: Sequence[Bucket],
    *,
    unit: Literal["hour", "day", "month"],
    timezone: str,
    now: datetime,
    as_of: datetime | None = None,
) -> list[EmissionRow]:
    """Rows of hours, or of days or months of whole hours in ``timezone``.

    ``as_of``: as it was known then; None: as it is known now.
    """
    calendar = unit != "hour"
    extra: dict[str, Any] = {"unit": unit, "timezone": timezone} if calendar else {}
    if as_of is not None:
        extra["as_of"] = as_of
    statement = _HOURS[calendar, as_of is not None]
    return await _rows(connection, statement, sources, buckets, now=now, extra=extra)


async def _rows(
    connection: AsyncConnection,
    statement: TextClause,
    sources: Sequence[int],
    buckets: Sequence[Bucket],
    *,
    now: datetime,
    extra: dict[str, Any],
) -> list[EmissionRow]:
    if not buckets or not sources:
        return []
    result = await connection.execute(
        statement,
        {
            "sources": list(sources),
            "begins": [bucket.begins for bucket in buckets],
            "ends": [bucket.ends for bucket in buckets],
            "first": buckets[0].begins,
            "last": buckets[-1].ends,
            "minute": now.replace(second=0, microsecond=0),
            **extra,
        },
    )
    return [
        EmissionRow(
            bucket=row.bucket,
            source_id=row.source_id,
            co2_ug=None if row.co2_ug is None else int(row.co2_ug),
            co2e_ug=None if row.co2e_ug is None else int(row.co2e_ug),
            activity_n=None if row.activity_n is None else int(row.activity_n),
            covered_ms=int(row.covered_ms),
            version=row.version,
            final=row.final,
            quality=row.quality,
        )
        for row in result
    ]
