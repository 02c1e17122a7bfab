"""Emissions by interval: buckets of minutes or of hours, gaps included.

Every answer is whole buckets. Intervals below an hour come from the minutes; an hour or longer
comes from the versioned hours, so that substitution and restatement show, and so that a past state
can be asked for (``as_of``). Where the hours of a facility's time zone do not begin with UTC's
(India, Newfoundland ...), its days and months are summed from minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.emissions import hours_as_known

Quality = Literal["measured", "partial", "missing", "substituted", "estimated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A span of time, ``begins`` inclusive, ``ends`` exclusive."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class EmissionRow:
    """What one source emitted in one bucket; null is unknown."""

    #: index into the buckets asked for
    bucket: int
    source_id: int
    co2_ug: int | None
    co2e_ug: int | None
    #: scope 2, market-based; as co2_ug where no contract says otherwise
    market_ug: int | None
    #: 1e-9 of the source's activity unit
    activity_n: int | None
    covered_ms: int
    #: the time that each method stands for
    measured_ms: int
    substituted_ms: int
    estimated_ms: int
    #: None: no hour of the bucket was ever computed
    version: int | None
    final: bool
    #: None: to be judged by the methods' times
    quality: Quality | None


_BUCKETS = """
WITH b AS (
    SELECT ordinality AS bucket, begins, ends
    FROM unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
         WITH ORDINALITY AS u(begins, ends)
)
"""

# Buckets are told apart by their first instants, so that no two calendars can disagree.
_FROM_MINUTES = """
, m AS (
    SELECT m.source_id, width_bucket(m.minute, CAST(:begins AS timestamptz[])) AS bucket,
           sum(m.co2_ug + m.closing_ug) AS co2_ug, sum(m.co2e_ug + m.closing_ug) AS co2e_ug,
           sum(m.market_ug + m.closing_ug) AS market_ug,
           sum(m.activity_n) AS activity_n, sum(m.covered_ms) AS covered_ms,
           sum(m.covered_ms + m.closing_ms - m.estimated_ms) AS measured_ms,
           sum(m.substituted_ms) AS substituted_ms, sum(m.estimated_ms) AS estimated_ms
    FROM minute_in_force m
    WHERE m.source_id = ANY(:sources) AND m.minute >= :first AND m.minute < :last
      AND m.minute <= :minute
      AND (m.covered_ms > 0 OR m.closing_ug <> 0 OR m.closing_ms > 0 OR m.substituted_ms > 0)
    GROUP BY 1, 2
), h AS (
    SELECT h.source_id, {hour_key} AS key, max(h.version) AS version, bool_and(h.final) AS final
    FROM emission_hour h
    WHERE h.source_id = ANY(:sources) AND h.hour >= date_trunc('hour', CAST(:first AS timestamptz))
      AND h.hour < :last
    GROUP BY 1, 2
)
SELECT b.bucket, s.id AS source_id, m.co2_ug, m.co2e_ug, m.market_ug, m.activity_n,
       coalesce(m.covered_ms, 0) AS covered_ms, coalesce(m.measured_ms, 0) AS measured_ms,
       coalesce(m.substituted_ms, 0) AS substituted_ms,
       coalesce(m.estimated_ms, 0) AS estimated_ms, h.version,
       coalesce(h.final, false) AS final, NULL AS quality
