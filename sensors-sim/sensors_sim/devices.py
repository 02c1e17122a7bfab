"""What publishes: devices with channels, and the samples they take on a fixed grid of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "interval"]


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One quantity of a device. ``read`` maps epoch milliseconds to the value at that time."""

    id: str
    kind: Kind
    unit: str
    read: Callable[[int], float]
    #: Seconds for which a gauge's value holds when nothing follows.
    max_gap_s: int = 120
    #: Seconds which a value of an interval channel stands for, counted from its time stamp.
    length_s: int = 0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a device says of one instant. A value of ``None`` ends what the channel said before."""

    ts_ms: int
    values: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Device:
    """A meter or an analyser. It samples at whole multiples of its interval since 1970."""

    facility: str
    id: str
    interval_s: int
    channels: tuple[Channel, ...]

    @property
    def readings_topic(self) -> str:
        """Where the device's readings go."""
        return f"emissions/{self.facility}/{self.id}/readings"

    @property
    def status_topic(self) -> str:
        """Where the device says whether it is online."""
        return f"emissions/{self.facility}/{self.id}/status"

    @property
    def is_interval(self) -> bool:
        """Whether the device reports amounts of finished intervals rather than instants."""
        return any(channel.length_s for channel in self.channels)

    def sample(self, due_ms: int) -> Sample:
        """Return what the device publishes at a due time; an interval is stamped at its start."""
        ts_ms = due_ms - max(channel.length_s for channel in self.channels) * 1000
        return Sample(ts_ms=ts_ms, values={c.id: c.read(ts_ms) for c in self.channels})

    def due_times(self, from_ms: int, until_ms: int, step_s: int) -> Iterator[int]:
        """Return the times in [from_ms, until_ms) at which the device publishes."""
        step_ms = (self.interval_s if self.is_interval else step_s) * 1000
        first = -(-from_ms // step_ms) * step_ms
        return iter(range(first, until_ms, step_ms))

    def farewell(self, ts_ms: int) -> Sample | None:
        """Return the sample that ends the device's gauges, or None where it has none."""
        gauges = {channel.id: None for channel in self.channels if channel.kind == "gauge"}
        return Sample(ts_ms=ts_ms, values=gauges) if gauges else None
