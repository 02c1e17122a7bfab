"""Compute sources over ranges of minutes, from the readings around them.

Channels under equal rules, and sources of equal methods, are computed side by side: a figure does
not depend on what else is computed with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.aggregator.head import RecentReadings
from services.aggregator.ranges import Integers, Ranges
from services.core.accounting.minute_rounding import billionths, holdable, multipliable
from services.core.accounting.series import ChannelRule, ChosenMinutes, MinuteSeries
from services.core.store.emissions.minute_changes import SourceMinutes
from services.core.store.readings.series import SeriesRequests, StoredReadings
from services.core.store.registry.plan import FacilityPlan, SourcePlan
from services.core.store.schema.figures import MASSES
from services.core.timeline.instants import MINUTE_US
from services.core.timeline.intervals import Interval

AnyReadings = StoredReadings | RecentReadings


@dataclass(frozen=True, kw_only=True, slots=True)
class _Computed:
    """Minutes of channels: those of range i lie from ``begins[i]`` on."""

    ranges: Ranges
    begins: Integers
    value: NDArray[np.float64]
    covered_us: Integers
    estimated_us: Integers

    def series(self, i: int, *, is_rate: bool) -> MinuteSeries:
        """One range."""
        first = int(self.ranges.firsts[i])
        mine = slice(self.begins[i], self.begins[i] + int(self.ranges.lasts[i]) - first + 1)
        return MinuteSeries(
            first_minute=first,
            value=self.value[mine],
            covered_us=self.covered_us[mine],
            estimated_us=self.estimated_us[mine],
            is_rate=is_rate,
        )


def sources(readings: AnyReadings, plan: FacilityPlan, ranges: Ranges) -> list[SourceMinutes]:
    """Masses of the sources over their ranges, in the database's integers."""
    groups: dict[tuple[object, ...], list[int]] = {}
    channels: list[int] = []
    rows: list[int] = []
    places: list[int] = []
    for row, source_id in enumerate(ranges.ids.tolist()):
        source = plan.sources[source_id]
        rates = tuple(plan.channels[channel].is_rate for channel in source.inputs.values())
        groups.setdefault((id(source.method), tuple(source.inputs), rates), []).append(row)
        places.append(len(channels))
        channels.extend(source.inputs.values())
        rows.extend([row] * len(source.inputs))
    wanted, into = Ranges(
        ids=np.array(channels, dtype=np.int64), firsts=ranges.firsts[rows], lasts=ranges.lasts[rows]
    ).union()
    computed = _minutes(readings, plan.channels, wanted)
    place = np.array(places, dtype=np.int64)
    found = []
    for members in groups.values():
        mine = np.array(members, dtype=np.int64)
        of_group = Ranges(
            ids=ranges.ids[mine], firsts=ranges.firsts[mine], lasts=ranges.lasts[mine]
        )
        source = plan.sources[int(of_group.ids[0])]
        inputs = {
            role: (plan.channels[channel].is_rate, into[place[mine] + k])
            for k, (role, channel) in enumerate(source.inputs.items())
        }
        found.append(_masses(source, of_group, computed, inputs))
    return found


def series(
    readings: AnyReadings,
    rules: Mapping[int, ChannelRule],
    wanted: Mapping[int, Iterable[Interval]],
) -> dict[int, list[MinuteSeries]]:
    """Compute each channel's minutes over its ranges, joined where these lie close together."""
    computed = _minutes(readings, rules, Ranges.of(wanted).union()[0])
    found: dict[int, list[MinuteSeries]] = {}
    for i, channel in enumerate(computed.ranges.ids.tolist()):
        is_rate = rules[channel].is_rate
        found.setdefault(channel, []).append(computed.series(i, is_rate=is_rate))
    return found


def containing(series: list[MinuteSeries], minute: int) -> MinuteSeries:
    """Return the one of a channel's series that holds a minute."""
    return next(s for s in series if s.first_minute <= minute < s.first_minute + s.value.size)


def _minutes(readings: AnyReadings, rules: Mapping[int, ChannelRule], ranges: Ranges) -> _Computed:
    of = [rules[channel] for channel in ranges.ids.tolist()]
    contexts = {id(rule): rule.context for rule in of}
    each = [contexts[id(rule)] for rule in of]

    def column(values: Iterable[int]) -> Integers:
        return np.fromiter(values, dtype=np.int64, count=len(of))

    found = readings.read(
        SeriesRequests(
            channels=ranges.ids,
            firsts=ranges.firsts - column(-(-context.lead_us // MINUTE_US) for context in each),
            lasts=ranges.lasts + column(-(-context.trail_us // MINUTE_US) for context in each),
            before=column(context.before for context in each),
            after=column(context.after for context in each),
        )
    )
    sizes = ranges.lasts - ranges.firsts + 1
    begins = np.cumsum(sizes) - sizes
    total = int(sizes.sum())
    value, covered_us = np.zeros(total), np.zeros(total, dtype=np.int64)
    estimated_us = np.zeros(total, dtype=np.int64)
    alike: dict[tuple[int, int, int], list[int]] = {}
    for i, key in enumerate(
        zip(map(id, of), ranges.firsts.tolist(), ranges.lasts.tolist(), strict=True)
    ):
        alike.setdefault(key, []).append(i)
    counts = np.diff(found.bounds)
    for (_, first, last), members in alike.items():
        mine = np.array(members, dtype=np.int64)
        own = counts[mine]
        owner = np.repeat(np.arange(mine.size), own)
        at = np.arange(owner.size) + (found.bounds[mine] - (np.cumsum(own) - own))[owner]
        values, covered, estimated = of[members[0]].minutes_of_many(
            found.ts_us[at],
            found.value[at],
            owner,
            mine.size,
            first,
            last,
            None if found.uncertain is None else found.uncertain[at],
        )
        into = begins[mine][:, None] + np.arange(last - first + 1)
        value[into], covered_us[into], estimated_us[into] = values, covered, estimated
    return _Computed(
        ranges=ranges,
        begins=begins,
        value=value,
        covered_us=covered_us,
        estimated_us=estimated_us,
    )


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
    for role, (is_rate, into) in inputs.items():
        at = (computed.begins[into] - computed.ranges.firsts[into])[row] + minutes
        chosen[role] = ChosenMinutes(
            value=computed.value[at],
            covered_us=computed.covered_us[at],
            estimated_us=computed.estimated_us[at],
            is_rate=is_rate,
        )
    masses = source.method.masses(chosen, minutes)
    activity = masses.activity
    kg = {mass.name: getattr(masses, mass.in_kg) for mass in MASSES}
    amounts = [*kg.values()] if activity is None else [*kg.values(), activity]
    held = np.logical_and.reduce([holdable(each) for each in amounts])
    known = (masses.covered_us > 0) & held
    return SourceMinutes(
        source_ids=ranges.ids[row],
        minutes=minutes,
        figures={
            **{name: billionths(minutes, known, mass) for name, mass in kg.items()},
            "activity_n": np.zeros_like(minutes)
            if activity is None
            else billionths(minutes, known, activity),
            # rounded up: a minute with any mass is a covered one, and its mass is told
            "covered_ms": np.where(held, -(-masses.covered_us // 1000), 0),
            "estimated_ms": np.where(held, -(-masses.estimated_us // 1000), 0),
        },
        activity=None if activity is None else multipliable(np.where(known, activity, 0.0)),
        beyond=(masses.covered_us > 0) & ~held,
    )
