"""Times that came in messages of their own, for the values after them.

MQTT delivers to one client in order, so a value has the time that came last before it. What is
delivered again goes by what is delivered again: the live time is a later one. Of NATS' shared
consumers another process may have had the time, so there the arrival is the time, as NATS knows it.
"""

from __future__ import annotations

from services.ingest.sources.source import Message

#: By device: when the message with the time arrived, and the time, both in microseconds.
_Times = dict[int, tuple[int, int]]


class TimesBefore:
    """The newest time of each device; what a batch learns counts when the batch does."""

    def __init__(self) -> None:
        self._live: _Times = {}
        self._again: _Times = {}

    def copy(self) -> TimesBefore:
        """Return one that learns for itself."""
        other = TimesBefore()
        other._live, other._again = dict(self._live), dict(self._again)
        return other

    def learn(self, device_id: int, message: Message, arrived_us: int, ts_us: int | None) -> None:
        """Note a device's time; None: it says that it knows none."""
        if message.retained or message.stored_at is not None:
            # nobody knows when it was sent, or who else has it
            return
        times = self._again if message.redelivered else self._live
        if ts_us is None:
            times.pop(device_id, None)
        else:
            times[device_id] = (arrived_us, ts_us)

    def time_us(
        self, device_id: int, message: Message, arrived_us: int, within_us: int
    ) -> int | None:
        """Return the time of a device's value; None: none came ``within_us`` before it."""
        times = self._again if message.redelivered else self._live
        learnt = times.get(device_id)
        if learnt is None or not 0 <= arrived_us - learnt[0] <= within_us:
            return None
        return learnt[1]
