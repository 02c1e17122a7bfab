"""A month's file as it is, read along with the database while the month is written anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.core.store.packing.days import date_of
from services.core.store.readings.archive import month_file
from services.core.store.readings.archive.month_file import UnusableFileError
from services.core.store.readings.archive.months import ArchivedChannel, ArchiveFile
from services.core.store.readings.archive.places import Place
from services.core.store.readings.packing.columns import ReadingColumns

#: What a file may be but missing or as archived.
DAMAGED: Final = "not as it was archived"
NOT_NOTED: Final = "of a run that was cut off"

_DayOfFile = tuple[str, str, int, ReadingColumns]


def difference(place: Place, file: ArchiveFile) -> str | None:
    """Return what is wrong with a file; None: it is what was archived."""
    contents = place.contents(file.path)
    if contents is None:
        return "missing"
    if contents.sha256 == file.sha256:
        return None
    with place.open(file.path) as source:
        replaced = month_file.replaced(source)
    return NOT_NOTED if replaced == file.sha256.hex() else DAMAGED


class Earlier:
    """The month's file so far, read once, for it is in the database's order of channel and day."""

    def __init__(self, before: tuple[Place, ArchiveFile] | None) -> None:
        self._days: Iterator[_DayOfFile] = iter(()) if before is None else _opened(*before)
        self._next: _DayOfFile | None = None
        self._unchecked = before

    def days(self, channel: ArchivedChannel, before: int) -> Iterator[tuple[int, ReadingColumns]]:
        """Yield the days of a channel before one that were not asked for yet, and their readings.

        Nothing but the file says what these are, so it has to be the one that was archived.

        :raises UnusableFileError: it is not.
        """
        if self._unchecked is not None:
            _check(*self._unchecked)
            self._unchecked = None
        yield from self._until(channel, before)

    def readings(self, channel: ArchivedChannel, day: int, days: int) -> ReadingColumns:
        """Return the readings of a run of days, which comes after what was asked for before.

        :raises UnusableFileError: it lacks them.
        """
        for _ in self._until(channel, day):
            pass
        parts = [readings for _, readings in self._until(channel, day + days)]
        if not parts:
            raise UnusableFileError(
                f"the archive lacks the readings of {channel.device}.{channel.channel} on"
                f" {date_of(day)}, and the database has them no longer"
            )
        return ReadingColumns.joined(parts)

    def _until(self, channel: ArchivedChannel, day: int) -> Iterator[tuple[int, ReadingColumns]]:
        of_channel = (channel.device, channel.channel)
        while (coming := self._peek()) is not None and coming[:3] < (*of_channel, day):
            self._next = None
            if coming[:2] == of_channel:
                yield coming[2], coming[3]

    def _peek(self) -> _DayOfFile | None:
        if self._next is None:
            self._next = next(self._days, None)
        return self._next


def _check(place: Place, file: ArchiveFile) -> None:
    if (wrong := difference(place, file)) not in (None, NOT_NOTED):
        raise UnusableFileError(
            f"{place.name}/{file.path} is {wrong}, and has days that retention dropped: bring that"
            " file back from a backup"
        )


def _opened(place: Place, file: ArchiveFile) -> Iterator[_DayOfFile]:
    """Open the file when its first day is asked for."""
    with place.open(file.path) as source:
        yield from month_file.read(source, f"{place.name}/{file.path}")
