"""Compute sources over ranges of minutes, from the readings around them.

Channels under equal rules, and sources of equal methods, are computed side by side: a figure does
not depend on what else is computed with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.minute_rounding import billionths, holdable, multipliable
from services.core.accounting.series import ChannelRule, ChosenMinutes, MinuteSeries
from services.core.store.computation.ranges import Integers, Ranges
from services.core.store.emissions.minute_changes import SourceMinutes
from services.core.store.readings.series_arrays import Series, SeriesRequests
from services.core.store.registry.plan import SourcePlan
from services.core.store.registry.plan_arrays import PlanArrays, RuleTable
from services.core.store.schema.figures import COMPUTED_TIMES, MASSES
from services.core.timeline.intervals import Interval


class AnyReadings(Protocol):
    """Readings from wherever they are: the database, memory, or the database as it was."""

    def read(self, requests: SeriesRequests) -> Series:
        """Read the readings of each request with their neighbours."""
        ...


class AnyPlan(Protocol):
    """A facility's plan, or what of one source was in force at an instant."""

    @property
    def sources(self) -> Mapping[int, SourcePlan]:
        """Return the sources by id."""
        ...

    @property
    def channels(self) -> Mapping[int, ChannelRule]:
        """Return the rules of their channels by id."""
        ...

    @property
    def arrays(self) -> PlanArrays:
        """Return both as arrays."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Computed:
    """Minutes of channels: those of range i lie from ``begins[i]`` on."""

    ranges: Ranges
    begins: Integers
    value: NDArray[np.float64]
    covered_us: Integers
    estimated_us: Integers
    #: what flowed out; None: no channel tells it apart
    exported: NDArray[np.float64] | None

    def series(self, i: int, *, is_rate: bool) -> MinuteSeries:
        """One range."""
        first = int(self.ranges.firsts[i])
        own_minutes = slice(self.begins[i], self.begins[i] + int(self.ranges.lasts[i]) - first + 1)
        return MinuteSeries(
            first_minute=first,
            value=self.value[own_minutes],
            covered_us=self.covered_us[own_minutes],
            estimated_us=self.estimated_us[own_minutes],
            is_rate=is_rate,
            exported=None if self.exported is None else self.exported[own_minutes],
        )


def sources(readings: AnyReadings, plan: AnyPlan, ranges: Ranges) -> list[SourceMinutes]:
    """Masses of the sources over their ranges, in the database's integers."""
    arrays = plan.arrays
    of_row = arrays.sources(ranges.ids)
    channels, row, place = arrays.inputs.of_each(of_row)
    wanted, union_row = Ranges(
        ids=channels, firsts=ranges.firsts[row], lasts=ranges.lasts[row]
    ).union()
    computed = _minutes(readings, arrays.rules, arrays.rule[arrays.channels(wanted.ids)], wanted)
    masses = []
    for members in _equal(arrays.method[of_row]):
        of_group = ranges.where(members)
        source = plan.sources[int(of_group.ids[0])]
        inputs = {
            role: (plan.channels[channel].is_rate, union_row[place[members] + k])
            for k, (role, channel) in enumerate(source.inputs.items())
        }
        masses.append(_masses(source, of_group, computed, inputs))
    return masses


def series(
    readings: AnyReadings,
    rules: Mapping[int, ChannelRule],
    wanted: Mapping[int, Iterable[Interval]],
) -> dict[int, list[MinuteSeries]]:
    """Compute each channel's minutes over its ranges, joined where these lie close together."""
    ranges = Ranges.from_intervals(wanted).union()[0]
    table, number = RuleTable.numbered(rules[channel] for channel in ranges.ids.tolist())
    computed = _minutes(readings, table, number, ranges)
    series: dict[int, list[MinuteSeries]] = {}
    for i, channel in enumerate(computed.ranges.ids.tolist()):
        is_rate = rules[channel].is_rate
        series.setdefault(channel, []).append(computed.series(i, is_rate=is_rate))
    return series


def containing(series: list[MinuteSeries], minute: int) -> MinuteSeries:
    """Return the one of a channel's series that holds a minute."""
    return next(s for s in series if s.first_minute <= minute < s.first_minute + s.value.size)


