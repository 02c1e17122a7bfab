"""Hours that wait to be computed: since when, and whether anything they are made of says why.

Work waits for as long as it takes: a moment in a running service, hours where a year is restated.
So long an hour may differ from its readings of now, and is held against those that it was made of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from services.aggregator import expand
from services.aggregator.audit.then import Sums, Then
from services.aggregator.invalidations import Invalidations
from services.core.store.emissions import final_hours
from services.core.store.emissions.final_hours import StoredHour, WaitingSince
from services.core.store.emissions.stored_minutes import StoredMinutes
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import SECOND, to_minute
from services.core.timeline.intervals import Interval

#: What waits for longer is not being worked on; a restatement of a million hours takes one hour.
LONGEST_WAIT: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Why an hour may not be what its readings come to."""

    #: since when the oldest of what it waits for has been waiting
    since: datetime
    #: since longer than work may wait, or since a time to come
    too_long: bool


def read(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source_id: int,
    hours: tuple[int, int],
    now: datetime,
    *,
    with_readings: bool,
) -> dict[int, Wait]:
    """Read which of the hours (first and last since the epoch) wait.

    ``with_readings``: readings that have arrived will change them, else only what is queued.
    """
    intervals = final_hours.queued(connection, source_id, LONGEST_WAIT)
    if with_readings:
        intervals += _invalidated(connection, plan, source_id, now)
    wanted = Interval(start=hours[0] * 60, end=(hours[1] + 1) * 60)
    waits: dict[int, Wait] = {}
    for interval, queued in intervals:
        for hour in interval.within(wanted).hours:
            before = waits.get(hour)
            waits[hour] = Wait(
                since=queued.since if before is None else min(queued.since, before.since),
                too_long=queued.too_long or (before is not None and before.too_long),
            )
    return waits


def _invalidated(
    connection: psycopg.Connection[Any], plan: FacilityPlan, source_id: int, now: datetime
) -> list[tuple[Interval, WaitingSince]]:
    """Return the minutes that readings which have arrived speak of."""
    intervals = []
    for queued, minutes in final_hours.invalidated_minutes(
        connection, plan.id, list(plan.channels), LONGEST_WAIT
    ):
        affected = expand.affected(
            StoredReadings(connection), plan, Invalidations.whole(minutes), to_minute(now)
        )
        intervals += [(interval, queued) for interval in affected.by_id().get(source_id, [])]
    return intervals


def unexplained(
    then: Then,
    stored: Mapping[int, StoredHour],
    minutes: StoredMinutes,
    waits: Mapping[int, Wait],
    hours: Collection[int],
) -> dict[int, str]:
    """Return which of the hours no work in progress explains, and why.

    Each waits, is closed, and differs from its readings. One that came into force since it waits is
    being worked on. Any other must be what was known before the work was queued, or when it came
    into force.
    """
    wrong = {
        hour: f"it has been waiting since {waits[hour].since:%Y-%m-%dT%H:%MZ}, for longer than work"
        " waits; see /readyz, and whether `tonne aggregate` runs"
        for hour in hours
        if waits[hour].too_long
    }
    suspects = {
        hour for hour in hours if hour not in wrong and stored[hour].known_at < waits[hour].since
    }
    sums = minutes.sums(suspects)
    for instants in (
        {hour: waits[hour].since - SECOND for hour in suspects},
        {hour: stored[hour].known_at for hour in suspects},
    ):
        suspects -= _as_then(then, sums, {hour: instants[hour] for hour in suspects})
    return wrong | dict.fromkeys(
        suspects, "it is said to wait, but nothing that it is made of has changed"
    )


def _as_then(then: Then, sums: Mapping[int, Sums], instants: Mapping[int, datetime]) -> set[int]:
    """Return the hours whose minutes add up to what was known at the hour's instant."""
    by_instant: dict[datetime, list[int]] = {}
    for hour, instant in instants.items():
        by_instant.setdefault(instant, []).append(hour)
    same = set()
    for instant, of_instant in by_instant.items():
        known = then.sums(of_instant, instant)
        # of what retention dropped nobody can tell
        same |= {hour for hour in of_instant if known[hour] in (None, sums[hour])}
    return same
