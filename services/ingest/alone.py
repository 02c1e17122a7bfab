"""Readings that stand alone, years away from all others of their device: a clock that was not set.

A reading of the last months is nobody's business here. An older one is taken where it belongs to a
back-fill, that is where others of the device lie around it. So says what is stored, or the batch,
or what lies in quarantine for the same reason: readings that follow each other faster than time
does were recorded earlier, while a wrong clock goes on as fast as any. In the first hours of the
epochs that clocks start from, other readings of such hours say nothing.

A device of which nothing at all is known is believed, but in those hours. What was refused and is
found to belong to a back-fill is tried again by itself, so that one that comes reading by reading
loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.readings import lone_readings
from services.core.store.readings.quarantine import QuarantineEntry
from services.core.timeline.instants import HOUR_US, from_us, to_us
from services.ingest.database import Database
from services.ingest.decode.instant import NEWEST_US, OLDEST_US
from services.ingest.entry import of_reading, own_payloads
from services.ingest.prepare import Candidate, Prepared
from services.ingest.quarantine.reasons import Reason
from services.ingest.resolve import Directory, Publisher

_DAY_US: Final = 24 * HOUR_US

#: First midnights of clocks that were never set: Unix, DOS, GPS, and those of common clock chips.
_EPOCHS: Final = (
    (1970, 1, 1), (1980, 1, 1), (1980, 1, 6), (2000, 1, 1), (2010, 1, 1), (2020, 1, 1),
)  # fmt: skip

#: From midnight in the first time zone to the sixth hour in the last one.
_BEFORE_US: Final = 14 * HOUR_US
_AFTER_US: Final = 18 * HOUR_US

EPOCH_HOURS: Final = tuple(
    (midnight - _BEFORE_US, midnight + _AFTER_US)
    for midnight in (to_us(datetime(*day, tzinfo=UTC)) for day in _EPOCHS)
)

#: A device may send at once what it recorded in so long, whether its clock is right or not.
_BUFFERED_US: Final = HOUR_US

#: A back-fill is sent at least so many times faster than it was recorded.
_FASTER: Final = 10

#: How long what is known of a device is relied on, and how often the database is asked of one.
_FORGET_AFTER_S: Final = 600.0
_ASK_EVERY_S: Final = 2.0
_SWEEP_EVERY_S: Final = 60.0

_MAX_LONE: Final = 50
_MAX_DEVICES: Final = 100_000
_MAX_RELEASED: Final = 10_000

Instant = tuple[int, int]
"""When a reading was measured and when it arrived, in microseconds since the epoch."""


@dataclass(kw_only=True, slots=True)
class _Device:
    """What is known of the times of one device."""

    publisher: Publisher
    forget_at: float
    #: from the first to the last reading of each back-fill, the epochs' hours left out
    known: list[tuple[int, int]] = field(default_factory=list)
    #: of its readings that stand alone, those seen last
    lone: list[Instant] = field(default_factory=list)
    #: anything of it is stored
    has_others: bool = False
    ask_at: float = 0.0
    asked: tuple[int, int] = (0, -1)


class Alone:
    """Decides which old readings of a batch stand alone, and remembers what it decided by.

    ``after``: how far from all others a reading stands alone; zero: none does.
    """

    def __init__(
        self,
        database: Database,
        after: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self.after_us: Final = after // timedelta(microseconds=1)
        self._devices: dict[int, _Device] = {}
        self._release: dict[int, _Device] = {}
        self._sweep_at = 0.0

    def sift(self, prepared: Prepared) -> Prepared:
        """Move readings that stand alone to what is quarantined."""
        alone = sorted(self._alone(prepared))
        if not alone:
            return prepared
        gone = set(alone)
        remaining = [i for i in range(len(prepared.rows)) if i not in gone]
        return replace(
            prepared,
            rows=[prepared.rows[i] for i in remaining],
            quarantine=[*prepared.quarantine, *_entries(prepared, alone)],
            old=[],
        )

    def believe(self, publisher: Publisher, ts_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which readings of one device that came at once speak for each other.

        As :meth:`sift` would decide of them; of the others it is to be asked.
        """
        recorded = _recorded(ts_us, self.after_us)
        if recorded.any():
            device = self._device(publisher.device_id, publisher)
            device.has_others = True
            self._know_all(device, np.sort(ts_us[recorded]))
        return recorded

    def _alone(self, prepared: Prepared) -> Iterator[int]:
        by_device: dict[int, list[int]] = {}
        for i in prepared.old:
            by_device.setdefault(prepared.rows[i].publisher.device_id, []).append(i)
        old = set(prepared.old)
        for device_id, positions in by_device.items():
            device = self._device(device_id, prepared.rows[positions[0]].publisher)
            times_us = [prepared.rows[i].ts_us for i in positions]
            if self._belongs(device, min(times_us), max(times_us)):
                # a back-fill that goes on, which is nearly always
                self._know(device, [t for t in times_us if not _is_epoch(t)])
                continue
            device.has_others = device.has_others or any(
                i not in old and row.publisher.device_id == device_id
                for i, row in enumerate(prepared.rows)
            )
            for cluster in self._clusters(prepared, positions):
                if not self._is_back_fill(device_id, device, _instants(prepared, cluster)):
                    yield from cluster

    def _device(self, device_id: int, publisher: Publisher) -> _Device:
        now = self._monotonic()
        device = self._devices.get(device_id)
        if device is None or now >= device.forget_at:
            if len(self._devices) >= _MAX_DEVICES:
                self._devices.clear()
            device = _Device(publisher=publisher, forget_at=now + _FORGET_AFTER_S)
            self._devices[device_id] = device
        return device

    def _clusters(self, prepared: Prepared, positions: Sequence[int]) -> Iterator[list[int]]:
        """Part positions where the readings lie too far apart to speak for each other."""
        ordered = sorted(positions, key=lambda i: prepared.rows[i].ts_us)
        cluster = ordered[:1]
        for i in ordered[1:]:
            if prepared.rows[i].ts_us - prepared.rows[cluster[-1]].ts_us > self.after_us:
                yield cluster
                cluster = []
            cluster.append(i)
        yield cluster

    def _is_back_fill(self, device_id: int, device: _Device, readings: list[Instant]) -> bool:
        """Decide on readings of one device that lie near each other, in order of their times."""
        lo, hi = readings[0][0], readings[-1][0]
        anchors = [reading for reading in readings if not _is_epoch(reading[0])]
        if not self._is_supported(device, readings, anchors):
            if self._may_ask(device, lo, hi):
                self._database.run(lambda connection, _: self._ask(connection, device, lo, hi))
            # the first that was ever heard of a device is believed
            first = bool(anchors) and not (device.has_others or device.lone)
            if not first and not self._is_supported(device, readings, anchors):
                device.lone = [*device.lone, *readings][-_MAX_LONE:]
                return False
        self._know(device, [ts_us for ts_us, _ in anchors])
        if device.lone:
            self._release[device_id] = device
        return True

    def _is_supported(
        self, device: _Device, readings: Sequence[Instant], anchors: Sequence[Instant]
    ) -> bool:
        if self._belongs(device, readings[0][0], readings[-1][0]):
            return True
        ends = (*readings[:1], *readings[-1:], *device.lone)
        return any(
            abs(anchor[0] - other[0]) <= self.after_us and _is_recorded(anchor, other)
            for anchor in (*anchors[:1], *anchors[-1:])
            for other in ends
        )

    def _belongs(self, device: _Device, lo: int, hi: int) -> bool:
        """Whether readings from ``lo`` to ``hi`` lie in or near one known back-fill."""
        return any(
            first - self.after_us <= lo and hi <= last + self.after_us
            for first, last in device.known
        )

    def _know(self, device: _Device, times_us: Sequence[int]) -> None:
        if not times_us:
            return
        first, last = min(times_us), max(times_us)
        apart = []
        for known in device.known:
            if known[0] - self.after_us <= last and first <= known[1] + self.after_us:
                first, last = min(first, known[0]), max(last, known[1])
            else:
                apart.append(known)
        device.known = [*apart, (first, last)]

    def _know_all(self, device: _Device, ordered_us: NDArray[np.int64]) -> None:
        """Know times in order, what lies between those far from each other left out."""
        begins = np.flatnonzero(np.diff(ordered_us) > self.after_us) + 1
        for times_us in np.split(ordered_us, begins):
            self._know(device, [int(times_us[0]), int(times_us[-1])])

    def _may_ask(self, device: _Device, lo: int, hi: int) -> bool:
        now = self._monotonic()
        if now < device.ask_at and device.asked[0] <= lo and hi <= device.asked[1]:
            return False
        device.ask_at = now + _ASK_EVERY_S
        device.asked = (lo - _DAY_US, hi + _DAY_US)
        return True

    def _ask(self, connection: psycopg.Connection[Any], device: _Device, lo: int, hi: int) -> None:
        """Learn what the database knows of a device around some instants, and what stood alone."""
        publisher = device.publisher
        channels = [target.channel_id for target in publisher.targets.values()]
        intervals = list(_without_epochs(lo - self.after_us, hi + self.after_us))
        if lone_readings.any_stored(connection, channels, intervals):
            device.has_others = True
            self._know(device, [lo, hi])
        elif not device.has_others:
            device.has_others = lone_readings.anything_stored(connection, channels)
        entries = lone_readings.entries(
            connection, publisher.facility, publisher.device, limit=_MAX_RELEASED
        )
        instants = [(to_us(entry.ts), to_us(entry.received_at)) for entry in entries]
        half = _MAX_LONE // 2
        device.lone = [*instants[:half], *instants[half:][-half:]]

    # -- what stands alone no longer -------------------------------------------------------------

    def settle(self, directory: Directory) -> None:
        """After a batch is committed: have tried again what is found to belong to a back-fill.

        Now and then that is looked for, because another ingest may have taken the rest of it.
        """
        if self._monotonic() >= self._sweep_at and self.after_us:
            self._sweep_at = self._monotonic() + _SWEEP_EVERY_S
            self._database.run(lambda connection, _: self._sweep(connection, directory))
        if self._release:
            release, self._release = self._release, {}
            for device in release.values():
                self._database.run(partial(self._released, device))

    def _sweep(self, connection: psycopg.Connection[Any], directory: Directory) -> None:
        for facility, name in lone_readings.devices(connection, limit=_MAX_LONE):
            publisher = directory.publisher(facility, name)
            if publisher is None:
                continue
            device = self._device(publisher.device_id, publisher)
            for entry in lone_readings.entries(
                connection, publisher.facility, publisher.device, limit=_MAX_LONE
            ):
                ts_us = to_us(entry.ts)
                if not self._belongs(device, ts_us, ts_us):
                    self._ask(connection, device, ts_us, ts_us)
                if self._belongs(device, ts_us, ts_us):
                    self._release[publisher.device_id] = device
                    break

    def _released(self, device: _Device, connection: psycopg.Connection[Any], _tried: bool) -> None:
        publisher = device.publisher
        entries = lone_readings.entries(
            connection, publisher.facility, publisher.device, limit=_MAX_RELEASED
        )
        ids = [e.id for e in entries if self._belongs(device, to_us(e.ts), to_us(e.ts))]
        lone_readings.release(connection, ids)
        device.lone = []


