"""Hours as they are known now, or were at an instant: SQL that the answers to both are made of.

What was known at ``as_of`` of an hour is

- the version that was in force then, if the hour had been closed;
- its first version, if it was open: nobody kept what an open hour looked like from minute to
  minute, so its first closed figure stands in, as provisional (it may hold readings that came
  between ``as_of`` and the closing, but no restatement);
- its minutes so far, if ``as_of`` lies in it: their share of its first version;
- nothing, if nothing of it had arrived.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

from services.core.store.emissions.hour_quality import HAS_NO_VALUE, hour_quality
from services.core.store.schema.figures import IN_HOURS, OF_COVERED, per_figure

_FIGURES: LiteralString = per_figure(IN_HOURS)

_RANGE: LiteralString = (
    "source_id = ANY(:sources) AND hour >= :first AND hour < :last AND hour <= :minute"
)

_IN_FORCE: LiteralString = (
    f"SELECT source_id, hour, {_FIGURES}, version, final, quality, code FROM emission_hour"
    f" WHERE {_RANGE}"
)

_CLOSED: LiteralString = f"""
SELECT source_id, hour, {_FIGURES}, version, final, quality, code FROM emission_hour
WHERE {_RANGE} AND hour < :running AND known_at <= :as_of
UNION ALL
SELECT source_id, hour, {_FIGURES}, version, final, quality, code FROM emission_hour_history
WHERE {_RANGE} AND hour < :running AND known_at <= :as_of AND superseded_at > :as_of
"""

_OPEN: LiteralString = f"""
SELECT source_id, hour, {_FIGURES}, version, false, quality, code FROM emission_hour
WHERE {_RANGE} AND hour < :running AND version = 1 AND known_at > :as_of AND opened_at <= :as_of
UNION ALL
SELECT source_id, hour, {_FIGURES}, version, false, quality, code FROM emission_hour_history p
WHERE {_RANGE} AND hour < :running AND version = 1 AND known_at > :as_of
  AND EXISTS (SELECT FROM emission_hour h WHERE h.source_id = p.source_id AND h.hour = p.hour
              AND h.opened_at <= :as_of)
"""

#: The version of the hour ``h`` that was in force, or that stands in for it as said above; none:
#: that in force.
VERSION_THEN: LiteralString = """
LEFT JOIN LATERAL (
    SELECT * FROM emission_hour_history q
    WHERE q.source_id = h.source_id AND q.hour = h.hour AND q.superseded_at > :as_of
    ORDER BY q.version LIMIT 1) p ON true
"""


def as_then(figure: LiteralString, of_minute: LiteralString) -> LiteralString:
    """Return SQL of a minute's share of what was known of its hour ``h`` at ``:as_of``.

    Minutes keep no versions: those of an hour that changed since share what was known of it as they
    share what is known now. Both may be patterns of figures.
    """
    return (
        "CASE WHEN p.version IS NULL THEN "
        + of_minute
        + " WHEN h."
        + figure
        + " = 0 THEN p."
        + figure
        + " / 60.0 ELSE ("
        + of_minute
        + ")::numeric * p."
        + figure
        + " / h."
        + figure
        + " END"
    )


_SHARE: LiteralString = as_then("{f}", "e.{f}")
_AMOUNTS = tuple(figure for figure in IN_HOURS if figure.unit != "ms")
_TIMES = tuple(figure for figure in IN_HOURS if figure.unit == "ms")

_RUNNING: LiteralString = f"""
SELECT h.source_id, h.hour, {per_figure(IN_HOURS, "m.{f}")}, 1, false,
       {hour_quality("m.covered_ms", "m.estimated_ms")}, NULL
FROM emission_hour h {VERSION_THEN}
CROSS JOIN LATERAL (
    SELECT {per_figure(_AMOUNTS, "sum(" + _SHARE + ")::{f.type} AS {f}")},
           {per_figure(_TIMES, "coalesce(sum(" + _SHARE + "), 0)::{f.type} AS {f}")}
    FROM minute_in_force e WHERE e.source_id = h.source_id
      AND e.minute >= CAST(:running AS timestamptz) AND e.minute <= CAST(:as_of AS timestamptz)) m
WHERE h.source_id = ANY(:sources) AND h.hour = :running AND h.hour >= :first AND h.hour < :last
  AND h.opened_at <= :as_of AND m.co2_ug IS NOT NULL
"""

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

#: Each: source_id, hour, figures, version, final, quality, code and the time of each method, of
#: ``:sources`` and the hours ``:first`` to ``:last`` (exclusive), none after ``:minute``.
IN_FORCE: LiteralString = f"{_BY_METHOD} {_IN_FORCE}) k"
#: As above, as known at ``:as_of``, before the hour ``:running`` that it lies in; see :func:`at`.
CLOSED_AS_KNOWN: LiteralString = f"{_BY_METHOD} {_CLOSED} UNION ALL {_OPEN}) k"
#: As above, with that hour as far as it had come.
AS_KNOWN: LiteralString = f"{_BY_METHOD} {_CLOSED} UNION ALL {_OPEN} UNION ALL {_RUNNING}) k"


def parameters(as_of: datetime) -> dict[str, Any]:
    """Return the parameters that tell when; ``as_of`` is aware."""
    return {"as_of": as_of, "running": as_of.replace(minute=0, second=0, microsecond=0)}
