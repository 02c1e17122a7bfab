"""Makes hours final: by the sum of their minutes, or by what a rule made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import numpy as np
import psycopg

from services.core.store.database.database_time import BEGUN, PRESENT
from services.core.store.emissions.hour_ledger import IS_CLOSED, supersede
from services.core.store.emissions.hour_packing import months
from services.core.store.emissions.minute_changes import Changes, packed
from services.core.store.emissions.packing import days
from services.core.store.packing.days import NEVER_PACKED
from services.core.store.schema.figures import (
    CLOSING_SHARES,
    COMPUTED,
    IN_HOURS,
    MASSES,
    SET_BY_CLOSING,
    names,
    per_figure,
)

# An hour of which minutes wait to be computed stays open.
# What changed at a time to come did so by a clock that was ahead: nobody is filling it now.
_CLOSE = """
WITH due AS MATERIALIZED (
    SELECT h.source_id, h.hour
    FROM public.emission_hour h
    JOIN unnest(%(sources)s::int4[], %(lateness_s)s::float8[]) AS s(source_id, lateness_s)
      ON h.source_id = s.source_id
    WHERE NOT h.final
      AND h.hour + interval '1 hour' + make_interval(secs => s.lateness_s) <= %(now)s
      AND abs(extract(epoch FROM known_now() - h.known_at)) >= %(settle_s)s
      AND NOT EXISTS (
          SELECT FROM recompute r WHERE r.source_id = h.source_id AND r.step = 'rest'
          AND r.from_minute < minute_of(h.hour) + 60
          AND r.to_minute > minute_of(h.hour))
    LIMIT %(limit)s
)
UPDATE public.emission_hour h
SET final = true, reason = CASE WHEN h.code IS NULL THEN 'closed' ELSE h.reason END,
    known_at = CASE WHEN h.code IS NULL THEN known_now() ELSE h.known_at END
FROM due WHERE h.source_id = due.source_id AND h.hour = due.hour
"""

#: Hours that are made final in one step, so that a long history takes many short transactions.
MAX_HOURS = 20_000

_WAIT = "SELECT DISTINCT source_id FROM recompute WHERE facility_id = %s AND step = 'rest'"

_VERDICTS: LiteralString = """
unnest(%(sources)s::int4[], %(hours)s::int4[], %(co2_ug)s::int8[], %(biogenic_ug)s::int8[],
       %(final)s::bool[], %(qualities)s::text[], %(codes)s::text[], %(why)s::text[])
    AS v(source_id, hour, co2_ug, biogenic_ug, final, quality, code, why)
