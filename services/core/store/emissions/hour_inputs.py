"""Inputs of the equations of hours under a rule: written at closing, read as look-back.

What changes or goes is kept beside it, with the time for which it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, LiteralString

import psycopg

from services.core.accounting.stack.closing import InputValue
from services.core.accounting.stack.history import THREE_YEARS_H, UnitHour
from services.core.accounting.stack.recording import LOAD, RecordedInput
from services.core.store.database.database_time import BEGUN

_HOUR = "minute_of(hour) / 60"

_COLUMNS: LiteralString = (
    "source_id, role, hour, average, covered_ms, operating_ms, valid, verdict, verdict_reason,"
    " value, code, reason, unadjusted, measured_code, least_known, beyond_calibration, known_at"
)

#: What was written in this very transaction was in force for no instant.
_STOOD: LiteralString = "i.known_at < " + BEGUN


def _supersede(changing: LiteralString) -> LiteralString:
    """Return the statement that keeps inputs ``i`` as they are; ``changing``: FROM what."""
    return (
        "INSERT INTO source_hour_input_history ("  # noqa: S608 - constants
        + _COLUMNS
        + ", superseded_at) SELECT i.*, greatest(known_now(), i.known_at) FROM (SELECT "
        + ", ".join("i." + name for name in _COLUMNS.split(", "))
        + " FROM "
        + changing
        + " AND "
        + _STOOD
        + ") i"
    )


_THEN: LiteralString = (
    f"(SELECT {_COLUMNS} FROM source_hour_input WHERE known_at <= %(as_of)s"  # noqa: S608
    f" UNION ALL SELECT {_COLUMNS} FROM source_hour_input_history"
    " WHERE known_at <= %(as_of)s AND superseded_at > %(as_of)s)"
)


def inputs(*, then: bool) -> LiteralString:
    """Return SQL of what to read inputs FROM; ``then``: as they were known at ``as_of``."""
    return _THEN if then else "source_hour_input"


_RECORDED: LiteralString = (
    "average, unadjusted, covered_ms, operating_ms, valid, verdict, verdict_reason,"
    " measured_code, least_known, beyond_calibration"
)


def _prefixed(prefix: LiteralString, names: LiteralString) -> LiteralString:
    return ", ".join(prefix + name for name in names.split(", "))


_RECORD: LiteralString = f"""
WITH r AS (
    SELECT role, minute_start(60 * h) AS hour, {_RECORDED}
    FROM unnest(%(roles)s::text[], %(hours)s::int4[], %(averages)s::numeric[],
                %(unadjusted)s::numeric[], %(covered)s::int4[], %(operating)s::int4[],
                %(valid)s::bool[], %(verdicts)s::text[], %(reasons)s::text[], %(codes)s::text[],
                %(least_known)s::numeric[], %(beyond)s::bool[])
        AS r(role, h, {_RECORDED})
), superseded AS ({
    _supersede(
        "source_hour_input i JOIN r ON i.role = r.role AND i.hour = r.hour"
        " WHERE i.source_id = %(source)s"
        f" AND ({_prefixed('i.', _RECORDED)}) IS DISTINCT FROM ({_prefixed('r.', _RECORDED)})"
    )
})
INSERT INTO source_hour_input AS i
    (source_id, role, hour, {_RECORDED}, code, reason, known_at)
SELECT %(source)s, r.role, r.hour, {_prefixed("r.", _RECORDED)}, '', '', known_now() FROM r
ON CONFLICT (source_id, role, hour) DO UPDATE
SET ({_RECORDED}, known_at)
  = ({_prefixed("excluded.", _RECORDED)}, greatest(known_now(), i.known_at))
