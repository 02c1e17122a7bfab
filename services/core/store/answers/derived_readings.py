"""What derived channels came to, for charts: computed from the readings of their channels.

Of gauges a value at each time at which one of them has one, as thresholds watch it; of amounts that
of each minute. What is more than asked for is thinned as readings are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import dict_row
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.accounting.derived.instants import (
    DerivedReadings,
    GaugeReadings,
    derived_readings,
)
from services.core.accounting.derived.minutes import DerivedInput
from services.core.accounting.series import ChannelRule
from services.core.facility import assemble
from services.core.facility.derived_channels import computed
from services.core.facility.model import Channel, Derived
from services.core.store.computation import compute
from services.core.store.readings.chart import QUALITIES, ChartReadings
from services.core.store.readings.packing.columns import SeriesColumns
from services.core.store.readings.series import StoredReadings
from services.core.store.readings.series_arrays import SeriesRequests
from services.core.store.registry import derived_channels
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US, from_us, to_us
from services.core.timeline.intervals import Interval

#: Readings, or minutes, of all its channels that one answer computes a derived channel from.
MAX_COMPUTED: Final = 2_000_000

#: So much of them is read at once.
_PIECE_MINUTES: Final = 7 * DAY_MINUTES

_GOOD, _UNCERTAIN = QUALITIES.index("good"), QUALITIES.index("uncertain")

_CHANNELS = """
SELECT d.slug || '.' || c.slug, c.id, c.spec FROM channel c JOIN device d ON d.id = c.device_id
WHERE d.facility_id = %s AND d.slug || '.' || c.slug = ANY(%s)
"""


# Few facilities have any: who asks for readings of the others need not wait for them.
_HAVE_SOME = text(
    "SELECT id FROM facility WHERE id = ANY(:facilities)"
    """ AND document @? '$.devices[*].channels[*] ? (@.kind == "derived")'"""
)


class TooMuchToComputeError(Exception):
    """The span holds more than one answer computes; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DerivedChannel:
    """A derived channel, and its channels with their rules, by name."""

    stated: Derived
    derived: DerivedInput
    ids: Mapping[str, int]
    rules: Mapping[str, ChannelRule]

    @property
    def device(self) -> str:
        """Return the device that it is stated at."""
        return self.stated.channel.partition(".")[0]

    @property
    def slug(self) -> str:
        """Return its id within the device."""
        return self.stated.channel.partition(".")[2]


async def facilities_with_some(connection: AsyncConnection, facilities: list[int]) -> set[int]:
    """Return which of the facilities have derived channels."""
    rows = await connection.execute(_HAVE_SOME, {"facilities": facilities})
    return set(rows.scalars())


