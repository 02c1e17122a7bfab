"""Quarters and years of stacks as their rule reports them: rounded once, in its unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from itertools import groupby
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row
from pydantic import TypeAdapter

from services.core.accounting.stack.equations import Equation
from services.core.accounting.stack.periods import (
    HourRate,
    PeriodTotal,
    operating_time,
    period_total,
    year_total,
)
from services.core.facility import assemble, model
from services.core.store.answers import reporting_zone
from services.core.store.emissions import hour_history, hour_inputs
from services.core.timeline.instants import HOUR, rfc3339
from services.core.timeline.windows import standard_time

_SOURCE: TypeAdapter[model.StackSource] = TypeAdapter(model.StackSource)

_SOURCES: LiteralString = f"""
SELECT f.slug AS facility, f.timezone, s.id, s.slug, s.scope, r.spec,
       bool_or({reporting_zone.IS_PART75}) OVER (PARTITION BY f.id) AS part75
FROM source s JOIN facility f ON f.id = s.facility_id {reporting_zone.SPEC_THEN}
WHERE f.slug = ANY(%(facilities)s) AND s.method = 'stack'
  AND (r.spec ->> 'validity' <> 'none' OR r.spec ->> 'substitution' <> 'none')
ORDER BY f.slug, s.slug
"""  # noqa: S608 - constants

_HOURS: LiteralString = """
SELECT i.hour, i.role, i.value, i.code, i.operating_ms, coalesce(h.final, false) AS final,
       coalesce(h.co2_biogenic_ug, 0) AS co2_biogenic_ug
FROM {inputs} i
LEFT JOIN {hours} h ON h.source_id = i.source_id AND h.hour = i.hour
WHERE i.source_id = %(source)s AND i.hour >= %(begins)s AND i.hour < %(ends)s
ORDER BY i.hour
"""

_HOURS_THEN: LiteralString = (
    "(SELECT source_id, hour, final, code, co2_biogenic_ug FROM emission_hour"
    " WHERE known_at <= %(as_of)s"
    " UNION ALL SELECT source_id, hour, final, code, co2_biogenic_ug FROM emission_hour_history"
    " WHERE known_at <= %(as_of)s AND superseded_at > %(as_of)s)"
)

_FIRST: LiteralString = "SELECT min(hour) FROM {inputs} i WHERE source_id = %(source)s"

# Before inputs had a history, judging an hour again wrote over them.
_LOST: LiteralString = f"""
SELECT count(*) FROM {_HOURS_THEN} h
WHERE h.source_id = %(source)s AND h.hour >= %(begins)s AND h.hour < %(ends)s
  AND h.code IS NOT NULL
  AND NOT EXISTS (SELECT FROM {hour_inputs.inputs(then=True)} i
                  WHERE i.source_id = h.source_id AND i.hour = h.hour)
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedPeriod:
    """A quarter or year of one source; ``ends`` exclusive."""

    facility: str
    source: str
    scope: int
    #: 2026-Q1, or 2026
    name: str
    begins: datetime
    ends: datetime
    reporting_zone: model.ReportingZone
    equation: Equation
    total: PeriodTotal
    #: hours that were judged, and hours of operation as reported
    hours: int
    operating: Decimal
    #: hours of operation by method code, such as ``co2:01=719 co2:07=1``
    codes: str
    #: of the total, what is from biomass
    biogenic_ug: int
    #: hours that are over and not final yet
    waiting: int
    final: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hour:
    rate: HourRate
    #: of each input, such as ``co2:01``; empty: the unit did not operate
    codes: tuple[str, ...]
    biogenic_ug: int
    final: bool


