"""Read when a source's channels gave readings, hour by hour, for the rule that validates hours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.stack.data_points import (
    LOOK_BACK_HOURS,
    hour_interval_us,
    learned_interval_us,
)
from services.core.accounting.stack.recording import ChannelPoints
from services.core.accounting.stack.scales import Scale
from services.core.store.computation.ranges import Ranges
from services.core.store.readings.series import StoredReadings
from services.core.store.readings.series_arrays import SeriesRequests
from services.core.store.registry.plan import FacilityPlan, SourcePlan
from services.core.timeline.instants import HOUR_US
from services.core.timeline.intervals import Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class PointRequest:
    """Whose data points a rule asks for: roles of a source, the scales of some of them.

    `counts_points`: it asks how many there could be, and so for the interval.
    """

    roles: frozenset[str]
    scales: Mapping[str, Scale]
    counts_points: bool


def of_closing(source: SourcePlan) -> PointRequest | None:
    """Return what the rule that closes a source's hours asks for; None: it is under none."""
    rule = source.closing
    if rule is None:
        return None
    return PointRequest(
        roles=frozenset(
            role for item in rule.equation.inputs for role in rule.inputs.roles(item.name)
        ),
        scales=rule.scales,
        counts_points=rule.validity.counts_points,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _ChannelHours:
    """Readings of one channel by clock hour: all times, and which of them are data."""

    ts_us: NDArray[np.int64]
    is_data: NDArray[np.bool_]

    def within(self, hour: int) -> slice:
        begin, end = np.searchsorted(self.ts_us, (hour * HOUR_US, (hour + 1) * HOUR_US))
        return slice(int(begin), int(end))


class HourPoints:
    """The data points of a source's channels in some hours, and the intervals they come at."""

    def __init__(
        self,
        plan: FacilityPlan,
        source: SourcePlan,
        channels: Mapping[int, _ChannelHours],
        learned: Mapping[int, Mapping[int, int | None]],
    ) -> None:
        self._plan = plan
        self._source = source
        self._channels = channels
        self._learned = learned

    def channel_points(self, role: str, hour: int) -> ChannelPoints:
        """Return the points of the channel with this role, in an hour since the epoch."""
        channel_id = self._source.inputs[role]
        rule = self._plan.channels[channel_id]
        readings = self._channels[channel_id]
        within = readings.within(hour)
        if channel_id in self._learned:
            every_us = learned_interval_us(self._learned[channel_id], hour, rule.max_gap_us)
        else:
            # a rule that does not count points does not ask for it
            every_us = rule.every_us or rule.max_gap_us
        return ChannelPoints(
            role=role,
            points_us=readings.ts_us[within][readings.is_data[within]] - hour * HOUR_US,
            every_us=every_us,
            is_learned=channel_id in self._learned,
        )


def read(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    request: PointRequest,
    hours: Iterable[int],
) -> HourPoints:
    """Read the hours (since the epoch); of channels that state no interval, what it follows from.

    A reading of any quality tells the interval; one without a value, or of a quality that is no
    data, or beyond what the channel can show, or above a full scale where the rule counts that for
    nothing, is no point.
    """
    asked = {hour: Interval(start=hour * 60, end=hour * 60 + 60) for hour in hours}
    before = {
        hour - back: Interval(start=(hour - back) * 60, end=(hour - back) * 60 + 60)
        for hour in asked
        for back in LOOK_BACK_HOURS
    }
    learning = set(learning_channels(plan, source, request))
    scales = {source.inputs[role]: scale for role, scale in request.scales.items()}
    ranges, _ = Ranges.from_intervals(
        {
            channel_id: [*asked.values(), *(before.values() if channel_id in learning else ())]
            for channel_id in {source.inputs[role] for role in request.roles}
        }
    ).union()
    none = np.zeros(len(ranges), dtype=np.int64)
    series = StoredReadings(connection).read(
        SeriesRequests(
            channels=ranges.ids, firsts=ranges.firsts, lasts=ranges.lasts, before=none, after=none
        )
    )
    channels = {}
    learned = {}
    for channel_id in np.unique(ranges.ids).tolist():
        of_channel = ranges.ids[series.owner] == channel_id
        ts_us = series.ts_us[of_channel]
        channel = plan.channels[channel_id]
        sent = series.value[of_channel]
        is_data = channel.shows(sent, ts_us)
        if channel_id in scales:
            counted = scales[channel_id].counted(channel.shown_or_above(sent, ts_us), ts_us)
            is_data = ~np.isnan(counted)
        readings = _ChannelHours(ts_us=ts_us, is_data=is_data)
        channels[channel_id] = readings
        if channel_id in learning:
            learned[channel_id] = {
                hour: hour_interval_us(ts_us[readings.within(hour)], channel.max_gap_us)
                for hour in {*asked, *before}
            }
    return HourPoints(plan, source, channels, learned)


def learning_channels(plan: FacilityPlan, source: SourcePlan, request: PointRequest) -> list[int]:
    """Return the source's channels whose interval its rule asks for and no file states."""
    if not request.counts_points:
        return []
    channels = {source.inputs[role] for role in request.roles}
    return sorted(
        channel_id for channel_id in channels if plan.channels[channel_id].every_us is None
    )


def with_learning_hours(
    plan: FacilityPlan,
    hours: Mapping[int, set[int]],
    asks: Callable[[SourcePlan], PointRequest | None] = of_closing,
) -> dict[int, set[int]]:
    """Return the hours, by source, and those whose interval is learned from them.

    ``asks``: what a rule of a source asks for.
    """
    affected = {}
    for source_id, of_source in hours.items():
        source = plan.sources[source_id]
        affected[source_id] = set(of_source)
        request = asks(source)
        if request is not None and learning_channels(plan, source, request):
            affected[source_id] |= {hour + back for hour in of_source for back in LOOK_BACK_HOURS}
    return affected
