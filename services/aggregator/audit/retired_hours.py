"""Hold the hours of a retired source against what they came to when it was retired.

Nothing is computed of it any more, so that readings which arrive later are not in its hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from services.aggregator.audit.findings import Findings, Kind
from services.aggregator.audit.recomputed import ComputedHour
from services.aggregator.audit.then import Then
from services.core.store.emissions import final_hours
from services.core.store.emissions.final_hours import StoredHour
from services.core.store.emissions.stored_minutes import StoredMinutes

#: Values hold on into so many hours beyond the retirement, and what had arrived just before it may
#: not have been computed.
_REACH_H: Final = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class RetiredHours:
    """What became of the hours that today's readings say nothing about."""

    #: they are what was known then
    checked: frozenset[int] = frozenset()
    #: nobody can tell
    unknown: frozenset[int] = frozenset()
    #: of both, and of those that are named
    every: frozenset[int] = frozenset()


def check(
    connection: psycopg.Connection[Any],
    findings: Findings,
    then: Then,
    stored: Mapping[int, StoredHour],
    minutes: StoredMinutes,
    computed: Mapping[int, ComputedHour],
    *,
    channels: list[int],
    hours: tuple[int, int],
    now: datetime,
) -> RetiredHours:
    """Check the hours, among first and last (since the epoch), that came after the retirement.

    And those around readings that arrived after it.
    """
    source = findings.source
    if source.retired_hour is None:
        return RetiredHours()
    first, last = hours
    every = set(range(max(first, source.retired_hour), last + 1))
    for hour in final_hours.after_retirement(connection, source.source_id, channels, first, last):
        every |= set(range(max(first, hour - _REACH_H), min(last, hour + _REACH_H) + 1))
    closed = {hour for hour in every if hour in stored}
    asked = closed | {hour for hour in every if hour in computed and hour < source.retired_hour}
    known, summed = then.sums(asked, now), minutes.sums(closed)
    checked, unknown = set(), set()
    for hour in sorted(asked):
        is_near = abs(hour - source.retired_hour) <= _REACH_H
        sums = known[hour]
        if hour in closed and sums == summed[hour]:
            checked.add(hour)
        elif sums is None or is_near:
            unknown.add(hour)
        elif hour in closed:
            findings.add(
                Kind.RETIRED if hour > source.retired_hour else Kind.READINGS,
                hour,
                stored_ug=summed[hour]["co2_ug"],
                recomputed_ug=sums["co2_ug"],
                detail="it is not what it came to when its source was retired",
            )
        elif sums["covered_ms"] > 0:
            findings.add(
                Kind.MISSING, hour, recomputed_ug=sums["co2_ug"], detail="there are readings of it"
            )
    return RetiredHours(
        checked=frozenset(checked), unknown=frozenset(unknown), every=frozenset(every)
    )