"""

#: What closing sets in a minute, and what of the minute it adds to.
_SET = (*CLOSING_SHARES, *SET_BY_CLOSING)
_RAISED = tuple(mass for mass in MASSES if mass.closing is not None)
_CLOSED = packed((*_RAISED, *SET_BY_CLOSING))

# A minute or an hour that nobody measured has no row yet: nothing was counted, amounts are unknown.
_COUNTED = tuple(figure for figure in COMPUTED if not figure.nullable)
_COUNTED_IN_HOURS = tuple(figure for figure in IN_HOURS if not figure.nullable)

# What the hour's figure has more than its minutes is spread evenly over these: minute k gets what
# the rounded sum of k + 1 shares has more than that of k, so that the sum is exact. All the time of
# an hour that a rule found valid is measured, all that of one with a substitute is substituted. Of
# an hour that it closed without a value what the minutes have is taken away, masses and time. What
# is from biomass is of the figure the part that it is of the minutes (:func:`biogenic_part`).
# Each hour looks its own minutes up: joined, every hour would be compared with every minute of its
# source, which held a facility up for half a minute while a long history was closed.
_SET_CLOSING: LiteralString = f"""
WITH measured AS (
    SELECT v.*, m.fossil, m.biogenic
    FROM {_VERDICTS}
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(e.co2_ug), 0) AS fossil,
               coalesce(sum(e.co2_biogenic_ug), 0) AS biogenic
        FROM minute_in_force e WHERE e.source_id = v.source_id
           AND e.minute >= minute_start(60 * v.hour)
           AND e.minute < minute_start(60 * (v.hour + 1))) m
), parted AS (
    SELECT *, CASE WHEN fossil + biogenic = 0 THEN biogenic_ug
                   ELSE div(co2_ug * biogenic, fossil + biogenic) END AS part
    FROM measured
), figures AS (
    SELECT source_id, hour, co2_ug - part - fossil AS added, part - biogenic AS added_biogenic,
           code IS NOT NULL AS judged, code IS NOT NULL AND co2_ug IS NULL AS valueless,
           coalesce(quality, '') AS quality
    FROM parted
), minutes AS MATERIALIZED (
    SELECT e.source_id, minute_of(e.minute) AS minute, e.co2_ug, e.co2_biogenic_ug, e.covered_ms,
           {per_figure(_SET, "e.{f}")}
    FROM figures w
    CROSS JOIN LATERAL (
        SELECT * FROM emission_minute e WHERE e.source_id = w.source_id
           AND e.minute >= minute_start(60 * w.hour)
           AND e.minute < minute_start(60 * (w.hour + 1))
        OFFSET 0) e
), wanted AS (
    SELECT w.source_id, hour * 60 + k AS minute,
           CASE WHEN valueless THEN -coalesce(m.co2_ug, 0)
                ELSE coalesce(floor(added * (k + 1) / 60.0) - floor(added * k / 60.0), 0)::int8
                END AS closing_ug,
           CASE WHEN valueless THEN -coalesce(m.co2_biogenic_ug, 0)
                ELSE coalesce(floor(added_biogenic * (k + 1) / 60.0)
                              - floor(added_biogenic * k / 60.0), 0)::int8
                END AS closing_biogenic_ug,
           CASE WHEN judged THEN (quality = 'measured')::int * 60000 - coalesce(m.covered_ms, 0)
                ELSE 0 END AS closing_ms,
           (judged AND quality = 'substituted')::int * 60000 AS substituted_ms,
           {per_figure(_SET, "coalesce(m.{f}, 0) AS old_{f}")}
    FROM figures w CROSS JOIN generate_series(0, 59) AS k
    LEFT JOIN minutes m ON m.source_id = w.source_id AND m.minute = w.hour * 60 + k
), changed AS (
    SELECT * FROM wanted WHERE ({per_figure(_SET)}) <> ({per_figure(_SET, "old_{f}")})
), written AS (
    INSERT INTO public.emission_minute (source_id, minute, {per_figure(_COUNTED)}, {
    per_figure(_SET)
})
    SELECT source_id, minute_start(minute),
           {per_figure(_COUNTED, "0")}, {per_figure(_SET)}
    FROM changed
    ON CONFLICT (source_id, minute) DO UPDATE SET {per_figure(_SET, "{f} = excluded.{f}")}
)
SELECT {
    _CLOSED.sql(
        "source_id",
        "minute",
        "false",
        *(f"{mass.closing} - old_{mass.closing}" for mass in _RAISED),
        *(f"{name} - old_{name}" for name in names(SET_BY_CLOSING)),
    )
}
FROM changed
"""

# An hour nobody measured has no row yet. What closing makes of a closed hour is another version of
# it, as a changed figure is, unless its figure has made one in this transaction.
_NEW_VERSION: LiteralString = f"{IS_CLOSED} AND h.known_at < {BEGUN}"
_RECORD_VERDICTS: LiteralString = f"""
WITH v AS (
    SELECT v.source_id, minute_start(60 * v.hour) AS hour, v.final, v.quality, v.code, v.why
    FROM {_VERDICTS}
), changing AS (
    SELECT h.*, {_NEW_VERSION} AS is_new
    FROM public.emission_hour h JOIN v USING (source_id, hour)
    WHERE (h.final, h.code, h.quality) IS DISTINCT FROM
          (v.final, v.code, CASE WHEN v.code IS NULL THEN h.quality ELSE v.quality END)
), superseded AS (
    {supersede("changing h", also="h.is_new")}
)
INSERT INTO public.emission_hour AS h
    (source_id, hour, {per_figure(_COUNTED_IN_HOURS)}, version, final, quality, code, reason,
     known_at)
SELECT v.source_id, v.hour, {per_figure(_COUNTED_IN_HOURS, "0")}, 1, v.final,
       coalesce(v.quality, 'missing'), v.code, 'closed', known_now()