def _minutes(
    readings: AnyReadings, rules: RuleTable, number: Integers, ranges: Ranges
) -> _Computed:
    """Compute ranges of channels; ``number``: that of each one's rule."""
    stored = readings.read(
        SeriesRequests(
            channels=ranges.ids,
            firsts=ranges.firsts - rules.lead[number],
            lasts=ranges.lasts + rules.trail[number],
            before=rules.before[number],
            after=rules.after[number],
        )
    )
    sizes = ranges.lasts - ranges.firsts + 1
    begins = np.cumsum(sizes) - sizes
    total = int(sizes.sum())
    value, covered_us = np.zeros(total), np.zeros(total, dtype=np.int64)
    estimated_us = np.zeros(total, dtype=np.int64)
    exported: NDArray[np.float64] | None = None
    counts = np.diff(stored.bounds)
    for rows in _equal(number, ranges.firsts, ranges.lasts):
        first, last = int(ranges.firsts[rows[0]]), int(ranges.lasts[rows[0]])
        lengths = counts[rows]
        owner = np.repeat(np.arange(rows.size), lengths)
        place = (
            np.arange(owner.size) + (stored.bounds[rows] - (np.cumsum(lengths) - lengths))[owner]
        )
        rule = rules.rules[number[rows[0]]]
        values, covered, estimated = rule.minutes_of_many(
            stored.ts_us[place],
            stored.value[place],
            owner,
            rows.size,
            first,
            last,
            None if stored.uncertain is None else stored.uncertain[place],
        )
        target = begins[rows][:, None] + np.arange(last - first + 1)
        value[target], covered_us[target], estimated_us[target] = values, covered, estimated
        if (exports := rule.exports) is not None:
            exported = np.zeros(total) if exported is None else exported
            exported[target], _, _ = exports.minutes_of_many(
                stored.ts_us[place], stored.value[place], owner, rows.size, first, last
            )
    return _Computed(
        ranges=ranges,
        begins=begins,
        value=value,
        covered_us=covered_us,
        estimated_us=estimated_us,
        exported=exported,
    )


def _equal(*columns: Integers) -> list[Integers]:
    """Return the rows that are equal in all columns, group by group, ascending in each."""
    order = np.lexsort(columns)
    begins = np.zeros(order.size, dtype=np.bool_)
    for column in columns:
        begins[1:] |= np.diff(column[order]) != 0
    return np.split(order, np.flatnonzero(begins)) if order.size else []


def _masses(
    source: SourcePlan,
    ranges: Ranges,
    computed: _Computed,
    inputs: Mapping[str, tuple[bool, Integers]],
) -> SourceMinutes:
    """Masses of sources with the method of ``source``.

    ``inputs`` by role: whether a rate, and for each range the number of the one computed that holds
    it.
    """
    minutes, row = ranges.minutes()
    chosen = {}
    for role, (is_rate, union_row) in inputs.items():
        place = (computed.begins[union_row] - computed.ranges.firsts[union_row])[row] + minutes
        chosen[role] = ChosenMinutes(
            value=computed.value[place],
            covered_us=computed.covered_us[place],
            estimated_us=computed.estimated_us[place],
            is_rate=is_rate,
            exported=None if computed.exported is None else computed.exported[place],
        )
    masses = source.method.masses(chosen, minutes)
    activity = masses.activity
    kg = {mass.name: getattr(masses, mass.in_kg) for mass in MASSES}
    amounts = [*kg.values(), *(a for a in (activity, masses.exported) if a is not None)]
    storable = np.logical_and.reduce([holdable(amount) for amount in amounts])
    known = (masses.covered_us > 0) & storable
    return SourceMinutes(
        source_ids=ranges.ids[row],
        minutes=minutes,
        figures={
            **{name: billionths(minutes, known, mass) for name, mass in kg.items()},
            "activity_n": np.zeros_like(minutes)
            if activity is None
            else billionths(minutes, known, activity),
            "exported_n": np.zeros_like(minutes)
            if masses.exported is None
            else billionths(minutes, known, masses.exported),
            # rounded up: a minute with any mass is a covered one, and its mass is told
            **{
                time.name: np.where(storable, -(-getattr(masses, str(time.in_us)) // 1000), 0)
                for time in COMPUTED_TIMES
            },
        },
        activity=None if activity is None else multipliable(np.where(known, activity, 0.0)),
        beyond=(masses.covered_us > 0) & ~storable,
    )
