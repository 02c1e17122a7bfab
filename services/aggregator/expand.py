"""Find every minute that changed readings may speak of.

A gauge's value holds on until the next one, an interval lies before or after its time, and a step
of a register lies between two readings and is judged by those around it.
"""

from __future__ import annotations

import numpy as np

from services.aggregator.head import HeadReadings
from services.aggregator.invalidations import Invalidations
from services.core.accounting.registers import LOOK_AROUND
from services.core.accounting.series import ChannelRule
from services.core.store.computation.ranges import Ranges
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import MINUTE_US


def affected(
    readings: StoredReadings | HeadReadings,
    plan: FacilityPlan,
    invalidations: Invalidations,
    current_minute: int,
) -> Ranges:
    """Ranges of minutes to compute, by source; ``invalidations`` are channels of the plan.

    A value that holds beyond the current minute is carried there when that minute begins
    (:mod:`.minute_rollover`), so that a live value writes one row and not one for each minute it
    may hold.
    """
    pairs = Ranges(
        ids=invalidations.channels, firsts=invalidations.minutes, lasts=invalidations.minutes
    )
    ranges, range_of = pairs.union()
    since_us = np.full(len(ranges), np.iinfo(np.int64).max)
    np.minimum.at(since_us, range_of, invalidations.since_us)
    firsts, lasts = ranges.firsts.copy(), ranges.lasts.copy()
    rules = [plan.channels[channel] for channel in ranges.ids.tolist()]
    counter = np.array([rule.kind == "counter" for rule in rules], dtype=np.bool_)
    firsts[counter], lasts[counter] = readings.neighbours(
        ranges.ids[counter], since_us[counter], lasts[counter], LOOK_AROUND + 1
    )
    for i in np.flatnonzero(~counter).tolist():
        firsts[i], lasts[i] = _reach(rules[i], int(firsts[i]), int(lasts[i]), current_minute)
    fed = [plan.fed_by[channel] for channel in ranges.ids.tolist()]
    row = np.repeat(np.arange(len(ranges)), [len(sources) for sources in fed])
    source_ids = np.array([source for sources in fed for source in sources], dtype=np.int64)
    return Ranges(ids=source_ids, firsts=firsts[row], lasts=lasts[row]).union()[0]


def _reach(rule: ChannelRule, first: int, last: int, current_minute: int) -> tuple[int, int]:
    held_until = last + -(-rule.holds_us // MINUTE_US)
    if last <= current_minute:
        held_until = min(held_until, current_minute)
    # else: a device's clock runs ahead; nothing would carry its value on later
    return first - -(-rule.reaches_back_us // MINUTE_US), held_until
