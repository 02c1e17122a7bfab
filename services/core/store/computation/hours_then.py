"""Hours that were open at an instant, and minutes of others, as they were known then."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.computation import minutes_as_known
from services.core.store.computation.minutes_as_known import KnownSource, MinutesThen
from services.core.store.emissions import hour_history, hours_as_known, minute_history
from services.core.store.emissions.hour_quality import VALUELESS
from services.core.store.emissions.hours_as_known import HourFigures, SourceHours
from services.core.store.emissions.minute_changes import SourceMinutes
from services.core.store.schema.figures import (
    CLOSING_OF,
    CLOSING_SHARES,
    COMPUTED,
    FIGURES,
    IN_HOURS,
    MASSES,
    SET_BY_CLOSING,
    names,
    per_figure,
)
from services.core.timeline.intervals import Interval

#: Hours of all sources that one answer computes: about a second's work.
MAX_OPEN_HOURS = 2000

TOO_MANY = (
    f"more than {MAX_OPEN_HOURS} of the hours asked for were open at that time, and no answer"
    " computes more of them; ask for fewer facilities or sources, or for a shorter time span"
)

_MINUTE_MS = 60_000

_STORED: LiteralString = f"""
SELECT minute_of(m.minute), {per_figure(FIGURES, "coalesce(m.{f}, 0)")},
       (m.activity_n IS NOT NULL)::int, {per_figure(CLOSING_SHARES, "m.{f}")}
FROM minute_in_force m
WHERE m.source_id = %(source)s AND m.minute >= minute_start(60 * %(hour)s)
  AND m.minute < minute_start(60 * (%(hour)s + 1))
ORDER BY m.minute
"""  # noqa: S608 - constants

# The version of then, or null for an hour that was open then.
_VERSION: LiteralString = f"""
SELECT x.h, q.masses_ug, q.quality, q.code, q.in_force
FROM unnest(%(hours)s::int4[]) AS x(h)
JOIN emission_hour h ON h.source_id = %(source)s AND h.hour = minute_start(60 * x.h)
 AND h.opened_at <= %(as_of)s
LEFT JOIN LATERAL (
    SELECT ARRAY[{per_figure(MASSES, "h.{f}")}] AS masses_ug, h.quality, h.code,
           true AS in_force WHERE h.known_at <= %(as_of)s
    UNION ALL
    SELECT ARRAY[{per_figure(MASSES, "p.{f}")}], p.quality, p.code, false
    FROM emission_hour_history p
    WHERE p.source_id = h.source_id AND p.hour = h.hour AND p.known_at <= %(as_of)s
      AND p.superseded_at > %(as_of)s) q ON true
