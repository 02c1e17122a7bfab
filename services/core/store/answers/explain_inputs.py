"""The inputs of an hour: what each channel sent, and what the account made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.register_records import Incident, UnconfirmedStep
from services.core.accounting.series import ChannelRule, MinuteSeries
from services.core.facility import assemble, model
from services.core.facility.in_force import InForce, within
from services.core.store.readings import history
from services.core.store.readings import series as reading_series
from services.core.store.readings.chart import QUALITIES
from services.core.store.readings.known_since import readings_then
from services.core.store.readings.series import StoredReadings
from services.core.store.readings.series_arrays import Readings, SeriesRequest
from services.core.store.readings.series_as_known import ReadingsAsKnown
from services.core.timeline.instants import HOUR_US, MINUTE_US, from_us, to_us
from services.core.timeline.intervals import Interval

_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class InputChannel:
    """A channel and the role it plays in a source's method."""

    role: str
    device: str
    channel: str
    id: int
    spec: model.Channel


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingSummary:
    """The readings of one channel in an hour, as sent."""

    count: int
    #: readings that said they have no value
    gaps: int
    by_quality: dict[str, int]
    #: above the full scale of the channel, where it is stated
    over_full_scale: int
    least: float | None
    greatest: float | None
    #: of the readings, not weighted by time
    mean: float | None
    first_time: datetime | None
    first_value: float | None
    last_time: datetime | None
    last_value: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class InputHour:
    """One input over an hour; values in the channel's unit."""

    channel: InputChannel
    #: what its readings of the hour are worth, by when; one where nothing changes in it
    in_force: tuple[InForce, ...]
    readings: ReadingSummary
    #: the time-weighted mean of a gauge, else the amount; None: nothing is known
    value: float | None
    #: what flowed out beside it; None: it is not told apart, or nothing is known
    exported: float | None
    covered_s: float
    #: by minute of the hour: the mean or amount, and the seconds that are known
    minutes: tuple[tuple[float | None, float], ...]
    #: steps of a register within the hour that wait for a reading to confirm or retract them
    unconfirmed: tuple[UnconfirmedStep, ...]
    #: what of a register within the hour was no plain rise, and how it was taken
    incidents: tuple[Incident, ...]


_COUNTED: LiteralString = """
SELECT count(*) AS count, count(*) - count(value) AS gaps, min(value) AS least,
       max(value) AS greatest, avg(value ORDER BY ts) AS mean,
       min(ts) AS first_time, first(value, ts) AS first_value,
       max(ts) AS last_time, last(value, ts) AS last_value,
       count(*) FILTER (WHERE quality <= 1 AND value
           * (%(scales)s::float8[])[1 + width_bucket(ts, %(starts)s::timestamptz[])]
           + (%(offsets)s::float8[])[1 + width_bucket(ts, %(starts)s::timestamptz[])]
           > (%(full_scales)s::float8[])[1 + width_bucket(ts, %(starts)s::timestamptz[])]
       ) AS over_full_scale,
       ARRAY[count(*) FILTER (WHERE quality = 0), count(*) FILTER (WHERE quality = 1),
             count(*) FILTER (WHERE quality = 2), count(*) FILTER (WHERE quality = 3),
             count(*) FILTER (WHERE quality = 4), count(*) FILTER (WHERE quality = 5)] AS by_quality
"""

_IN_HOUR: LiteralString = "ts >= %(hour)s AND ts < %(hour)s + interval '1 hour'"
_SUMMARY: LiteralString = f"{_COUNTED} FROM reading WHERE channel_id = %(channel)s AND {_IN_HOUR}"
_SUMMARY_THEN: LiteralString = (
    f"{_COUNTED} FROM (VALUES (%(channel)s::int4)) x(channel_id)"
    f" CROSS JOIN LATERAL ({readings_then(_IN_HOUR)}) r"
)


def input_hours(
    connection: psycopg.Connection[Any],
    channels: Sequence[InputChannel],
    hour: datetime,
    *,
    as_of: datetime | None = None,
) -> tuple[InputHour, ...]:
    """Summarise the readings of ``channels`` in the hour that begins at ``hour``.

    Values come from the rule that the totals themselves come from, applied to the readings that
    stood at ``as_of``; None: that are stored now.
    """
    history.open_span(
        connection, [channel.id for channel in channels], hour, hour + _HOUR, as_of=as_of
    )
    readings = StoredReadings(connection) if as_of is None else ReadingsAsKnown(connection, as_of)
    rules = [assemble.channel_rule(channel.spec) for channel in channels]
    return tuple(
        _input_hour(connection, channel, rule, around, hour, as_of)
        for channel, rule, around in zip(
            channels, rules, _around(readings, channels, rules, hour), strict=True
        )
    )


