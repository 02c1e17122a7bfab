"""Means and masses of pollutants by interval, with what each was formed from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Any, LiteralString, NamedTuple
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import class_row, dict_row
from pydantic import TypeAdapter

from services.core.accounting.pollutants.limits import Limit
from services.core.facility import assemble_pollutants, model
from services.core.facility.pollutants import Pollutant
from services.core.store.answers.buckets import Bucket
from services.core.store.answers.reporting_zone import SPEC_THEN
from services.core.store.emissions import pollutant_means

_SOURCE: TypeAdapter[model.StackSource] = TypeAdapter(model.StackSource)

_SOURCES: LiteralString = f"""
SELECT f.slug AS facility, f.timezone, s.id, s.slug, r.spec
FROM source s JOIN facility f ON f.id = s.facility_id {SPEC_THEN}
WHERE f.slug = ANY(%(facilities)s) AND s.method = 'stack'
  AND (r.spec ? 'pollutants' OR EXISTS (SELECT FROM pollutant_mean m WHERE m.source_id = s.id))
ORDER BY f.slug, s.slug
"""  # noqa: S608 - constants

# What is taken off a mean before it is compared with the strictest limit of its day.
_OF_SOURCES: LiteralString = """
FROM {means} m
JOIN unnest(%(ids)s::int4[], %(facilities)s::text[], %(slugs)s::text[])
    AS s(id, facility, source) ON s.id = m.source_id
LEFT JOIN unnest(%(limited)s::int4[], %(names)s::text[], %(begins)s::timestamptz[],
                 %(ends)s::timestamptz[], %(deductions)s::float8[])
    AS d(source_id, pollutant, begins, ends, deduction)
    ON d.source_id = m.source_id AND d.pollutant = m.pollutant
    AND m.starts >= d.begins AND m.starts < d.ends
"""
# GREATEST leaves out what is null
_VALIDATED: LiteralString = (
    "CASE WHEN m.mean_mg_m3 - d.deduction IS NOT NULL"
    " THEN greatest(round((m.mean_mg_m3 - d.deduction)::numeric, 6), 0)::float8 END"
)

_FORMED: LiteralString = f"""
SELECT s.facility, s.source, m.pollutant, m.starts AS begins,
       m.starts + make_interval(mins => m.minutes) AS ends,
       (m.operating_ms > 0)::int AS intervals, m.valid::int AS intervals_valid,
       m.mean_mg_m3, {_VALIDATED} AS validated_mg_m3, m.mass_ug, m.covered_ms, m.operating_ms,
       CASE WHEN m.mass_ug IS NULL THEN 0 ELSE m.operating_ms END AS with_mass_ms,
       m.version, m.verdict, concat_ws('; ', m.reason, nullif(m.mass_reason, '')) AS reason,
       m.inputs, m.unit, m.dry_mg_m3, m.factor, m.beyond_calibration, m.why, m.known_at
{_OF_SOURCES}
WHERE m.final AND m.starts >= %(from)s AND m.starts < %(to)s
  AND (%(pollutants)s::text[] = '{{{{}}}}' OR m.pollutant = ANY(%(pollutants)s))
  AND (%(after)s::timestamptz IS NULL OR (m.starts, s.facility, s.source, m.pollutant)
       > (%(after)s, %(after_facility)s, %(after_source)s, %(after_pollutant)s))
ORDER BY m.starts, s.facility, s.source, m.pollutant LIMIT %(limit)s
"""

# The bucket of a mean is found by bisection: years of hours by the hour would be held each against
# each.
_BY_BUCKET: LiteralString = f"""
SELECT s.facility, s.source, m.pollutant, b.begins, b.ends,
       count(*) FILTER (WHERE m.operating_ms > 0) AS intervals,
       count(*) FILTER (WHERE m.valid) AS intervals_valid,
       round(avg(m.mean_mg_m3)::numeric, 6)::float8 AS mean_mg_m3,
       round(avg({_VALIDATED})::numeric, 6)::float8 AS validated_mg_m3,
       sum(m.mass_ug)::int8 AS mass_ug, sum(m.covered_ms)::int8 AS covered_ms,
       sum(m.operating_ms)::int8 AS operating_ms,
       sum(CASE WHEN m.mass_ug IS NULL THEN 0 ELSE m.operating_ms END)::int8 AS with_mass_ms,
       max(m.version) AS version, max(m.minutes) AS longest, max(m.known_at) AS known_at
{_OF_SOURCES}
CROSS JOIN LATERAL (SELECT width_bucket(m.starts, %(bucket_begins)s::timestamptz[]) AS nth) n
JOIN unnest(%(bucket_begins)s::timestamptz[], %(bucket_ends)s::timestamptz[])
    WITH ORDINALITY AS b(begins, ends, nth) ON b.nth = n.nth AND m.starts < b.ends
WHERE m.final AND m.starts >= %(from)s AND m.starts < %(to)s
  AND (%(pollutants)s::text[] = '{{{{}}}}' OR m.pollutant = ANY(%(pollutants)s))
