"""Which packed days of a channel may be in the archive alone, and what follows for those around.

A reading decides about minutes up to ``REACH`` usable readings before it, and what it decides there
takes as many more. So where days leave between others, those next to the others stay: the nearest
ones, with ``REACH`` usable readings at least, whose minutes a reading beside them may still change;
then as many again, which these are computed with. No reading is taken in any of them any more: not
all that it would change could be computed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.core.accounting.registers import LOOK_AROUND
from services.core.store.readings.archive.calendar import month_after, month_of

#: See ``services.core.store.schema.ddl``.
REACH: Final = LOOK_AROUND + 1

#: Before every reading: the first day of the calendar.
FIRST_DAY: Final = -719_162


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredDay:
    """A day of a channel, since the epoch, or all the days that are packed in one row with it."""

    day: int
    #: readings with a value, good or uncertain
    usable: int
    #: a file of the archive holds it as it is
    archived: bool
    #: its readings are in the database
    present: bool
    #: from this day on, in one month
    days: int = 1

    @property
    def last(self) -> int:
        """Return the last of the days."""
        return self.day + self.days - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedSpan:
    """Days in which no reading is taken, and those of them whose minutes cannot be computed."""

    first_day: int
    last_day: int
    first_uncomputed: int
    last_uncomputed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaving:
    """What of a channel may be in the archive alone."""

    days: frozenset[int]
    archived_spans: tuple[ArchivedSpan, ...]


def leaving(
    days: Sequence[StoredDay], removed: Collection[date], archived: Collection[date]
) -> Leaving:
    """Find the days that may leave, and the spans that follow; ``days`` in order.

    ``removed``: the months that may; ``archived``: all that have a file.
    """
    left: set[int] = set()
    archived_spans: list[ArchivedSpan] = []
    for run in _runs(days, removed, archived):
        follows_others = any(day.day < run[0].day and not _may_leave(day, removed) for day in days)
        nearest_before = _reaching(run) if follows_others else 0
        before = nearest_before + _reaching(run[nearest_before:]) if follows_others else 0
        backwards = run[::-1]
        nearest_after = _reaching(backwards)
        after = nearest_after + _reaching(backwards[nearest_after:])
        gone = run[before : len(run) - after]
        if gone:
            left.update(day.day for day in gone)
            archived_spans.append(
                ArchivedSpan(
                    first_day=run[0].day if follows_others else FIRST_DAY,
                    last_day=run[-1].last,
                    first_uncomputed=run[nearest_before].day if follows_others else FIRST_DAY,
                    last_uncomputed=run[len(run) - nearest_after - 1].last,
                )
            )
    return Leaving(days=frozenset(left), archived_spans=tuple(archived_spans))


def _runs(
    days: Sequence[StoredDay], removed: Collection[date], archived: Collection[date]
) -> list[list[StoredDay]]:
    """Return the days that may leave, those together that nothing else lies between."""
    staying = sorted(set(archived) - set(removed))
    runs: list[list[StoredDay]] = []
    last: StoredDay | None = None
    for day in days:
        if not _may_leave(day, removed):
            last = None
            continue
        if last is None or _any_between(staying, last.day, day.day):
            runs.append([])
        runs[-1].append(day)
        last = day
    return runs


def _may_leave(day: StoredDay, removed: Collection[date]) -> bool:
    return day.archived and month_of(day.day) in removed


def _any_between(months: Sequence[date], day: int, other: int) -> bool:
    first, last = month_after(month_of(day)), month_of(other)
    return any(first <= month < last for month in months)


def _reaching(days: Sequence[StoredDay]) -> int:
    """Return how many of the days, from the first on, hold ``REACH`` usable readings."""
    usable = 0
    for number, day in enumerate(days, start=1):
        usable += day.usable
        if usable >= REACH:
            return number
    return len(days)
