"""Registers that begin again at zero when a day, a month or a year begins by the device's clock.

Inverters and wallboxes show what today came to. Such a register is set back when it is expected to
be, and what it shows then is what flowed since: nothing has to be judged by its pace. A reset is

*seen*     as a fall, with the beginning of a period between its two readings or `CLOCK_OFF_US`
           beside them: clocks of devices are off, and the last value of a day may come late.
*not seen* where a period began between two readings, the register shows no less than before, and
           what it shows can have flowed since: the day before came to 1.2 kWh by 14:00, and the
           next reading is that of 1.5 kWh at 16:00 of this day. Within `CLOCK_OFF_US` after the
           beginning it may be still to come, and the rise is taken for one; where the
           period before began between the readings too, the register counts from there.
           Nor is it where the earlier reading came just after the beginning, from a clock that
           is late: it shows more than can have flowed by then, so it is of the period before.

What it shows must be possible at `max_rate`, or the fall is judged as that of any register. From
the beginning of the period on it is counted whole. Up to the end of the period before, nothing is:
the last value of a period is what the device says that it came to. Of whole periods without a
reading nothing is known.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from services.core.accounting.register_plausibility import (
    CLOCK_ALLOWANCE_S,
    Bools,
    Ints,
    Readings,
    rise_between,
)
from services.core.accounting.register_records import Resets
from services.core.timeline.instants import DAY_US, HOUR_US, from_us, to_us

CLOCK_OFF_US: Final = 15 * 60 * 1_000_000
"""So far beside the beginning of a period a fall is its reset."""


class Between(NamedTuple):
    """What two readings tell of a reset between them; arrays of one shape."""

    is_reset: Bools
    #: the end of the earlier reading's period, the beginning of the later one's: in microseconds,
    #: not outside the two readings
    ends_us: Ints
    begins_us: Ints


def between(r: Readings, resets: Resets, a: Ints, b: Ints) -> Between:
    """Return between which of the readings ``a`` and ``b`` the register began again."""
    t0, t1 = r.ts[a], r.ts[b]
    starts = _starts(resets, int(r.ts[0]), int(r.ts[-1]))
    last = np.searchsorted(starts, t1, side="right") - 1
    inside = starts[last] > t0
    late = ~inside & (starts[last] >= t0 - CLOCK_OFF_US)
    early = ~inside & ~late & (starts[last + 1] <= t1 + CLOCK_OFF_US)
    since = np.where(early, starts[last + 1], starts[last])
    first = np.searchsorted(starts, t0, side="right")
    rise, _ = rise_between(r, a, b)
    is_fallen = (rise < 0) & (inside | late | early) & _can_have_flowed(r, b, since, CLOCK_OFF_US)
    # before that the reset may be still to come, as a fall
    is_past = inside & (t1 - starts[last] >= CLOCK_OFF_US)
    is_risen = (rise >= 0) & is_past & _can_have_flowed(r, b, since)
    # the reset of this period may be still to come, but that of the one before is past
    before = starts[np.maximum(last - 1, 0)]
    of_before = inside & ~is_past & ~is_fallen & (first < last) & _can_have_flowed(r, b, before)
    # more than can have flowed since the period began is of the one before, by a clock that is late
    is_old = late & ~_can_have_flowed(r, a, starts[last])
    is_unseen = (
        is_old
        & (rise >= 0)
        & (t1 - starts[last] >= CLOCK_OFF_US)
        & _can_have_flowed(r, b, starts[last])
    )
    begins = np.where(inside, starts[last], t0)
    return Between(
        is_fallen | is_risen | of_before | is_unseen,
        np.where(inside, starts[first], t0),
        np.where(of_before, before, begins),
    )


def _can_have_flowed(r: Readings, places: Ints, since_us: Ints, more_us: int = 0) -> Bools:
    """Return whether what readings at some ``places`` show can have flowed since, at `max_rate`.

    ``more_us``: so much longer than that.
    """
    shown = r.v[places]
    if r.max_rate is None:
        return np.asarray(shown >= 0)
    rate = r.max_rate if isinstance(r.max_rate, float | int) else r.max_rate[places]
    elapsed_us = np.maximum(r.ts[places] - since_us, 0) + round(CLOCK_ALLOWANCE_S * 1e6) + more_us
    return np.asarray((shown >= 0) & (shown <= rate * elapsed_us / HOUR_US + r.digit[places]))


def _starts(resets: Resets, first_us: int, last_us: int) -> Ints:
    """Return the beginnings of periods around a span, one before it and one behind it at least."""
    years = range(from_us(first_us).year - 1, from_us(last_us).year + 2)
    starts = np.concatenate([_of_year(resets.every, resets.zone, year) for year in years])
    first = np.searchsorted(starts, first_us - DAY_US, side="right") - 1
    last = np.searchsorted(starts, last_us + DAY_US, side="left") + 1
    return np.append(starts[max(first, 0) : last], np.iinfo(np.int64).max)


@lru_cache(maxsize=256)
def _of_year(every: str, zone: ZoneInfo, year: int) -> Ints:
    """Return the beginnings of the periods of a year, by the clock of a zone."""
    days = [date(year, 1, 1)]
    if every != "year":
        days = [date(year, month, 1) for month in range(1, 13)]
    if every == "day":
        january, after = date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal()
        days = [date.fromordinal(day) for day in range(january, after)]
    midnights = [datetime(day.year, day.month, day.day, tzinfo=zone) for day in days]
    return np.array([to_us(midnight.astimezone(UTC)) for midnight in midnights], dtype=np.int64)
