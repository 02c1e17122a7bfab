"""Hours as they are known now, or were at an instant: SQL that the answers to both are made of.

What was known at ``as_of`` of an hour is

- the version that was in force then, if the hour had been closed;
- its first version, if it was open: nobody kept what an open hour looked like from minute to
  minute, so its first closed figure stands in, as provisional (it may hold readings that came
  between ``as_of`` and the closing, but no restatement);
- the sum of its minutes so far, as they are stored now, if ``as_of`` lies in it;
- nothing, if nothing of it had arrived.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

_FIGURES: LiteralString = "co2_ug, co2e_ug, market_ug, activity_n, covered_ms, version"

_RANGE: LiteralString = (
    "source_id = ANY(:sources) AND hour >= :first AND hour < :last AND hour <= :minute"
)

_IN_FORCE: LiteralString = (
    f"SELECT source_id, hour, {_FIGURES}, final, quality, code FROM emission_hour WHERE {_RANGE}"
)

_CLOSED: LiteralString = f"""
SELECT source_id, hour, {_FIGURES}, final, quality, code FROM emission_hour
WHERE {_RANGE} AND hour < :running AND known_at <= :as_of
UNION ALL
SELECT source_id, hour, {_FIGURES}, final, quality, code FROM emission_hour_history
WHERE {_RANGE} AND hour < :running AND known_at <= :as_of AND superseded_at > :as_of
"""

_OPEN: LiteralString = f"""
SELECT source_id, hour, {_FIGURES}, false, quality, code FROM emission_hour
WHERE {_RANGE} AND hour < :running AND version = 1 AND known_at > :as_of AND opened_at <= :as_of
UNION ALL
SELECT source_id, hour, {_FIGURES}, false, quality, code FROM emission_hour_history p
WHERE {_RANGE} AND hour < :running AND version = 1 AND known_at > :as_of
  AND EXISTS (SELECT FROM emission_hour h WHERE h.source_id = p.source_id AND h.hour = p.hour
              AND h.opened_at <= :as_of)
"""

_RUNNING: LiteralString = """
SELECT h.source_id, h.hour, m.co2_ug, m.co2e_ug, m.market_ug, m.activity_n, m.covered_ms, 1, false,
       CASE WHEN m.covered_ms >= 3600000 THEN 'measured' WHEN m.covered_ms > 0 THEN 'partial'
            ELSE 'missing' END, NULL
FROM emission_hour h CROSS JOIN LATERAL (
    SELECT sum(co2_ug)::int8 AS co2_ug, sum(co2e_ug)::int8 AS co2e_ug,
           sum(market_ug)::int8 AS market_ug, sum(activity_n)::int8 AS activity_n,
           coalesce(sum(covered_ms), 0)::int4 AS covered_ms
    FROM minute_in_force WHERE source_id = h.source_id
      AND minute >= CAST(:running AS timestamptz) AND minute <= CAST(:as_of AS timestamptz)) m
WHERE h.source_id = ANY(:sources) AND h.hour = :running AND h.hour >= :first AND h.hour < :last
  AND h.opened_at <= :as_of AND m.co2_ug IS NOT NULL
"""

# By what method the time of an hour came to its figure; a rule judges an hour as a whole.
_BY_METHOD: LiteralString = """
SELECT *,
       CASE WHEN quality = 'measured' AND code IS NOT NULL THEN 3600000
            WHEN quality IN ('substituted', 'estimated') THEN 0 ELSE covered_ms END AS measured_ms,
       CASE quality WHEN 'substituted' THEN 3600000 ELSE 0 END AS substituted_ms,
       CASE quality WHEN 'estimated' THEN 3600000 ELSE 0 END AS estimated_ms
FROM (
"""

#: Each: source_id, hour, figures, version, final, quality, code and the time of each method, of
#: ``:sources`` and the hours ``:first`` to ``:last`` (exclusive), none after ``:minute``.
IN_FORCE: LiteralString = f"{_BY_METHOD} {_IN_FORCE}) k"
#: As above, as known at ``:as_of``, before the hour ``:running`` that it lies in; see :func:`at`.
CLOSED_AS_KNOWN: LiteralString = f"{_BY_METHOD} {_CLOSED} UNION ALL {_OPEN}) k"
#: As above, with that hour as far as it had come.
AS_KNOWN: LiteralString = f"{_BY_METHOD} {_CLOSED} UNION ALL {_OPEN} UNION ALL {_RUNNING}) k"


def at(as_of: datetime) -> dict[str, Any]:
    """The parameters that tell when; ``as_of`` is aware."""
    return {"as_of": as_of, "running": as_of.replace(minute=0, second=0, microsecond=0)}
