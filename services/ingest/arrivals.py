"""Times for messages that tell none: those of a device rise, also where many arrive together.

A source hands on what it reads at once with one time of arrival. What a device sent one after the
other must be stored one after the other, or the oldest value would stand where the newest belongs.
Each message that needs it is therefore timed by its arrival or a microsecond after the one before,
whichever is later.
"""

from __future__ import annotations

from typing import Final

from services.ingest.sources.source import Message

#: A clock that was put back by more than this is believed, rather than held until it catches up.
_MAX_AHEAD_US: Final = 60_000_000


class Arrivals:
    """The newest time given to each device's messages; kept from batch to batch."""

    def __init__(self) -> None:
        self._live: dict[int, int] = {}
        #: of messages that a broker had delivered before: they are older than what is live
        self._again: dict[int, int] = {}

    def shift_us(self, device_id: int, message: Message, arrived_us: int) -> int:
        """How much later than it arrived the message is taken to be, in microseconds.

        A time that the broker tells stays as it is, for the next delivery will tell it again: see
        :mod:`services.core.store.readings.arrival_order` for two messages in one microsecond.
        """
        if message.stored_at is not None:
            return 0
        given = self._again if message.redelivered else self._live
        last_us = given.get(device_id)
        if last_us is None or not arrived_us <= last_us <= arrived_us + _MAX_AHEAD_US:
            given[device_id] = arrived_us
            return 0
        given[device_id] = last_us + 1
        return last_us + 1 - arrived_us

    def extend(self, device_id: int, message: Message, ts_us: int) -> None:
        """Let the device's next message come after ``ts_us``: this one held several values."""
        if message.stored_at is None:
            given = self._again if message.redelivered else self._live
            given[device_id] = max(given.get(device_id, ts_us), ts_us)
