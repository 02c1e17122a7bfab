"""Packed months of hours whose masses change: restated and packed anew as arrays.

What of an hour was in force becomes one of the versions that were replaced, as
:mod:`.hour_ledger` has it of rows. Whoever does it holds the facility.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database import database_time
from services.core.store.emissions.hour_packing import codec, months
from services.core.store.emissions.hour_packing.columns import Bools, HourColumns
from services.core.store.emissions.hour_packing.digest import digest
from services.core.store.packing import opened
from services.core.store.packing.days import Integers, instants
from services.core.timeline.instants import to_us

#: Months of one source lie this far apart from those of the next in what orders them.
_SOURCE_KEY: Final = 1 << 32

_REPLACE: Final = """
SELECT replace_hours(%s::int8[]::int4[], %s::int8[]::int4[], %s, %s, %s, %s::int8[]::int4[],
                     %b::bytea[], %b::bytea[], %b::bytea[])
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restated:
    """What became of hours that were given masses."""

    #: which of them lie in packed months
    cold: Bools
    #: the places of those that changed, and by how much, by mass
    changed: Integers
    differences: Mapping[str, Integers]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Month:
    """A month, packed anew."""

    pack_id: int
    source_id: int
    month: int
    in_force: HourColumns
    superseded: HourColumns


def set_masses(
    connection: psycopg.Connection[Any],
    sources: Integers,
    hours: Integers,
    ug: Mapping[str, Integers],
    reasons: Mapping[int, str],
) -> Restated:
    """Give hours (since the epoch) that lie in packed months their masses, for a source's reason.

    :raises DamagedDayError: a month cannot be unpacked.
    :raises psycopg.errors.SerializationFailure: somebody changed one meanwhile.
    """
    cold = np.zeros(hours.size, dtype=np.bool_)
    none = np.zeros(0, dtype=np.int64)
    nothing = Restated(cold=cold, changed=none, differences=dict.fromkeys(ug, none))
    old = np.flatnonzero(months.may_be_packed(hours))
    if not old.size:
        return nothing
    keys = sources[old] * _SOURCE_KEY + months.months_of(hours[old])
    order = np.argsort(keys, kind="stable")
    old, keys = old[order], keys[order]
    pairs = np.unique(keys)
    packed = connection.execute(
        months.PACKED, (pairs // _SOURCE_KEY, pairs % _SOURCE_KEY), binary=True
    ).fetchall()
    if not packed:
        return nothing
    now_us = to_us(database_time.present(connection))
    changed, differences, restated = [none], {name: [none] for name in ug}, list[_Month]()
    for pack_id, source_id, month, in_force, superseded in packed:
        key = source_id * _SOURCE_KEY + month
        low, high = np.searchsorted(keys, (key, key + 1))
        here = old[low:high]
        cold[here] = True
        present = months.unpacked(source_id, month, bytes(in_force))
        place = np.searchsorted(present.hour, hours[here])
        known = place < len(present)
        known[known] = present.hour[place[known]] == hours[here][known]
        here, place = here[known], place[known]
        differs: Bools = np.logical_or.reduce(
            [ug[name][here] != present.figures[name][place] for name in ug]
        )
        here, place = here[differs], place[differs]
        if not here.size:
            continue
        changed.append(here)
        for name, column in ug.items():
            differences[name].append(column[here] - present.figures[name][place])
        old_versions = months.unpacked(source_id, month, bytes(superseded))
        new = {name: column[here] for name, column in ug.items()}
        restated.append(
            _Month(
                pack_id=pack_id,
                source_id=source_id,
                month=month,
                in_force=_next_versions(present, place, new, reasons[source_id], now_us),
                superseded=_with_versions(old_versions, present, place, now_us),
            )
        )
    _replace(connection, restated)
    return Restated(
        cold=cold,
        changed=np.concatenate(changed),
        differences={name: np.concatenate(parts) for name, parts in differences.items()},
    )


def _next_versions(
    hours: HourColumns,
    place: Integers,
    masses: Mapping[str, Integers],
    reason: str,
    now_us: int,
) -> HourColumns:
    """Return the hours with the next version of those at some places."""

    def column(old: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        # columns that are equal may be one array
        both = old.copy()
        both[place] = values
        return both

    return replace(
        hours,
        figures={
            **hours.figures,
            **{name: column(hours.figures[name], new) for name, new in masses.items()},
        },
        version=column(hours.version, hours.version[place] + 1),
        reason=hours.reason.with_word(place, reason),
        known_us=column(hours.known_us, np.maximum(hours.known_us[place], now_us)),
    )


def _with_versions(
    versions: HourColumns, hours: HourColumns, place: Integers, now_us: int
) -> HourColumns:
    """Return the versions and what of the hours at some places is replaced now."""
    gone = hours.where(place)
    gone = replace(gone, last_us=np.maximum(gone.known_us, now_us))
    both = HourColumns.joined([versions, gone])
    return both.where(np.lexsort((both.version, both.hour)))


def _replace(connection: psycopg.Connection[Any], restated: list[_Month]) -> None:
    if not restated:
        return
    known = [m.in_force.known_us for m in restated]
    sources = np.array([m.source_id for m in restated], dtype=np.int64)
    numbers = np.array([m.month for m in restated], dtype=np.int64)
    connection.execute(
        _REPLACE,
        (
            sources,
            numbers,
            np.array([m.pack_id for m in restated], dtype=np.int64),
            instants(np.array([k.min() for k in known], dtype=np.int64)),
            instants(np.array([k.max() for k in known], dtype=np.int64)),
            np.array([len(m.superseded) for m in restated], dtype=np.int64),
            [digest(m.in_force, m.superseded) for m in restated],
            [codec.pack(m.in_force) for m in restated],
            [codec.pack(m.superseded) for m in restated],
        ),
    )
    opened.hide_hours(connection, sources, numbers)
