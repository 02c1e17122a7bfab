"""Imported activities: amounts of periods, kept as they were given, and counted as events a day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import class_row

from services.core.accounting.activity_pieces import Piece, hour_slots, pieces, weighed_pieces
from services.core.accounting.spelling import did_you_mean
from services.core.accounting.units import UnitError, conversion
from services.core.facility.activity_file import ActivityEntry
from services.core.facility.activity_profile import ActivityProfile, Shape
from services.core.facility.errors import FacilityFileError, Problem
from services.core.facility.in_force import in_force
from services.core.store.audit.record import record
from services.core.store.readings import writer
from services.core.store.readings.writer import ReadingRow
from services.core.timeline.instants import from_us, to_us

#: Readings of one transaction: others wait for no more than this.
_MOST_READINGS: Final = 10_000

#: Days of an amount that is spread by hours: what one transaction may have of readings.
_MOST_PROFILED_DAYS: Final = 366

#: Quality and time source of what somebody imports: good, and dated by themselves.
_GOOD: Final = 0
_DATED: Final = 0

_CHANNELS: Final = """
SELECT f.slug AS facility, f.id AS facility_id, f.timezone, d.slug || '.' || c.slug AS name,
       c.id AS channel_id, c.unit, c.kind, c.spec
FROM facility f JOIN device d ON d.facility_id = f.id JOIN channel c ON c.device_id = d.id
WHERE f.slug = ANY(%s) AND f.retired_at IS NULL AND d.active AND c.active
"""

_KNOWN: Final = """
SELECT e.id, e.channel_id, e.first_day, e.end_day, e.amount, e.unit, w.withdrawn_at
FROM activity_entry e
LEFT JOIN activity_withdrawal w ON w.facility_id = e.facility_id AND w.id = e.id
WHERE e.facility_id = %s AND e.id = ANY(%s)
"""

_ADD: Final = """
INSERT INTO activity_entry
    (facility_id, id, channel_id, first_day, end_day, amount, unit, document, imported_by)
VALUES (%(facility_id)s, %(id)s, %(channel_id)s, %(first_day)s, %(end_day)s, %(amount)s, %(unit)s,
        %(document)s, %(by)s)
"""

_HORIZON: Final = "SELECT max(horizon) FROM reading_horizon"

#: What a :class:`ListedEntry` has, of those that a condition chooses.
LISTED: Final = """
SELECT f.slug AS facility, e.id, d.slug || '.' || c.slug AS channel, e.first_day, e.end_day,
       e.amount, e.unit, e.document, e.imported_at, e.imported_by,
       w.withdrawn_at, w.withdrawn_by, w.reason
FROM activity_entry e JOIN facility f ON f.id = e.facility_id
JOIN channel c ON c.id = e.channel_id JOIN device d ON d.id = c.device_id
LEFT JOIN activity_withdrawal w ON w.facility_id = e.facility_id AND w.id = e.id
"""

_LIST: Final = (
    LISTED
    + """
WHERE (%(facility)s::text IS NULL OR f.slug = %(facility)s)
ORDER BY f.slug, e.first_day, e.id LIMIT %(limit)s
"""
)


class ActivityConflictError(ValueError):
    """A reading is there already at the instant of an activity; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """An entry that is not there yet, and its readings."""

    entry: ActivityEntry
    facility_id: int
    channel_id: int
    unit: str
    readings: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedEntry:
    """An entry as it is kept."""

    facility: str
    id: str
    channel: str
    first_day: date
    end_day: date
    amount: float
    unit: str
    document: str | None
    imported_at: datetime
    imported_by: str
    #: None, as the rest: it counts
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    reason: str | None


#: Returns what a source of a facility measured between two instants, by hour.
SourceShape = Callable[[psycopg.Connection[Any], str, str, int, int], dict[int, float]]


