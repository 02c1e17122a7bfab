"""Packed days of minutes that are computed: read, changed and packed as arrays.

Rows are made of none of them, nor of old days of which there is nothing yet (``pack_before``).
Whoever does it holds the facility, so that what was read holds until the commit; whoever is killed
leaves the packed days as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.emissions import minute_history
from services.core.store.emissions.minute_history import PackedMinutes
from services.core.store.emissions.minute_rows import MinuteRows
from services.core.store.emissions.packing import codec, days
from services.core.store.emissions.packing.candidates import factors_of
from services.core.store.emissions.packing.columns import MinuteColumns
from services.core.store.packing import opened
from services.core.store.packing.days import Integers, begin, instants
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US
from services.core.timeline.windows import ROLLING_MINUTES

#: Days of one source lie this far apart from those of the next in what orders them: more than days
#: since the epoch.
_SOURCE_KEY: Final = 1 << 32

_REPLACE: Final = """
SELECT replace_minutes(%s::int8[]::int4[], %s::int8[]::int4[], %s, %s, %s, %b::bytea[], %b::bytea[])
"""
_ADD: Final = """
SELECT add_packed_minutes(%s::int8[]::int4[], %s::int8[]::int4[], %s, %s, %b::bytea[], %b::bytea[])
"""

#: Of pairs of source and day those of which there is nothing, and in which no rolling window begins
#: (:mod:`.packing.candidates`); `oldest` and `newest` keep it from looking in other chunks.
_EMPTY: Final = """
SELECT x.source_id, x.day FROM unnest(%(sources)s::int8[], %(days)s::int8[]) AS x(source_id, day)
WHERE NOT EXISTS (
      SELECT FROM public.emission_minute e
      WHERE e.source_id = x.source_id AND e.minute >= minute_start(1440 * x.day)
        AND e.minute < minute_start(1440 * (x.day + 1))
        AND e.minute >= %(oldest)s::timestamptz AND e.minute < %(newest)s::timestamptz)
  AND NOT EXISTS (
      SELECT FROM rolling_total r
      WHERE r.source_id = x.source_id AND r.span = ANY(%(windows)s)
        AND r.since < minute_start(1440 * (x.day + 1))
        AND r.since >= minute_start(1440 * (x.day - 1)))
