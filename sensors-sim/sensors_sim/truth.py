"""The true totals of what was emitted, computed here and nowhere else.

A counter's amount between two successive readings is spread evenly over the time between them. An
interval's amount is spread evenly over the interval. A gauge's value holds until the channel's
next value, or for its ``max_gap_s``. A stack's minute is 40 CFR 75 App. F, eq. F-11 (CO2 and flow
both wet) on the minute's time-weighted means, times the time that both inputs cover.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from sensors_sim.devices import Channel, Device, Sample
from sensors_sim.worlds import ActivitySource, Facility, Source, StackSource

MINUTE_MS = 60_000
HOUR_S = 3600.0
#: 40 CFR 75 App. F, eq. F-11: short tons of CO2 for each scf and per cent of CO2.
F11_SHORT_TON_PER_SCF_PERCENT = 5.7e-7
KG_PER_SHORT_TON = 907.18474


@dataclass(slots=True)
class Minute:
    """A channel's minute: value times seconds (gauge) or an amount, and the covered seconds."""

    amount: float = 0.0
    covered_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SourceMinute:
    """A source's true minute. ``amount`` is in the input's unit, None for a stack."""

    start_ms: int
    co2_kg: float
    amount: float | None
    covered_s: float


@dataclass(kw_only=True)
class Folded:
    """The sums of a source's minutes that are no longer kept one by one."""

    co2_kg: float = 0.0
    amount: float = 0.0
    covered_s: float = 0.0


@dataclass(kw_only=True)
class ChannelTruth:
    """The minutes of one channel, fed with its values in order of time."""

    channel: Channel
    minutes: dict[int, Minute] = field(default_factory=lambda: defaultdict(Minute))
    last_ms: int | None = None
    last: float | None = None

    def add(self, ts_ms: int, value: float | None) -> None:
        """Account for the next value. A time that is not later than the last one is ignored."""
        if self.last_ms is not None and ts_ms <= self.last_ms:
            return
        kind = self.channel.kind
        if value is None and kind != "gauge":
            return
        if kind == "interval" and value is not None:
            self._spread(ts_ms, ts_ms + self.channel.length_s * 1000, value)
        elif kind == "gauge":
            self._hold(ts_ms)
        elif self.last_ms is not None and self.last is not None and value is not None:
            self._spread(self.last_ms, ts_ms, value - self.last)
        self.last_ms, self.last = ts_ms, value

    def finish(self) -> None:
        """Let the last value of a gauge hold as long as it may."""
        if self.last_ms is not None and self.channel.kind == "gauge":
            self._hold(self.last_ms + self.channel.max_gap_s * 1000)
            self.last = None

    def _hold(self, until_ms: int) -> None:
        if self.last_ms is None or self.last is None:
            return
        end_ms = min(until_ms, self.last_ms + self.channel.max_gap_s * 1000)
        for minute, span_ms in _minutes(self.last_ms, end_ms):
            entry = self.minutes[minute]
            entry.amount += self.last * span_ms / 1000.0
            entry.covered_s += span_ms / 1000.0

    def _spread(self, from_ms: int, until_ms: int, amount: float) -> None:
        for minute, span_ms in _minutes(from_ms, until_ms):
            entry = self.minutes[minute]
            entry.amount += amount * span_ms / (until_ms - from_ms)
            entry.covered_s += span_ms / 1000.0


def _minutes(from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
    """Yield each minute (epoch) that a span touches, with the milliseconds it has of it."""
    at = from_ms
    while at < until_ms:
        minute = at // MINUTE_MS
        end = min((minute + 1) * MINUTE_MS, until_ms)
        yield minute, end - at
        at = end


class FacilityTruth:
    """The books of one facility."""

    def __init__(self, facility: Facility, devices: tuple[Device, ...]) -> None:
        """Keep books for those sources of the facility whose device is among ``devices``."""
        present = {device.id: device for device in devices if device.facility == facility.id}
        self.facility = facility
        self.sources = tuple(s for s in facility.sources if s.device in present)
        self._channels = {
            (source.device, channel.id): ChannelTruth(channel=channel)
            for source in self.sources
            for channel in present[source.device].channels
            if channel.id in _inputs(source)
        }
        self.folded = {source.id: Folded() for source in self.sources}

    def add(self, device: str, sample: Sample) -> None:
        """Account for a sample of a device, given in order of time."""
        for channel, value in sample.values.items():
            books = self._channels.get((device, channel))
            if books is not None:
                books.add(sample.ts_ms, value)

    def fold(self, before_ms: int) -> None:
        """Keep only the sums of the minutes that ended before a time, to bound memory."""
        minutes = {minute for books in self._channels.values() for minute in books.minutes}
        old = {minute for minute in minutes if (minute + 1) * MINUTE_MS <= before_ms}
        for source in self.sources:
            sums = self.folded[source.id]
            for minute in self.minutes(source):
                if minute.start_ms // MINUTE_MS in old:
                    sums.co2_kg += minute.co2_kg
                    sums.amount += minute.amount or 0.0
                    sums.covered_s += minute.covered_s
        for books in self._channels.values():
            for number in old & books.minutes.keys():
                del books.minutes[number]

    def finish(self) -> None:
        """Close the books: nothing follows."""
        for books in self._channels.values():
            books.finish()

    def unit(self, source: Source) -> str:
        """Return the unit of a source's amount."""
        if isinstance(source, StackSource):
            return "kg"
        return self._channels[source.device, source.channel].channel.unit

    def minutes(self, source: Source) -> Iterator[SourceMinute]:
        """Yield a source's minutes in order of time, but for those that are folded."""
        if isinstance(source, ActivitySource):
            yield from self._activity(source)
        else:
            yield from self._stack(source)

    def _activity(self, source: ActivitySource) -> Iterator[SourceMinute]:
        books = self._channels[source.device, source.channel].minutes
        for minute, entry in sorted(books.items()):
            start_ms = minute * MINUTE_MS
            yield SourceMinute(
                start_ms=start_ms,
                co2_kg=entry.amount * source.factor.at(start_ms),
                amount=entry.amount,
                covered_s=entry.covered_s,
            )

    def _stack(self, source: StackSource) -> Iterator[SourceMinute]:
        co2_books = self._channels[source.device, source.co2].minutes
        flow_books = self._channels[source.device, source.flow].minutes
        for minute in sorted(co2_books.keys() & flow_books.keys()):
            co2, flow = co2_books[minute], flow_books[minute]
            covered_s = min(co2.covered_s, flow.covered_s)
            short_tons_h = (
                F11_SHORT_TON_PER_SCF_PERCENT
                * (co2.amount / co2.covered_s)
                * (flow.amount / flow.covered_s)
            )
            yield SourceMinute(
                start_ms=minute * MINUTE_MS,
                co2_kg=short_tons_h * KG_PER_SHORT_TON * covered_s / HOUR_S,
                amount=None,
                covered_s=covered_s,
            )


def _inputs(source: Source) -> tuple[str, ...]:
    if isinstance(source, ActivitySource):
        return (source.channel,)
    return (source.co2, source.flow)