def prepare(
    connection: psycopg.Connection[Any], entries: Sequence[ActivityEntry], shape: SourceShape
) -> tuple[list[Prepared], int]:
    """Return what is new among entries, and how many are there already.

    ``shape``: of sources, for profiles that name one.

    :raises FacilityFileError: with every reason why an entry cannot be kept, by line.
    """
    facilities = sorted({entry.facility for entry in entries if entry.facility is not None})
    channels: dict[str, dict[str, Any]] = {facility: {} for facility in facilities}
    with connection.cursor(row_factory=class_row(_Channel)) as cursor:
        for channel in cursor.execute(_CHANNELS, (facilities,)):
            channels[channel.facility][channel.name] = channel
    horizon = connection.execute(_HORIZON).fetchone()
    new: list[Prepared] = []
    problems: list[Problem] = []
    present = 0
    known = _known(connection, channels, entries)
    for entry in entries:
        try:
            channel = _channel(entry, channels[entry.facility or ""])
            if _is_present(entry, channel, known.get((channel.facility_id, entry.id))):
                present += 1
            else:
                shape_here = partial(shape, connection, channel.facility)
                new.append(_prepared(entry, channel, horizon and horizon[0], shape_here))
        except ValueError as error:
            problems.append(Problem(line=entry.line, message=str(error)))
    if problems:
        raise FacilityFileError(problems)
    return new, present


@dataclass(frozen=True, kw_only=True, slots=True)
class _Channel:
    facility: str
    facility_id: int
    timezone: str
    name: str
    channel_id: int
    unit: str
    kind: str
    spec: dict[str, Any]


def _known(
    connection: psycopg.Connection[Any],
    channels: dict[str, dict[str, _Channel]],
    entries: Sequence[ActivityEntry],
) -> dict[tuple[int, str], tuple[Any, ...]]:
    known: dict[tuple[int, str], tuple[Any, ...]] = {}
    for facility, named in channels.items():
        ids = [entry.id for entry in entries if entry.facility == facility]
        for channel in list(named.values())[:1]:
            for entry_id, *rest in connection.execute(_KNOWN, (channel.facility_id, ids)):
                known[channel.facility_id, entry_id] = tuple(rest)
    return known


def _channel(entry: ActivityEntry, channels: dict[str, _Channel]) -> _Channel:
    """Return the channel that an entry names.

    :raises ValueError: there is none, or it takes no such amount.
    """
    if not channels:
        raise ValueError(f"there is no facility {entry.facility!r} with channels")
    channel = channels.get(entry.channel)
    if channel is None:
        meant = did_you_mean(entry.channel, channels)
        raise ValueError(f"{entry.facility} has no channel {entry.channel!r}{meant}")
    if channel.kind != "event":
        raise ValueError(
            f"{entry.channel} is of kind {channel.kind}: amounts of bills and the like are events,"
            " give it a channel of kind event"
        )
    first, *later = in_force(channel.unit, channel.spec)
    if first.as_sent is not None or later:
        raise ValueError(
            f"{entry.channel} has a scale, and an amount has none: use another channel"
        )
    return channel


def _prepared(
    entry: ActivityEntry, channel: _Channel, horizon: datetime | None, shape: Shape
) -> Prepared:
    try:
        amount = conversion(entry.unit or channel.unit, channel.unit)(entry.amount)
    except UnitError as error:
        raise ValueError(f"unit: {error}") from None
    parts = _parts(entry, channel, amount, shape)
    _check(entry, channel, parts, horizon)
    return Prepared(
        entry=entry,
        facility_id=channel.facility_id,
        channel_id=channel.channel_id,
        unit=entry.unit or channel.unit,
        readings=tuple((part.ts_us, part.amount) for part in parts),
    )


def _parts(entry: ActivityEntry, channel: _Channel, amount: float, shape: Shape) -> list[Piece]:
    """Spread an amount over its days, or over their hours by the channel's profile.

    :raises ValueError: the profile cannot be followed.
    """
    zone = ZoneInfo(channel.timezone)
    stated = channel.spec.get("profile")
    if stated is None:
        return pieces(entry.id, entry.from_, entry.end, amount, zone)
    if (entry.end - entry.from_).days > _MOST_PROFILED_DAYS:
        raise ValueError(
            f"{entry.channel} has a profile, and the period more than a year: give an entry for"
            " each"
        )
    slots = hour_slots(entry.from_, entry.end, zone)
    weights = ActivityProfile.model_validate(stated).weights(slots, shape)
    return weighed_pieces(entry.id, slots, weights, amount)


