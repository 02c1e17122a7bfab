"""From a channel's readings to a value and a coverage for each minute.

The one way from readings to minutes: the aggregator, explanations and verification all call
:meth:`ChannelRule.minutes`, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from services.core.accounting import events, gauges, intervals, registers, worth
from services.core.accounting.spreading import spread
from services.core.accounting.units import Conversion
from services.core.accounting.worth import BEYOND_MEASURE
from services.core.timeline.instants import MINUTE_US

#: An hour's figure is as good as measured when its register is read once an hour; hourly readings
#: come some seconds or minutes later or earlier than the one before.
ESTIMATED_AFTER_US = 65 * MINUTE_US


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Which readings around a span of minutes its result depends on."""

    #: microseconds before the first minute and after the last one
    lead_us: int = 0
    trail_us: int = 0
    #: this many readings before and after that
    before: int = 0
    after: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MinuteSeries:
    """One channel over consecutive minutes.

    ``value[i]`` belongs to minute ``first_minute + i``: the time-weighted mean of a gauge, or the
    amount of a counter or interval channel, in the channel's unit. Where ``covered_us`` is 0 a mean
    is NaN and an amount 0, and neither says anything. ``estimated_us`` is the part of the covered
    time in which the amount is known in sum only, or comes from uncertain readings.
    """

    first_minute: int
    value: NDArray[np.float64]
    covered_us: NDArray[np.int64]
    estimated_us: NDArray[np.int64]
    is_rate: bool
    #: what flowed out, where ``value`` is what flowed in; None: they are not told apart
    exported: NDArray[np.float64] | None = None

    def values_at(
        self, minutes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Values and covered microseconds of ``minutes``, which must lie inside the series."""
        index = minutes - self.first_minute
        return self.value[index], self.covered_us[index]

    def estimated_at(self, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Estimated microseconds of ``minutes``, which must lie inside the series."""
        return self.estimated_us[minutes - self.first_minute]

    def exported_at(self, minutes: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Values of what flowed out in ``minutes``; None: it is not told apart."""
        return None if self.exported is None else self.exported[minutes - self.first_minute]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenMinutes:
    """What is known of the very minutes that it is asked for, of one channel or of many."""

    value: NDArray[np.float64]
    covered_us: NDArray[np.int64]
    estimated_us: NDArray[np.int64]
    is_rate: bool
    #: what flowed out, where ``value`` is what flowed in; None: they are not told apart
    exported: NDArray[np.float64] | None = None

    def values_at(
        self, minutes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Values and covered microseconds of all of them: as many as there are ``minutes``."""
        assert minutes.size == self.value.size  # noqa: S101 - they were chosen for these
        return self.value, self.covered_us

    def estimated_at(self, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Estimated microseconds of all of them."""
        assert minutes.size == self.value.size  # noqa: S101 - they were chosen for these
        return self.estimated_us

    def exported_at(self, minutes: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Values of what flowed out in all of them; None: it is not told apart."""
        assert minutes.size == self.value.size  # noqa: S101 - they were chosen for these
        return self.exported


class Minutes(Protocol):
    """Minutes of a channel, as a method takes them."""

    @property
    def is_rate(self) -> bool:
        """Whether a value is a mean, not an amount."""
        ...

    def values_at(
        self, minutes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Values and covered microseconds of the minutes."""
        ...

    def estimated_at(self, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """How much of the covered time is estimated, in microseconds."""
        ...

    def exported_at(self, minutes: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Values of what flowed out, where it is told apart from what flowed in."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelRule:
    """How the readings of one channel become minutes.

    A reading counts by what is in force at its time, that of an interval at its beginning. An
    amount that flowed from before a change until after it counts in proportion of the time.
    """

    kind: Literal["counter", "gauge", "interval", "event"]
    unit: str
    max_gap_us: int = 0
    #: gauge: how far apart its readings are when none is lost; None: not stated
    every_us: int | None = None
    length_us: int = 0
    stamp: Literal["start", "end"] = "start"
    #: event: from when on all of them are sent
    since_us: int | None = None
    register: registers.RegisterConfig | None = None
    #: counter: over a longer step the amount is known, but when it flowed is a guess
    estimated_after_us: int = ESTIMATED_AFTER_US
    #: from what the device sends to the unit; None: it sends the unit
    as_sent: Conversion | None = None
    #: what the channel can show at all, as sent, both ends included: any other value is a gap
    least: float = -BEYOND_MEASURE
    greatest: float = BEYOND_MEASURE
    #: what takes the place of these three, by when, ascending
    later: tuple[worth.Worth, ...] = ()
    #: a meter that measures both ways: this rule is of what flows in, or of what flows out
    part: Literal["import", "export"] | None = None

    @property
    def exports(self) -> ChannelRule | None:
        """The rule of what flows out, where this one is of what flows in."""
        return replace(self, part="export") if self.part == "import" else None

    @property
    def context(self) -> Context:
        """The readings that :meth:`minutes` must be given beside those of its own span."""
        if self.kind == "gauge":
            return Context(before=1)
        if self.kind == "event":
            return Context()
        if self.kind == "interval":
            if self.stamp == "start":
                return Context(lead_us=self.length_us)
            return Context(trail_us=self.length_us)
        return Context(before=registers.LOOK_AROUND + 1, after=registers.LOOK_AROUND + 1)

    @property
    def is_rate(self) -> bool:
        """Whether a minute's value is a mean, not an amount."""
        return self.kind == "gauge"

    @property
    def has_steps(self) -> bool:
        """Whether its readings tell amounts that flowed over some time."""
        return self.kind in {"counter", "interval"}

    @property
    def holds_us(self) -> int:
        """How long after its time a reading still speaks of the minutes that follow."""
        if self.kind == "gauge":
            return self.max_gap_us
        return self.length_us if self.kind == "interval" and self.stamp == "start" else 0

    @property
    def reaches_back_us(self) -> int:
        """How long before its time a reading speaks; a counter's: to the readings before."""
        return self.length_us if self.kind == "interval" and self.stamp == "end" else 0

    @property
    def is_stamped_at(self) -> tuple[bool, bool]:
        """Whether a step begins and whether it ends at a reading that tells its amount."""
        if self.kind == "interval":
            return self.stamp == "start", self.stamp == "end"
        return True, True

    def register_steps(
        self, ts_us: NDArray[np.int64], value: NDArray[np.float64]
    ) -> registers.RegisterSteps:
        """Compute a counter's steps, what is unconfirmed and incidents; arrays as `minutes`."""
        known = self.shows(value, ts_us)
        assert self.register is not None  # noqa: S101 - a counter always has one
        return registers.steps(ts_us[known], value[known], self.register)

    def minutes(
        self,
        ts_us: NDArray[np.int64],
        value: NDArray[np.float64],
        first_minute: int,
        last_minute: int,
        uncertain: NDArray[np.bool_] | None = None,
    ) -> MinuteSeries:
        """Compute the minutes ``first_minute`` to ``last_minute``, both included.

        ``ts_us`` ascends without duplicates and holds :attr:`context` beside the span's own
        readings; ``value`` NaN is an explicit gap; ``uncertain`` tells which readings are (None:
        none is).
        """
        owner = np.zeros(ts_us.size, dtype=np.int64)
        values, covered, estimated = self.minutes_of_many(
            ts_us, value, owner, 1, first_minute, last_minute, uncertain
        )
        exports, exported = self.exports, None
        if exports is not None:
            exported, _, _ = exports.minutes_of_many(
                ts_us, value, owner, 1, first_minute, last_minute
            )
        return MinuteSeries(
            first_minute=first_minute,
            value=values[0],
            covered_us=covered[0],
            estimated_us=estimated[0],
            is_rate=self.is_rate,
            exported=None if exported is None else exported[0],
        )

    def minutes_of_many(
        self,
        ts_us: NDArray[np.int64],
        value: NDArray[np.float64],
        owner: NDArray[np.int64],
        owners: int,
        first_minute: int,
        last_minute: int,
        uncertain: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Compute many channels under this rule: values, covered and estimated microseconds.

        ``owner`` is the ascending number below ``owners`` of the channel that each reading belongs
        to; the answers' shape is (owners, minutes). A channel's minutes are the same, to the bit,
        whichever others are computed with it.
        """
        shape = (owners, last_minute - first_minute + 1)
        value = np.where(self.shows(value, ts_us), value, np.nan)
        # what is worth one thing for all time is converted by the minute
        by_reading = self.part is not None or (bool(self.later) and not self.has_steps)
        if by_reading:
            value = self.in_unit(value, ts_us)
        if self.part is not None:
            # told apart by reading: within a minute import and export do not cancel each other out
            value = np.maximum(value if self.part == "import" else -value, 0.0)
        estimated = np.zeros(shape, dtype=np.int64)
        if uncertain is not None and not uncertain.any():
            uncertain = None
        if self.kind == "gauge":
            values, covered = gauges.minute_means(
                ts_us, value, self.max_gap_us, first_minute, last_minute, owner, owners
            )
            if uncertain is not None:
                _, time = gauges.minute_means(
                    ts_us, np.where(uncertain, value, np.nan), self.max_gap_us,
                    first_minute, last_minute, owner, owners,
                )  # fmt: skip
                estimated = time.reshape(shape)
        elif self.since_us is not None:
            values, covered, guessed_us = events.minute_amounts(
                ts_us, value, self.since_us, first_minute, last_minute, owner, owners, uncertain
            )
            estimated = guessed_us.reshape(shape)
        else:
            steps, guessed = self._steps_in_unit(ts_us, value, owner, owners, uncertain, by_reading)
            values, covered = spread(
                steps.t0_us,
                steps.t1_us,
                steps.amount,
                first_minute,
                last_minute,
                steps.owner,
                owners,
            )
            if guessed is not None and guessed.any():
                _, time = spread(
                    steps.t0_us[guessed], steps.t1_us[guessed], steps.amount[guessed],
                    first_minute, last_minute, steps.owner[guessed], owners,
                )  # fmt: skip
                estimated = time.reshape(shape)
            by_reading = by_reading or bool(self.later)
        if self.as_sent is not None and not by_reading:
            values = self.as_sent(values)
        return values.reshape(shape), covered.reshape(shape), estimated

    def in_unit(self, sent: NDArray[np.float64], ts_us: NDArray[np.int64]) -> NDArray[np.float64]:
        """Convert readings, as the device sent them, to the channel's unit."""
        if not self.later:
            return sent if self.as_sent is None else self.as_sent(sent)
        return worth.in_unit(self._worths, sent, ts_us - self.reaches_back_us)

    def shows(self, value: NDArray[np.float64], ts_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which readings, as sent, can be the channel's; NaN is none."""
        if not self.later:
            return (value >= self.least) & (value <= self.greatest)
        return worth.shows(self._worths, value, ts_us - self.reaches_back_us)

    def shown_or_above(
        self, sent: NDArray[np.float64], ts_us: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return readings in the channel's unit; NaN of what it cannot show.

        Infinity stays: it stands for a value that was refused because it is above the range.
        """
        value = self.in_unit(np.where(self.shows(sent, ts_us), sent, np.nan), ts_us)
        return np.where(np.isposinf(sent), np.inf, value)

    @property
    def _worths(self) -> tuple[worth.Worth, ...]:
        first = worth.Worth(
            from_us=None, as_sent=self.as_sent, least=self.least, greatest=self.greatest
        )
        return (first, *self.later)

    def _steps_in_unit(
        self,
        ts_us: NDArray[np.int64],
        value: NDArray[np.float64],
        owner: NDArray[np.int64],
        owners: int,
        uncertain: NDArray[np.bool_] | None,
        by_reading: bool,
    ) -> tuple[worth.Steps, NDArray[np.bool_] | None]:
        """Return amounts over time, and which of them are guessed in part; None: none is."""
        t0, t1, amount, step_owner = self._steps(ts_us, value, owner, owners)
        guessed = t1 - t0 > self.estimated_after_us if self.kind == "counter" else None
        if uncertain is not None:
            from_uncertain = _from_uncertain(
                ts_us[uncertain], owner[uncertain], t0, t1, step_owner, self.is_stamped_at
            )
            guessed = from_uncertain if guessed is None else guessed | from_uncertain
        steps = worth.Steps(t0_us=t0, t1_us=t1, amount=amount, owner=step_owner)
        if by_reading or not self.later:
            return steps, guessed
        steps, which, is_cut = worth.steps_in_unit(self._worths, steps)
        return steps, is_cut if guessed is None else guessed[which] | is_cut

    def _steps(
        self,
        ts_us: NDArray[np.int64],
        value: NDArray[np.float64],
        owner: NDArray[np.int64],
        owners: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        known = np.isfinite(value)
        ts_us, value, owner = ts_us[known], value[known], owner[known]
        if self.kind == "interval":
            return *intervals.steps(ts_us, value, self.length_us, self.stamp), owner
        assert self.register is not None  # noqa: S101 - a counter always has one
        *plain, is_plain = registers.plain_steps(ts_us, value, owner, owners, self.register)
        parts = [tuple(plain)]
        for register in np.flatnonzero(~is_plain).tolist():
            readings = slice(*np.searchsorted(owner, (register, register + 1)))
            steps = registers.steps(ts_us[readings], value[readings], self.register)
            step_owner = np.full(steps.t0_us.size, register, dtype=np.int64)
            parts.append((steps.t0_us, steps.t1_us, steps.amount, step_owner))
        t0, t1, amount, step_owner = (np.concatenate(part) for part in zip(*parts, strict=True))
        return t0, t1, amount, step_owner


def _from_uncertain(
    ts_us: NDArray[np.int64],
    owner: NDArray[np.int64],
    t0_us: NDArray[np.int64],
    t1_us: NDArray[np.int64],
    step_owner: NDArray[np.int64],
    ends: tuple[bool, bool],
) -> NDArray[np.bool_]:
    """Which steps begin or end at one of the readings given, of the same channel."""
    touches = np.zeros(t0_us.size, dtype=np.bool_)
    for channel in np.unique(owner).tolist():
        of_channel = step_owner == channel
        reading_us = ts_us[owner == channel]
        for is_reading, edge in zip(ends, (t0_us, t1_us), strict=True):
            if is_reading:
                touches[of_channel] |= np.isin(edge[of_channel], reading_us)
    return touches
