"""Takes stored readings away: each moves to a record that is only added to; hours are restated.

A second delivery of what was discarded does not bring it back (:mod:`.writer`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import class_row

from services.core.facility.in_force import in_force, in_force_at
from services.core.store.audit.record import record as record_deed
from services.core.store.database import notify
from services.core.store.packing import opened
from services.core.store.readings import history
from services.core.store.readings.history_arrays import StoredBounds, bounds
from services.core.store.readings.packing import days as packing
from services.core.store.schema import restatement_reasons as why
from services.core.timeline.instants import EPOCH, MICROSECOND, SECOND, to_us

__all__ = ["StoredBounds", "bounds"]

#: In one transaction: others wait for no more than this.
_LIMIT: Final = 10_000

_CHANNEL: Final = """
SELECT d.facility_id, f.slug AS facility, c.id AS channel_id, d.slug || '.' || c.slug AS name,
       c.unit, c.spec
FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
WHERE f.slug = %s AND d.slug = %s AND c.slug = %s
"""

_OWNERS: Final = """
SELECT f.slug FROM device d JOIN facility f ON f.id = d.facility_id WHERE d.slug = %s
"""

_STORED: Final = """
SELECT ts, value, quality, received_at FROM reading
WHERE channel_id = %s AND ts >= %s AND ts < %s ORDER BY ts LIMIT %s
"""

#: Packed rows of a span until those before hold enough, by their first days; the first may begin
#: before the span.
_OLDEST_DAYS: Final = """
SELECT day FROM (
    SELECT day, sum(CASE WHEN first_ts >= %(since)s THEN readings ELSE 0 END)
                    OVER (ORDER BY day)
                - CASE WHEN first_ts >= %(since)s THEN readings ELSE 0 END AS older
    FROM packed_readings
    WHERE channel_id = %(channel)s AND last_ts >= %(since)s AND first_ts < %(until)s) q
WHERE older < %(limit)s
"""

#: The oldest first, so that what is left after an interruption is one span.
_MOVE: Final = """
SELECT discard_readings(%(channel)s, %(since)s, %(until)s, %(limit)s, %(by)s, %(reason)s)
"""

_WITHDRAW: Final = """
SELECT discard_activity(%(facility)s, %(entry)s, %(since)s, %(until)s, %(instants)s)
"""

#: More readings than any span has.
_ALL: Final = 1 << 53

_TOUCH: Final = """
INSERT INTO touched (facility_id, channel_ids, minutes, seconds, reason)
VALUES (%s, %s, %s, %s, %s)
"""

_RECORD: Final = """
SELECT ts, value, quality, received_at, discarded_at, discarded_by, reason
FROM discarded_reading WHERE channel_id = %s AND ts >= %s AND ts < %s ORDER BY id DESC LIMIT %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelKey:
    """A channel as the registry knows it, whether the facility file still names it or not."""

    facility_id: int
    facility: str
    channel_id: int
    #: ``device.channel``
    name: str
    unit: str
    #: its part of the facility file
    spec: Mapping[str, Any] = field(repr=False)

    def in_unit(self, reading: StoredReading) -> float | None:
        """Convert what is stored, which is what the device sent, to the unit."""
        conversion = in_force_at(in_force(self.unit, self.spec), to_us(reading.ts)).as_sent
        sent = reading.value
        return sent if conversion is None or sent is None else conversion(sent)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredReading:
    """A reading as it is stored."""

    ts: datetime
    value: float | None
    quality: int
    received_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscardedReading(StoredReading):
    """A reading that was taken away, by whom, when and why."""

    discarded_at: datetime
    discarded_by: str
    reason: str


def channel(
    connection: psycopg.Connection[Any], facility: str, device: str, slug: str
) -> ChannelKey | None:
    """Look a channel up; None: there is none of these names."""
    with connection.cursor(row_factory=class_row(ChannelKey)) as cursor:
        return cursor.execute(_CHANNEL, (facility, device, slug)).fetchone()


def owners(connection: psycopg.Connection[Any], device: str) -> list[str]:
    """Read which facilities have, or had, a device of this id."""
    return [facility for (facility,) in connection.execute(_OWNERS, (device,))]