def old_positions(rows: Sequence[Candidate], after_us: int) -> list[int]:
    """Which of some rows :meth:`Alone.sift` is to look at."""
    if not after_us:
        return []
    return [i for i, row in enumerate(rows) if row.ts_us < to_us(row.message.arrived_at) - after_us]


def _instants(prepared: Prepared, positions: Iterable[int]) -> list[Instant]:
    return [
        (row.ts_us, to_us(row.message.arrived_at)) for row in (prepared.rows[i] for i in positions)
    ]


def _is_epoch(ts_us: int) -> bool:
    return any(first <= ts_us < end for first, end in EPOCH_HOURS)


def _is_recorded(one: Instant, other: Instant) -> bool:
    """Whether two readings came so much faster than they were measured that they were recorded."""
    measured, arrived = abs(one[0] - other[0]), abs(one[1] - other[1])
    return measured > _BUFFERED_US and measured > _FASTER * arrived


def _recorded(ts_us: NDArray[np.int64], after_us: int) -> NDArray[np.bool_]:
    """Return which of several times lie near others so far away that no clock went there."""
    recorded = np.zeros(ts_us.size, dtype=np.bool_)
    order = np.argsort(ts_us, kind="stable")
    for first, end in EPOCH_HOURS:
        order = order[(ts_us[order] < first) | (ts_us[order] >= end)]
    if not order.size:
        return recorded
    ordered = ts_us[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - after_us - 1) > after_us)
    ends = np.append(begins[1:], ordered.size) - 1
    reaches = ordered[ends] - ordered[begins]
    recorded[order] = np.repeat(reaches > _BUFFERED_US, ends - begins + 1)
    return recorded


def _without_epochs(lo: int, hi: int) -> Iterator[tuple[datetime, datetime]]:
    """Part a span of time at the hours in which readings say nothing."""
    lo, hi = max(lo, OLDEST_US), min(hi, NEWEST_US)
    for first, end in EPOCH_HOURS:
        if lo < first < hi:
            yield from_us(lo), from_us(first)
        if first <= hi and lo < end:
            lo = max(lo, end)
    if lo < hi:
        yield from_us(lo), from_us(hi)


def _entries(prepared: Prepared, positions: Sequence[int]) -> list[QuarantineEntry]:
    rows = [prepared.rows[i] for i in positions]
    return own_payloads(
        [
            of_reading(
                Reason.STANDS_ALONE,
                f"{row.channel}: {from_us(row.ts_us).isoformat()} lies years away from all other"
                " readings of the device",
                row,
            )
            for row in rows
        ],
        rows,
    )
