"""Hours as they are known now, or were at an instant: SQL that the answers to both are made of.

What was known at ``as_of`` of an hour is

- the version that was in force then, if the hour had been closed, or has not changed since;
- what its readings of then come to, if it was open: :mod:`..computation.hours_then` computes that,
  and the statements take it as arrays;
- nothing, if nothing of it had been counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from services.core.store.emissions import hour_history
from services.core.store.emissions.hour_quality import HAS_NO_VALUE, hour_quality
from services.core.store.schema.figures import IN_HOURS, OF_COVERED, names, per_figure

_FIGURES: LiteralString = per_figure(IN_HOURS)

_RANGE: LiteralString = (
    "source_id = ANY(%(sources)s) AND hour >= %(first)s AND hour < %(last)s AND hour <= %(minute)s"
)

#: Of an hour in force or a version of it, what this module is about.
COLUMNS: LiteralString = f"source_id, hour, {_FIGURES}, version, final, quality, code"

#: The hours of ``sources`` from ``first`` to before ``last``, none after ``minute``.
HOURS_IN_FORCE: LiteralString = f"SELECT {COLUMNS} FROM emission_hour WHERE {_RANGE}"

_THEN: LiteralString = f"""
SELECT {COLUMNS} FROM emission_hour
WHERE {_RANGE} AND known_at <= %(as_of)s
UNION ALL
SELECT {COLUMNS} FROM emission_hour_history
WHERE {_RANGE} AND known_at <= %(as_of)s AND superseded_at > %(as_of)s
"""

_OPEN: LiteralString = f"""
SELECT source_id, minute_start(60 * hour), {_FIGURES}, 1, false,
       {hour_quality("covered_ms", "estimated_ms")}, NULL
FROM unnest(CAST(%(open_sources)s AS int4[]), CAST(%(open_hours)s AS int4[]),
            {per_figure(IN_HOURS, "CAST(%(open_{f})s AS {f.type}[])")})
     AS o(source_id, hour, {_FIGURES})
"""

#: As above, as known at ``as_of``; see :func:`parameters`.
HOURS_AS_KNOWN: LiteralString = f"{_THEN} UNION ALL {_OPEN}"

# By what method the time of an hour came to its figure; a rule judges an hour as a whole. None of
# the time of an hour that it closed without a value has one.
_BY_METHOD: LiteralString = f"""
SELECT source_id, hour, {per_figure(f for f in IN_HOURS if f not in OF_COVERED)},
       version, final, quality, code,
       CASE WHEN {HAS_NO_VALUE} THEN 0
            WHEN quality = 'measured' AND code IS NOT NULL THEN 3600000
            WHEN quality = 'substituted' THEN 0
            ELSE covered_ms{"".join(f" - {time}" for time in OF_COVERED)} END AS measured_ms,
       CASE quality WHEN 'substituted' THEN 3600000 ELSE 0 END AS substituted_ms,
       {per_figure(OF_COVERED, f"CASE WHEN {HAS_NO_VALUE} THEN 0 ELSE {{f}} END AS {{f}}")}
FROM (
"""


def by_method(hours: LiteralString) -> LiteralString:
    """Return SQL of hours with the time of each method; ``hours``: of :data:`COLUMNS`."""
    return f"{_BY_METHOD} {hours}) k"


_WERE_OPEN = """
SELECT h.source_id, minute_of(h.hour) / 60
FROM unnest(%(sources)s::int4[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
     AS x(source_id, first, last)
JOIN emission_hour h ON h.source_id = x.source_id AND h.hour >= x.first AND h.hour < x.last
WHERE h.opened_at <= %(as_of)s AND h.known_at > %(as_of)s
  AND NOT EXISTS (
      SELECT FROM emission_hour_history q
      WHERE q.source_id = h.source_id AND q.hour = h.hour
        AND q.known_at <= %(as_of)s AND q.superseded_at > %(as_of)s)
LIMIT %(limit)s
"""

#: An hour's figures by name, None: an amount that the source has not.
HourFigures = Mapping[str, int | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceHours:
    """Hours of a source that are asked for: those that begin in ``first .. last``, end excluded."""

    source_id: int
    first: datetime
    last: datetime


def were_open(
    connection: psycopg.Connection[Any], asked: Sequence[SourceHours], as_of: datetime, limit: int
) -> list[tuple[int, int]]:
    """Read source and hour (since the epoch) of the hours that were open at ``as_of``.

    Of those that had begun to be counted; at most ``limit``, in any order.
    """
    if asked:
        hour_history.open_span(
            connection,
            sorted({hours.source_id for hours in asked}),
            min(hours.first for hours in asked),
            max(hours.last for hours in asked),
            known_after=as_of,
        )
    rows = connection.execute(
        _WERE_OPEN,
        {
            "sources": [hours.source_id for hours in asked],
            "firsts": [hours.first for hours in asked],
            "lasts": [hours.last for hours in asked],
            "as_of": as_of,
            "limit": limit,
        },
    )
    return rows.fetchall()


def parameters(as_of: datetime, hours: Mapping[tuple[int, int], HourFigures]) -> dict[str, Any]:
    """Return the parameters of :data:`HOURS_AS_KNOWN`; ``as_of`` is aware.

    ``hours``: what those that were open then had come to, by source and hour.
    """
    figures: Sequence[HourFigures] = list(hours.values())
    return {
        "as_of": as_of,
        "open_sources": [source_id for source_id, _ in hours],
        "open_hours": [hour for _, hour in hours],
        **{f"open_{name}": [hour[name] for hour in figures] for name in names(IN_HOURS)},
    }