ORDER BY x.source_id, x.day
"""

#: A day of which fewer minutes are computed at once begins as rows: what comes reading by reading
#: would be packed anew for each.
_LEAST_MINUTES: Final = 240


@dataclass(frozen=True, kw_only=True, slots=True)
class ColdDays:
    """Packed days of sources, in order of source and day, and those that are to be packed."""

    #: of each day: its source and number as one, and the id of its packed row; 0: there is none
    keys: Integers
    ids: Integers
    #: masses as in force
    minutes: PackedMinutes
    #: their packed rows tell other masses than are in force
    follow: bool

    @classmethod
    def empty(cls, keys: Integers) -> ColdDays:
        """Return days of which there is nothing yet."""
        nothing = PackedMinutes(source=keys[:0], minutes=MinuteColumns.joined([]))
        return cls(keys=keys, ids=np.zeros_like(keys), minutes=nothing, follow=False)

    def holds(self, keys: Integers) -> NDArray[np.bool_]:
        """Return which keys of minutes (:func:`.minute_rows.key`) lie in one of the days."""
        return np.isin(_day_keys(*_parts(keys)), self.keys)

    def rows(self) -> MinuteRows:
        """Return their minutes as rows are compared."""
        return MinuteRows.unpacked(self.minutes.source, self.minutes.minutes)

    def where(self, chosen: NDArray[np.bool_]) -> ColdDays:
        """Return those chosen."""
        source, minutes = self.minutes.source, self.minutes.minutes
        inside = np.isin(_day_keys(source, minutes.minute), self.keys[chosen])
        return ColdDays(
            keys=self.keys[chosen],
            ids=self.ids[chosen],
            minutes=PackedMinutes(source=source[inside], minutes=minutes.where(inside)),
            follow=self.follow,
        )


def read(
    connection: psycopg.Connection[Any],
    keys: Integers,
    plan: FacilityPlan | None = None,
    pack_before: int = 0,
) -> ColdDays | None:
    """Read the packed days that hold minutes of ascending keys; None: there are none.

    With those before the day ``pack_before`` of which there is nothing yet.

    :raises DamagedDayError: one of them cannot be unpacked.
    """
    sources, minutes = _parts(keys)
    old = days.may_be_packed(minutes)
    if not old.any():
        return None
    of_minutes = _day_keys(sources[old], minutes[old])
    begins = np.flatnonzero(np.diff(of_minutes, prepend=-1))
    day_keys, counts = of_minutes[begins], np.diff(begins, append=of_minutes.size)
    packed = connection.execute(
        days.PACKED, (day_keys // _SOURCE_KEY, day_keys % _SOURCE_KEY), binary=True
    ).fetchall()
    new = day_keys[(counts >= _LEAST_MINUTES) & (day_keys % _SOURCE_KEY < pack_before)]
    new = new[~np.isin(new, _keys_of(packed), assume_unique=True)]
    empty = _empty(connection, new, plan) if new.size else new
    if not packed:
        return ColdDays.empty(empty) if empty.size else None
    parts = [days.unpacked(source_id, day, bytes(blob)) for _, source_id, day, blob in packed]
    owners = np.array([source_id for _, source_id, *_ in packed], dtype=np.int64)
    stored = PackedMinutes(
        source=np.repeat(owners, [len(part) for part in parts]),
        minutes=MinuteColumns.joined(parts),
    )
    in_force = minute_history.in_force(connection, stored)
    both = np.concatenate((_keys_of(packed), empty))
    ids = np.concatenate(([pack_id for pack_id, *_ in packed], np.zeros_like(empty)))
    order = np.argsort(both)
    return ColdDays(
        keys=both[order], ids=ids[order], minutes=in_force, follow=in_force is not stored
    )


def _keys_of(packed: Sequence[tuple[Any, ...]]) -> Integers:
    pairs = [source_id * _SOURCE_KEY + day for _, source_id, day, _ in packed]
    return np.array(pairs, dtype=np.int64)


def _empty(
    connection: psycopg.Connection[Any], day_keys: Integers, plan: FacilityPlan | None
) -> Integers:
    """Return the days of which there is nothing, of sources under no rule."""
    under_rule = [] if plan is None else [s.id for s in plan.sources.values() if s.closing]
    day_keys = day_keys[~np.isin(day_keys // _SOURCE_KEY, under_rule)]
    if not day_keys.size:
        return day_keys
    numbers = day_keys % _SOURCE_KEY
    rows = connection.execute(
        _EMPTY,
        {
            "sources": day_keys // _SOURCE_KEY,
            "days": numbers,
            "oldest": begin(int(numbers.min())),
            "newest": begin(int(numbers.max()) + 1),
            "windows": list(ROLLING_MINUTES),
        },
        # planned anew each time: only a plan for these very days leaves other chunks out
        prepare=False,
    ).fetchall()
    return np.array([source_id * _SOURCE_KEY + day for source_id, day in rows], dtype=np.int64)


def write(
    connection: psycopg.Connection[Any],
    cold: ColdDays,
    rows: MinuteRows,
    plan: FacilityPlan | None = None,
) -> None:
    """Pack days anew with rows in the place of their minutes, all of which lie in these days.

    Days without any are left alone. ``plan``: its factors tell masses where they do.

    :raises psycopg.errors.SerializationFailure: somebody changed one of the days meanwhile.
    """
    if not len(rows):
        return
    changed = cold.where(np.isin(cold.keys, _day_keys(rows.sources, rows.minutes)))
    source, minutes = rows.merged_into(changed.minutes.source, changed.minutes.minutes)
    bounds = np.append(
        np.searchsorted(_day_keys(source, minutes.minute), changed.keys), len(minutes)
    )
    sources, numbers = changed.keys // _SOURCE_KEY, changed.keys % _SOURCE_KEY
    packed = _packed(connection, plan, changed.keys, minutes, bounds)
    digests = minutes.digests(bounds)
    firsts = instants(minutes.minute[bounds[:-1]] * MINUTE_US)
    lasts = instants(minutes.minute[bounds[1:] - 1] * MINUTE_US)
    for statement, chosen, ids in (
        (_REPLACE, np.flatnonzero(changed.ids), [changed.ids[changed.ids > 0]]),
        (_ADD, np.flatnonzero(changed.ids == 0), []),
    ):
        if chosen.size:
            connection.execute(
                statement,
                (
                    sources[chosen],
                    numbers[chosen],
                    *ids,
                    firsts[chosen],
                    lasts[chosen],
                    [digests[i] for i in chosen.tolist()],
                    [packed[i] for i in chosen.tolist()],
                ),
            )
    # of a day that was not there before nobody can have been shown anything
    was_packed = changed.ids > 0
    if was_packed.any():
        opened.hide_minutes(connection, sources[was_packed], numbers[was_packed])
    if changed.follow:
        for source_id, day in zip(sources.tolist(), numbers.tolist(), strict=True):
            days.follow_no_more(connection, source_id, day)


def _packed(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan | None,
    day_keys: Integers,
    minutes: MinuteColumns,
    bounds: Integers,
) -> list[bytes]:
    """Pack days, all of a source together."""
    sources, numbers = day_keys // _SOURCE_KEY, day_keys % _SOURCE_KEY
    begins = np.flatnonzero(np.diff(sources, prepend=-1))
    packed: list[bytes] = []
    for first, end in pairwise(np.append(begins, sources.size).tolist()):
        low, high = bounds[[first, end]].tolist()
        days_of_source = int(numbers[first]), int(numbers[end - 1])
        packed += codec.pack_days(
            minutes.where(slice(low, high)),
            bounds[first : end + 1] - low,
            factors_of(connection, plan, int(sources[first]), *days_of_source),
        )
    return packed


def _parts(keys: Integers) -> tuple[Integers, Integers]:
    return keys >> 32, keys & 0xFFFFFFFF


def _day_keys(sources: Integers, minutes: Integers) -> Integers:
    return sources * _SOURCE_KEY + minutes // DAY_MINUTES