WHERE ({_prefixed("i.", _RECORDED)}) IS DISTINCT FROM ({_prefixed("excluded.", _RECORDED)})
"""  # noqa: S608 - constants

_VALUES: LiteralString = f"""
WITH v AS (
    SELECT role, minute_start(60 * h) AS hour, value, code, reason
    FROM unnest(%(roles)s::text[], %(hours)s::int4[], %(values)s::numeric[], %(codes)s::text[],
                %(reasons)s::text[]) AS v(role, h, value, code, reason)
), superseded AS ({
    _supersede(
        "source_hour_input i JOIN v ON i.role = v.role AND i.hour = v.hour"
        " WHERE i.source_id = %(source)s"
        " AND (i.value, i.code, i.reason) IS DISTINCT FROM (v.value, v.code, v.reason)"
    )
})
UPDATE source_hour_input i
SET value = v.value, code = v.code, reason = v.reason,
    known_at = greatest(known_now(), i.known_at)
FROM v
WHERE i.source_id = %(source)s AND i.role = v.role AND i.hour = v.hour
  AND (i.value, i.code, i.reason) IS DISTINCT FROM (v.value, v.code, v.reason)
"""  # noqa: S608 - constants

_FORGET: LiteralString = f"""
WITH i AS (
    DELETE FROM source_hour_input i WHERE i.source_id = %(source)s AND {{which}} RETURNING i.*
)
{_supersede("i WHERE true")}
"""  # noqa: S608 - constants

_EXTENT = """
SELECT x.source_id,
       (SELECT minute_of(max(i.hour)) / 60 FROM source_hour_input i
        WHERE i.source_id = x.source_id AND i.role = x.role),
       (SELECT minute_of(min(i.hour)) / 60 FROM source_hour_input i
        WHERE i.source_id = x.source_id AND i.role = x.role),
       minute_of(least(
           (SELECT min(h.hour) FROM emission_hour h WHERE h.source_id = x.source_id),
           (SELECT min(p.first_hour) FROM packed_hours p WHERE p.source_id = x.source_id))) / 60
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


def idle_hours(
    connection: psycopg.Connection[Any], source_id: int, role: str, first: int, end: int
) -> set[int]:
    """Read recorded hours from ``first`` to before ``end`` in which the unit did not operate."""
    rows = connection.execute(
        f"SELECT {_HOUR} FROM source_hour_input"  # noqa: S608 - a constant
        " WHERE source_id = %s AND role = %s AND operating_ms = 0"
        " AND hour >= minute_start(60 * %s) AND hour < minute_start(60 * %s)",
        (source_id, role, first, end),
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
        " verdict, verdict_reason, measured_code, least_known, beyond_calibration"
        " FROM source_hour_input i"
        " JOIN unnest(%s::int4[]) AS x(h)"
        " ON i.hour = minute_start(60 * x.h)"
        " WHERE i.source_id = %s",
        (sorted(hours), source_id),
    )
    for hour, role, *columns in rows:
        average, unadjusted, covered_ms, operating_ms, valid, verdict, reason, code = columns[:8]
        inputs.setdefault(hour, {})[role] = RecordedInput(
            average=average,
            unadjusted=unadjusted,
            covered_ms=covered_ms,
            operating_ms=operating_ms,
            valid=valid,
            verdict=verdict,
            verdict_reason=reason,
            code=code,
            least_known=columns[8],
            beyond_calibration=columns[9],
        )
    return inputs


def given(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> dict[tuple[int, str], tuple[Any, ...]]:
    """Read all that is recorded of the hours ``first .. last``, by hour and role."""
    rows = connection.execute(
        f"SELECT {_HOUR}, role, {_RECORDED}, value, code FROM source_hour_input i"  # noqa: S608
        " WHERE source_id = %s AND hour BETWEEN minute_start(60 * %s) AND minute_start(60 * %s)",
        (source_id, first, last),
    )
    return {(hour, role): tuple(values) for hour, role, *values in rows}


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
            "beyond": [r.beyond_calibration for _, _, r in rows],
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
    """Take out the record of hours that no rule finalises any longer, or of inputs not used."""
    if hours:
        connection.execute(
            _FORGET.format(
                which="i.hour IN (SELECT minute_start(60 * h) FROM unnest(%(hours)s::int4[]) AS h)"
            ),
            {"source": source_id, "hours": sorted(hours)},
        )
    if roles_but:
        connection.execute(
            _FORGET.format(which="i.role <> ALL(%(roles)s)"),
            {"source": source_id, "roles": list(roles_but)},
        )
