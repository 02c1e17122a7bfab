"""How much may lie in quarantine: so much for each device, and so much in all.

A device gone mad must not fill the disk, nor take the room of others. Beyond its allowance what it
sends is counted and dropped, and health says so; settling entries makes room again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.core.store.readings.quarantine import QuarantineEntry, Usage

#: How old the counts of the database may become; in between this process counts its own.
_LEARN_EVERY_S: Final = 60.0

#: Facility and device as the topic says; neither for topics that name none. Of ids that nobody
#: registered the first one stands for the message.
_Device = tuple[str | None, str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The most entries and payload bytes that may be open."""

    device_entries: int = 100_000
    device_bytes: int = 256 << 20
    all_entries: int = 1_000_000
    all_bytes: int = 4 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """What of some entries is kept, and how many are not."""

    admitted: list[QuarantineEntry]
    shed: int


class Allowance:
    """Decides which entries still find room."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._by_device: dict[_Device, tuple[int, int]] = {}
        self._all = (0, 0)
        self._learn_at = 0.0

    @property
    def due(self) -> bool:
        """Whether :meth:`learn` should be called with fresh counts."""
        return time.monotonic() >= self._learn_at

    def expire(self) -> None:
        """Make :attr:`due` true: entries were settled, so that there is more room than known."""
        self._learn_at = 0.0

    def learn(self, usages: Iterable[Usage]) -> None:
        """Take the counts of the database for true."""
        self._by_device = {}
        self._all = (0, 0)
        for usage in usages:
            self._count((usage.facility, usage.device), usage.entries, usage.payload_bytes)
        self._learn_at = time.monotonic() + _LEARN_EVERY_S

    def admit(self, entries: Sequence[QuarantineEntry]) -> Admission:
        """Choose what is kept; first come, first kept. Nothing is counted before it is stored."""
        admitted: list[QuarantineEntry] = []
        by_device: dict[_Device, tuple[int, int]] = {}
        number, size = self._all
        for entry in entries:
            device = _device(entry)
            its_number, its_size = by_device.get(device) or self._by_device.get(device, (0, 0))
            more = entry.stored_bytes
            if (
                its_number < self._limits.device_entries
                and its_size + more <= self._limits.device_bytes
                and number < self._limits.all_entries
                and size + more <= self._limits.all_bytes
            ):
                admitted.append(entry)
                by_device[device] = (its_number + 1, its_size + more)
                number, size = number + 1, size + more
        return Admission(admitted=admitted, shed=len(entries) - len(admitted))

    def count(self, entries: Iterable[QuarantineEntry]) -> None:
        """Remember entries that were stored."""
        for entry in entries:
            self._count(_device(entry), 1, entry.stored_bytes)

    def _count(self, device: _Device, entries: int, payload_bytes: int) -> None:
        number, size = self._by_device.get(device, (0, 0))
        self._by_device[device] = (number + entries, size + payload_bytes)
        self._all = (self._all[0] + entries, self._all[1] + payload_bytes)


def _device(entry: QuarantineEntry) -> _Device:
    return entry.facility, entry.device or next(iter(entry.unknown_ids or ()), None)
