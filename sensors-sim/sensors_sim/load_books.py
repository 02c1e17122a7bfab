"""What the load generator knows for certain: acknowledged numbers, and how long it took."""

from __future__ import annotations

from sensors_sim.load_messages import FIRST_NUMBER

#: Buckets are 1/32 of a power of two wide: a percentile is right to about 3 %.
_FINE_BITS = 5


class Latencies:
    """A histogram of times in seconds, at microsecond resolution and constant memory."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._count = 0
        self._max_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one time."""
        us = max(int(seconds * 1e6), 1)
        shift = max(us.bit_length() - _FINE_BITS - 1, 0)
        bucket = (us >> shift) << shift
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self._count += 1
        self._max_s = max(self._max_s, seconds)

    def percentile_ms(self, percent: float) -> float | None:
        """Return the time in ms which ``percent`` of the counted times do not pass."""
        wanted = self._count * percent / 100.0
        passed = 0
        for bucket in sorted(self._counts):
            passed += self._counts[bucket]
            if passed >= wanted:
                return bucket / 1000.0
        return None

    @property
    def max_ms(self) -> float | None:
        """The longest time in ms."""
        return self._max_s * 1000.0 if self._count else None


class DeviceBook:
    """One device's messages: numbered from ``FIRST_NUMBER`` without a hole."""

    def __init__(self, device: str, *, begin_ms: int = 0, step_ms: float | None = None) -> None:
        """Messages are stamped by the clock, or each ``step_ms`` from ``begin_ms`` on."""
        self.device = device
        self._begin_ms = begin_ms
        self._step_ms = step_ms
        #: The number that the next message gets.
        self.next_number = FIRST_NUMBER
        #: Every number below this one is acknowledged.
        self.acknowledged_below = FIRST_NUMBER
        self._last_ms = 0
        self._ahead: set[int] = set()

    def acknowledge(self, number: int) -> None:
        """Note that the broker acknowledged a number."""
        if number != self.acknowledged_below:
            self._ahead.add(number)
            return
        number += 1
        while self._ahead and number in self._ahead:
            self._ahead.remove(number)
            number += 1
        self.acknowledged_below = number

    def stamp_ms(self, number: int, now_ms: int) -> int:
        """Return the time of the message ``number``; no two of a device have the same."""
        if self._step_ms is not None:
            now_ms = self._begin_ms + int((number - FIRST_NUMBER) * self._step_ms)
        self._last_ms = max(now_ms, self._last_ms + 1)
        return self._last_ms

    @property
    def sent(self) -> int:
        """Messages handed to the network at least once."""
        return self.next_number - FIRST_NUMBER

    @property
    def acknowledged(self) -> int:
        """Messages the broker acknowledged."""
        return self.acknowledged_below - FIRST_NUMBER + len(self._ahead)