FROM v
ON CONFLICT (source_id, hour) DO UPDATE
SET final = excluded.final, code = excluded.code,
    quality = CASE WHEN excluded.code IS NULL THEN h.quality ELSE excluded.quality END,
    version = h.version + ({_NEW_VERSION})::int,
    reason = CASE WHEN NOT {IS_CLOSED} THEN 'closed'
                  WHEN {_NEW_VERSION} THEN coalesce((SELECT v.why FROM v
                      WHERE v.source_id = h.source_id AND v.hour = h.hour), h.reason)
                  ELSE h.reason END,
    known_at = CASE WHEN {IS_CLOSED} AND NOT ({_NEW_VERSION}) THEN h.known_at
                    ELSE greatest(known_now(), h.known_at) END
WHERE (h.final, h.code, h.quality) IS DISTINCT FROM
      (excluded.final, excluded.code,
       CASE WHEN excluded.code IS NULL THEN h.quality ELSE excluded.quality END)
"""

_UNJUDGED = """
SELECT source_id, minute_of(hour) / 60, abs(extract(epoch FROM known_now() - known_at))::float8
FROM emission_hour WHERE NOT final AND code IS NULL AND source_id = ANY(%s)
"""

# Retired sources' hours are closed too, but nobody waits for them.
_OVERDUE: LiteralString = f"""
SELECT coalesce(max(extract(epoch FROM {PRESENT} - h.hour - interval '1 hour')
                    - coalesce((s.spec ->> 'lateness')::float8, 0)), 0)::float8
FROM emission_hour h JOIN source s ON s.id = h.source_id
WHERE NOT h.final AND h.code IS NULL AND s.active
"""

_PROVISIONAL = """
SELECT source_id, minute_of(hour) / 60
FROM emission_hour WHERE NOT final AND code IS NOT NULL AND source_id = ANY(%s)
"""


_REOPEN = """
UPDATE public.emission_hour h SET final = false, code = NULL
FROM unnest(%(sources)s::int4[], %(lateness_s)s::float8[]) AS s(source_id, lateness_s)
WHERE h.source_id = s.source_id AND (h.final OR h.code IS NOT NULL)
  AND h.hour > %(now)s::timestamptz - make_interval(secs => 3600 + s.lateness_s)
RETURNING h.source_id, minute_of(h.hour) / 60
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class HourVerdict:
    """What a rule made of an hour (since the epoch).

    ``co2_ug`` is all CO2, from biomass or not; None: no value by the rule, so that nothing of the
    hour is in any total. ``biogenic_ug``: its part from biomass where no minute tells one.
    ``code`` and ``quality`` None: the source is under no rule any more.
    """

    source_id: int
    hour: int
    co2_ug: int | None
    biogenic_ug: int = 0
    final: bool
    quality: str | None
    code: str | None


def biogenic_part(verdict: HourVerdict, fossil_ug: int, biogenic_ug: int) -> int:
    """Return what of a verdict's CO2 is from biomass, given the sums of the hour's minutes.

    The statement that sets closing does the same.
    """
    total_ug, co2_ug = fossil_ug + biogenic_ug, verdict.co2_ug or 0
    if total_ug == 0:
        return verdict.biogenic_ug
    product = co2_ug * biogenic_ug
    # towards zero, as div() has it
    quotient = abs(product) // abs(total_ug)
    return quotient if (product < 0) == (total_ug < 0) else -quotient


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingHour:
    """An hour with data that was not closed yet, and the seconds since it last changed."""

    hour: int
    age_s: float


def close_hours(
    connection: psycopg.Connection[Any],
    lateness_s: Mapping[int, float],
    now: datetime,
    settle_s: float,
) -> int:
    """Make final, as the sum of their minutes, the hours whose lateness allowance has passed.

    At most :data:`MAX_HOURS` of them; returns how many.

    ``lateness_s`` by source. An hour that changed less than ``settle_s`` ago stays open: it is
    still being filled.
    """
    return connection.execute(
        _CLOSE,
        {
            "sources": list(lateness_s),
            "lateness_s": list(lateness_s.values()),
            "now": now,
            "settle_s": settle_s,
            "limit": MAX_HOURS,
        },
    ).rowcount


def reopen(
    connection: psycopg.Connection[Any], lateness_s: Mapping[int, float], now: datetime
) -> dict[int, set[int]]:
    """Open the hours again that are not due at ``now``; return them (since the epoch) by source.

    Whatever was packed by a clock that was ahead, and could not be packed yet, is made rows again.
    ``lateness_s`` by source. What closing added to their figures is the caller's to take back.
    """
    reopened: dict[int, set[int]] = {}
    months.open_after(
        connection,
        {
            source_id: now - max(timedelta(seconds=3600 + late_s), NEVER_PACKED)
            for source_id, late_s in lateness_s.items()
        },
    )
    for source_id, hour in connection.execute(
        _REOPEN,
        {"sources": list(lateness_s), "lateness_s": list(lateness_s.values()), "now": now},
    ):
        reopened.setdefault(source_id, set()).add(hour)
    return reopened


