"""What the broker has acknowledged: the promise that is held against the database."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One message of one device: its time (ms since the epoch) and values by channel."""

    device: str
    ts_ms: int
    values: dict[str, float]


@dataclass
class Books:
    """Acknowledged readings: value by (device.channel) and time."""

    readings: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    #: sent where nobody acknowledges: they may be stored, and need not
    unacknowledged: dict[tuple[str, int], float] = field(default_factory=dict)

    def acknowledged(self, entry: Entry) -> None:
        """Enter a message that PUBACK was received for."""
        for channel, value in entry.values.items():
            self.readings[f"{entry.device}.{channel}"][entry.ts_ms] = value

    def told(self, entry: Entry) -> None:
        """Enter a message that nobody will acknowledge."""
        for channel, value in entry.values.items():
            self.unacknowledged[f"{entry.device}.{channel}", entry.ts_ms] = value

    def entries(self, *, after_ms: int) -> list[Entry]:
        """The messages, one a reading, of what was acknowledged from an instant on."""
        return [
            Entry(device=device, ts_ms=ts_ms, values={channel: value})
            for name, series in self.readings.items()
            for device, _, channel in [name.partition(".")]
            for ts_ms, value in sorted(series.items())
            if ts_ms >= after_ms
        ]

    @property
    def count(self) -> int:
        """How many readings were acknowledged."""
        return sum(len(of_channel) for of_channel in self.readings.values())
