"""What a new minute brings, even when nothing arrives.

Values that still hold are carried into it, windows move on to it, and hours whose lateness
allowance has passed become final.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg

from services.core.store.emissions import earlier_windows, hour_closing, window_advance
from services.core.store.readings import series
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline import windows
from services.core.timeline.instants import MINUTE_US
from services.core.timeline.intervals import Interval

#: Rolling totals stand this many minutes back, where minutes have mostly stopped changing; a
#: reader adds the newest ones itself. Nothing depends on it but how many rows a tick writes.
_STAND_BACK = 2

#: Windows move on by so many source minutes in one tick: each of the five rolling ones
#: loses as many as all gain. A facility of many sources moves on by an hour at least.
_MAX_MOVED = 100_000
_LEAST_MOVE = 60

#: An hour that changed within this time is still being filled and is not closed yet.
SETTLE_S = 60.0


def carry_forward(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    carried_to: int,
    current_minute: int,
) -> dict[int, list[Interval]]:
    """Return the minutes after ``carried_to`` that need no reading to be known, by source.

    Older readings hold into them, or they have no event.
    """
    holding = {
        channel_id: rule.holds_us for channel_id, rule in plan.channels.items() if rule.holds_us > 0
    }
    newest = series.holding(
        connection,
        list(holding),
        [holds_us / 1e6 for holds_us in holding.values()],
        carried_to + 1,
    )
    intervals: dict[int, list[Interval]] = {}
    for channel_id, ts in newest.items():
        until = int((ts + holding[channel_id] / 1e6) // 60)
        for source_id in plan.fed_by[channel_id]:
            intervals.setdefault(source_id, []).append(
                Interval.through(carried_to + 1, max(carried_to + 1, min(until, current_minute)))
            )
    # a minute without an event is known as soon as it is there
    for channel_id, rule in plan.channels.items():
        if rule.since_us is None:
            continue
        first = max(carried_to + 1, rule.since_us // MINUTE_US)
        if first <= current_minute:
            for source_id in plan.fed_by[channel_id]:
                intervals.setdefault(source_id, []).append(Interval.through(first, current_minute))
    return intervals


def windows_through(current_minute: int) -> int:
    """Return the last minute that the rolling totals may hold."""
    return current_minute - _STAND_BACK


def move_windows(
    connection: psycopg.Connection[Any], plan: FacilityPlan, rolled_to: int | None, minute: int
) -> int:
    """Move the rolling and to-date totals on; those of retired sources run out with time.

    ``rolled_to`` is the minute that they were moved in before, ``minute`` that which they are due
    to be moved in. Returns how far they came: after a long stop it takes several ticks.
    """
    source_ids = [*plan.sources, *plan.retired]
    if rolled_to is not None:
        limit = max(_LEAST_MOVE, _MAX_MOVED // max(1, len(source_ids)))
        minute = min(minute, rolled_to + limit)
    through = datetime.fromtimestamp(windows_through(minute) * 60, UTC)
    since = windows.first_minutes(through, plan.zone)
    earlier_windows.forget(connection, source_ids, since, through)
    window_advance.advance(connection, source_ids, since, through)
    return minute


def close_hours(connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime) -> bool:
    """Make final the hours of the sources that are under no rule; return whether more wait.

    So are those of retired sources: nothing that a rule could wait for will come.
    """
    lateness: Mapping[int, float] = {
        source.id: source.lateness_s for source in plan.sources.values() if source.closing is None
    } | dict(plan.retired)
    closed = hour_closing.close_hours(connection, lateness, now, SETTLE_S)
    return closed >= hour_closing.MAX_HOURS