GROUP BY s.facility, s.source, m.pollutant, b.begins, b.ends
ORDER BY b.begins, s.facility, s.source, m.pollutant
"""


_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)


class Place(NamedTuple):
    """Where a row is in the list."""

    time: datetime
    facility: str
    source: str
    pollutant: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanRow:
    """A pollutant in an interval, or in several intervals together; concentrations in mg/Nm3."""

    facility: str
    source: str
    pollutant: str
    begins: datetime
    ends: datetime
    #: intervals with operation, and those of them that are valid
    intervals: int
    intervals_valid: int
    mean_mg_m3: float | None
    #: less the confidence interval of the strictest limit; None: no limit was in force
    validated_mg_m3: float | None
    mass_ug: int | None
    covered_ms: int
    operating_ms: int
    #: of the time of operation, that whose mass is known
    with_mass_ms: int
    version: int
    known_at: datetime
    #: the rest is of one interval alone
    verdict: str | None = None
    reason: str | None = None
    inputs: Mapping[str, float] | None = None
    unit: str | None = None
    dry_mg_m3: float | None = None
    factor: float | None = None
    beyond_calibration: bool | None = None
    why: str | None = None
    #: the longest interval among several, in minutes
    longest: int = 0

    @property
    def place(self) -> Place:
        """Return where it is in the list."""
        return Place(self.begins, self.facility, self.source, self.pollutant)


@dataclass(frozen=True, kw_only=True, slots=True)
class StackPollutants:
    """The pollutants of one source, as the facility file has them."""

    facility: str
    source_id: int
    source: str
    zone: ZoneInfo
    pollutants: tuple[Pollutant, ...]


def stacks(
    connection: psycopg.Connection[Any],
    facilities: Collection[str],
    sources: Collection[str],
    as_of: datetime | None,
) -> list[StackPollutants]:
    """Read the sources with pollutants; ``sources``: ids of some, none: all."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SOURCES, {"facilities": list(facilities), "as_of": as_of}).fetchall()
    return [
        StackPollutants(
            facility=row["facility"],
            source_id=row["id"],
            source=row["slug"],
            zone=ZoneInfo(row["timezone"]),
            pollutants=_SOURCE.validate_python(row["spec"]).pollutants or (),
        )
        for row in rows
        if not sources or row["slug"] in sources
    ]


def with_means(
    connection: psycopg.Connection[Any],
    of_stacks: Sequence[StackPollutants],
    pollutants: Collection[str],
) -> set[str]:
    """Read which of the pollutants have means, whether the file still names them or not."""
    rows = connection.execute(
        "SELECT p FROM unnest(%s::text[]) AS p WHERE EXISTS (SELECT FROM pollutant_mean m"
        " WHERE m.source_id = ANY(%s) AND m.pollutant = p AND m.final)",
        (list(pollutants), [stack.source_id for stack in of_stacks]),
    )
    return {row[0] for row in rows}


def formed_means(
    connection: psycopg.Connection[Any],
    of_stacks: Sequence[StackPollutants],
    pollutants: Sequence[str],
    within: Bucket,
    *,
    as_of: datetime | None,
    after: Place | None,
    limit: int,
) -> list[MeanRow]:
    """Read means as they were formed, in the order of their places; at most ``limit``."""
    place = after or (None, "", "", "")
    parameters = {
        **_parameters(of_stacks, pollutants, as_of),
        "from": within.begins,
        "to": within.ends,
        **dict(
            zip(("after", "after_facility", "after_source", "after_pollutant"), place, strict=True)
        ),
        "limit": limit,
    }
    return _rows(connection, _FORMED, parameters, as_of)


def bucket_means(
    connection: psycopg.Connection[Any],
    of_stacks: Sequence[StackPollutants],
    pollutants: Sequence[str],
    buckets: Sequence[Bucket],
    *,
    as_of: datetime | None,
) -> list[MeanRow]:
    """Read the means of valid means, and the sums of masses, in ascending buckets of time."""
    if not buckets:
        return []
    parameters = {
        **_parameters(of_stacks, pollutants, as_of),
        "from": buckets[0].begins,
        "to": buckets[-1].ends,
        "bucket_begins": [bucket.begins for bucket in buckets],
        "bucket_ends": [bucket.ends for bucket in buckets],
    }
    return _rows(connection, _BY_BUCKET, parameters, as_of)


def _rows(
    connection: psycopg.Connection[Any],
    sql: LiteralString,
    parameters: Mapping[str, Any],
    as_of: datetime | None,
) -> list[MeanRow]:
    with connection.cursor(row_factory=class_row(MeanRow)) as cursor:
        statement = sql.format(means=pollutant_means.means(then=as_of is not None))
        return cursor.execute(statement, parameters).fetchall()


def _parameters(
    of_stacks: Sequence[StackPollutants], pollutants: Sequence[str], as_of: datetime | None
) -> dict[str, Any]:
    rows = [
        (stack.source_id, pollutant.id, *row)
        for stack in of_stacks
        for pollutant in stack.pollutants
        for row in _deductions(assemble_pollutants.limits(pollutant), stack.zone)
    ]
    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
    ids, names, begins, ends, deductions = columns or [[], [], [], [], []]
    return {
        "as_of": as_of,
        "pollutants": list(pollutants),
        "ids": [stack.source_id for stack in of_stacks],
        "facilities": [stack.facility for stack in of_stacks],
        "slugs": [stack.source for stack in of_stacks],
        "limited": ids,
        "names": names,
        "begins": begins,
        "ends": ends,
        "deductions": deductions,
    }


def _deductions(
    limits: Iterable[Limit], zone: ZoneInfo
) -> Iterator[tuple[datetime, datetime, float]]:
    """Yield from when to when which deduction is made: that of the strictest limit in force."""
    in_order = sorted(limits, key=lambda limit: limit.value)
    days = {day for limit in in_order for day in (limit.valid_from, limit.valid_to) if day}
    boundaries = [date.min, *sorted(days), date.max]
    for begin, end in pairwise(boundaries):
        strictest = next((limit for limit in in_order if limit.holds_on(begin)), None)
        if strictest is not None:
            yield (
                _EARLIEST if begin == date.min else _midnight(begin, zone),
                _LATEST if end == date.max else _midnight(end, zone),
                float(strictest.deduction),
            )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