def stored(
    connection: psycopg.Connection[Any],
    channel_id: int,
    since: datetime,
    until: datetime,
    *,
    limit: int,
) -> list[StoredReading]:
    """List the oldest readings of a span, its end exclusive."""
    with (
        opened.snapshot(connection),
        connection.cursor(row_factory=class_row(StoredReading)) as cursor,
    ):
        channels, days = _oldest_days(connection, channel_id, since, until, limit)
        history.open_days(connection, channels=channels, firsts=days, lasts=days)
        return cursor.execute(_STORED, (channel_id, since, until, limit)).fetchall()


def record(
    connection: psycopg.Connection[Any],
    channel_id: int,
    since: datetime,
    until: datetime,
    *,
    limit: int,
) -> list[DiscardedReading]:
    """List what was discarded of a span, its end exclusive; what was discarded last comes first."""
    with connection.cursor(row_factory=class_row(DiscardedReading)) as cursor:
        return cursor.execute(_RECORD, (channel_id, since, until, limit)).fetchall()


def discard(
    connection: psycopg.Connection[Any],
    channel: ChannelKey,
    since: datetime,
    until: datetime,
    *,
    by: str,
    reason: str,
    limit: int = _LIMIT,
) -> int:
    """Take away the oldest readings of a span, ``limit`` at once; return how many there were.

    One transaction, durable on return, with a connection in autocommit mode; call it again until it
    returns 0. The aggregator computes again what depended on them.
    """
    with connection.transaction():
        moved = take_away(connection, channel, since, until, by=by, reason=reason, limit=limit)
        if moved:
            record_deed(
                connection,
                "reading.discard",
                by=by,
                facility=channel.facility,
                subject=channel.name,
                after={"readings": moved, "from": since, "to": until},
                reason=reason,
            )
    return moved


def take_away(
    connection: psycopg.Connection[Any],
    channel: ChannelKey,
    since: datetime,
    until: datetime,
    *,
    by: str,
    reason: str,
    limit: int = _LIMIT,
) -> int:
    """Do so in the caller's transaction, as a part of what the caller records."""
    packing.open_for_writing(
        connection, *_oldest_days(connection, channel.channel_id, since, until, limit)
    )
    moved = connection.execute(
        _MOVE,
        {
            "channel": channel.channel_id,
            "since": since,
            "until": until,
            "by": by,
            "reason": reason,
            "limit": limit,
        },
    ).fetchall()
    if moved:
        _invalidate(connection, channel, [ts for (ts,) in moved], why.discarded(by, reason))
    return len(moved)


def withdraw_activity(
    connection: psycopg.Connection[Any],
    channel: ChannelKey,
    entry: str,
    instants: Sequence[datetime],
    *,
    by: str,
    reason: str,
) -> int:
    """Take away what an activity counts at some instants, in the transaction that withdraws it."""
    since, until = instants[0], instants[-1] + MICROSECOND
    packing.open_for_writing(
        connection, *_oldest_days(connection, channel.channel_id, since, until, _ALL)
    )
    moved = connection.execute(
        _WITHDRAW,
        {
            "facility": channel.facility_id,
            "entry": entry,
            "since": since,
            "until": until,
            "instants": list(instants),
        },
    ).fetchall()
    if moved:
        _invalidate(connection, channel, [ts for (ts,) in moved], why.discarded(by, reason))
    return len(moved)


def _oldest_days(
    connection: psycopg.Connection[Any],
    channel_id: int,
    since: datetime,
    until: datetime,
    limit: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the packed rows that may hold any of the oldest readings of a span.

    As pairs of channel and first day.
    """
    rows = connection.execute(
        _OLDEST_DAYS,
        {"channel": channel_id, "since": since, "until": until, "limit": limit},
    ).fetchall()
    days = np.array([day for (day,) in rows], dtype=np.int64)
    return np.full(days.size, channel_id), days


def _invalidate(
    connection: psycopg.Connection[Any],
    channel: ChannelKey,
    instants: Sequence[datetime],
    reason: str,
) -> None:
    firsts: dict[int, int] = {}
    for ts in instants:
        seconds = (ts - EPOCH) // SECOND
        minute = seconds // 60
        firsts[minute] = min(firsts.get(minute, 59), seconds % 60)
    minutes = sorted(firsts)
    connection.execute(
        _TOUCH,
        (
            channel.facility_id,
            [channel.channel_id] * len(minutes),
            minutes,
            [firsts[minute] for minute in minutes],
            reason,
        ),
    )
    connection.execute("SELECT pg_notify(%s, %s)", (notify.INVALIDATED, str(channel.facility_id)))