ORDER BY x.h
"""  # noqa: S608 - constants

Integers = NDArray[np.int64]


class TooManyOpenHoursError(ValueError):
    """More hours were open than one answer computes; the text says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HoursThen:
    """Hours that were open, by source and hour (since the epoch)."""

    figures: Mapping[tuple[int, int], HourFigures]
    #: why nobody can tell what was known of them, in order: of several it is the first that is told
    unknown: Mapping[tuple[int, int], str]

    def among(self, source_ids: Collection[int]) -> HoursThen:
        """Return those of some sources."""
        return HoursThen(
            figures={key: hour for key, hour in self.figures.items() if key[0] in source_ids},
            unknown={key: why for key, why in self.unknown.items() if key[0] in source_ids},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class HourMinutes:
    """An hour's minutes, ascending, with their share of what closing had added."""

    minutes: Integers
    #: by name, of all figures; masses without what closing added
    figures: Mapping[str, Integers]
    #: by name of each mass: what closing added
    added: Mapping[str, Integers]
    #: whether the source has amounts
    has_activity: bool
    #: whether the hour was open then
    was_open: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Version:
    #: by name
    masses_ug: Mapping[str, int]
    quality: str
    code: str | None
    in_force: bool


def open_hours(
    connection: psycopg.Connection[Any], asked: Sequence[SourceHours], as_of: datetime
) -> HoursThen:
    """Compute those of the hours that were open at ``as_of``, aware; all of an answer at once.

    :raises TooManyOpenHoursError: there are more than :data:`MAX_OPEN_HOURS`.
    """
    open_then = hours_as_known.were_open(connection, asked, as_of, MAX_OPEN_HOURS + 1)
    if len(open_then) > MAX_OPEN_HOURS:
        raise TooManyOpenHoursError(TOO_MANY)
    wanted: dict[int, set[int]] = {}
    for source_id, hour in open_then:
        wanted.setdefault(source_id, set()).add(hour)
    figures: dict[tuple[int, int], HourFigures] = {}
    unknown: dict[tuple[int, int], str] = {}
    for source_id, source in minutes_as_known.sources(connection, wanted).items():
        then = minutes_as_known.minutes(connection, source, wanted[source_id], as_of)
        unknown |= {(source_id, hour): why for hour, why in then.unknown.items()}
        for hour, of_hour in _sums(then, wanted[source_id]):
            figures[source_id, hour] = of_hour
    return HoursThen(figures=figures, unknown=dict(sorted(unknown.items())))


def _sums(then: MinutesThen, hours: Collection[int]) -> Iterator[tuple[int, HourFigures]]:
    """Add up the computed minutes of each hour, 0 where there are none."""
    computed = then.computed
    has_activity = computed is not None and computed.activity is not None
    for hour in hours:
        if hour in then.unknown:
            continue
        of_hour = then.of_hour(hour)
        sums: dict[str, int | None] = {
            name: 0 if computed is None else int(computed.figures[name][of_hour].sum())
            for name in names(IN_HOURS)
        }
        yield hour, sums if has_activity else sums | {"activity_n": None}


def hour_minutes(
    connection: psycopg.Connection[Any],
    source: KnownSource,
    hours: Collection[int],
    as_of: datetime,
) -> tuple[dict[int, HourMinutes], dict[int, str]]:
    """Compute minutes of hours (since the epoch) as they were known at ``as_of``.

    Hours of which nothing had been counted are left out. Returns why others are unknown, too.
    """
    versions = _versions(connection, source.id, hours, as_of)
    then = minutes_as_known.minutes(connection, source, set(versions), as_of)
    open_then: dict[int, HourMinutes] = {}
    unknown: dict[int, str] = {}
    for hour, version in versions.items():
        if hour not in then.unknown:
            if then.computed is not None:
                open_then[hour] = _closed(then.computed, then.of_hour(hour), version)
        elif version is not None and version.in_force:
            # it has not changed since, so that its minutes are those of then
            open_then[hour] = _stored(connection, source.id, hour)
        else:
            unknown[hour] = then.unknown[hour]
    return open_then, unknown


def _versions(
    connection: psycopg.Connection[Any], source_id: int, hours: Collection[int], as_of: datetime
) -> dict[int, _Version | None]:
    """Read the hours' versions of then, None: it was open; what nobody had counted is left out."""
    hour_history.open_each(connection, source_id, hours)
    rows = connection.execute(_VERSION, {"source": source_id, "hours": list(hours), "as_of": as_of})
    return {
        hour: None
        if in_force is None
        else _Version(
            masses_ug=dict(zip(names(MASSES), masses_ug, strict=True)),
            quality=quality,
            code=code,
            in_force=in_force,
        )
        for hour, masses_ug, quality, code, in_force in rows
    }


def _closed(
    computed: SourceMinutes, of_hour: NDArray[np.bool_], version: _Version | None
) -> HourMinutes:
    """Give minutes their shares of what closing their hour had added, as it sets them."""
    minutes = computed.minutes[of_hour]
    figures = {name: computed.figures[name][of_hour] for name in names(COMPUTED)}
    nothing = np.zeros_like(minutes)
    closing = dict.fromkeys(CLOSING_OF, nothing)
    by_name = {figure.name: nothing for figure in SET_BY_CLOSING}
    if version is not None and version.code is not None:
        k = (minutes % 60).tolist()
        for share, mass in CLOSING_OF.items():
            added = version.masses_ug[mass] - int(figures[mass].sum())
            closing[share] = (
                -figures[mass]
                if version.quality in VALUELESS
                else np.array([added * (i + 1) // 60 - added * i // 60 for i in k], dtype=np.int64)
            )
        measured_ms = (version.quality == "measured") * _MINUTE_MS
        by_name["closing_ms"] = measured_ms - figures["covered_ms"]
        by_name["substituted_ms"] = nothing + (version.quality == "substituted") * _MINUTE_MS
    return HourMinutes(
        minutes=minutes,
        figures=figures | by_name,
        added={mass.name: closing.get(mass.closing or "", nothing) for mass in MASSES},
        has_activity=computed.activity is not None,
        was_open=version is None,
    )


def _stored(connection: psycopg.Connection[Any], source_id: int, hour: int) -> HourMinutes:
    whole_hour = Interval(start=60 * hour, end=60 * (hour + 1))
    minute_history.open_intervals(connection, [source_id], [whole_hour])
    rows = connection.execute(_STORED, {"source": source_id, "hour": hour}).fetchall()
    table = np.array(rows, dtype=np.int64).reshape(-1, len(FIGURES) + 2 + len(CLOSING_SHARES))
    closing = {share.name: table[:, len(FIGURES) + 2 + i] for i, share in enumerate(CLOSING_SHARES)}
    return HourMinutes(
        minutes=table[:, 0],
        figures={name: table[:, 1 + i] for i, name in enumerate(names(FIGURES))},
        added={
            mass.name: closing.get(mass.closing or "", np.zeros_like(table[:, 0]))
            for mass in MASSES
        },
        has_activity=bool(table[:, len(FIGURES) + 1].any()),
    )
