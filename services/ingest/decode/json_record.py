"""One record of a foreign JSON message -> the values of the channels that are in it.

A channel whose value is not in a record gets no reading from it: devices send only what changed,
and much that is no business of tonne's. Where a channel selects a list, each of it is a reading
with the time at the same place of the list of times; a list without its times is refused, for one
of it alone would be a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from services.ingest.decode.observation import (
    GOOD,
    MAX_VALUES,
    QUALITY,
    TIME_FROM_BROKER,
    Decoded,
    Observation,
    Problem,
    UndecodableError,
)
from services.ingest.decode.put_back import in_order
from services.ingest.decode.selection import MISSING, Selection, SelectionError
from services.ingest.decode.shown import shown
from services.ingest.decode.text_number import Reader, advice, says_no_value
from services.ingest.decode.timestamp import ARRIVAL, Timed, TimeRule
from services.ingest.decode.wording import QualityRule, UnitRule
from services.ingest.quarantine.reasons import Reason

#: What is no number under these says as much as null does.
_NO_VALUE: Final = frozenset({QUALITY["bad"], QUALITY["maintenance"]})

_BAD: Final = QUALITY["bad"]


class Columns(list[float | None]):
    """Numbers parted by commas, as plain text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """Where the values of one channel come from."""

    id: str
    select: Selection
    #: texts that mean no value, beside those that say it is not a number
    no_value: frozenset[str]
    time: TimeRule
    quality: QualityRule | None
    unit: UnitRule | None
    read: Reader
    #: whether a value that comes twice counts twice, so that its arrival is no time for it
    needs_time: bool
    #: whether a list is one value: the registers that it is packed into
    is_of_registers: bool = False


@dataclass(slots=True)
class _Place:
    """Where a channel's values of local time stand in what was decoded."""

    rule: TimeRule
    times_us: list[int] = field(default_factory=list)
    #: by time: the place of its observation, None where it became none
    positions: list[int | None] = field(default_factory=list)


