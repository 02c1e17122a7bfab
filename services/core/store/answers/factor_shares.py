"""Which share of a source's hours counted by values of a series, by its means, or by what else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import dict_row

from services.core.accounting.factor_spans import FactorSpan, SeriesTerms, used
from services.core.accounting.factors import Factor
from services.core.accounting.hourly_factors import NOTHING, ResolvedHours
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.emissions import hour_history
from services.core.store.factor_series.values import resolved_hours
from services.core.store.registry import factors
from services.core.timeline.instants import HOUR_US, from_us, to_minute, to_us

#: What an hour counted by that no value, mean or factor of a series was there for.
NO_FACTOR: Final = "none"

#: What hours counted by before or after the factor was a series.
FIGURES: Final = "figures"

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

_SUMS: Final = """
SELECT h.source_id, u.used, count(*) AS hours, sum(h.activity_n)::float8 / 1e9 AS activity,
       sum(h.co2_ug)::float8 / 1e9 AS co2_kg, sum(h.market_ug)::float8 / 1e9 AS market_kg
FROM unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[], %(used)s::text[])
    AS u(begins, ends, used)
JOIN emission_hour h ON h.source_id = ANY(%(sources)s) AND h.hour >= u.begins AND h.hour < u.ends
WHERE h.covered_ms > 0
GROUP BY 1, 2
"""


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


def factor_shares(
    connection: psycopg.Connection[Any],
    facilities: Sequence[FacilityRow],
    sources: Sequence[str] | None,
    begins: datetime,
    ends: datetime,
) -> list[FactorShare]:
    """Read shares of hours that begin from ``begins`` to before ``ends``, by facility and source.

    Of sources that count by a series. ``sources``: of these only, None: of all.
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
    hour_history.open_span(connection, sorted({row["id"] for row in rows}), begins, ends)
    shares: list[FactorShare] = []
    keys = ("facility_id", "role", "factor")
    for key, group in groupby(rows, lambda row: tuple(row[name] for name in keys)):
        facility, counting = by_id[key[0]], list(group)
        words = _used(connection, facility, key[2], hours)
        shares += _of_sources(connection, facility.slug, counting, hours, words)
    return sorted(shares, key=lambda s: (s.facility, s.source, s.role, -s.hours, s.used))


def _used(
    connection: psycopg.Connection[Any], facility: FacilityRow, slug: str, hours: NDArray[np.int64]
) -> NDArray[np.object_]:
    """Return what each hour counted by."""
    zone = ZoneInfo(facility.timezone)
    versions = factors.in_force(connection, facility.id, [slug])
    behind = factors.in_force(connection, facility.id, sorted(factors.fallbacks(versions)))
    words: NDArray[np.object_] = np.full(hours.size, NO_FACTOR, dtype=object)
    minutes = hours * 60
    for _, version in versions.get(slug, ()):
        inside = _applied([version], zone)[0].holds(minutes)
        if not version.is_series:
            words[inside] = FIGURES
            continue
        order, series_id = version.fallback or (), version.series_id or 0
        terms = SeriesTerms(
            series_id=series_id,
            fallback=order,
            factors=tuple(
                (name, _applied([v for _, v in behind.get(name, ())], zone))
                for name in factors.fallbacks_of(version)
            ),
        )
        values: dict[int, ResolvedHours] = {}
        if inside.any():
            values = resolved_hours(connection, {series_id: {order}}, hours[inside])
            place = used(terms, minutes[inside], values)
            named = np.array([*terms.order, NO_FACTOR], dtype=object)
            words[inside] = named[np.where(place == NOTHING, len(terms.order), place)]
    return words


def _applied(versions: Iterable[Factor], zone: ZoneInfo) -> tuple[FactorSpan, ...]:
    """Return the minutes of versions; what they come to is not asked."""

    def minute(day: date) -> int:
        return to_minute(datetime.combine(day, time(), zone))

    return tuple(
        FactorSpan(
            from_minute=minute(version.valid_from or date(1970, 1, 1)),
            to_minute=None if version.valid_to is None else minute(version.valid_to),
            co2_kg=0.0,
            co2e_kg=0.0,
            factor_id=0,
        )
        for version in versions
    )


def _of_sources(
    connection: psycopg.Connection[Any],
    facility: str,
    counting: Sequence[Mapping[str, Any]],
    hours: NDArray[np.int64],
    words: NDArray[np.object_],
) -> list[FactorShare]:
    first = np.concatenate(([0], np.flatnonzero(words[1:] != words[:-1]) + 1))
    ends = np.append(first[1:], hours.size)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            _SUMS,
            {
                "begins": [from_us(int(hour) * HOUR_US) for hour in hours[first]],
                "ends": [from_us((int(hour) + 1) * HOUR_US) for hour in hours[ends - 1]],
                "used": words[first].tolist(),
                "sources": [row["id"] for row in counting],
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
            )
            for row in of_source
        ]
    return shares