FROM b CROSS JOIN unnest(CAST(:sources AS int[])) AS s(id)
LEFT JOIN m ON m.source_id = s.id AND m.bucket = b.bucket
LEFT JOIN h ON h.source_id = s.id AND h.key = {bucket_key}
ORDER BY b.bucket, s.id
"""

_PARTS_OF_HOURS = text(
    _BUCKETS + _FROM_MINUTES.format(hour_key="h.hour", bucket_key="date_trunc('hour', b.begins)")
)

_DAYS_OF_MINUTES = text(
    _BUCKETS
    + _FROM_MINUTES.format(
        hour_key="greatest(1, width_bucket(h.hour, CAST(:begins AS timestamptz[])))",
        bucket_key="b.bucket",
    )
)

_FROM_HOURS = """
, v AS ({versions}), h AS (
    SELECT v.source_id, width_bucket(v.hour, CAST(:begins AS timestamptz[])) AS bucket,
           sum(v.co2_ug) FILTER (WHERE v.known) AS co2_ug,
           sum(v.co2e_ug) FILTER (WHERE v.known) AS co2e_ug,
           sum(v.market_ug) FILTER (WHERE v.known) AS market_ug,
           sum(v.activity_n) FILTER (WHERE v.known) AS activity_n,
           sum(v.covered_ms) AS covered_ms, sum(v.measured_ms) AS measured_ms,
           sum(v.substituted_ms) AS substituted_ms, sum(v.estimated_ms) AS estimated_ms,
           max(v.version) AS version,
           bool_and(v.final) AS final, count(*) AS hours,
           CASE WHEN bool_and(v.quality = 'missing') THEN 'missing'
                WHEN bool_or(v.quality = 'substituted') THEN 'substituted'
                WHEN bool_or(v.quality IN ('missing', 'partial')) THEN 'partial'
                WHEN sum(v.estimated_ms) > sum(v.measured_ms) THEN 'estimated'
                ELSE 'measured' END AS quality
    FROM (SELECT *, measured_ms + substituted_ms + estimated_ms > 0 AS known FROM v) v
    GROUP BY 1, 2
)
SELECT b.bucket, s.id AS source_id, h.co2_ug, h.co2e_ug, h.market_ug, h.activity_n,
       coalesce(h.covered_ms, 0) AS covered_ms, coalesce(h.measured_ms, 0) AS measured_ms,
       coalesce(h.substituted_ms, 0) AS substituted_ms,
       coalesce(h.estimated_ms, 0) AS estimated_ms, h.version,
       coalesce(h.final AND h.hours = round(extract(epoch FROM b.ends - b.begins) / 3600), false)
           AS final,
       CASE WHEN h.quality IS NULL THEN 'missing'
            WHEN h.quality IN ('measured', 'estimated') AND h.hours
                 < extract(epoch FROM least(b.ends, CAST(:minute AS timestamptz)) - b.begins) / 3600
            THEN 'partial' ELSE h.quality END AS quality
FROM b CROSS JOIN unnest(CAST(:sources AS int[])) AS s(id)
LEFT JOIN h ON h.source_id = s.id AND h.bucket = b.bucket
ORDER BY b.bucket, s.id
"""

_HOURS_IN_FORCE = text(_BUCKETS + _FROM_HOURS.format(versions=hours_as_known.IN_FORCE))
_HOURS_AS_KNOWN = text(_BUCKETS + _FROM_HOURS.format(versions=hours_as_known.AS_KNOWN))


async def parts_of_hours(
    connection: AsyncConnection, sources: Sequence[int], buckets: Sequence[Bucket], *, now: datetime
) -> list[EmissionRow]:
    """Rows of buckets that each lie within one UTC hour."""
    return await _rows(connection, _PARTS_OF_HOURS, sources, buckets, now=now)


async def days_of_minutes(
    connection: AsyncConnection, sources: Sequence[int], buckets: Sequence[Bucket], *, now: datetime
) -> list[EmissionRow]:
    """Rows of buckets of any length, summed from minutes."""
    return await _rows(connection, _DAYS_OF_MINUTES, sources, buckets, now=now)


async def whole_hours(
    connection: AsyncConnection,
    sources: Sequence[int],
    buckets: Sequence[Bucket],
    *,
    now: datetime,
    as_of: datetime | None = None,
) -> list[EmissionRow]:
    """Rows of buckets of whole UTC hours.

    ``as_of``: as it was known then (:mod:`..emissions.hours_as_known`); None: as it is known now.
    """
    if as_of is None:
        return await _rows(connection, _HOURS_IN_FORCE, sources, buckets, now=now)
    return await _rows(
        connection, _HOURS_AS_KNOWN, sources, buckets, now=now, extra=hours_as_known.at(as_of)
    )


async def _rows(
    connection: AsyncConnection,
    statement: TextClause,
    sources: Sequence[int],
    buckets: Sequence[Bucket],
    *,
    now: datetime,
    extra: Mapping[str, Any] | None = None,
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
            **(extra or {}),
        },
    )
    return [
        EmissionRow(
            bucket=row.bucket - 1,
            source_id=row.source_id,
            co2_ug=None if row.co2_ug is None else int(row.co2_ug),
            co2e_ug=None if row.co2e_ug is None else int(row.co2e_ug),
            market_ug=None if row.market_ug is None else int(row.market_ug),
            activity_n=None if row.activity_n is None else int(row.activity_n),
            covered_ms=int(row.covered_ms),
            measured_ms=int(row.measured_ms),
            substituted_ms=int(row.substituted_ms),
            estimated_ms=int(row.estimated_ms),
            version=row.version,
            final=row.final,
            quality=row.quality,
        )
        for row in result
    ]
