"""Which share of a source's hours counted by values of a series, by its means, or by what else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final, LiteralString
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import dict_row

from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.factor_words import hour_words
from services.core.store.computation.hours_then import HoursThen, open_hours
from services.core.store.emissions import hour_history, hours_as_known
from services.core.store.emissions.hours_as_known import (
    HOURS_AS_KNOWN,
    HOURS_IN_FORCE,
    SourceHours,
)
from services.core.store.schema.figures import METHODS_MS
from services.core.timeline.instants import HOUR_US, MINUTE, from_us, to_us

_SOURCES: Final = """
SELECT s.id, s.facility_id, s.slug, s.activity_unit, n.role, n.slug AS factor
FROM source s
CROSS JOIN LATERAL (VALUES ('factor', s.spec ->> 'factor'),
                           ('market_factor', s.spec ->> 'market_factor')) n(role, slug)
WHERE s.facility_id = ANY(%(facilities)s) AND s.method = 'activity'
  AND (%(sources)s::text[] IS NULL OR s.slug = ANY(%(sources)s))
  AND EXISTS (SELECT FROM factor f WHERE f.slug = n.slug AND f.fallback IS NOT NULL
              AND f.known_to IS NULL AND (f.facility_id = s.facility_id OR f.facility_id IS NULL))
ORDER BY s.facility_id, n.role, n.slug, s.slug
"""

_SUMS: Final[LiteralString] = f"""
SELECT h.source_id, u.used, count(*) AS hours, sum(h.activity_n)::float8 / 1e9 AS activity,
       sum(h.co2_ug)::float8 / 1e9 AS co2_kg, sum(h.market_ug)::float8 / 1e9 AS market_kg
FROM unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[], %(used)s::text[])
    AS u(begins, ends, used)
JOIN ({{hours}}) h ON h.hour >= u.begins AND h.hour < u.ends
WHERE {" + ".join(f"h.{time}" for time in METHODS_MS)} > 0
GROUP BY 1, 2
"""  # noqa: S608 - constants
_IN_FORCE: LiteralString = _SUMS.replace("{hours}", hours_as_known.by_method(HOURS_IN_FORCE))
_AS_KNOWN: LiteralString = _SUMS.replace("{hours}", hours_as_known.by_method(HOURS_AS_KNOWN))


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorShare:
    """What of a source counted by one thing."""

    facility: str
    source: str
    #: ``factor`` or ``market_factor``
    role: str
    factor: str
    #: ``hour``, ``month``, ``year``, a factor, or as the constants above
    used: str
    hours: int
    activity: float
    activity_unit: str
    #: of the activity of all hours; None: there was no activity
    share: float | None
    co2_kg: float
    #: of the mass of all hours; None: there was none
    co2_share: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """Which hours are asked for."""

    begins: datetime
    ends: datetime
    now: datetime
    #: of the past: what hours that were open had come to
    then: HoursThen | None

    def parameters(self, source_ids: Sequence[int]) -> dict[str, Any]:
        """Return the parameters of statements about hours."""
        keys = {
            "sources": list(source_ids),
            "first": self.begins,
            "last": self.ends,
            "minute": self.now.replace(second=0, microsecond=0),
        }
        if self.then is None:
            return keys
        return keys | hours_as_known.parameters(self.now, self.then.among(source_ids).figures)


def factor_shares(
    connection: psycopg.Connection[Any],
    facilities: Sequence[FacilityRow],
    sources: Sequence[str] | None,
    begins: datetime,
    ends: datetime,
    *,
    now: datetime,
    is_past: bool = False,
) -> list[FactorShare]:
    """Read shares of hours that begin from ``begins`` to before ``ends``, by facility and source.

    Of sources that count by a series. ``sources``: of these only, None: of all. None begins after
    ``now``; ``is_past``: as it was known then.

    :raises TooManyOpenHoursError: more hours were open then than one answer computes.
    """
    by_id = {facility.id: facility for facility in facilities}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            _SOURCES,
            {"facilities": list(by_id), "sources": None if sources is None else list(sources)},
        ).fetchall()
    hours = np.arange(-(-to_us(begins) // HOUR_US), -(-to_us(ends) // HOUR_US))
    if not rows or not hours.size:
        return []
    ids = sorted({row["id"] for row in rows})
    hour_history.open_span(connection, ids, begins, ends)
    asked = _Asked(begins=begins, ends=ends, now=now, then=None)
    if is_past:
        until = min(ends, now + MINUTE)
        open_then = [SourceHours(source_id=id_, first=begins, last=until) for id_ in ids]
        asked = replace(asked, then=open_hours(connection, open_then, now))
    shares: list[FactorShare] = []
    keys = ("facility_id", "role", "factor")
    for key, group in groupby(rows, lambda row: tuple(row[name] for name in keys)):
        facility, counting = by_id[key[0]], list(group)
        words = hour_words(
            connection,
            facility.id,
            key[2],
            hours,
            zone=ZoneInfo(facility.timezone),
            as_of=now if is_past else None,
        )
        shares += _of_sources(connection, facility.slug, counting, hours, words, asked)
    return sorted(shares, key=lambda s: (s.facility, s.source, s.role, -s.hours, s.used))


def _of_sources(
    connection: psycopg.Connection[Any],
    facility: str,
    counting: Sequence[Mapping[str, Any]],
    hours: NDArray[np.int64],
    words: NDArray[np.object_],
    asked: _Asked,
) -> list[FactorShare]:
    first = np.concatenate(([0], np.flatnonzero(words[1:] != words[:-1]) + 1))
    ends = np.append(first[1:], hours.size)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            _IN_FORCE if asked.then is None else _AS_KNOWN,
            {
                **asked.parameters([row["id"] for row in counting]),
                "begins": [from_us(int(hour) * HOUR_US) for hour in hours[first]],
                "ends": [from_us((int(hour) + 1) * HOUR_US) for hour in hours[ends - 1]],
                "used": words[first].tolist(),
            },
        ).fetchall()
    sums: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        sums.setdefault(row["source_id"], []).append(row)
    shares = []
    for source in counting:
        of_source = sums.get(source["id"], [])
        total = sum(row["activity"] or 0.0 for row in of_source)
        mass = "market_kg" if source["role"] == "market_factor" else "co2_kg"
        total_kg = sum(row[mass] for row in of_source)
        shares += [
            FactorShare(
                facility=facility,
                source=source["slug"],
                role=source["role"],
                factor=source["factor"],
                used=row["used"],
                hours=row["hours"],
                activity=row["activity"] or 0.0,
                activity_unit=source["activity_unit"],
                share=(row["activity"] or 0.0) / total if total else None,
                co2_kg=row[mass],
                co2_share=row[mass] / total_kg if total_kg else None,
            )
            for row in of_source
        ]
    return shares
