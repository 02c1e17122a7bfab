"""Find every minute that changed readings may speak of.

A gauge's value holds on until the next one, an interval lies before or after its time, and a step
of a register lies between two readings and is judged by those around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.registers import LOOK_AROUND
from services.core.accounting.series import ChannelRule
from services.core.store import reading_series
from services.core.store.registry.plan import FacilityPlan

_MINUTE_US = 60_000_000

#: Minutes this close are one range: a range more costs more than computing a few minutes again.
_JOIN_MINUTES = 60

Range = tuple[int, int]


def ranges_of(minutes: NDArray[np.int64]) -> list[Range]:
    """Ascending minutes as ranges, both ends included."""
    breaks = np.flatnonzero(np.diff(minutes) > _JOIN_MINUTES)
    firsts = minutes[np.concatenate(([0], breaks + 1))]
    lasts = minutes[np.concatenate((breaks, [minutes.size - 1]))]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def union(ranges: Iterable[Range]) -> list[Range]:
    """Ranges sorted, with those joined that overlap or lie close together."""
    joined: list[Range] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + _JOIN_MINUTES:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def affected(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    touched: Mapping[int, NDArray[np.int64]],
    current_minute: int,
) -> dict[int, list[Range]]:
    """Ranges of minutes to compute, by source.

    A value that holds beyond the current minute is carried there when that minute begins
    (:mod:`.turn`), so that a live value writes one row and not one for each minute it may hold.
    """
    per_channel: dict[int, list[Range]] = {}
    spans: list[reading_series.Span] = []
    for channel_id, minutes in touched.items():
        rule = plan.channels.get(channel_id)
        if rule is None:
            continue
        for first, last in ranges_of(minutes):
            if rule.kind == "counter":
                spans.append(
                    reading_series.Span(channel_id=channel_id, first_minute=first, last_minute=last)
                )
            else:
                per_channel.setdefault(channel_id, []).append(
                    _reach(rule, first, last, current_minute)
                )
    around = reading_series.neighbours(connection, spans, LOOK_AROUND + 1)
    for span, reach in zip(spans, around, strict=True):
        per_channel.setdefault(span.channel_id, []).append(reach)
    per_source: dict[int, list[Range]] = {}
    for channel_id, ranges in per_channel.items():
        for source_id in plan.fed_by[channel_id]:
            per_source.setdefault(source_id, []).extend(ranges)
    return {source_id: union(ranges) for source_id, ranges in per_source.items()}


def _reach(rule: ChannelRule, first: int, last: int, current_minute: int) -> Range:
    held_until = last + -(-rule.holds_us // _MINUTE_US)
    if last <= current_minute:
        held_until = min(held_until, current_minute)
    # else: a device's clock runs ahead; nothing would carry its value on later
    return first - -(-rule.reaches_back_us // _MINUTE_US), held_until
