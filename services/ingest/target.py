"""Where the values of one channel go, and what is believed of them, by when."""

from __future__ import annotations

import math
import struct
import sys
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from services.core.accounting.units import Conversion
from services.core.facility.in_force import InForce
from services.core.store.registry import read
from services.core.timeline.instants import to_us
from services.ingest.check import FLOAT_MARKERS_FROM
from services.ingest.corrections import Rule
from services.ingest.decode.instant import NEWEST_US

#: A channel's unit times this is taken for rounding below zero, where no range tells its width.
_NOISE: Final = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where the values of one channel go."""

    facility_id: int
    channel_id: int
    slug: str
    #: the unit that readings are stored in
    unit: str
    #: physical range of what is sent in that unit, before scale and offset, ends included, finite
    lowest: float
    highest: float
    #: how far beyond them, as sent, a value is taken for rounding
    noise: float = 0.0
    #: from what is sent and stored to the unit; None: they are the same
    as_sent: Conversion | None = None
    #: what is below zero in the unit is no range of a sensor, but what flows the other way
    counts_one_way: bool = False
    #: in the channel's unit: between these a refused value went over the range; None: none does
    over_range: tuple[float, float] | None = None
    #: as sent; between them no value needs a second look, neither at the range nor for markers
    plain_lowest: float = -FLOAT_MARKERS_FROM
    plain_highest: float = FLOAT_MARKERS_FROM
    #: numbers as sent that mean no value
    markers: frozenset[float] = frozenset()
    #: whether a gap stands in for a value that is refused: the one before holds no longer, and
    #: an event of unknown amount is none of zero
    holds: bool = False
    #: a reading from before may be one of a wrong clock that :mod:`.alone` looks for; later events
    #: of a log stand alone by nature
    alone_until_us: int = NEWEST_US
    #: which of two readings for one time stands
    corrections: Rule = Rule.BETTER_QUALITY
    #: what takes the place of this one's range and unit, by when in microseconds, ascending
    later: tuple[tuple[int, Target], ...] = ()
    #: how long before its time a reading counts from: the interval that ends there
    reaches_back_us: int = 0

    def in_force_at(self, ts_us: int) -> Target:
        """Return what is in force at the time of a reading."""
        if not self.later:
            return self
        index = bisect_right(self.later, ts_us - self.reaches_back_us, key=lambda entry: entry[0])
        return self if index == 0 else self.later[index - 1][1]


def _single(number: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return number


def target(channel: read.Channel) -> Target:
    """Return where the values of a channel go, by when."""
    first, *later = channel.in_force
    earliest = _target_of(channel, first)
    if not later:
        return earliest
    others = tuple((terms.from_us or 0, _target_of(channel, terms)) for terms in later)
    every = (earliest, *(other for _, other in others))
    interval_s = channel.spec.get("length") if channel.spec.get("stamp") == "end" else None
    return replace(
        earliest,
        later=others,
        reaches_back_us=round((interval_s or 0.0) * 1e6),
        # what is plain whenever it was measured
        plain_lowest=max(other.plain_lowest for other in every),
        plain_highest=min(other.plain_highest for other in every),
    )


def _target_of(channel: read.Channel, terms: InForce) -> Target:
    lowest, highest = terms.plausible or (-math.inf, math.inf)
    noise, in_unit = terms.noise, terms.as_sent
    if channel.counts_one_way:
        lowest, noise = max(lowest, 0.0), max(noise, _NOISE)
    if in_unit is not None:
        lowest, highest = in_unit.back((lowest, highest))
        noise /= abs(in_unit.scale)
    named = [
        float(value) for value in channel.spec.get("invalid", ()) if not isinstance(value, str)
    ]
    # a device that counts in single precision sends the nearest number that it has
    markers = frozenset(named) | frozenset(map(_single, named))
    return Target(
        facility_id=channel.facility_id,
        channel_id=channel.id,
        slug=channel.slug,
        unit=channel.unit,
        as_sent=in_unit,
        noise=noise,
        # a range that begins at zero says itself that nothing lies below
        counts_one_way=channel.counts_one_way and (terms.range is None or terms.range[0] < 0),
        lowest=max(lowest, -sys.float_info.max),
        highest=min(highest, sys.float_info.max),
        # where the channel names markers each value is compared with them
        plain_lowest=math.inf if markers else max(lowest, -FLOAT_MARKERS_FROM),
        plain_highest=-math.inf if markers else min(highest, FLOAT_MARKERS_FROM),
        markers=markers,
        over_range=channel.over_range(terms),
        alone_until_us=NEWEST_US
        if "since" not in channel.spec
        else to_us(datetime.fromisoformat(channel.spec["since"])),
        holds=channel.kind in {"gauge", "event"},
        corrections=Rule(channel.spec.get("corrections", Rule.BETTER_QUALITY)),
    )
