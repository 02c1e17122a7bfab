"""Find every minute that changed readings may speak of.

A gauge's value holds on until the next one, an interval lies before or after its time, and a step
of a register lies between two readings and is judged by those around it.
"""

from __future__ import annotations

import numpy as np

from services.aggregator.head import HeadReadings
from services.aggregator.invalidations import Invalidations
from services.core.accounting.registers import LOOK_AROUND
from services.core.store.computation.ranges import Ranges
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan


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
    arrays = plan.arrays
    number = arrays.channels(ranges.ids)
    counter = arrays.is_register[number]
    firsts[counter], lasts[counter] = readings.neighbours(
        ranges.ids[counter], since_us[counter], lasts[counter], LOOK_AROUND + 1
    )
    held_until = ranges.lasts + arrays.holds[number]
    # where it is later than now a device's clock runs ahead: nothing would carry its value on later
    is_past = ranges.lasts <= current_minute
    held_until[is_past] = np.minimum(held_until[is_past], current_minute)
    firsts[~counter] = (ranges.firsts - arrays.reaches_back[number])[~counter]
    lasts[~counter] = held_until[~counter]
    source_ids, row, _ = arrays.feeds.of_each(number)
    return Ranges(ids=source_ids, firsts=firsts[row], lasts=lasts[row]).union()[0]
