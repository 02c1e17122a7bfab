"""A month into the archive: written beside, read again, put into its place, noted.

Whoever is killed leaves what was there before, or the whole new file that is not noted yet; the
next run writes it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from services.core.store.packing.days import date_of, day_of
from services.core.store.readings import retention
from services.core.store.readings.archive import month_file, months, places
from services.core.store.readings.archive.calendar import first_day, month_after
from services.core.store.readings.archive.earlier import Earlier
from services.core.store.readings.archive.month_file import UnusableFileError
from services.core.store.readings.archive.months import (
    ArchivedChannel,
    ArchiveFile,
    HeldDay,
    PackedMonth,
    PackedRun,
)
from services.core.store.readings.archive.places import Contents, Place
from services.core.store.readings.packing.columns import ReadingColumns, digest
from services.core.store.readings.packing.days import damaged, unpacked
from services.core.timeline.instants import rfc3339, to_us

#: Told how many readings more are done.
Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenMonth:
    """A month's file that was written, checked and noted."""

    path: str
    contents: Contents
    channels: int
    days: int
    readings: int


@dataclass(kw_only=True, slots=True)
class _Written:
    """What has gone into the file so far, by channel."""

    days: dict[int, list[HeldDay]] = field(default_factory=dict)
    #: the packed rows among it
    runs: dict[int, list[PackedRun]] = field(default_factory=dict)

    def note(self, channel_id: int, readings: ReadingColumns) -> None:
        """Note the days of some readings, in order."""
        self.days.setdefault(channel_id, []).extend(
            HeldDay(day=day, readings=len(its), digest=digest(its.sent()))
            for day, its in readings.by_day()
        )

    @property
    def readings(self) -> int:
        return sum(day.readings for of_channel in self.days.values() for day in of_channel)


def month(
    connection: psycopg.Connection[Any],
    place: Place,
    packed: PackedMonth,
    before: tuple[Place, ArchiveFile] | None,
    progress: Progress,
) -> WrittenMonth:
    """Archive a month of a facility; ``before``: its file so far, and where that is.

    What of the month is in the archive alone, or was dropped by retention, is taken from there.

    :raises PlaceError: the place cannot be used.
    :raises UnusableFileError: what was written, or was there before, is not what it should be.
    :raises DamagedDayError: a day cannot be unpacked.
    """
    channels = months.channels(connection, packed.facility_id)
    stem = f"{packed.facility}/{packed.month:%Y-%m}"
    done = _Written()
    tonne = version("tonne")
    with places.clear_errors(place.name, stem), place.drafts() as drafts:
        draft = drafts / stem.replace("/", "-")
        parts = _parts(connection, channels, packed, before, done, progress)
        metadata = {"tonne": tonne, "facility": packed.facility, "month": f"{packed.month:%Y-%m}"}
        if before is not None:
            metadata[month_file.REPLACES] = before[1].sha256.hex()
        month_file.write(draft, packed.facility, metadata, parts)
        month_file.check(str(draft), channels, done.days)
        contents = _put(place, draft, f"{stem}.parquet")
        manifest = _manifest(packed, channels, done.days, contents, tonne)
        draft.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        _put(place, draft, f"{stem}.json")
    file = {
        "facility": packed.facility_id,
        "month": packed.month,
        "place": place.name,
        "path": f"{stem}.parquet",
        "bytes": contents.size,
        "sha256": contents.sha256,
        "readings": done.readings,
        "days": sum(map(len, done.days.values())),
        "tonne": tonne,
    }
    months.note(connection, file, done.runs)
    return WrittenMonth(
        path=f"{stem}.parquet",
        contents=contents,
        channels=len(done.days),
        days=sum(map(len, done.days.values())),
        readings=done.readings,
    )


def _put(place: Place, draft: Path, path: str) -> Contents:
    contents = places.draft_contents(draft)
    place.put(draft, path)
    if place.contents(path) != contents:
        raise UnusableFileError(f"{place.name}/{path} does not read as it was written")
    return contents


def _parts(
    connection: psycopg.Connection[Any],
    channels: Sequence[ArchivedChannel],
    packed: PackedMonth,
    before: tuple[Place, ArchiveFile] | None,
    done: _Written,
    progress: Progress,
) -> Iterator[tuple[ArchivedChannel, ReadingColumns]]:
    """Read the readings run by run, and note in ``done`` what they are."""
    earlier = Earlier(before)
    for channel in channels:
        for run, readings in _runs(connection, channel, packed.month, earlier):
            done.note(channel.id, readings)
            yield channel, readings
            if run is not None:
                done.runs.setdefault(channel.id, []).append(replace(run, series=None, arrival=None))
                progress(run.readings)


def _runs(
    connection: psycopg.Connection[Any], channel: ArchivedChannel, month: date, earlier: Earlier
) -> Iterator[tuple[PackedRun | None, ReadingColumns]]:
    """Read what a channel has, in order: what is packed, and days that the earlier file alone has.

    These have no packed row.
    """
    packed = months.runs(connection, channel.id, month)
    known = {day for run in packed for day in range(run.day, run.day + run.days)}
    # asked for after them: whatever retention has dropped of the month lies below it
    horizon = retention.horizon(connection)
    dropped_before = first_day(month) if horizon is None else day_of(to_us(horizon))

    def dropped(before: int) -> Iterator[tuple[None, ReadingColumns]]:
        if dropped_before <= first_day(month):
            return
        for day, readings in earlier.days(channel, min(before, dropped_before)):
            if day not in known:
                yield None, readings

    for run in packed:
        yield from dropped(run.day)
        yield run, _readings(channel, run, earlier)
    yield from dropped(first_day(month_after(month)))


def _readings(channel: ArchivedChannel, run: PackedRun, earlier: Earlier) -> ReadingColumns:
    if run.series is None:
        readings = earlier.readings(channel, run.day, run.days)
    else:
        readings = unpacked(channel.id, run.day, run.days, run.series, run.arrival)
    if digest(readings.sent()) != run.digest:
        if run.series is None:
            raise UnusableFileError(
                f"the archive's readings of {channel.device}.{channel.channel} on"
                f" {date_of(run.day)} are not those that were archived"
            )
        raise damaged(channel.id, run.day, "they are not what was packed")
    return readings


def _manifest(
    packed: PackedMonth,
    channels: Sequence[ArchivedChannel],
    done: Mapping[int, Sequence[HeldDay]],
    contents: Contents,
    tonne: str,
) -> dict[str, Any]:
    return {
        "tonne": tonne,
        "facility": packed.facility,
        "month": f"{packed.month:%Y-%m}",
        "written_at": rfc3339(datetime.now(UTC), timespec="seconds"),
        "file": f"{packed.month:%Y-%m}.parquet",
        "bytes": contents.size,
        "sha256": contents.sha256.hex(),
        "readings": sum(day.readings for of_channel in done.values() for day in of_channel),
        "channels": [
            {
                "device": channel.device,
                "channel": channel.channel,
                "unit": channel.unit,
                "days": {
                    date_of(day.day): {"readings": day.readings, "digest": day.digest.hex()}
                    for day in done[channel.id]
                },
            }
            for channel in channels
            if channel.id in done
        ],
    }
