"""How an hour under a rule was finalised: its inputs as recorded, substitutes, reported rate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import class_row

from services.core.accounting.stack.audits import Audit
from services.core.accounting.stack.calibration_range import RangeStanding, WeekOfValues
from services.core.accounting.stack.closing import ClosingRule
from services.core.accounting.stack.equations import ReportedRate
from services.core.accounting.stack.periods import operating_time
from services.core.accounting.stack.qa import CalibrationTest
from services.core.accounting.stack.recording import LOAD
from services.core.facility import assemble_closing, model
from services.core.facility.in_force import Function, in_force_at
from services.core.store.answers import reporting_zone
from services.core.store.answers.explain_inputs import InputChannel
from services.core.store.emissions import calibration_weeks, hour_inputs
from services.core.store.readings import calibrations
from services.core.timeline.instants import from_us, to_us

_INPUTS: LiteralString = """
SELECT role, average, unadjusted, least_known, covered_ms, operating_ms, valid, verdict,
       verdict_reason, value, code, reason, beyond_calibration
FROM {inputs} i WHERE source_id = %(source)s AND hour = %(hour)s ORDER BY role
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainedInput:
    """One input as recorded (in the equation's unit), and what entered the equation for it."""

    role: str
    average: Decimal | None
    #: the average before the bias factor of an audit; None: none applies
    unadjusted: Decimal | None
    #: the average with readings above full scale; None: there are none
    least_known: Decimal | None
    covered_ms: int
    operating_ms: int
    valid: bool
    verdict: str
    verdict_reason: str
    value: Decimal | None
    #: empty: the input enters only by the CO2 it gives
    code: str
    reason: str
    #: None: its calibration has no valid range
    beyond_calibration: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationRange:
    """The valid range of a calibration function, and the weeks of its values until the hour's."""

    function: Function
    #: those with values beyond it, and the hour's own
    weeks: tuple[WeekOfValues, ...]
    standing: RangeStanding
    #: of the hour itself; None: its average is not valid, or not known
    beyond: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class HourClosing:
    """The rule an hour is under, and what it made of it."""

    rule: ClosingRule
    #: empty: the hour was not finalised yet
    inputs: tuple[ExplainedInput, ...]
    #: None: not finalised yet
    rate: ReportedRate | None
    #: fraction of the hour that the unit operated; None: not finalised yet
    operating: Decimal | None
    #: by role: tests that ended in the hour, and the last one before it
    calibrations: dict[str, list[CalibrationTest]]
    #: by role: audits that ended in the hour, and the last one before it
    audits: dict[str, list[Audit]]
    #: by role: how far values lie beyond the calibration function that is in force in the hour
    calibration_ranges: dict[str, CalibrationRange]
    #: the unit's load in the hour; None: flow has one load range, or not finalised yet
    load: Decimal | None
    load_unit: str | None
    #: the time that reports of the hour are cut by
    reporting_zone: model.ReportingZone


def hour_closing(
    connection: psycopg.Connection[Any],
    source_id: int,
    configuration: model.StackSource,
    channels: list[InputChannel],
    hour: datetime,
    as_of: datetime | None = None,
    *,
    now: datetime,
    zone: ZoneInfo,
) -> HourClosing | None:
    """Read how the hour was finalised, as known at ``as_of``; None: the source is under no rule.

    ``zone``: that of the facility, whose weeks are counted until ``now``.

    Calibrations and audits are those that are known now.
    """
    rule = assemble_closing.closing_rule(configuration, {c.role: c.spec for c in channels})
    if rule is None:
        return None
    with connection.cursor(row_factory=class_row(ExplainedInput)) as cursor:
        recorded = cursor.execute(
            _INPUTS.format(inputs=hour_inputs.inputs(then=as_of is not None)),
            {"source": source_id, "hour": hour, "as_of": as_of},
        ).fetchall()
    inputs = tuple(item for item in recorded if item.role != LOAD)
    first_us = to_us(hour)
    end_us = to_us(hour + timedelta(hours=1))
    return HourClosing(
        rule=rule,
        inputs=inputs,
        rate=rule.equation.reporting({item.role: item.value for item in inputs})
        if inputs
        else None,
        operating=operating_time(inputs[0].operating_ms / 1000) if inputs else None,
        calibrations={
            channel.role: calibrations.tests(connection, channel.id, first_us, end_us)
            for channel in channels
            if channel.spec.calibration is not None
        },
        calibration_ranges=_calibration_ranges(
            connection, source_id, channels, inputs, hour, as_of, now, zone
        ),
        audits={role: _around(audits, first_us, end_us) for role, audits in rule.audits.items()},
        load=next((item.average for item in recorded if item.role == LOAD), None),
        load_unit=next((c.spec.unit for c in channels if c.role == LOAD), None),
        reporting_zone=reporting_zone.of_source(connection, source_id, configuration, as_of),
    )


def _calibration_ranges(
    connection: psycopg.Connection[Any],
    source_id: int,
    channels: list[InputChannel],
    inputs: Iterable[ExplainedInput],
    hour: datetime,
    as_of: datetime | None,
    now: datetime,
    zone: ZoneInfo,
) -> dict[str, CalibrationRange]:
    recorded = {item.role: item for item in inputs}
    ranges = {}
    for channel in channels:
        function = in_force_at(channel.spec.in_force, to_us(hour)).function
        if function is None or function.valid_range is None or channel.role not in recorded:
            continue
        since, until = from_us(function.from_us), calibration_weeks.end_of_week(hour, zone)
        weeks = calibration_weeks.weeks(
            connection, source_id, channel.role, since=since, until=until, as_of=as_of
        )
        item = recorded[channel.role]
        ranges[channel.role] = CalibrationRange(
            function=function,
            weeks=tuple(
                week
                for week in weeks
                if week.beyond or week.monday + timedelta(weeks=1) == until.date()
            ),
            standing=calibration_weeks.evaluate(weeks, zone, since=since, now=min(until, now)),
            beyond=item.beyond_calibration if item.valid else None,
        )
    return ranges


def _around(audits: tuple[Audit, ...], first_us: int, end_us: int) -> list[Audit]:
    ended = sorted(
        (audit for audit in audits if audit.ts_us < end_us), key=lambda audit: audit.ts_us
    )
    before = {audit.kind: audit for audit in ended if audit.ts_us < first_us}
    return [*before.values(), *(audit for audit in ended if audit.ts_us >= first_us)]