def reported_year(
    connection: psycopg.Connection[Any],
    facilities: Collection[str],
    year: int | None,
    now: datetime,
    as_of: datetime | None = None,
) -> list[ReportedPeriod]:
    """Read the quarters that have begun, and the year, of every stack under a rule.

    ``as_of``: as they were known then, which is ``now``; None: as they are known.
    ``year``: of the calendar that reports are cut by; None: the running one. Times in UTC.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        sources = cursor.execute(
            _SOURCES, {"facilities": list(facilities), "as_of": as_of}
        ).fetchall()
    return [period for row in sources for period in _year_of(connection, row, year, now, as_of)]


def _year_of(
    connection: psycopg.Connection[Any],
    row: Mapping[str, Any],
    year: int | None,
    now: datetime,
    as_of: datetime | None,
) -> Iterator[ReportedPeriod]:
    source = _SOURCE.validate_python(row["spec"])
    by = reporting_zone.applied(source, part75=row["part75"])
    zone: tzinfo = ZoneInfo(row["timezone"])
    year = now.astimezone(zone).year if year is None else year
    if by == "standard":
        zone = standard_time(ZoneInfo(row["timezone"]), year)
    equation = assemble.equation(source)
    starts = [datetime(year, month, 1, tzinfo=zone).astimezone(UTC) for month in (1, 4, 7, 10)]
    starts.append(datetime(year + 1, 1, 1, tzinfo=zone).astimezone(UTC))
    hour_history.open_span(connection, [row["id"]], starts[0], starts[-1])
    begun = [(n, starts[n - 1], starts[n]) for n in range(1, 5) if starts[n - 1] <= now]
    first = connection.execute(
        _FIRST.format(inputs=hour_inputs.inputs(then=as_of is not None)),
        {"source": row["id"], "as_of": as_of},
    ).fetchone()
    known_from = first[0] if first and first[0] is not None else now
    totals: list[PeriodTotal] = []
    lost = 0
    every: dict[datetime, _Hour] = {}

    def period(
        name: str, begins: datetime, ends: datetime, total: PeriodTotal, hours: Mapping[Any, _Hour]
    ) -> ReportedPeriod:
        over = max(0, int((min(ends, now) - max(begins, known_from)) // HOUR))
        waiting = max(0, over - sum(hour.final for hour in hours.values()))
        return ReportedPeriod(
            facility=row["facility"],
            source=row["slug"],
            scope=row["scope"],
            name=name,
            begins=begins,
            ends=ends,
            reporting_zone=by,
            equation=equation,
            total=total,
            hours=len(hours),
            operating=sum((h.rate.op_time or Decimal(0) for h in hours.values()), Decimal(0)),
            codes=_codes(hours.values()),
            biogenic_ug=sum(hour.biogenic_ug for hour in hours.values()),
            waiting=waiting,
            final=ends <= now and waiting == 0 and bool(hours),
        )

    for number, begins, ends in begun:
        hours = _hours(connection, row["id"], equation, begins, ends, as_of)
        every |= hours
        of_quarter = 0 if as_of is None else _lost(connection, row["id"], begins, ends, as_of)
        lost += of_quarter
        total = _nobody_knows(of_quarter) if of_quarter else _total(hours, equation)
        totals.append(total if hours else period_total(()))
        yield period(f"{year}-Q{number}", begins, ends, total, hours)
    if begun:
        whole = _total(every, equation)
        if equation.year_of_quarters and every:
            whole = year_total(totals)
        if lost:
            whole = _nobody_knows(lost)
        yield period(str(year), starts[0], starts[-1], whole, every)


def _lost(
    connection: psycopg.Connection[Any],
    source_id: int,
    begins: datetime,
    ends: datetime,
    as_of: datetime,
) -> int:
    """Count the hours of a period of which nobody can tell what was known of their inputs."""
    row = connection.execute(
        _LOST, {"source": source_id, "begins": begins, "ends": ends, "as_of": as_of}
    ).fetchone()
    return 0 if row is None else int(row[0])


def _nobody_knows(hours: int) -> PeriodTotal:
    return PeriodTotal(
        value=None,
        unrounded=None,
        reason=f"what the equation was given then was not kept of {hours} hours",
    )


def _total(hours: Mapping[datetime, _Hour], equation: Equation) -> PeriodTotal:
    if not hours:
        return PeriodTotal(value=None, unrounded=None, reason="no hour was judged")
    return period_total((hour.rate for hour in hours.values()), places=equation.period_places)


def _hours(
    connection: psycopg.Connection[Any],
    source_id: int,
    equation: Equation,
    begins: datetime,
    ends: datetime,
    as_of: datetime | None,
) -> dict[datetime, _Hour]:
    rows = connection.execute(
        _HOURS.format(
            inputs=hour_inputs.inputs(then=as_of is not None),
            hours="emission_hour" if as_of is None else _HOURS_THEN,
        ),
        {"source": source_id, "begins": begins, "ends": ends, "as_of": as_of},
    )
    hours: dict[datetime, _Hour] = {}
    for hour, of_hour in groupby(rows, key=lambda row: row[0]):
        values: dict[str, Decimal | None] = {}
        codes = []
        operating_ms, final, biogenic_ug = 0, False, 0
        for _, role, value, code, operating_ms, final, biogenic_ug in of_hour:  # noqa: B007 - the hour's own
            if role in equation.terms:
                values[role] = value
                codes.append(f"{role}:{code}")
        op_time = operating_time(operating_ms / 1000)
        hours[hour] = _Hour(
            rate=HourRate(
                rate=equation.reporting(values).value if op_time else None,
                op_time=op_time,
                name=rfc3339(hour),
            ),
            codes=tuple(codes) if op_time else (),
            biogenic_ug=biogenic_ug,
            final=final,
        )
    return hours


def _codes(hours: Iterable[_Hour]) -> str:
    counts = Counter(code for hour in hours for code in hour.codes)
    return " ".join(f"{code}={count}" for code, count in sorted(counts.items()))
