"""The newest readings of a facility's channels, remembered from one tick to the next, and minutes.

A live channel is computed again and again from the same minute, of which each tick brings one
reading more. What an aggregator has read it need not read again: a reading that is written,
corrected or taken away names its minute in ``touched``, in the same transaction, and a tick claims
that before it computes. Whether another aggregator claimed in between is told by the facility's
sequence, which each tick raises. Where in doubt, everything is forgotten and read again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.emissions.live_minutes import LiveMinutes
from services.core.store.readings.series import StoredReadings
from services.core.store.readings.series_arrays import Series, SeriesRequests, joined
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import MINUTE_US

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


#: Readings of a channel that are kept beside those of the newest minutes: what a register's steps
#: depend on, from the 9th reading before a change back to the 9th before that one's minute.
_AROUND = 24

#: Older minutes are no live ones: what is touched there is read from the database.
_LIVE_MINUTES = 2

#: No more readings than this are remembered of one facility: 24 bytes each.
_LIMIT = 4_000_000

#: A key is the channel's number and its time, in microseconds from a year before now on.
_TIME_BITS = 46

#: More channels than this leave a key no room.
_MAX_CHANNELS = 1 << 16

#: Beyond every reading, for what has no end.
_FOR_EVER = 10_000_000


class Head:
    """What one process remembers of one facility.

    Of each channel that is remembered these are its newest readings without a gap: every reading
    from some instant on; of a register those only that say anything.
    """

    def __init__(self) -> None:
        self._plan: FacilityPlan | None = None
        #: of the facility after the tick that left this; None: not to be relied on
        self._sequence: int | None = None
        #: rows that the last tick left
        self.minutes = LiveMinutes()
        self._forget()

    def _forget(self) -> None:
        self.minutes.forget()
        self.channels = np.zeros(0, dtype=np.int64)
        self._registers = np.zeros(0, dtype=np.bool_)
        self._base_us = 0
        self._dropped_before_us = 0
        self._keys = np.zeros(0, dtype=np.int64)
        self._value = np.zeros(0)
        #: keys of uncertain readings, of which there are few or none
        self._uncertain = np.zeros(0, dtype=np.int64)
        self._known = np.zeros(0, dtype=np.bool_)
        self._whole = np.zeros(0, dtype=np.bool_)

    def begin(
        self,
        connection: psycopg.Connection[Any],
        plan: FacilityPlan,
        sequence: int,
        current_minute: int,
        unpacked_from_day: int | None = None,
    ) -> HeadReadings:
        """Return the readings for one tick that found the facility's sequence to be ``sequence``.

        They are relied on in the next one only if :meth:`keep` is called after its commit.
        ``unpacked_from_day``: see :class:`StoredReadings`.
        """
        begin_us = current_minute * MINUTE_US
        if (
            self._plan is not plan
            or self._sequence != sequence
            or self._keys.size > _LIMIT
            or abs(begin_us - self._base_us - (1 << (_TIME_BITS - 1))) > 1 << (_TIME_BITS - 2)
        ):
            self._forget()
            self._plan = plan
            self.channels, self._registers = plan.arrays.channel_ids, plan.arrays.is_register
            self._known = np.zeros(self.channels.size, dtype=np.bool_)
            self._whole = np.zeros(self.channels.size, dtype=np.bool_)
            self._base_us = begin_us - (1 << (_TIME_BITS - 1))
        self._sequence = None
        self._drop_old((current_minute - _LIVE_MINUTES + 1) * MINUTE_US)
        self.minutes.begin(current_minute - _LIVE_MINUTES + 1)
        stored = StoredReadings(connection, unpacked_from_day=unpacked_from_day)
        return HeadReadings(self, stored, current_minute)

    def is_of(self, sequence: int) -> bool:
        """Whether this process did the tick that left the facility with this sequence."""
        return self._sequence == sequence

    def keep(self, sequence: int) -> None:
        """Note that the tick is committed and left the facility with this sequence."""
        self._sequence = sequence

    # -- what HeadReadings works with ---------------------------------------------------------

    def numbers(self, channels: Integers) -> Integers:
        """Return the number of each channel, which must be one of the plan's."""
        return np.searchsorted(self.channels, channels)

    def is_known(self, numbers: Integers) -> Bools:
        """Whether the channels' newest readings are remembered."""
        return self._known[numbers]

    def is_whole(self, numbers: Integers) -> Bools:
        """Whether there are no readings before those that are remembered."""
        return self._whole[numbers]

    def starts(self, numbers: Integers) -> Integers:
        """Where each channel's readings begin; those of the next end there."""
        return np.searchsorted(self._keys, numbers << _TIME_BITS)

    def places(self, numbers: Integers, ts_us: Integers) -> Integers:
        """Where each channel's readings from an instant on begin."""
        return np.searchsorted(self._keys, self._keys_of(numbers, ts_us))

    def values(self, places: Integers) -> tuple[Integers, NDArray[np.float64]]:
        """Return times and values."""
        ts_us = (self._keys[places] & ((1 << _TIME_BITS) - 1)) + self._base_us
        return ts_us, self._value[places]

    def uncertain(self, places: Integers) -> Bools | None:
        """Which are uncertain; None: none is."""
        if not self._uncertain.size:
            return None
        uncertain = np.isin(self._keys[places], self._uncertain)
        return uncertain if uncertain.any() else None

    def forget(self, numbers: Integers) -> None:
        """Forget some channels."""
        if not self._known[numbers].any():
            return
        self._known[numbers] = False
        remaining = self._known[self._keys >> _TIME_BITS]
        self._keys, self._value = self._keys[remaining], self._value[remaining]
        self._uncertain = self._uncertain[self._known[self._uncertain >> _TIME_BITS]]

    def put(self, numbers: Integers, since_us: Integers, series: Series) -> None:
        """Replace all of each channel from its instant on with the readings given."""
        owner = series.owner
        informative = ~self._registers[numbers[owner]] | np.isfinite(series.value)
        owner = owner[informative]
        keys = self._keys_of(numbers[owner], series.ts_us[informative])
        if self._uncertain.size or series.uncertain is not None:
            since = np.full(self.channels.size, np.iinfo(np.int64).max)
            since[numbers] = self._keys_of(numbers, since_us)
            left = self._uncertain[self._uncertain < since[self._uncertain >> _TIME_BITS]]
            more = keys[:0] if series.uncertain is None else keys[series.uncertain[informative]]
            self._uncertain = np.concatenate((left, more))
        # what is there is many times what is new: it is moved as it lies, and not sorted again
        first, end = self.places(numbers, since_us), self.starts(numbers + 1)
        remaining = np.ones(self._keys.size, dtype=np.bool_)
        remaining[_through(first, end - first)] = False
        gone_before = np.cumsum(end - first) - (end - first)
        counts = np.bincount(owner, minlength=numbers.size)
        is_new = np.zeros(self._keys.size - int((end - first).sum()) + keys.size, dtype=np.bool_)
        is_new[_through(first - gone_before + np.cumsum(counts) - counts, counts)] = True
        self._keys = _woven(is_new, self._keys[remaining], keys)
        self._value = _woven(is_new, self._value[remaining], series.value[informative])

    def know(self, numbers: Integers, whole: Bools) -> None:
        """Note that the channels' newest readings are all there; ``whole``: so are all others."""
        self._known[numbers] = True
        self._whole[numbers] = whole

    def is_register(self, numbers: Integers) -> Bools:
        """Whether each channel is a register."""
        return self._registers[numbers]

    def in_reach(self, ts_us: Integers) -> Bools:
        """Whether an instant can be remembered: up to a year from now."""
        return (ts_us > self._base_us) & (ts_us - self._base_us < (1 << _TIME_BITS) - 1)

    def _keys_of(self, numbers: Integers, ts_us: Integers) -> Integers:
        return (numbers << _TIME_BITS) + np.clip(ts_us - self._base_us, 0, (1 << _TIME_BITS) - 1)

    def _drop_old(self, before_us: int) -> None:
        # what is old changes when a minute begins
        if not self._keys.size or before_us == self._dropped_before_us:
            return
        self._dropped_before_us = before_us
        numbers = np.flatnonzero(self._known)
        starts = self.starts(numbers)
        first = self.places(numbers, np.full(numbers.size, before_us)) - _AROUND
        # not each time by a reading or two: each costs as much as all
        if np.mean(first - starts) < _AROUND:
            return
        self._whole[numbers[first > starts]] = False
        owner = self._keys >> _TIME_BITS
        begins = np.zeros(self.channels.size, dtype=np.int64)
        begins[numbers] = first
        remaining = np.arange(owner.size) >= begins[owner]
        self._keys, self._value = self._keys[remaining], self._value[remaining]
        if self._uncertain.size:
            self._uncertain = np.intersect1d(self._uncertain, self._keys, assume_unique=True)