def channels(connection: psycopg.Connection[Any], facility_id: int) -> list[DerivedChannel]:
    """Read the derived channels of a facility, by device and id."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {derived_channels.COLUMN} FROM facility WHERE id = %s",  # noqa: S608 - constant
            (facility_id,),
        ).fetchone()
    stated = derived_channels.of_row(row) if row else {}
    names = sorted({name for part in stated.values() for name in part.inputs})
    ids, specs = dict[str, int](), dict[str, Channel]()
    for name, channel_id, spec in connection.execute(_CHANNELS, (facility_id, names)):
        ids[name], specs[name] = channel_id, Channel.model_validate(spec)
    return [
        DerivedChannel(
            stated=part,
            derived=computed(part, specs),
            ids={name: ids[name] for name in part.inputs},
            rules={name: assemble.channel_rule(specs[name]) for name in part.inputs},
        )
        for _, part in sorted(stated.items())
    ]


def readings(
    connection: psycopg.Connection[Any],
    channel: DerivedChannel,
    *,
    begins: datetime,
    ends: datetime,
    max_points: int,
) -> ChartReadings:
    """Compute ``begins <= ts < ends``, oldest first, ``max_points`` at most; null is a gap.

    :raises TooMuchToComputeError: the span is too long.
    """
    begin_us, end_us = to_us(begins), to_us(ends)
    parts: list[DerivedReadings] = []
    size = 0
    for start_us in range(begin_us, end_us, _PIECE_MINUTES * MINUTE_US):
        stop_us = min(end_us, start_us + _PIECE_MINUTES * MINUTE_US)
        if channel.derived.is_rate:
            part, read = _instants(connection, channel, start_us, stop_us)
        else:
            part, read = _minutes(connection, channel, start_us, stop_us)
        size += read
        if size > MAX_COMPUTED:
            raise TooMuchToComputeError(
                f"{channel.stated.channel} is computed from more than {MAX_COMPUTED} readings or"
                f" minutes in this span; from {from_us(begin_us):%Y-%m-%dT%H:%MZ} to"
                f" {from_us(start_us):%Y-%m-%dT%H:%MZ} it can be: select a shorter one"
            )
        parts.append(part)
    return _charted(
        _thinned(parts, begin_us, end_us, max_points),
        thinned=sum(part.ts_us.size for part in parts) > max_points,
    )


def _instants(
    connection: psycopg.Connection[Any], channel: DerivedChannel, start_us: int, stop_us: int
) -> tuple[DerivedReadings, int]:
    ids = np.array(list(channel.ids.values()), dtype=np.int64)
    series = StoredReadings(connection).read(
        SeriesRequests(
            channels=ids,
            firsts=np.full(ids.size, start_us // MINUTE_US),
            lasts=np.full(ids.size, (stop_us - 1) // MINUTE_US),
            before=np.ones(ids.size, dtype=np.int64),
            after=np.zeros(ids.size, dtype=np.int64),
        )
    )
    gauges = {}
    for i, (name, rule) in enumerate(channel.rules.items()):
        rows = slice(series.bounds[i], series.bounds[i + 1])
        sent, ts_us = series.value[rows], series.ts_us[rows]
        gauges[name] = GaugeReadings(
            ts_us=ts_us,
            value=rule.in_unit(np.where(rule.shows(sent, ts_us), sent, np.nan), ts_us),
            max_gap_us=rule.max_gap_us,
            uncertain=np.zeros(sent.size, dtype=np.bool_)
            if series.uncertain is None
            else series.uncertain[rows],
        )
    computed_readings = derived_readings(channel.derived, gauges)
    return computed_readings.within(start_us, stop_us), series.ts_us.size


def _minutes(
    connection: psycopg.Connection[Any], channel: DerivedChannel, start_us: int, stop_us: int
) -> tuple[DerivedReadings, int]:
    first, end = -(-start_us // MINUTE_US), -(-stop_us // MINUTE_US)
    minutes = np.arange(first, end, dtype=np.int64)
    if not minutes.size:
        return DerivedReadings(ts_us=minutes, value=np.zeros(0), uncertain=minutes > 0), 0
    rules = {channel_id: channel.rules[name] for name, channel_id in channel.ids.items()}
    series = compute.series(
        StoredReadings(connection),
        rules,
        # the minute before tells whether a gap begins
        {channel_id: [Interval(start=first - 1, end=end)] for channel_id in rules},
    )
    minutes = np.append(first - 1, minutes)
    amounts = channel.derived.minutes(
        {name: series[channel_id][0] for name, channel_id in channel.ids.items()}, minutes
    )
    value = np.where(amounts.covered_us > 0, amounts.value, np.nan)
    known = np.isfinite(value)
    is_row = known | np.append(False, known[:-1])
    is_row[0] = False
    return DerivedReadings(
        ts_us=minutes[is_row] * MINUTE_US,
        value=value[is_row],
        uncertain=((amounts.estimated_us > 0) & known)[is_row],
    ), minutes.size * len(rules)


def _thinned(
    parts: list[DerivedReadings], begin_us: int, end_us: int, max_points: int
) -> DerivedReadings:
    """Keep the least and the greatest of each bucket, and one gap of a bucket of gaps."""
    ts_us, value, uncertain = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("ts_us", "value", "uncertain")
    )
    if ts_us.size > max_points:
        width_us = (end_us - begin_us) // max(1, max_points // 2) + 1
        bucket = (ts_us - begin_us) // width_us
        places = np.unique(np.concatenate((_least(bucket, value), _least(bucket, -value))))
        ts_us, value, uncertain = ts_us[places], value[places], uncertain[places]
    return DerivedReadings(ts_us=ts_us, value=value, uncertain=uncertain)


def _least(bucket: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the place of each bucket's least value, its first gap where it has gaps only."""
    order = np.lexsort((value, bucket))
    least: NDArray[np.int64] = order[np.append(True, bucket[order][1:] != bucket[order][:-1])]
    return least


def _charted(readings: DerivedReadings, *, thinned: bool) -> ChartReadings:
    return ChartReadings(
        series=SeriesColumns(
            ts_us=readings.ts_us,
            value=readings.value,
            missing=np.isnan(readings.value),
            quality=np.where(readings.uncertain, _UNCERTAIN, _GOOD),
        ),
        over_full_scale=np.zeros(readings.ts_us.size, dtype=np.bool_),
        thinned=thinned,
    )