def _check(
    entry: ActivityEntry, channel: _Channel, parts: Sequence[Piece], horizon: datetime | None
) -> None:
    ts_us = parts[0].ts_us
    since = channel.spec.get("since")
    if since is not None and from_us(ts_us) < datetime.fromisoformat(since):
        raise ValueError(
            f"{entry.channel} is complete from {since} on: the period begins before it"
        )
    if horizon is not None and from_us(ts_us) < horizon:
        raise ValueError(f"readings from before {horizon:%Y-%m-%d} are kept no longer")
    least, greatest = channel.spec.get("range") or (None, None)
    for _, amount in parts:
        # days of 23 and 25 hours have other parts, and so have hours of a profile
        if least is not None and greatest is not None and not least <= amount <= greatest:
            raise ValueError(
                f"{amount:g} {channel.unit} a day is outside the range {least:g} .. {greatest:g} of"
                f" {entry.channel}"
            )


def _is_present(entry: ActivityEntry, channel: _Channel, known: tuple[Any, ...] | None) -> bool:
    """Whether the entry is there as it is.

    :raises ValueError: another one has its id.
    """
    if known is None:
        return False
    *stated, withdrawn_at = known
    unit = entry.unit or channel.unit
    if stated == [channel.channel_id, entry.from_, entry.end, entry.amount, unit]:
        return True
    if withdrawn_at is not None:
        raise ValueError(
            f"{entry.id!r} was withdrawn on {withdrawn_at:%Y-%m-%d}: import what is right under"
            f" another id, such as {entry.id}-2"
        )
    raise ValueError(
        f"{entry.id!r} is there with {known[3]:g} {known[4]} from {known[1]} to {known[2]}: if that"
        f" is wrong, take it back with `tonne activities withdraw {entry.id!r} --facility"
        f" {entry.facility}`, and import what is right under another id"
    )


def store(
    connection: psycopg.Connection[Any], prepared: Sequence[Prepared], *, by: str
) -> Iterator[int]:
    """Store entries with their readings, some in each transaction; yields how many each time.

    What an interruption leaves out is new when the file is read again.

    :raises ActivityConflictError: a channel has a reading at the very instant of an entry's.
    """
    writer.create_staging(connection)
    for batch in _batches(prepared):
        now_us = to_us(datetime.now(UTC))
        rows = [
            ReadingRow(
                facility_id=part.facility_id,
                channel_id=part.channel_id,
                ts_us=ts_us,
                value=amount,
                quality=_GOOD,
                time_source=_DATED,
                received_us=now_us,
            )
            for part in batch
            for ts_us, amount in part.readings
        ]
        owners = [part.entry for part in batch for _ in part.readings]
        with connection.transaction():
            with connection.cursor() as cursor:
                cursor.executemany(_ADD, [_row(part, by) for part in batch])
            written = writer.write(connection, rows)
            refused = [
                *(conflict.position for conflict in written.conflicts),
                *written.too_late,
                *written.archived,
            ]
            if refused:
                entry = owners[min(refused)]
                raise ActivityConflictError(
                    f"line {entry.line}: {entry.id!r} cannot be stored: its time is archived away"
                    " (`tonne archive restore` brings it back), or a reading of another amount is"
                    " there at its instant (give it another id)"
                )
            _record(connection, batch, by)
        yield len(batch)


def _record(connection: psycopg.Connection[Any], batch: Sequence[Prepared], by: str) -> None:
    slugs = {part.entry.facility for part in batch}
    record(
        connection,
        "activity.import",
        by=by,
        facility=slugs.pop() if len(slugs) == 1 else None,
        after={"ids": [part.entry.id for part in batch]},
    )


def _batches(prepared: Sequence[Prepared]) -> Iterator[list[Prepared]]:
    batch: list[Prepared] = []
    readings = 0
    for part in prepared:
        if batch and readings + len(part.readings) > _MOST_READINGS:
            yield batch
            batch, readings = [], 0
        batch.append(part)
        readings += len(part.readings)
    if batch:
        yield batch


def _row(part: Prepared, by: str) -> dict[str, Any]:
    return {
        "facility_id": part.facility_id,
        "id": part.entry.id,
        "channel_id": part.channel_id,
        "first_day": part.entry.from_,
        "end_day": part.entry.end,
        "amount": part.entry.amount,
        "unit": part.unit,
        "document": part.entry.document,
        "by": by,
    }


def listed(
    connection: psycopg.Connection[Any], facility: str | None, *, limit: int
) -> list[ListedEntry]:
    """List entries by facility and day; ``facility``: None: of all."""
    with connection.cursor(row_factory=class_row(ListedEntry)) as cursor:
        return cursor.execute(_LIST, {"facility": facility, "limit": limit}).fetchall()
