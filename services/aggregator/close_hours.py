"""Close the hours of sources that are under a rule: validate, fill, compute as reported.

An hour is judged once its lateness allowance has passed, and again whenever something it depends
on changes: its own minutes, a calibration, a measured hour around its gap or in its look-back, the
end of its reporting period. What the judgement adds to the sum of the hour's minutes is spread over
these minutes, so that every window follows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg

from services.aggregator import hour_points, monitor_control, scaled_series
from services.aggregator.minute_rollover import SETTLE_S
from services.aggregator.scaled_series import ScaledSeries
from services.core.accounting.methods import StackMethod
from services.core.accounting.minute_rounding import MAX_BILLIONTHS
from services.core.accounting.series import MinuteSeries
from services.core.accounting.stack.calibration_range import in_force
from services.core.accounting.stack.closing import ClosingRule, HourFigure, InputValue, Period
from services.core.accounting.stack.history import History
from services.core.accounting.stack.recording import (
    LOAD,
    OPERATING,
    CalibratedMinutes,
    InputMinutes,
    RecordedInput,
)
from services.core.store.computation import computable_ranges
from services.core.store.computation.ranges import Ranges
from services.core.store.emissions import hour_closing, hour_inputs
from services.core.store.emissions.hour_closing import HourVerdict
from services.core.store.emissions.minute_changes import Changes
from services.core.store.readings import calibrations
from services.core.store.registry.plan import FacilityPlan, SourcePlan
from services.core.store.registry.retirements import Retirement
from services.core.timeline.instants import HOUR_US

#: Hours of one source that are closed in one step, so that a long history takes many short
#: transactions.
_MAX_HOURS = 14 * 24

#: Hours of all sources that are closed in one step, whatever each of them has waiting.
_MAX_HOURS_IN_ALL = 2000

#: More than this is no mass of an hour: its minutes have no more.
_MAX_KG = Decimal(60 * MAX_BILLIONTHS) / 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class Finalised:
    """What finalising hours gave; nothing of it is in the hours yet."""

    #: of minutes, by what the closing share of each changed
    adjustments: Changes
    verdicts: list[HourVerdict]


def due(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime, settle_s: float
) -> tuple[dict[int, list[int]], bool]:
    """Hours to be finalised for the first time, by source; and whether more are waiting.

    A source whose hours were still being filled less than ``settle_s`` ago waits.
    """
    waiting = hour_closing.sources_that_wait(connection, plan.id)
    under_rule = {
        source.id: source.closing
        for source in plan.sources.values()
        if source.closing is not None and source.id not in waiting
    }
    if not under_rule or hour_closing.backlog_s(connection, plan.id) > settle_s:
        return {}, False
    bounds = hour_inputs.recorded_bounds(
        connection, {source_id: rule.roles[0] for source_id, rule in under_rule.items()}
    )
    pending = hour_closing.pending_hours(connection, list(under_rule))
    due_hours: dict[int, list[int]] = {}
    more = False
    for source_id, bound in bounds.items():
        last_due = int((now.timestamp() - plan.sources[source_id].lateness_s) // 3600) - 1
        if plan.retirement is not None:
            last_due = min(last_due, plan.retirement.minute // 60 - 1)
        ended = [hour for hour in pending.get(source_id, []) if hour.hour <= last_due]
        if any(hour.age_s < settle_s for hour in ended):
            continue
        first = bound.first_known if bound.last_recorded is None else bound.last_recorded + 1
        if first is None:
            continue
        first = min([first, *(hour.hour for hour in ended)])
        if first > last_due:
            continue
        have = hour_inputs.recorded_hours(connection, source_id, first, last_due)
        hours = [hour for hour in range(first, last_due + 1) if hour not in have]
        limit = min(_MAX_HOURS, _MAX_HOURS_IN_ALL - sum(map(len, due_hours.values())))
        more |= len(hours) > limit
        due_hours[source_id] = hours[:limit]
    return {source_id: hours for source_id, hours in due_hours.items() if hours}, more


def close_last(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    retirement: Retirement,
    now: datetime,
) -> bool:
    """Make final what a retired facility's rules leave open; return whether more waits.

    That is the hour that it was retired in, of which a rule would want what nobody measures any
    more: it is the sum of its minutes. And hours whose substitute waits for what follows.
    """
    if hour_closing.backlog_s(connection, plan.id) > 0:
        return False
    under_rule = [source.id for source in plan.sources.values() if source.closing is not None]
    pending = hour_closing.pending_hours(connection, under_rule)
    last_hour = retirement.minute // 60
    lateness_s = {
        source_id: plan.sources[source_id].lateness_s
        for source_id in under_rule
        if all(hour.hour >= last_hour for hour in pending.get(source_id, ()))
    }
    closed = hour_closing.close_hours(connection, lateness_s, now, SETTLE_S)
    return closed >= hour_closing.MAX_HOURS


def period_ended(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime
) -> dict[int, set[int]]:
    """Finalised hours that waited for the end of a reporting period, which has come."""
    ended_hours: dict[int, set[int]] = {}
    waiting = hour_closing.provisional_hours(
        connection,
        [
            source.id
            for source in plan.sources.values()
            if source.closing is not None and source.closing.substitution.name == "mrr"
        ],
    )
    for source_id, hours in waiting.items():
        source = plan.sources[source_id]
        ended = {hour for hour in hours if _period(hour, plan, source.lateness_s, now).closed}
        if ended:
            ended_hours[source_id] = ended
    return ended_hours


def affected(plan: FacilityPlan, ranges: Ranges) -> dict[int, set[int]]:
    """Return the hours that readings of these minutes speak of, by source under a rule.

    Some change a judgement and no minute: a load, one that tells of maintenance, or of the interval
    that readings come at, which hours of the day after it are judged by.
    """
    under_rule = plan.arrays.is_under_rule[plan.arrays.sources(ranges.ids)]
    hours = {
        source_id: {hour for interval in of_source for hour in interval.hours}
        for source_id, of_source in ranges.where(under_rule).by_id().items()
    }
    return hour_points.with_learning_hours(plan, hours)


def recorded_again(
    connection: psycopg.Connection[Any],
    hours: Mapping[int, Collection[int]],
    intervals: Mapping[int, tuple[int, int]],
) -> dict[int, set[int]]:
    """Hours that were finalised before and have to be again, by source.

    Those among ``hours``, and all within ``intervals`` (first and last hour).
    """
    recorded: dict[int, set[int]] = {}
    for source_id in {*hours, *intervals}:
        asked = set(hours.get(source_id, ()))
        first, last = intervals.get(source_id, (min(asked, default=0), max(asked, default=-1)))
        low, high = min([first, *asked]), max([last, *asked])
        have = hour_inputs.recorded_hours(connection, source_id, low, high)
        again = {hour for hour in have if hour in asked or first <= hour <= last}
        if source_id not in intervals:
            again &= asked
        if again:
            recorded[source_id] = again
    return recorded


def finalise(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    hours: Mapping[int, Collection[int]],
    now: datetime,
) -> Finalised:
    """Record the hours' inputs and compute these hours and all that depend on them.

    Hours whose readings are not all there any more keep what was recorded of them.
    """
    verdicts: list[HourVerdict] = []
    whole = computable_ranges.hours(connection, plan, hours)
    for source_id, of_source in hours.items():
        source = plan.sources[source_id]
        if source.closing is not None:
            if whole[source_id]:
                verdicts += _finalise_source(
                    connection, plan, source, source.closing, whole[source_id], now
                )
        else:
            verdicts += _release(connection, source, of_source)
    return Finalised(adjustments=hour_closing.set_closing(connection, verdicts), verdicts=verdicts)


def _release(
    connection: psycopg.Connection[Any], source: SourcePlan, hours: Collection[int]
) -> list[HourVerdict]:
    """Take back what closing added to hours of a source that is under no rule any more."""
    hour_inputs.forget(connection, source.id, hours=hours)
    return [
        HourVerdict(
            source_id=source.id, hour=hour, co2_ug=None, final=True, quality=None, code=None
        )
        for hour in sorted(hours)
    ]


def _finalise_source(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    rule: ClosingRule,
    hours: set[int],
    now: datetime,
) -> list[HourVerdict]:
    hour_inputs.forget(connection, source.id, roles_but=rule.roles)
    bound = hour_inputs.recorded_bounds(connection, {source.id: rule.roles[0]})[source.id]
    if bound.first_recorded is not None and min(hours) < bound.first_recorded:
        # what was the first hour of all is an hour like any other now
        hours = {*hours, bound.first_recorded}
    scaled = scaled_series.read(connection, plan, source, rule, sorted(hours))
    operates = _operates(rule, scaled, hours)
    others = monitor_control.affected(
        connection,
        plan,
        source,
        rule,
        first_known=bound.first_known,
        last_recorded=bound.last_recorded,
        operates=operates,
    )
    if others:
        others = computable_ranges.hours(connection, plan, {source.id: others})[source.id]
    if others:
        hours = {*hours, *others}
        scaled = scaled_series.read(connection, plan, source, rule, sorted(hours))
        operates = _operates(rule, scaled, hours)
    recorded = _record(
        connection, plan, source, rule, scaled, operates, first_known=bound.first_known
    )
    hour_inputs.record(connection, source.id, recorded)
    invalid = hour_inputs.invalid_hours(connection, source.id)

    def period(hour: int) -> Period:
        return _period(hour, plan, source.lateness_s, now)

    dependent = _dependent(
        rule,
        hours,
        invalid,
        period,
        hour_inputs.last_valid_before(connection, source.id, min(hours)),
    )
    recorded |= {
        hour: roles
        for hour, roles in hour_inputs.recorded(connection, source.id, dependent - hours).items()
        # an input that came with a change of configuration: the hour's own turn follows
        if set(rule.roles) <= set(roles)
    }
    histories = _histories(connection, source.id, rule, recorded)
    values: list[tuple[int, str, InputValue]] = []
    verdicts = []
    for hour in sorted(recorded):
        figure = rule.figure(hour, recorded[hour], histories, period(hour))
        values += [(hour, role, value) for role, value in figure.inputs.items()]
        verdicts.append(_verdict(source, hour, recorded[hour], figure))
    hour_inputs.write_values(connection, source.id, values)
    return verdicts


def _record(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: SourcePlan,
    rule: ClosingRule,
    scaled: ScaledSeries,
    operates: Mapping[int, bool],
    *,
    first_known: int | None,
) -> dict[int, dict[str, RecordedInput]]:
    hours = sorted(operates)
    channel_ids = list(source.inputs.values())
    excused = calibrations.excused(connection, channel_ids, hours[0], hours[-1] + 1)
    control = monitor_control.read(
        connection, plan, source, rule, hours, first_known=first_known, operates=operates
    )
    request = hour_points.of_closing(source)
    assert request is not None  # noqa: S101 - the source is under this rule
    points = hour_points.read(connection, plan, source, request, hours)
    records = {}
    for hour in hours:
        minutes = np.arange(hour * 60, hour * 60 + 60, dtype=np.int64)
        by_role = scaled.of_hour(hour)
        inputs = {}
        for item in rule.equation.inputs:
            value, covered_us = rule.inputs.values_at(item.name, by_role, minutes)
            roles = rule.inputs.roles(item.name)
            channels = [source.inputs[role] for role in roles]
            assured, notes = control.of_hour(channels, hour)
            inputs[item.name] = InputMinutes(
                value=value,
                covered_us=covered_us,
                assured=assured,
                control=notes,
                excused=any((channel_id, hour) in excused for channel_id in channels),
                channels=tuple(points.channel_points(role, hour) for role in roles),
                over=scaled.over(rule, item.name, hour),
                calibrated=_calibrated(rule, item.name, by_role, hour),
            )
        for role in {OPERATING, LOAD} & set(by_role):
            value, covered_us = by_role[role].values_at(minutes)
            inputs[role] = InputMinutes(
                value=value,
                covered_us=covered_us,
                assured=np.ones(60, dtype=bool),
                excused=False,
                channels=(),
            )
        records[hour] = rule.record(hour, inputs, first_of_all=hour == first_known)
    return records


def _calibrated(
    rule: ClosingRule, name: str, by_role: Mapping[str, MinuteSeries], hour: int
) -> CalibratedMinutes | None:
    """Return an input's own channel over an hour; None: its calibration has no valid range."""
    if name not in rule.valid_ranges or name not in by_role:
        return None
    valid = in_force(rule.valid_ranges[name], hour * HOUR_US)
    minutes = np.arange(hour * 60, hour * 60 + 60, dtype=np.int64)
    value, _ = by_role[name].values_at(minutes)
    return None if valid.bounds is None else CalibratedMinutes(value=value, valid=valid)