def sources_that_wait(connection: psycopg.Connection[Any], facility_id: int) -> set[int]:
    """Read sources of which minutes did not fit into a tick and wait to be computed."""
    return {row[0] for row in connection.execute(_WAIT, (facility_id,))}


def set_closing(connection: psycopg.Connection[Any], verdicts: Sequence[HourVerdict]) -> Changes:
    """Spread what the verdicts add over the hours' minutes; return by how much each changed."""
    if not verdicts:
        return Changes.none()
    days.open_for_writing(
        connection,
        np.array([verdict.source_id for verdict in verdicts], dtype=np.int64),
        np.array([60 * verdict.hour for verdict in verdicts], dtype=np.int64),
    )
    row = connection.execute(_SET_CLOSING, _parameters(verdicts), binary=True).fetchone()
    return Changes.from_columns(_CLOSED.columns(None if row is None else row[0]))


def record_verdicts(
    connection: psycopg.Connection[Any],
    verdicts: Sequence[HourVerdict],
    why: Callable[[HourVerdict], str | None],
) -> None:
    """Write code, quality and finality of the hours; their figures were changed before.

    ``why``: the reason of a closed hour's new version, where its figure did not make one.
    """
    if verdicts:
        months.open_for_writing(
            connection,
            np.array([verdict.source_id for verdict in verdicts]),
            np.array([verdict.hour for verdict in verdicts]),
        )
        reasons = {"why": [why(verdict) for verdict in verdicts]}
        connection.execute(_RECORD_VERDICTS, _parameters(verdicts) | reasons)


def pending_hours(
    connection: psycopg.Connection[Any], source_ids: Sequence[int]
) -> dict[int, list[PendingHour]]:
    """Read hours with data that were never closed, by source."""
    hours: dict[int, list[PendingHour]] = {}
    for source_id, hour, age_s in connection.execute(_UNJUDGED, (list(source_ids),)):
        hours.setdefault(source_id, []).append(PendingHour(hour=hour, age_s=age_s))
    return hours


def provisional_hours(
    connection: psycopg.Connection[Any], source_ids: Sequence[int]
) -> dict[int, list[int]]:
    """Read hours that were finalised and still wait for their final figure, by source."""
    hours: dict[int, list[int]] = {}
    if source_ids:
        for source_id, hour in connection.execute(_PROVISIONAL, (list(source_ids),)):
            hours.setdefault(source_id, []).append(hour)
    return hours


def redate(connection: psycopg.Connection[Any], source_ids: Sequence[int]) -> int:
    """Let what the ledger says is known in the future be known now; return how many versions."""
    months.open_known_in_the_future(connection, source_ids)
    row = connection.execute("SELECT redate_hours(%s)", (list(source_ids),)).fetchone()
    return int(row[0]) if row else 0


def overdue_s(connection: psycopg.Connection[Any]) -> float:
    """Read how many seconds ago the oldest open hour of any facility was due to be final; 0: none.

    Hours that a rule judged and that wait for what follows them are not due.
    """
    row = connection.execute(_OVERDUE).fetchone()
    return max(0.0, float(row[0])) if row else 0.0


def backlog_s(connection: psycopg.Connection[Any], facility_id: int) -> float:
    """Read how long the oldest changed reading of the facility has been waiting, in seconds."""
    row = connection.execute(
        "SELECT coalesce(extract(epoch FROM known_now() - min(committed_at)), 0)::float8"
        " FROM touched WHERE facility_id = %s",
        (facility_id,),
    ).fetchone()
    return float(row[0]) if row else 0.0


def _parameters(verdicts: Sequence[HourVerdict]) -> dict[str, Any]:
    return {
        "sources": [v.source_id for v in verdicts],
        "hours": [v.hour for v in verdicts],
        "co2_ug": [v.co2_ug for v in verdicts],
        "biogenic_ug": [v.biogenic_ug for v in verdicts],
        "final": [v.final for v in verdicts],
        "qualities": [v.quality for v in verdicts],
        "codes": [v.code for v in verdicts],
        "why": [None] * len(verdicts),
    }
