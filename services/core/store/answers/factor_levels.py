"""Which part of a total counted by the values of series, by their means, or by what else.

Nothing of it is stored: what an hour counted by follows from the values that are known, and its
mass stands with the hour. A bucket whose hours all counted alike has all of its mass there. Of the
others the hours that most of the bucket did not count like are read, and the rest is the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.hourly_factors import HOURLY, MONTH, YEAR
from services.core.store.answers.buckets import Buckets, Integers
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.factor_words import FIGURES, NO_FACTOR
from services.core.store.answers.grouping import Booleans, Groups
from services.core.store.answers.hour_columns import hour_columns
from services.core.timeline.instants import HOUR_US, from_us, to_us

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.core.store.computation.hours_then import HoursThen

#: Any factor that a series falls back to.
OTHER: Final = "other"

#: What an hour may have counted by, as answers name it.
LEVELS: Final = (HOURLY, MONTH, YEAR, OTHER, FIGURES)

#: Of an hour for which nothing was there: it has no mass.
_NONE: Final = len(LEVELS)

#: Hours that are read with those around them: a statement takes as long as some dozens of hours.
_NEAR: Final = 48


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FactorLevels:
    """What emissions of sources with factors by the hour counted by, row by row."""

    #: whether the row is of such a source
    counts: Booleans
    #: micrograms of CO2 by level; they add up to the row's
    masses_ug: Mapping[str, NDArray[Any]]


def levels_of(words: NDArray[np.object_]) -> Integers:
    """Return the level of each hour, an index into :data:`LEVELS`, from what it counted by."""
    by_word = {word: index for index, word in enumerate(LEVELS) if word != OTHER}
    by_word[NO_FACTOR] = _NONE
    different, index = np.unique(words.astype(str), return_inverse=True)
    places = [by_word.get(word, LEVELS.index(OTHER)) for word in different.tolist()]
    return np.array(places, dtype=np.int64)[index]


def hours_of(buckets: Buckets, now: datetime) -> Integers:
    """Return the hours, since the epoch, that buckets have up to now."""
    end_us = min(int(buckets.ends_us[-1]), to_us(now) + 1)
    return np.arange(int(buckets.begins_us[0]) // HOUR_US, max(0, -(-end_us // HOUR_US)))


async def factor_levels(
    connection: AsyncConnection,
    rows: EmissionColumns,
    source_ids: Sequence[int],
    buckets: Buckets,
    levels: Mapping[int, Integers],
    *,
    now: datetime,
    then: HoursThen | None = None,
) -> FactorLevels:
    """Divide the CO2 of rows by what it counted by.

    Each bucket is whole hours, or lies within one. ``levels``: of each hour of :func:`hours_of`, by
    the place of each source that counts by a series. ``now`` and ``then``: as the rows were read.
    Rows and hours are of one state of the database if the caller reads both in one snapshot.
    """
    hours = hours_of(buckets, now)
    total = np.where(rows.known, rows.masses_ug["co2_ug"], 0)
    masses = np.zeros((_NONE + 1, rows.source.size), dtype=total.dtype)
    apart: dict[int, Booleans] = {}
    mostly = np.full((len(source_ids), len(buckets)), _NONE)
    # the first hour may begin before the first bucket, which then lies within it
    bucket = np.maximum(0, buckets.index_of(hours * HOUR_US))
    is_within = buckets.ends_us - buckets.begins_us < HOUR_US
    around = np.minimum(hours.size - 1, buckets.begins_us // HOUR_US - hours[:1])
    for place, level in levels.items():
        counted = np.bincount(
            bucket * (_NONE + 1) + level, minlength=len(buckets) * (_NONE + 1)
        ).reshape(len(buckets), -1)
        mostly[place] = np.where(is_within, level[around], counted.argmax(axis=1))
        apart[place] = level != mostly[place][bucket]
    await _add_hours(connection, masses, source_ids, buckets, levels, apart, hours, now, then)
    masses[mostly[rows.source, rows.bucket], np.arange(total.size)] += total - masses.sum(axis=0)
    return FactorLevels(
        counts=np.isin(rows.source, list(levels)),
        masses_ug={name: masses[index] for index, name in enumerate(LEVELS)},
    )


def parts_of_buckets(buckets: Buckets) -> Buckets:
    """Cut buckets where they begin or end within an hour.

    What is left are buckets of whole hours, and the rests of hours around their ends.
    """
    borders = np.unique(np.concatenate((buckets.begins_us, buckets.ends_us)))
    hours = borders // HOUR_US * HOUR_US
    cuts = np.unique(
        np.concatenate((borders, hours, np.where(borders > hours, hours + HOUR_US, borders)))
    )
    return Buckets.between_us(cuts[(cuts >= borders[0]) & (cuts <= borders[-1])])


def put_together(parts: FactorLevels, cut: Buckets, buckets: Buckets, sources: int) -> FactorLevels:
    """Add the rows of ``cut``, which :func:`parts_of_buckets` made of ``buckets``, up to these.

    ``sources``: how many each bucket has a row of.
    """
    bucket, source = np.divmod(np.arange(len(cut) * sources), sources)
    row = buckets.index_of(cut.begins_us)[bucket] * sources + source
    masses_ug = {}
    for level, masses in parts.masses_ug.items():
        masses_ug[level] = np.zeros(len(buckets) * sources, dtype=masses.dtype)
        np.add.at(masses_ug[level], row, masses)
    counts = np.zeros(len(buckets) * sources, dtype=np.bool_)
    counts[row] = parts.counts
    return FactorLevels(counts=counts, masses_ug=masses_ug)


async def _add_hours(
    connection: AsyncConnection,
    masses: NDArray[Any],
    source_ids: Sequence[int],
    buckets: Buckets,
    levels: Mapping[int, Integers],
    apart: Mapping[int, Booleans],
    hours: Integers,
    now: datetime,
    then: HoursThen | None,
) -> None:
    """Add the masses of hours that did not count as most of their bucket."""
    places = {source_ids[place]: place for place, its in apart.items() if its.any()}
    if not places:
        return
    figures = None if then is None else then.among(list(places)).figures
    is_any = np.any([apart[place] for place in places.values()], axis=0)
    for first, last in _runs(np.flatnonzero(is_any)):
        read = await hour_columns(
            connection,
            list(places),
            from_us(int(hours[first]) * HOUR_US),
            from_us(int(hours[last] + 1) * HOUR_US),
            now=now,
            then=figures,
        )
        place = np.array([places[source] for source in read.source_id.tolist()], dtype=np.int64)
        hour = read.hour_us // HOUR_US - hours[0]
        known = np.sum(list(read.methods_ms.values()), axis=0) > 0
        for index in np.unique(place).tolist():
            its = np.flatnonzero(known & (place == index))
            its = its[apart[index][hour[its]]]
            row = buckets.index_of(read.hour_us[its]) * len(source_ids) + index
            groups = Groups(row * (_NONE + 1) + levels[index][hour[its]])
            row, level = np.divmod(groups.keys, _NONE + 1)
            masses[level, row] += groups.sums(read.figures["co2_ug"][its])


def _runs(places: Integers) -> list[tuple[int, int]]:
    """Return the first and last of places that are near each other."""
    cuts = np.flatnonzero(np.diff(places) > _NEAR) + 1
    return [(int(run[0]), int(run[-1])) for run in np.split(places, cuts)]
