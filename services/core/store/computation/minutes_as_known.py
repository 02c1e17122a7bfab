"""Minutes of a source as they were known at an instant: computed from the readings of then.

With the configuration and the factor versions of then, by the code that computes them now. What was
dropped since, or cannot be read any more, is said to be unknown, with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import class_row

from services.core.store.computation import computable_ranges, compute
from services.core.store.computation.ranges import Ranges
from services.core.store.computation.series_hours import given_hours
from services.core.store.emissions.minute_changes import SourceMinutes
from services.core.store.readings.archive import missing
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.readings.series_as_known import ReadingsAsKnown
from services.core.store.registry.plan_as_known import SourceAsKnown, source_as_known
from services.core.timeline.instants import HOUR_US, MINUTE_US, from_us, to_minute
from services.core.timeline.intervals import Interval

DROPPED = "the readings of then were dropped by retention"

_SOURCES = """
SELECT f.id AS facility_id, f.timezone, s.id, s.slug, s.active,
       CASE WHEN NOT s.active THEN s.retired_at END AS retired_at
FROM source s JOIN facility f ON f.id = s.facility_id
WHERE s.id = ANY(%s)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSource:
    """A source whose past is asked for."""

    facility_id: int
    timezone: str
    id: int
    slug: str
    active: bool
    #: None: it is in force
    retired_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MinutesThen:
    """What was known of a source's hours (since the epoch), and why nothing is of others."""

    #: None: of none of the hours
    computed: SourceMinutes | None
    unknown: Mapping[int, str] = field(default_factory=dict)

    def of_hour(self, hour: int) -> NDArray[np.bool_]:
        """Return which of the computed minutes lie in an hour."""
        if self.computed is None:
            return np.zeros(0, dtype=np.bool_)
        within: NDArray[np.bool_] = self.computed.minutes // 60 == hour
        return within


def sources(
    connection: psycopg.Connection[Any], source_ids: Collection[int]
) -> dict[int, KnownSource]:
    """Read the sources by id, whether they are in force or not."""
    with connection.cursor(row_factory=class_row(KnownSource)) as cursor:
        return {source.id: source for source in cursor.execute(_SOURCES, (list(source_ids),))}


def minutes(
    connection: psycopg.Connection[Any],
    source: KnownSource,
    hours: Collection[int],
    as_of: datetime,
) -> MinutesThen:
    """Compute the minutes of ``hours`` of a source as they were known at ``as_of``, aware.

    One lies after ``as_of`` only where a reading of then did. A retired source is computed with
    what it had when it was retired.
    """
    until = as_of if source.retired_at is None else min(as_of, source.retired_at)
    try:
        known = source_as_known(
            connection,
            facility_id=source.facility_id,
            timezone=source.timezone,
            source_id=source.id,
            slug=source.slug,
            as_of=until,
        )
    except (LookupError, ValueError) as error:
        return MinutesThen(
            computed=None,
            unknown=dict.fromkeys(hours, f"the configuration of then computes nothing: {error}"),
        )
    whole = computable_ranges.hours(connection, known, {source.id: hours})[source.id]
    readings = ReadingsAsKnown(connection, until)
    last_minute = _last_minute(readings, known, to_minute(until))
    wanted = sorted(hour for hour in whole if hour * 60 <= last_minute)
    unknown = {hour: DROPPED for hour in hours if hour not in whole}
    archived = computable_ranges.archived_hours(connection, known, source.id, unknown)
    if archived:
        unknown |= _in_the_archive(connection, known, archived)
    if not wanted:
        return MinutesThen(computed=None, unknown=unknown)
    ranges = Ranges.from_intervals({source.id: [_of_hour(hour, last_minute) for hour in wanted]})
    try:
        (computed,) = compute.sources(readings, given_hours(connection, known, ranges), ranges)
    except ArchivedDayError as error:
        return MinutesThen(computed=None, unknown=unknown | dict.fromkeys(wanted, str(error)))
    return MinutesThen(computed=computed, unknown=unknown)


def _in_the_archive(
    connection: psycopg.Connection[Any], known: SourceAsKnown, hours: Collection[int]
) -> dict[int, str]:
    """Say of hours how their readings come back."""
    channel = next(iter(known.channels))
    ordered = sorted(hours)
    commands = missing.how_to_restore(
        connection, [(channel, from_us(hour * HOUR_US)) for hour in ordered]
    )
    return {
        hour: f"readings of then are in the archive alone: bring them back with `{command}`"
        for hour, command in zip(ordered, commands, strict=True)
    }


def _last_minute(readings: ReadingsAsKnown, known: SourceAsKnown, minute: int) -> int:
    """Return the last minute that had been counted: readings may lie ahead of the present."""
    ahead = [
        newest + -(-known.channels[channel].holds_us // MINUTE_US)
        for channel, newest in readings.ahead(list(known.channels), minute).items()
    ]
    return max([minute, *ahead])


def _of_hour(hour: int, last_minute: int) -> Interval:
    return Interval.through(hour * 60, min(hour * 60 + 59, last_minute))
