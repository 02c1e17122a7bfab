"""Inputs of the equations of hours under a rule: written at closing, read as look-back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from services.core.accounting.stack.closing import InputValue
from services.core.accounting.stack.history import THREE_YEARS_H, UnitHour
from services.core.accounting.stack.recording import LOAD, RecordedInput

_HOUR = "minute_of(hour) / 60"

_RECORD = """
INSERT INTO source_hour_input (source_id, role, hour, average, unadjusted, covered_ms, operating_ms,
                               valid, verdict, verdict_reason, measured_code, least_known, code,
                               reason)
SELECT %(source)s, r.role, minute_start(60 * r.hour), r.average,
       r.unadjusted, r.covered_ms, r.operating_ms, r.valid, r.verdict, r.verdict_reason,
       r.measured_code, r.least_known, '', ''
FROM unnest(%(roles)s::text[], %(hours)s::int4[], %(averages)s::numeric[],
            %(unadjusted)s::numeric[], %(covered)s::int4[], %(operating)s::int4[],
            %(valid)s::bool[], %(verdicts)s::text[], %(reasons)s::text[], %(codes)s::text[],
            %(least_known)s::numeric[])
    AS r(role, hour, average, unadjusted, covered_ms, operating_ms, valid, verdict, verdict_reason,
         measured_code, least_known)
ON CONFLICT (source_id, role, hour) DO UPDATE
SET average = excluded.average, unadjusted = excluded.unadjusted, covered_ms = excluded.covered_ms,
    operating_ms = excluded.operating_ms, valid = excluded.valid, verdict = excluded.verdict,
    verdict_reason = excluded.verdict_reason, measured_code = excluded.measured_code,
    least_known = excluded.least_known
"""

_VALUES = """
UPDATE source_hour_input i SET value = v.value, code = v.code, reason = v.reason
FROM unnest(%(roles)s::text[], %(hours)s::int4[], %(values)s::numeric[], %(codes)s::text[],
            %(reasons)s::text[]) AS v(role, hour, value, code, reason)
WHERE i.source_id = %(source)s AND i.role = v.role
  AND i.hour = minute_start(60 * v.hour)
"""

_EXTENT = """
SELECT x.source_id,
       (SELECT minute_of(max(i.hour)) / 60 FROM source_hour_input i
        WHERE i.source_id = x.source_id AND i.role = x.role),
       (SELECT minute_of(min(i.hour)) / 60 FROM source_hour_input i
        WHERE i.source_id = x.source_id AND i.role = x.role),
       (SELECT minute_of(min(h.hour)) / 60 FROM emission_hour h
        WHERE h.source_id = x.source_id)
FROM unnest(%s::int4[], %s::text[]) AS x(source_id, role)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedBounds:
    """How far a source's hours are recorded; hours since the epoch, None: there is none."""

    last_recorded: int | None
    first_recorded: int | None
    first_known: int | None


def recorded_bounds(
    connection: psycopg.Connection[Any], roles: Mapping[int, str]
) -> dict[int, RecordedBounds]:
    """Read the bounds of each source; ``roles`` names one input of each, by source."""
    rows = connection.execute(_EXTENT, (list(roles), list(roles.values())))
    return {
        row[0]: RecordedBounds(last_recorded=row[1], first_recorded=row[2], first_known=row[3])
        for row in rows
    }


