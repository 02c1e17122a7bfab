"""Emissions by interval: buckets of minutes or of hours, gaps included.

Every answer is whole buckets. Intervals below an hour come from the minutes; an hour or longer
comes from the versioned hours, so that substitution and restatement show, and so that a past state
can be asked for (``as_of``). Where the hours of a facility's time zone do not begin with UTC's
(India, Newfoundland ...), its days and months are summed from minutes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, LiteralString

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.computation.hours_then import HoursThen
from services.core.store.emissions import hours_as_known
from services.core.store.emissions.hour_quality import HAS_NO_VALUE
from services.core.store.schema.figures import (
    IN_HOURS,
    MASSES,
    METHOD_TIMES,
    METHODS_MS,
    OF_COVERED,
    TIMES,
    names,
    per_figure,
)
from services.core.timeline.instants import HOUR_US, from_us

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
    #: in the order of ``MASSES``, CO2 first; all of them are known or none is
    masses_ug: tuple[int, ...] | None
    #: 1e-9 of the source's activity unit
    activity_n: int | None
    #: in the same unit, what flowed out
    exported_n: int | None
    covered_ms: int
    #: the time that each method stands for, in the order of ``SHARES``
    methods_ms: tuple[int, ...]
    #: None: no hour of the bucket was ever computed
    version: int | None
    final: bool
    #: None: to be judged by the methods' times
    quality: Quality | None
    #: method code of the one hour that the bucket is; None: it is not one, or under no rule
    code: str | None
    #: hours in it, or that it is a part of, which their rule found invalid and did not fill
    voided_hours: int = 0
    #: of the past: why nobody can tell any more what was known
    unknown: str | None = None

    @property
    def co2_ug(self) -> int | None:
        """The mass of CO2."""
        return None if self.masses_ug is None else self.masses_ug[0]


#: Figures that are answered as they are; times are answered by method.
_AMOUNTS = tuple(figure for figure in IN_HOURS if figure.unit != "ms")

_BUCKETS: LiteralString = """
WITH b AS (
    SELECT ordinality AS bucket, begins, ends
    FROM unnest(CAST(:begins AS timestamptz[]), CAST(:ends AS timestamptz[]))
         WITH ORDINALITY AS u(begins, ends)
)
"""

# What is not there covers nothing; a mass of it is unknown.
_ANSWERED: LiteralString = (
    per_figure(_AMOUNTS, "x.{f}")
    + ", "
    + ", ".join(f"coalesce(x.{time}, 0) AS {time}" for time in TIMES)
)


def _from_minutes(*, hour_key: LiteralString, bucket_key: LiteralString) -> TextClause:
    """Return the statement; buckets are told apart by their first instants.

    So no two calendars can disagree.
    """
    return text(
        f"""{_BUCKETS}
, x AS (
    SELECT m.source_id, width_bucket(m.minute, CAST(:begins AS timestamptz[])) AS bucket,
           {per_figure(_AMOUNTS, "sum({f.closed}) AS {f}")}, sum(m.covered_ms) AS covered_ms,
           sum(m.covered_ms + m.closing_ms{"".join(f" - m.{time}" for time in OF_COVERED)})
               AS measured_ms,
           {per_figure(METHOD_TIMES, "sum(m.{f}) AS {f}")}
    FROM minute_in_force m
    WHERE m.source_id = ANY(:sources) AND m.minute >= :first AND m.minute < :last
      AND m.minute <= :minute
      AND (m.covered_ms + m.closing_ms > 0 OR m.substituted_ms > 0)
    GROUP BY 1, 2
), h AS (
    SELECT h.source_id, {hour_key} AS key, max(h.version) AS version, bool_and(h.final) AS final,
           count(*) FILTER (WHERE {HAS_NO_VALUE}) AS voided
    FROM emission_hour h
    WHERE h.source_id = ANY(:sources) AND h.hour >= date_trunc('hour', CAST(:first AS timestamptz))
      AND h.hour < :last
    GROUP BY 1, 2
)
SELECT b.bucket, s.id AS source_id, {_ANSWERED}, h.version,
       coalesce(h.final, false) AS final, NULL AS quality, NULL AS code,
       coalesce(h.voided, 0) AS voided
FROM b CROSS JOIN unnest(CAST(:sources AS int[])) AS s(id)
LEFT JOIN x ON x.source_id = s.id AND x.bucket = b.bucket
LEFT JOIN h ON h.source_id = s.id AND h.key = {bucket_key}
ORDER BY b.bucket, s.id
"""  # noqa: S608 - constants
    )


_PARTS_OF_HOURS = _from_minutes(hour_key="h.hour", bucket_key="date_trunc('hour', b.begins)")
_DAYS_OF_MINUTES = _from_minutes(
    hour_key="greatest(1, width_bucket(h.hour, CAST(:begins AS timestamptz[])))",
    bucket_key="b.bucket",
)


def _from_hours(versions: LiteralString) -> TextClause:
    return text(
        f"""{_BUCKETS}
