"""Form the means of pollutants: when their hour is over, and again when readings of it change.

As an hour of CO2, an hour's means wait for the lateness of their source. What changes afterwards
makes a new version, and the old one is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator import hour_points
from services.aggregator.hour_points import HourPoints, PointRequest
from services.aggregator.scaled_readings import minutes_of_hours
from services.core.accounting.pollutants.means import (
    ChannelHour,
    PollutantMean,
    means_of_hour,
)
from services.core.accounting.pollutants.standardisation import CONCENTRATION
from services.core.accounting.series import MinuteSeries
from services.core.accounting.stack.recording import OPERATING, operates
from services.core.store.computation import computable_ranges, compute
from services.core.store.computation.ranges import Ranges
from services.core.store.emissions import hour_closing, pollutant_means, unmeasured_hours
from services.core.store.readings import calibrations
from services.core.store.registry.plan import FacilityPlan, SourcePlan

#: Hours of one source that are formed in one step, so that a long history takes many short
#: transactions.
_MAX_HOURS = 7 * 24

#: Hours whose readings are in memory at once: a channel has 86 400 of a second's pace.
_HOURS_AT_ONCE = 24

#: By source: the minutes at which the first and the last mean begin that changed.
Changed = dict[int, tuple[int, int]]


def due(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime, settle_s: float
) -> tuple[dict[int, set[int]], bool]:
    """Return the hours whose means are to be formed, by source; and whether more are waiting.

    A facility whose hours are still being filled waits.
    """
    if not plan.with_pollutants or hour_closing.backlog_s(connection, plan.id) > settle_s:
        return {}, False
    left_over = hour_closing.sources_that_wait(connection, plan.id)
    hours: dict[int, set[int]] = {}
    more = False
    for source_id in plan.with_pollutants - left_over - plan.set_aside:
        source = plan.sources[source_id]
        last_due = _last_due(plan, source, now)
        first = _first_due(connection, source, settle_s)
        if first is None or first > last_due:
            continue
        over = set(range(first, last_due + 1))
        over -= pollutant_means.complete(connection, source_id, over, _since(connection, source))
        over -= unmeasured(connection, plan, source, over)
        chosen = sorted(computable_ranges.hours(connection, plan, {source_id: over})[source_id])
        more |= len(chosen) > _MAX_HOURS
        if chosen:
            hours[source.id] = set(chosen[:_MAX_HOURS])
    return hours, more


def unmeasured(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    hours: Collection[int],
) -> set[int]:
    """Return which of the hours have no means: nobody measured, for the source was retired."""
    return unmeasured_hours.while_retired(
        connection, plan.id, source.id, _concentrations(source), hours
    )


def _first_due(
    connection: psycopg.Connection[Any], source: SourcePlan, settle_s: float
) -> int | None:
    """Return the hour from which on all are formed; None: there is none, or they still change."""
    last_formed = pollutant_means.last_formed(connection, source.id)
    waiting = pollutant_means.waiting(connection, source.id)
    if waiting is not None and waiting[1] < settle_s:
        return None
    if last_formed is None:
        return pollutant_means.first_read(connection, _concentrations(source))
    return last_formed + 1 if waiting is None else min(last_formed + 1, waiting[0])


def again(
    connection: psycopg.Connection[Any], plan: FacilityPlan, ranges: Ranges, now: datetime
) -> dict[int, set[int]]:
    """Return the hours whose means were formed before readings of these minutes changed.

    Others whose time has come wait until nothing changes any more.
    """
    if not plan.with_pollutants:
        return {}
    chosen = np.isin(ranges.ids, list(plan.with_pollutants))
    hours = {
        source_id: {hour for interval in intervals for hour in interval.hours}
        for source_id, intervals in ranges.where(chosen).by_id().items()
    }
    formed: dict[int, set[int]] = {}
    for source_id, of_source in hour_points.with_learning_hours(plan, hours, _request).items():
        source = plan.sources[source_id]
        last_due = _last_due(plan, source, now)
        over = {hour for hour in of_source if hour <= last_due}
        if not over:
            continue
        have = pollutant_means.formed(connection, source_id, over)
        late = (over - have) & hours[source_id]
        if late:
            # a recomputation reaches a day further back than there are readings
            first = pollutant_means.first_read(connection, _concentrations(source))
            late = {hour for hour in late if first is not None and hour >= first}
        if late:
            pollutant_means.wait(connection, source_id, source.pollutants[0].name, late)
        for name, begun in _newly_begun(connection, source, last_due).items():
            # the others follow it
            first = next((hour for hour in begun if hour not in have), None)
            if first is not None:
                pollutant_means.wait(connection, source_id, name, [first])
        if have:
            formed[source_id] = have
    return formed


def _newly_begun(
    connection: psycopg.Connection[Any], source: SourcePlan, last_due: int
) -> dict[str, range]:
    """Return the hours in which pollutants were measured already before their means begin.

    From the first one on hours without a reading are missing.
    """
    since = _since(connection, source)
    formed = pollutant_means.formed_since(connection, source.id, since)
    # 0: it began before what is kept
    return {
        name: range(hour, min(formed.get(name, last_due + 1), last_due + 1))
        for name, hour in since.items()
        if hour
    }


def _since(connection: psycopg.Connection[Any], source: SourcePlan) -> dict[str, int]:
    """Return since which hour each pollutant is measured: before, nothing of it is missing."""
    channels = {rule.name: source.inputs[rule.roles[CONCENTRATION]] for rule in source.pollutants}
    since = pollutant_means.measured_since(connection, set(channels.values()))
    return {name: since[channel] for name, channel in channels.items() if channel in since}


def form(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    hours: Mapping[int, Collection[int]],
    reasons: Mapping[int, str],
) -> Changed:
    """Form the means of hours; ``reasons``: why those that were formed before change, by source.

    Hours whose readings are not all there any more keep their means.
    """
    changed: Changed = {}
    for source_id, of_source in computable_ranges.hours(connection, plan, hours).items():
        why = reasons.get(source_id, "closed") if of_source else ""
        in_order = sorted(of_source)
        for begin in range(0, len(in_order), _HOURS_AT_ONCE):
            piece = in_order[begin : begin + _HOURS_AT_ONCE]
            source = plan.sources[source_id]
            formed = list(means(connection, plan, source, piece))
            names = [rule.name for rule in source.pollutants]
            bounds = pollutant_means.form(connection, source_id, piece, names, formed, why)
            if bounds is not None:
                before = changed.get(source_id, bounds)
                changed[source_id] = min(before[0], bounds[0]), max(before[1], bounds[1])
    return changed


def means(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    hours: Sequence[int],
) -> Iterator[tuple[str, PollutantMean]]:
    """Form all means of ascending hours from their readings, each with its pollutant.

    Before the first reading of its concentration a pollutant has none: its monitor is newer.
    """
    request = _request(source)
    assert request is not None  # noqa: S101 - it has pollutants
    roles = set(request.roles) | ({OPERATING} & set(source.inputs))
    channels = {source.inputs[role] for role in roles}
    changes = {source.inputs[role]: scale.counted for role, scale in request.scales.items()}
    minutes = minutes_of_hours(connection, plan, channels, changes, hours)
    points = hour_points.read(connection, plan, source, request, hours)
    excused = calibrations.excused(connection, sorted(channels), hours[0], hours[-1] + 1)
    since = _since(connection, source)
    for hour in hours:
        operating = _operating(source, minutes, hour)
        for rule in source.pollutants:
            if hour < since.get(rule.name, hour + 1):
                continue
            of_rule = {
                name: _channel_hour(source, minutes, points, excused, role, hour)
                for name, role in rule.roles.items()
            }
            for mean in means_of_hour(rule, hour, of_rule, operating):
                yield rule.name, mean


def _channel_hour(
    source: SourcePlan,
    minutes: Mapping[int, list[MinuteSeries]],
    points: HourPoints,
    excused: Collection[tuple[int, int]],
    role: str,
    hour: int,
) -> ChannelHour:
    channel = source.inputs[role]
    of_hour = np.arange(hour * 60, hour * 60 + 60, dtype=np.int64)
    value, covered_us = compute.containing(minutes[channel], hour * 60).values_at(of_hour)
    return ChannelHour(
        value=value,
        covered_us=covered_us,
        points=points.channel_points(role, hour),
        excused=(channel, hour) in excused,
    )


def _operating(
    source: SourcePlan, minutes: Mapping[int, list[MinuteSeries]], hour: int
) -> NDArray[np.bool_]:
    if source.operates_above is None:
        return np.ones(60, dtype=np.bool_)
    of_hour = np.arange(hour * 60, hour * 60 + 60, dtype=np.int64)
    series = compute.containing(minutes[source.inputs[OPERATING]], hour * 60)
    return operates(source.operates_above, *series.values_at(of_hour))


def _request(source: SourcePlan) -> PointRequest | None:
    """Return whose data points the pollutants of a source ask for; None: it has none."""
    if not source.pollutants:
        return None
    return PointRequest(
        roles=frozenset(role for rule in source.pollutants for role in rule.roles.values()),
        scales={
            rule.roles[name]: scale
            for rule in source.pollutants
            for name, scale in rule.scales.items()
            if name in rule.roles
        },
        counts_points=any(rule.validity.counts_points for rule in source.pollutants),
    )


def _concentrations(source: SourcePlan) -> list[int]:
    return [source.inputs[rule.roles[CONCENTRATION]] for rule in source.pollutants]


def _last_due(plan: FacilityPlan, source: SourcePlan, now: datetime) -> int:
    """Return the last hour whose lateness has passed, and that the facility was in force in."""
    last = int((now.timestamp() - source.lateness_s) // 3600) - 1
    return last if plan.retirement is None else min(last, plan.retirement.minute // 60)