def _operates(rule: ClosingRule, scaled: ScaledSeries, hours: Collection[int]) -> dict[int, bool]:
    """Tell of each hour whether the unit operates in any minute of it."""
    if rule.operates_above is None:
        return dict.fromkeys(hours, True)
    return {
        hour: bool(
            rule.operates(
                *scaled.of_hour(hour)[OPERATING].values_at(
                    np.arange(hour * 60, hour * 60 + 60, dtype=np.int64)
                )
            ).any()
        )
        for hour in hours
    }


def _dependent(
    rule: ClosingRule,
    hours: set[int],
    invalid: set[int],
    period: Callable[[int], Period],
    last_valid: int | None,
) -> set[int]:
    """Hours with a substitute that the changed hours may have a say in."""
    if rule.substitution.name == "none":
        return set()
    # a gap that begins before the changed hours ends, or does not end, with them
    first = min([*hours, *invalid]) if last_valid is None else last_valid + 1
    if rule.substitution.name == "mrr":
        # a closed period is looked at as a whole
        closed = [period(hour) for hour in (min(hours), max(hours))]
        first = min([first, *(hour.first for hour in closed if hour.closed)])
    return {hour for hour in invalid if hour >= first}


def _histories(
    connection: psycopg.Connection[Any],
    source_id: int,
    rule: ClosingRule,
    recorded: Mapping[int, Mapping[str, RecordedInput]],
) -> dict[str, History]:
    histories = {}
    for role in rule.equation.terms:
        lacking = [hour for hour, roles in recorded.items() if not roles[role].valid]
        if lacking:
            histories[role] = History(
                hour_inputs.unit_hours(connection, source_id, role, min(lacking), rule.load_range)
            )
    return histories


