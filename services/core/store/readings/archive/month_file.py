"""A month of a facility as a file: written, checked against the digests, read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from services.core.store.packing.days import begin
from services.core.store.readings.archive import layout
from services.core.store.readings.archive.months import ArchivedChannel, HeldDay
from services.core.store.readings.packing.columns import ReadingColumns, digest

#: In the footer: the SHA-256 of the file that the database knew when this one was written.
REPLACES: Final = "replaces"

#: What is read as codes of few names.
_CODED: Final = ("facility", "device", "channel", "unit", "quality", "time_source")


class UnusableFileError(RuntimeError):
    """An archive's file does not hold what it should; the text says what it lacks."""


def write(
    draft: Path,
    facility: str,
    metadata: Mapping[str, str],
    parts: Iterable[tuple[ArchivedChannel, ReadingColumns]],
) -> None:
    """Write readings, in order of channel and time, a row group at a time.

    ``metadata`` goes into the footer.
    """
    with layout.writer(str(draft)) as writer:
        writer.add_key_value_metadata(dict(metadata))
        for group in _groups(parts):
            writer.write_table(layout.group(facility, group), layout.GROUP_READINGS)


def _groups(
    parts: Iterable[tuple[ArchivedChannel, ReadingColumns]],
) -> Iterator[list[tuple[ArchivedChannel, ReadingColumns]]]:
    group: list[tuple[ArchivedChannel, ReadingColumns]] = []
    size = 0
    for channel, readings in parts:
        if group and size + len(readings) > layout.GROUP_READINGS:
            yield group
            group, size = [], 0
        group.append((channel, readings))
        size += len(readings)
    if group:
        yield group


def read(
    source: Any, name: str, wanted: tuple[int, int] | None = None
) -> Iterator[tuple[str, str, int, ReadingColumns]]:
    """Read device, channel, day and the readings of that day, of all that a file holds.

    ``name``: what an error calls it; ``wanted``: the first and the last day that are looked for.

    :raises UnusableFileError: it is no file of an archive.
    """
    pending: tuple[str, str, ReadingColumns] | None = None
    for device, channel, readings in _runs(source, name, wanted):
        if pending is not None and pending[:2] == (device, channel):
            readings = ReadingColumns.joined([pending[2], readings])  # noqa: PLW2901
        elif pending is not None:
            yield from _days(*pending)
        *whole, last = _days(device, channel, readings)
        yield from whole
        # a row group may end within a day
        pending = (device, channel, last[3])
    if pending is not None:
        yield from _days(*pending)


def replaced(source: Any) -> str | None:
    """Read which file one replaced; None: its footer says of none."""
    try:
        metadata: dict[bytes, bytes] = pq.read_metadata(source).metadata or {}
    except (pa.ArrowException, OSError, ValueError):
        return None
    return metadata.get(REPLACES.encode(), b"").decode(errors="replace") or None


def _runs(
    source: Any, name: str, wanted: tuple[int, int] | None
) -> Iterator[tuple[str, str, ReadingColumns]]:
    try:
        file = pq.ParquetFile(
            source,
            read_dictionary=list(_CODED),
            pre_buffer=True,
            page_checksum_verification=True,
        )
        for number in range(file.num_row_groups):
            if wanted is not None and not _overlaps(file.metadata.row_group(number), wanted):
                continue
            yield from layout.channels_and_readings(file.read_row_group(number))
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UnusableFileError(f"{name} is no file of an archive ({reason})") from error


def _overlaps(group: Any, days: tuple[int, int]) -> bool:
    """Return whether a row group may hold readings of days, by its statistics."""
    times = group.column(layout.SCHEMA.get_field_index("ts")).statistics
    if times is None or not times.has_min_max:
        return True
    return bool(times.min < begin(days[1] + 1) and times.max >= begin(days[0]))


def _days(
    device: str, channel: str, readings: ReadingColumns
) -> list[tuple[str, str, int, ReadingColumns]]:
    return [(device, channel, day, its) for day, its in readings.by_day()]


def check(
    source: Any, channels: Sequence[ArchivedChannel], days: Mapping[int, Sequence[HeldDay]]
) -> None:
    """Check that a file holds exactly these days of the channels, to the bit.

    :raises UnusableFileError: it does not.
    """
    wanted = {
        (channel.device, channel.channel, day.day): day.digest
        for channel in channels
        for day in days.get(channel.id, ())
    }
    for device, channel, day, readings in read(source, "the draft"):
        if wanted.pop((device, channel, day), None) != digest(readings.sent()):
            raise UnusableFileError(f"the readings of {device}.{channel} are not what they were")
    if wanted:
        device, channel, _ = min(wanted)
        raise UnusableFileError(f"it lacks readings of {device}.{channel}")