def _around(
    readings: StoredReadings,
    channels: Sequence[InputChannel],
    rules: Sequence[ChannelRule],
    hour: datetime,
) -> list[Readings]:
    """Read what of each channel the minutes of the hour follow from, of all channels at once."""
    first = to_us(hour) // MINUTE_US
    return reading_series.read(
        readings,
        [
            SeriesRequest(
                channel_id=channel.id,
                interval=Interval.through(
                    first - math.ceil(rule.context.lead_us / MINUTE_US),
                    first + 59 + math.ceil(rule.context.trail_us / MINUTE_US),
                ),
                before=rule.context.before,
                after=rule.context.after,
            )
            for channel, rule in zip(channels, rules, strict=True)
        ],
    )


def _input_hour(
    connection: psycopg.Connection[Any],
    channel: InputChannel,
    rule: ChannelRule,
    around: Readings,
    hour: datetime,
    as_of: datetime | None,
) -> InputHour:
    series, unconfirmed, incidents = _minutes(rule, around, hour)
    return InputHour(
        channel=channel,
        in_force=within(channel.spec.in_force, to_us(hour), to_us(hour) + HOUR_US),
        readings=_summary(connection, channel, hour, as_of),
        value=_over_hour(series, series.value),
        exported=None if series.exported is None else _over_hour(series, series.exported),
        covered_s=float(series.covered_us.sum()) / 1e6,
        minutes=tuple(
            (_known(float(amount), covered), covered / 1e6)
            for amount, covered in zip(
                series.value.tolist(), series.covered_us.tolist(), strict=True
            )
        ),
        unconfirmed=unconfirmed,
        incidents=incidents,
    )


def _minutes(
    rule: ChannelRule, around: Readings, hour: datetime
) -> tuple[MinuteSeries, tuple[UnconfirmedStep, ...], tuple[Incident, ...]]:
    first = to_us(hour) // MINUTE_US
    last = first + 59
    minutes = rule.minutes(around.ts_us, around.value, first, last)
    if rule.kind != "counter":
        return minutes, (), ()
    steps = rule.register_steps(around.ts_us, around.value)
    begins_us, ends_us = first * MINUTE_US, (last + 1) * MINUTE_US
    return (
        minutes,
        tuple(
            step for step in steps.unconfirmed if step.t1_us > begins_us and step.t0_us < ends_us
        ),
        tuple(
            incident
            for incident in steps.incidents
            if incident.t1_us > begins_us and incident.t0_us < ends_us
        ),
    )


def _summary(
    connection: psycopg.Connection[Any],
    channel: InputChannel,
    hour: datetime,
    as_of: datetime | None,
) -> ReadingSummary:
    terms = channel.spec.in_force
    row = connection.execute(
        _SUMMARY if as_of is None else _SUMMARY_THEN,
        {
            "channel": channel.id,
            "hour": hour,
            "as_of": as_of,
            "starts": [from_us(entry.from_us) for entry in terms if entry.from_us is not None],
            "scales": [1.0 if entry.as_sent is None else entry.as_sent.scale for entry in terms],
            "offsets": [0.0 if entry.as_sent is None else entry.as_sent.offset for entry in terms],
            "full_scales": [entry.counted_full_scale for entry in terms],
        },
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always gives a row
    *figures, by_quality = row
    names = (
        "count", "gaps", "least", "greatest", "mean", "first_time", "first_value", "last_time",
        "last_value", "over_full_scale",
    )  # fmt: skip
    return ReadingSummary(
        **dict(zip(names, figures, strict=True)),
        by_quality={n: c for n, c in zip(QUALITIES, by_quality, strict=True) if c},
    )


def _over_hour(series: MinuteSeries, values: NDArray[np.float64]) -> float | None:
    """Compute the mean of a rate, else the sum, over the minutes of which something is known."""
    known = series.covered_us > 0
    if not known.any():
        return None
    if series.is_rate:
        return float(np.average(values[known], weights=series.covered_us[known]))
    return float(values[known].sum())


def _known(value: float, covered_us: int) -> float | None:
    return value if covered_us > 0 and math.isfinite(value) else None