def recorded_hours(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> set[int]:
    """Read hours from ``first`` to ``last``, both included, that are recorded."""
    rows = connection.execute(
        f"SELECT DISTINCT {_HOUR} FROM source_hour_input WHERE source_id = %s"  # noqa: S608
        " AND hour BETWEEN minute_start(60 * %s) AND minute_start(60 * %s)",
        (source_id, first, last),
    )
    return {row[0] for row in rows}


def invalid_hours(connection: psycopg.Connection[Any], source_id: int) -> set[int]:
    """Read hours in which the unit operated and any input is not valid."""
    rows = connection.execute(
        f"SELECT DISTINCT {_HOUR} FROM source_hour_input"  # noqa: S608 - a constant
        " WHERE source_id = %s AND NOT valid AND operating_ms > 0",
        (source_id,),
    )
    return {row[0] for row in rows}


def last_valid_before(connection: psycopg.Connection[Any], source_id: int, hour: int) -> int | None:
    """Read the newest hour before ``hour`` since which no input was missing from its side of a gap.

    Of each input the newest valid hour, of these the oldest; None: one of them has none.
    """
    row = connection.execute(
        f"SELECT min(h), bool_and(h IS NOT NULL) FROM (SELECT max({_HOUR}) FILTER (WHERE valid)"  # noqa: S608
        " AS h FROM source_hour_input WHERE source_id = %s"
        " AND hour < minute_start(60 * %s) GROUP BY role) x",
        (source_id, hour),
    ).fetchone()
    return row[0] if row and row[1] else None


def recorded(
    connection: psycopg.Connection[Any], source_id: int, hours: Collection[int]
) -> dict[int, dict[str, RecordedInput]]:
    """Read what was recorded of the hours, by hour and role."""
    inputs: dict[int, dict[str, RecordedInput]] = {}
    rows = connection.execute(
        f"SELECT {_HOUR}, role, average, unadjusted, covered_ms, operating_ms, valid,"  # noqa: S608
        " verdict, verdict_reason, measured_code, least_known"
        " FROM source_hour_input i"
        " JOIN unnest(%s::int4[]) AS x(h)"
        " ON i.hour = minute_start(60 * x.h)"
        " WHERE i.source_id = %s",
        (sorted(hours), source_id),
    )
    for hour, role, *columns in rows:
        average, unadjusted, covered_ms, operating_ms, valid, verdict, reason, code, least = columns
        inputs.setdefault(hour, {})[role] = RecordedInput(
            average=average,
            unadjusted=unadjusted,
            covered_ms=covered_ms,
            operating_ms=operating_ms,
            valid=valid,
            verdict=verdict,
            verdict_reason=reason,
            code=code,
            least_known=least,
        )
    return inputs


def unit_hours(
    connection: psycopg.Connection[Any],
    source_id: int,
    role: str,
    from_hour: int,
    range_of: Callable[[Decimal | None], int | None],
) -> list[UnitHour]:
    """Read the operating hours of one input since three years before ``from_hour``, ascending.

    An hour that is not valid is there without a value, whatever stood in for it. ``range_of`` tells
    the load range of an hour's load.
    """
    rows = connection.execute(
        "SELECT minute_of(i.hour) / 60, i.average, i.valid, i.measured_code, l.average"
        " FROM source_hour_input i LEFT JOIN source_hour_input l"
        " ON l.source_id = i.source_id AND l.role = %s AND l.hour = i.hour"
        " WHERE i.source_id = %s AND i.role = %s AND i.operating_ms > 0"
        " AND i.hour >= minute_start(60 * %s) ORDER BY i.hour",
        (LOAD, source_id, role, from_hour - THREE_YEARS_H),
    )
    return [
        UnitHour(
            clock_hour=hour,
            value=average if valid else None,
            code=code if valid else "",
            load_range=range_of(load),
        )
        for hour, average, valid, code, load in rows
    ]


def record(
    connection: psycopg.Connection[Any],
    source_id: int,
    hours: Mapping[int, Mapping[str, RecordedInput]],
) -> None:
    """Write what was recorded, by hour and role."""
    rows = [(role, hour, r) for hour, roles in hours.items() for role, r in roles.items()]
    connection.execute(
        _RECORD,
        {
            "source": source_id,
            "roles": [role for role, _, _ in rows],
            "hours": [hour for _, hour, _ in rows],
            "averages": [r.average for _, _, r in rows],
            "unadjusted": [r.unadjusted for _, _, r in rows],
            "covered": [r.covered_ms for _, _, r in rows],
            "operating": [r.operating_ms for _, _, r in rows],
            "valid": [r.valid for _, _, r in rows],
            "verdicts": [r.verdict for _, _, r in rows],
            "reasons": [r.verdict_reason for _, _, r in rows],
            "codes": [r.code for _, _, r in rows],
            "least_known": [r.least_known for _, _, r in rows],
        },
    )


def write_values(
    connection: psycopg.Connection[Any],
    source_id: int,
    values: Sequence[tuple[int, str, InputValue]],
) -> None:
    """Write what entered the equations: (hour, role, value)."""
    connection.execute(
        _VALUES,
        {
            "source": source_id,
            "hours": [hour for hour, _, _ in values],
            "roles": [role for _, role, _ in values],
            "values": [value.value for _, _, value in values],
            "codes": [value.code for _, _, value in values],
            "reasons": [value.reason for _, _, value in values],
        },
    )


def forget(
    connection: psycopg.Connection[Any],
    source_id: int,
    *,
    hours: Collection[int] = (),
    roles_but: Collection[str] = (),
) -> None:
    """Delete the record of hours that no rule finalises any longer, or of inputs no longer used."""
    if hours:
        connection.execute(
            "DELETE FROM source_hour_input i USING unnest(%s::int4[]) AS x(h)"
            " WHERE i.source_id = %s"
            " AND i.hour = minute_start(60 * x.h)",
            (sorted(hours), source_id),
        )
    if roles_but:
        connection.execute(
            "DELETE FROM source_hour_input WHERE source_id = %s AND role <> ALL(%s)",
            (source_id, list(roles_but)),
        )