class HeadReadings:
    """Readings for one tick: from memory where they are there, else from the database."""

    def __init__(self, head: Head, stored: StoredReadings, current_minute: int) -> None:
        self._head, self._stored = head, stored
        self._live_from_us = (current_minute - _LIVE_MINUTES + 1) * MINUTE_US

    def refresh(self, channels: Integers, since_us: Integers) -> None:
        """Take up what changed: ``channels`` of the plan ascending, each from an instant on."""
        head = self._head
        numbers = head.numbers(channels)
        live = since_us >= self._live_from_us
        head.forget(numbers[~live])
        if head.channels.size > _MAX_CHANNELS:
            return
        numbers, since_us, channels = numbers[live], since_us[live], channels[live]
        known = head.is_known(numbers)
        if known.any():
            series = self._stored.since(channels[known], since_us[known])
            head.put(numbers[known], since_us[known], series)
        if not known.all():
            self._load(channels[~known], numbers[~known])

    def _load(self, channels: Integers, numbers: Integers) -> None:
        register = self._head.is_register(numbers)
        first = self._live_from_us // MINUTE_US
        same = np.ones(channels.size, dtype=np.int64)
        series = self._stored.read(
            SeriesRequests(
                channels=channels,
                firsts=same * first,
                lasts=same * (first + _FOR_EVER),
                before=same * _AROUND,
                after=register.astype(np.int64),
            )
        )
        # a reading too far away to be remembered: such a channel is read from the database
        owner = series.owner
        far = np.zeros(channels.size, dtype=np.bool_)
        far[owner[~self._head.in_reach(series.ts_us)]] = True
        near_enough = ~far[owner]
        near = Series.sorted(
            owner[near_enough],
            series.ts_us[near_enough],
            series.value[near_enough],
            channels.size,
            None if series.uncertain is None else series.uncertain[near_enough],
        )
        before = np.bincount(near.owner[near.ts_us < self._live_from_us], minlength=channels.size)
        self._head.put(numbers, np.zeros(channels.size, dtype=np.int64), near)
        self._head.know(numbers[~far], (before < _AROUND)[~far])

    def read(self, requests: SeriesRequests) -> Series:
        """As :meth:`StoredReadings.read`; the channels must be the plan's."""
        head = self._head
        numbers = head.numbers(requests.channels)
        starts = head.starts(numbers)
        lows = head.places(numbers, requests.firsts * MINUTE_US) - requests.before
        here = head.is_known(numbers) & ((lows >= starts) | head.is_whole(numbers))
        lows = np.maximum(lows, starts)
        highs = np.minimum(
            head.places(numbers, (requests.lasts + 1) * MINUTE_US) + requests.after,
            head.starts(numbers + 1),
        )
        sizes = np.where(here, highs - lows, 0)
        bounds = np.concatenate(([0], np.cumsum(sizes)))
        places = _through(lows, sizes)
        ts_us, value = head.values(places)
        uncertain = head.uncertain(places)
        if here.all():
            return Series(ts_us=ts_us, value=value, bounds=bounds, uncertain=uncertain)
        far = self._stored.read(requests.where(~here))
        owner = np.concatenate(
            (np.repeat(np.arange(len(requests)), sizes), np.flatnonzero(~here)[far.owner])
        )
        return Series.sorted(
            owner,
            np.concatenate((ts_us, far.ts_us)),
            np.concatenate((value, far.value)),
            len(requests),
            joined(uncertain, places.size, far),
        )

    def neighbours(
        self, channels: Integers, since_us: Integers, lasts: Integers, count: int
    ) -> tuple[Integers, Integers]:
        """As :meth:`StoredReadings.neighbours`; the channels must be registers of the plan."""
        head = self._head
        numbers = head.numbers(channels)
        starts, ends = head.starts(numbers), head.starts(numbers + 1)
        place = head.places(numbers, since_us)
        here = head.is_known(numbers) & ((place - count >= starts) | head.is_whole(numbers))
        before, after = since_us // MINUTE_US, lasts.copy()
        some = here & (place > starts)
        before[some] = head.values(np.maximum(place - count, starts)[some])[0] // MINUTE_US
        place = head.places(numbers, (lasts + 1) * MINUTE_US)
        some = here & (place < ends)
        after[some] = head.values(np.minimum(place + count, ends)[some] - 1)[0] // MINUTE_US
        if not here.all():
            before[~here], after[~here] = self._stored.neighbours(
                channels[~here], since_us[~here], lasts[~here], count
            )
        return before, after


def _through(firsts: Integers, sizes: Integers) -> Integers:
    """Return so many consecutive places from each first one on, one after the other."""
    begins = np.cumsum(sizes) - sizes
    return np.repeat(firsts - begins, sizes) + np.arange(int(sizes.sum()))


def _woven(is_new: Bools, old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    """Return both as one, the new ones at the places given."""
    both = np.empty(is_new.size, dtype=old.dtype)
    both[is_new] = new
    both[~is_new] = old
    return both