class Taker:
    """Takes the records of one message in order; what they hold is added to ``decoded``."""

    def __init__(
        self, channels: Sequence[Channel], received_us: int, document: Any, *, number: int = 1
    ) -> None:
        """Begin; ``number``: of the records, for the times of several tell more together."""
        self.decoded = Decoded(observations=[])
        self._channels = channels
        self._received_us = received_us
        self._document = document
        self._number = number
        #: of the record in hand, by rule, which most channels share; None: it is no time
        self._times: dict[int, Timed | None] = {}
        self._record: Any = None
        self._several = number > 1
        #: by channel
        self._local: dict[str, _Place] = {}

    def take(self, record: Any, position: int = 0) -> None:
        """Take each channel's value, if the record has it; ``position``: among the others.

        :raises UndecodableError: the message has more values than one may.
        """
        self._record = record
        self._times.clear()
        for channel in self._channels:
            try:
                selected = channel.select(record)
                if selected is MISSING:
                    continue
                if isinstance(selected, list) and not (
                    channel.is_of_registers and type(selected) is list
                ):
                    self._list(channel, selected)
                else:
                    timed = self._timed(channel)
                    if timed is not None:
                        places = channel.time.places
                        if places is not None:
                            ts_us = places.time_us(timed[0], position, self._number)
                            timed = ts_us, timed[1]
                        self._value(channel, selected, timed, channel.quality, channel.unit)
            except SelectionError as error:
                self._problem(Reason.BAD_MAPPING, str(error), channel)
        if not self._several:
            return
        number = len(self.decoded.observations) + len(self.decoded.problems)
        if number > MAX_VALUES:
            raise UndecodableError(
                Reason.TOO_MANY_VALUES, f"the message has more than {MAX_VALUES} values"
            )

    def finish(self) -> Decoded:
        """Decode what the message holds, its local times made sense of together."""
        observations = self.decoded.observations
        for place in self._local.values():
            zone, times_us = place.rule.zone, place.times_us
            if zone is None or len(times_us) < 2:
                continue
            for i, ts_us in zip(place.positions, in_order(times_us, zone), strict=True):
                if i is not None and observations[i].ts_us != ts_us:
                    observations[i] = replace(observations[i], ts_us=ts_us)
        return self.decoded

    def _timed(self, channel: Channel) -> Timed | None:
        if channel.time is ARRIVAL and not channel.needs_time:
            return self._received_us, TIME_FROM_BROKER
        rule = channel.time
        key = id(rule)
        if key not in self._times:
            told_by = self._document if rule.of_message else self._record
            try:
                self._times[key] = rule.time(told_by, self._received_us)
            except ValueError as error:
                self._times[key] = None
                self._problem(Reason.BAD_TIME, str(error))
        timed = self._times[key]
        if timed is not None and channel.needs_time and timed[1] == TIME_FROM_BROKER:
            self._problem(Reason.BAD_TIME, "an interval needs the time that it lies at", channel)
            return None
        return timed

    def _list(self, channel: Channel, values: list[Any]) -> None:
        """Take each value of a list with its own time, or refuse the list."""
        self._several = True
        number = len(values)
        if channel.time.places is not None:
            self._by_place(channel, values)
            return
        times = channel.time.select(self._document if channel.time.of_message else self._record)
        if not isinstance(times, list):
            self._without_times(channel, values)
            return
        if len(times) != number:
            mismatch = f"it selects a list of {number} values and one of {len(times)} times"
            self._problem(Reason.BAD_MAPPING, mismatch, channel)
            return
        qualities = self._beside(channel.quality, number)
        units = self._beside(channel.unit, number)
        for value, raw_time, quality, unit in zip(values, times, qualities, units, strict=True):
            if value is MISSING:
                continue
            try:
                timed = channel.time.read_time(raw_time, self._received_us)
            except ValueError as error:
                self._problem(Reason.BAD_TIME, str(error), channel)
                continue
            if timed[1] == TIME_FROM_BROKER:
                mismatch = "a value of a list has no time beside it"
                self._problem(Reason.BAD_TIME, mismatch, channel)
                continue
            self._value(channel, value, timed, quality, unit)

    def _by_place(self, channel: Channel, values: list[Any]) -> None:
        """Take each value of a list; its time follows from its place."""
        places, timed = channel.time.places, self._timed(channel)
        if places is None or timed is None:
            return
        number = len(values)
        qualities = self._beside(channel.quality, number)
        units = self._beside(channel.unit, number)
        for place, value in enumerate(values):
            if value is not MISSING:
                ts_us = places.time_us(timed[0], place, number)
                self._value(channel, value, (ts_us, timed[1]), qualities[place], units[place])

    def _beside(self, rule: Any, number: int) -> list[Any]:
        """Build a rule for each value of a list: of the words that stand at its place."""
        raw = MISSING if rule is None else rule.select(self._record)
        if isinstance(raw, list) and len(raw) == number:
            return [rule.fixed(item) for item in raw]
        return [rule] * number

    def _without_times(self, channel: Channel, values: list[Any]) -> None:
        present = [value for value in values if value is not MISSING]
        if len(present) == 1:
            timed = self._timed(channel)
            if timed is not None:
                self._value(channel, present[0], timed, channel.quality, channel.unit)
        elif present:
            mistake = (
                f"it selects a list of {len(present)} values, and there is no list of as many times"
                " beside it; let records split the message, let timestamp select a list too, say"
                " step if their places tell the times, or select one of them"
            )
            if isinstance(values, Columns):
                mistake += "; if the comma is the decimal point, say number: comma for the channel"
            self._problem(Reason.BAD_MAPPING, mistake, channel)

    def _value(
        self,
        channel: Channel,
        raw: Any,
        timed: Timed,
        quality_rule: QualityRule | None,
        unit_rule: UnitRule | None,
    ) -> None:
        ts_us, time_source = timed
        place = None
        if self._several and channel.time.zone is not None and channel.time.places is None:
            place = self._local.setdefault(channel.id, _Place(channel.time))
            place.times_us.append(ts_us)
            place.positions.append(None)
        quality, unit = GOOD, None
        if quality_rule is not None:
            try:
                quality = quality_rule.quality(quality_rule.select(self._record))
            except ValueError as error:
                self._problem(Reason.BAD_QUALITY, str(error), channel, ts_us)
                return
        if unit_rule is not None:
            try:
                raw, unit = unit_rule.apart(raw, self._record)
            except ValueError as error:
                self._problem(Reason.UNIT_NOT_CONVERTIBLE, str(error), channel, ts_us)
                return
        try:
            value, quality = _number(channel, raw, quality)
        except ValueError as error:
            self._problem(Reason.BAD_VALUE, str(error), channel, ts_us)
            return
        observations = self.decoded.observations
        if place is not None:
            place.positions[-1] = len(observations)
        observations.append(Observation(channel.id, ts_us, value, unit, quality, time_source))

    def _problem(
        self, reason: Reason, detail: str, channel: Channel | None = None, ts_us: int | None = None
    ) -> None:
        self.decoded.problems.append(
            Problem(
                reason=reason, detail=detail, channel=channel.id if channel else None, ts_us=ts_us
            )
        )


def _number(channel: Channel, raw: Any, quality: int) -> tuple[float | None, int]:
    """Return the value that a payload tells, and its quality: bad where it says that it has none.

    :raises ValueError: it is no number.
    """
    mistake = ""
    try:
        value = channel.read(raw)
    except ValueError as error:
        value, mistake = None, str(error)
    if value is not None and math.isfinite(value):
        return value, quality
    if quality in _NO_VALUE:
        return None, quality
    if value is None and raw is not None:
        if isinstance(raw, str) and says_no_value(raw, channel.no_value):
            return None, _BAD
        raise ValueError(mistake or f"{shown(raw)} is not a number{advice(raw)}")
    return None, quality if value is None else _BAD
