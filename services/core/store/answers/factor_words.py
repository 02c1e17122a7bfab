"""What hours counted by that counted by a series: its value, a mean, another factor."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.factor_spans import FactorSpan, SeriesTerms, used
from services.core.accounting.factors import Factor
from services.core.accounting.hourly_factors import NOTHING, Hours, ResolvedHours
from services.core.store.factor_series.values import resolved_hours
from services.core.store.registry import factors
from services.core.timeline.instants import to_minute

#: What an hour counted by that no value, mean or factor of a series was there for.
NO_FACTOR: Final = "none"

#: What hours counted by before or after the factor was a series.
FIGURES: Final = "figures"


def hour_words(
    connection: psycopg.Connection[Any],
    facility_id: int,
    slug: str,
    hours: Hours,
    *,
    zone: ZoneInfo,
    as_of: datetime | None = None,
) -> NDArray[np.object_]:
    """Return what each hour, ascending since the epoch, counted by where it counted by a factor.

    ``zone``: versions begin at its midnights. ``as_of``: as it was known then; None: now.
    """
    versions = factors.in_force(connection, facility_id, [slug], as_of)
    behind = factors.in_force(connection, facility_id, sorted(factors.fallbacks(versions)), as_of)
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
            values = resolved_hours(connection, {series_id: {order}}, hours[inside], as_of)
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
