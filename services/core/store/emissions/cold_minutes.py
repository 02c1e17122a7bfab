"""Packed days of minutes that are computed again: read, changed and packed anew as arrays.

Rows are made of none of them. Whoever does it holds the facility, so that what was read holds until
the commit; whoever is killed leaves the packed days as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from services.core.store.packing.days import Integers, instants
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US

#: Days of one source lie this far apart from those of the next in what orders them: more than days
#: since the epoch.
_SOURCE_KEY: Final = 1 << 32

_REPLACE: Final = """
SELECT replace_minutes(%s::int8[]::int4[], %s::int8[]::int4[], %s, %s, %s, %b::bytea[], %b::bytea[])
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColdDays:
    """Packed days of sources, in order of source and day."""

    #: of each day: its source and number as one, and the id of its packed row
    keys: Integers
    ids: Integers
    #: masses as in force
    minutes: PackedMinutes
    #: their packed rows tell other masses than are in force
    follow: bool

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


def read(connection: psycopg.Connection[Any], keys: Integers) -> ColdDays | None:
    """Read the packed days that hold minutes of the keys; None: there are none.

    :raises DamagedDayError: one of them cannot be unpacked.
    """
    sources, minutes = _parts(keys)
    old = days.may_be_packed(minutes)
    if not old.any():
        return None
    day_keys = np.unique(_day_keys(sources[old], minutes[old]))
    packed = connection.execute(
        days.PACKED, (day_keys // _SOURCE_KEY, day_keys % _SOURCE_KEY), binary=True
    ).fetchall()
    if not packed:
        return None
    parts = [days.unpacked(source_id, day, bytes(blob)) for _, source_id, day, blob in packed]
    owners = np.array([source_id for _, source_id, *_ in packed], dtype=np.int64)
    stored = PackedMinutes(
        source=np.repeat(owners, [len(part) for part in parts]),
        minutes=MinuteColumns.joined(parts),
    )
    in_force = minute_history.in_force(connection, stored)
    return ColdDays(
        keys=owners * _SOURCE_KEY + np.array([day for _, _, day, _ in packed], dtype=np.int64),
        ids=np.array([pack_id for pack_id, *_ in packed], dtype=np.int64),
        minutes=in_force,
        follow=in_force is not stored,
    )


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
    packed, digests = [], []
    for i, (source_id, day) in enumerate(zip(sources.tolist(), numbers.tolist(), strict=True)):
        part = minutes.where(slice(int(bounds[i]), int(bounds[i + 1])))
        packed.append(codec.pack(part, factors_of(connection, plan, source_id, day)))
        digests.append(part.digest())
    connection.execute(
        _REPLACE,
        (
            sources,
            numbers,
            changed.ids,
            instants(minutes.minute[bounds[:-1]] * MINUTE_US),
            instants(minutes.minute[bounds[1:] - 1] * MINUTE_US),
            digests,
            packed,
        ),
    )
    for source_id, day in zip(sources.tolist(), numbers.tolist(), strict=True):
        if changed.follow:
            days.follow_no_more(connection, source_id, day)
        opened.hide_minutes(connection, source_id, day)


def _parts(keys: Integers) -> tuple[Integers, Integers]:
    return keys >> 32, keys & 0xFFFFFFFF


def _day_keys(sources: Integers, minutes: Integers) -> Integers:
    return sources * _SOURCE_KEY + minutes // DAY_MINUTES