, v AS ({versions}), x AS (
    SELECT v.source_id, width_bucket(v.hour, CAST(:begins AS timestamptz[])) AS bucket,
           {per_figure(_AMOUNTS, "sum(v.{f}) FILTER (WHERE v.known) AS {f}")},
           {", ".join(f"sum(v.{time}) AS {time}" for time in TIMES)},
           max(v.version) AS version, max(v.code) AS code,
           bool_and(v.final) AS final, count(*) AS hours,
           count(*) FILTER (WHERE {HAS_NO_VALUE}) AS voided,
           CASE WHEN bool_and(v.quality = 'missing') THEN 'missing'
                WHEN bool_or(v.quality = 'substituted') THEN 'substituted'
                WHEN bool_or(v.quality IN ('missing', 'partial')) THEN 'partial'
                WHEN sum(v.estimated_ms) > sum(v.measured_ms) THEN 'estimated'
                ELSE 'measured' END AS quality
    FROM (SELECT *, {" + ".join(METHODS_MS)} > 0 AS known FROM v) v
    GROUP BY 1, 2
)
SELECT b.bucket, s.id AS source_id, {_ANSWERED}, x.version,
       coalesce(x.final AND x.hours = round(extract(epoch FROM b.ends - b.begins) / 3600), false)
           AS final,
       CASE WHEN x.quality IS NULL THEN 'missing'
            WHEN x.quality IN ('measured', 'estimated') AND x.hours
                 < extract(epoch FROM least(b.ends, CAST(:minute AS timestamptz)) - b.begins) / 3600
            THEN 'partial' ELSE x.quality END AS quality,
       CASE WHEN b.ends <= b.begins + interval '1 hour' THEN x.code END AS code,
       coalesce(x.voided, 0) AS voided
FROM b CROSS JOIN unnest(CAST(:sources AS int[])) AS s(id)
LEFT JOIN x ON x.source_id = s.id AND x.bucket = b.bucket
ORDER BY b.bucket, s.id
"""  # noqa: S608 - constants
    )


_HOURS_IN_FORCE = _from_hours(hours_as_known.IN_FORCE)
_HOURS_AS_KNOWN = _from_hours(hours_as_known.AS_KNOWN)


async def parts_of_hours(
    connection: AsyncConnection, sources: Sequence[int], buckets: Sequence[Bucket], *, now: datetime
) -> list[EmissionRow]:
    """Read rows of buckets that each lie within one UTC hour."""
    return await _rows(connection, _PARTS_OF_HOURS, sources, buckets, now=now)


async def days_of_minutes(
    connection: AsyncConnection, sources: Sequence[int], buckets: Sequence[Bucket], *, now: datetime
) -> list[EmissionRow]:
    """Read rows of buckets of any length, summed from minutes."""
    return await _rows(connection, _DAYS_OF_MINUTES, sources, buckets, now=now)


async def whole_hours(
    connection: AsyncConnection,
    sources: Sequence[int],
    buckets: Sequence[Bucket],
    *,
    now: datetime,
    then: HoursThen | None = None,
) -> list[EmissionRow]:
    """Read rows of buckets of whole UTC hours.

    ``then``: as it was known at ``now`` (:mod:`..emissions.hours_as_known`), with what hours that
    were open had come to; None: as it is known now.
    """
    if then is None:
        return await _rows(connection, _HOURS_IN_FORCE, sources, buckets, now=now)
    rows = await _rows(
        connection,
        _HOURS_AS_KNOWN,
        sources,
        buckets,
        now=now,
        extra=hours_as_known.parameters(now, then.figures),
    )
    return _with_unknown(rows, buckets, then) if then.unknown else rows


def _with_unknown(
    rows: Sequence[EmissionRow], buckets: Sequence[Bucket], then: HoursThen
) -> list[EmissionRow]:
    """Take the figures out of rows with an hour of which nobody can tell what was known."""
    begins = [bucket.begins for bucket in buckets]
    lost = {
        (bisect_right(begins, from_us(hour * HOUR_US)) - 1, source_id): why
        for (source_id, hour), why in then.unknown.items()
    }
    return [
        replace(
            row,
            masses_ug=None,
            activity_n=None,
            exported_n=None,
            covered_ms=0,
            methods_ms=tuple(0 for _ in METHODS_MS),
            final=False,
            quality="missing",
            code=None,
            unknown=lost[row.bucket, row.source_id],
        )
        if (row.bucket, row.source_id) in lost
        else row
        for row in rows
    ]


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
            masses_ug=None
            if row.co2_ug is None
            else tuple(int(getattr(row, name)) for name in names(MASSES)),
            activity_n=None if row.activity_n is None else int(row.activity_n),
            exported_n=None if row.exported_n is None else int(row.exported_n),
            covered_ms=int(row.covered_ms),
            methods_ms=tuple(int(getattr(row, time)) for time in METHODS_MS),
            version=row.version,
            final=row.final,
            quality=row.quality,
            code=row.code,
            voided_hours=row.voided,
        )
        for row in result
    ]
