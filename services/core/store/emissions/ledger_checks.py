"""Finds what of the ledger does not add up: minutes to hours, versions to a chain.

Each check is of figures and rows alone, whether their readings are still there or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, starmap
from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.emissions import hour_history
from services.core.store.emissions.final_hours import StoredHour
from services.core.store.emissions.hour_quality import hour_quality
from services.core.store.emissions.stored_minutes import StoredMinutes

_IN_RANGE: LiteralString = (
    "source_id = %(source)s AND hour >= minute_start(60 * %(first)s)"
    " AND hour < minute_start(60 * (%(last)s + 1))"
)

# The quality of an hour that no rule judged follows from its time.
_QUALITIES: LiteralString = f"""
SELECT minute_of(hour) / 60, quality FROM emission_hour
WHERE {_IN_RANGE} AND code IS NULL
  AND quality <> {hour_quality("covered_ms", "estimated_ms")}
"""  # noqa: S608 - constants

_VERSIONS: LiteralString = f"""
SELECT minute_of(hour) / 60 AS hour, version, reason, known_at, NULL AS superseded_at,
       final OR code IS NOT NULL AS closed, opened_at
FROM emission_hour WHERE {_IN_RANGE}
UNION ALL
SELECT minute_of(hour) / 60, version, reason, known_at, superseded_at, true, NULL
FROM emission_hour_history WHERE {_IN_RANGE}
ORDER BY 1, 2
"""  # noqa: S608 - constants

#: Reasons of a version that is the first of its hour.
_FIRST_REASONS = ("open", "closed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Unequal:
    """What is stored and what it should be the sum of; masses in micrograms."""

    #: None: there is no such hour
    stored_ug: int | None
    sum_ug: int
    figures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Version:
    version: int
    reason: str
    known_at: datetime
    superseded_at: datetime | None
    closed: bool
    opened_at: datetime | None


def hours_against_minutes(
    stored: Mapping[int, StoredHour], minutes: StoredMinutes
) -> dict[int, Unequal]:
    """Return the hours of the minutes that are not their sum, with what closing them added."""
    sums = minutes.closed_by_hour()
    hours: dict[str, NDArray[np.int64]] = {}
    for name, column in sums.items():
        hours[name] = np.zeros_like(column)
        for hour, stored_hour in stored.items():
            hours[name][hour - minutes.first_hour] = stored_hour.figures[name]
    differs = np.stack([hours[name] != column for name, column in sums.items()])
    unequal = {}
    for place in np.flatnonzero(differs.any(axis=0)).tolist():
        entry = stored.get(minutes.first_hour + place)
        unequal[minutes.first_hour + place] = Unequal(
            stored_ug=None if entry is None else entry.figures["co2_ug"],
            sum_ug=int(sums["co2_ug"][place]),
            figures=differing(tuple(sums), differs[:, place].tolist()),
        )
    return unequal


def wrong_qualities(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> dict[int, str]:
    """Read hours that no rule judged, with a quality that their time does not give them."""
    hour_history.open_hours(connection, source_id, first, last)
    return dict(connection.execute(_QUALITIES, _range(source_id, first, last)).fetchall())


def broken_chains(
    connection: psycopg.Connection[Any], source_id: int, first: int, last: int
) -> Iterator[tuple[int, str]]:
    """Read hours whose versions are no unbroken chain, and what is wrong with each."""
    hour_history.open_hours(connection, source_id, first, last)
    chains: dict[int, list[_Version]] = {}
    for hour, *version in connection.execute(_VERSIONS, _range(source_id, first, last)):
        chains.setdefault(hour, []).append(
            _Version(**dict(zip(_Version.__slots__, version, strict=True)))
        )
    for hour, chain in chains.items():
        wrong = _wrong(chain)
        if wrong is not None:
            yield hour, wrong


def _wrong(chain: list[_Version]) -> str | None:
    """Return what is wrong with an hour's versions, ascending; None: nothing."""
    last = chain[-1]
    missing = sorted({*range(1, last.version + 1)} - {version.version for version in chain})
    if last.superseded_at is not None:
        return f"there is no version in force after version {last.version}"
    if missing:
        return "there is no version " + ", ".join(map(str, missing))
    if chain[0].closed and last.opened_at is not None and chain[0].known_at < last.opened_at:
        return "it was known before anything of it was"
    reasons = (
        f"version {version.version} has the reason `{version.reason}`"
        for version in chain
        if (version.version == 1) != (version.reason in _FIRST_REASONS)
    )
    return next(reasons, None) or next(filter(None, starmap(_wrong_step, pairwise(chain))), None)


def _wrong_step(version: _Version, next_version: _Version) -> str | None:
    if version.superseded_at is None or version.version == next_version.version:
        return f"versions {version.version} and {next_version.version} are both in force"
    if not version.known_at <= version.superseded_at <= next_version.known_at:
        return f"version {next_version.version} was known before version {version.version} ended"
    return None


def wrong_substituted_times(
    stored: Mapping[int, StoredHour], minutes: StoredMinutes
) -> dict[int, int]:
    """Return hours whose minutes have substituted time though they are not, or the other way round.

    With that time in milliseconds.
    """
    times_ms = minutes.by_hour("substituted_ms")
    return {
        hour: int(times_ms[hour - minutes.first_hour])
        for hour, entry in stored.items()
        if (entry.code is not None and entry.quality == "substituted")
        != (times_ms[hour - minutes.first_hour] > 0)
    }


def differing(figures: tuple[str, ...], unequal: list[bool]) -> tuple[str, ...]:
    """Return the names of the figures that are not equal."""
    return tuple(name for name, differs in zip(figures, unequal, strict=True) if differs)


def _range(source_id: int, first: int, last: int) -> dict[str, int]:
    return {"source": source_id, "first": first, "last": last}