def _verdict(
    source: SourcePlan, hour: int, recorded: Mapping[str, RecordedInput], figure: HourFigure
) -> HourVerdict:
    kg, quality = figure.kg, str(figure.quality)
    if kg is not None and abs(kg) > _MAX_KG:
        # no hour's mass
        kg = None
    measured = [average.covered_ms for role, average in recorded.items() if role != LOAD]
    if kg is None:
        quality = "partial" if min(measured) > 0 else "missing"
    share = source.method.biogenic if isinstance(source.method, StackMethod) else None
    stated = 0.0 if share is None else float(share.stated_at(np.array([hour * 60]))[0])
    co2_ug = None if kg is None else int((kg * Decimal(10**9)).to_integral_value())
    return HourVerdict(
        source_id=source.id,
        hour=hour,
        co2_ug=co2_ug,
        biogenic_ug=0 if co2_ug is None else int(co2_ug * Decimal(repr(stated))),
        final=not figure.provisional,
        quality=quality,
        code=figure.code,
    )


def _period(hour: int, plan: FacilityPlan, lateness_s: float, now: datetime) -> Period:
    """Return the facility's calendar year in which the hour begins (MRR Art. 3).

    Of a facility that was retired in it nothing more comes: it is closed with the retirement.
    """
    year = datetime.fromtimestamp(hour * 3600, UTC).astimezone(plan.zone).year
    first, end = (
        datetime(january, 1, 1, tzinfo=plan.zone).timestamp() for january in (year, year + 1)
    )
    ends = end if plan.retirement is None else min(end, plan.retirement.instant.timestamp())
    return Period(
        first=int(first // 3600),
        end=int(end // 3600),
        closed=now.timestamp() >= ends + lateness_s + 3600,
    )
