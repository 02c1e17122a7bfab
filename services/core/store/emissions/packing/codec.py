"""Columns of minutes to bytes and back, every bit kept.

The amount of activity comes first; what follows from it is said, not stored: the rounded amount,
and masses that are what factors make of it (:class:`Factors`). Both are compared at packing, minute
by minute; a mass that differs is packed as it is, as those of stacks are. A column that equals
another is said to, and one of zeros is not there at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np

from services.core.accounting.minute_rounding import billionths
from services.core.store.emissions.packing.columns import (
    COLUMNS,
    NULLABLE,
    Bools,
    Floats,
    MinuteColumns,
)
from services.core.store.packing.blobs import (
    RISING,
    DamagedError,
    Source,
    check_lengths,
    check_packed,
    closed,
    floats,
    integers,
    text,
    unpacking,
)
from services.core.store.packing.days import Integers
from services.core.store.schema.figures import MASSES, names

#: How a column is packed.
_STORED, _SAME, _OF_AMOUNT, _BY_FACTOR = range(4)

_AMOUNT: Final = "activity_n"
_END: Final = ""

_MASSES: Final = names(MASSES)
_ALL: Final = frozenset(names(COLUMNS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Factors:
    """Kilograms per unit of activity, in force from a minute on (since the epoch)."""

    first: int
    #: by mass
    per_unit_kg: Mapping[str, float]


def pack(minutes: MinuteColumns, factors: Sequence[Factors] = ()) -> bytes:
    """Pack one minute or more; as :func:`pack_days`."""
    (packed,) = pack_days(minutes, np.array([0, len(minutes)]), factors)
    return packed


def pack_days(
    minutes: MinuteColumns, bounds: Integers, factors: Sequence[Factors] = ()
) -> list[bytes]:
    """Pack parts of a source's minutes, each by itself, none of them empty.

    ``bounds``: where each begins, and the last one ends. ``factors``, ascending, are those that may
    tell masses. What follows from amounts is computed and compared for all parts at once.

    :raises DamagedError: what was packed does not come back as it was; nothing is to be removed.
    """
    shortcuts = _Shortcuts.compare(minutes, bounds[:-1], _masses(minutes, factors))
    return [
        _packed(minutes.where(slice(first, end)), factors, shortcuts, part)
        for part, (first, end) in enumerate(pairwise(bounds.tolist()))
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shortcuts:
    """What of each part need not be stored, by name of a figure, one flag for each part."""

    #: some of it is not zero; all of it is, where the name is missing
    present: Mapping[str, Bools]
    #: the rounded amount follows from the amount
    of_amount: Bools
    by_factor: Mapping[str, Bools]
    #: a mass equals another
    same: Mapping[tuple[str, str], Bools]

    @classmethod
    def compare(
        cls, minutes: MinuteColumns, begins: Integers, by_factor: Mapping[str, Integers]
    ) -> _Shortcuts:
        figures = minutes.figures
        present = [name for name in names(COLUMNS) if figures[name].any()]
        masses = [name for name in present if name in _MASSES]

        def equal(column: Integers, other: Integers) -> Bools:
            return np.logical_and.reduceat(column == other, begins)

        return cls(
            present={name: np.logical_or.reduceat(figures[name] != 0, begins) for name in present},
            of_amount=equal(_amount(minutes.minute, minutes.activity), figures[_AMOUNT]),
            by_factor={name: equal(by_factor[name], figures[name]) for name in masses if by_factor},
            same={
                (other, name): equal(figures[other], figures[name])
                for other, name in combinations(masses, 2)
            },
        )


def _packed(
    minutes: MinuteColumns, factors: Sequence[Factors], shortcuts: _Shortcuts, part: int
) -> bytes:
    """Pack a part."""
    factors = _holding(factors, minutes)
    masses: list[str] = []
    stored: list[str] = []
    columns = [
        integers(minutes.minute, RISING),
        _positions(minutes.without_activity),
        floats(minutes.activity[~minutes.without_activity]),
        integers(np.array([f.first for f in factors], dtype=np.int64), RISING),
    ]
    for name, present in shortcuts.present.items():
        if not present[part]:
            continue
        columns.append(text(name))
        same = next((m for m in masses if name in _MASSES and shortcuts.same[m, name][part]), None)
        if name == _AMOUNT and shortcuts.of_amount[part]:
            columns.append(bytes([_OF_AMOUNT]))
        elif same is not None:
            columns += [bytes([_SAME]), text(same)]
        elif name in shortcuts.by_factor and shortcuts.by_factor[name][part]:
            per_unit_kg = np.array([f.per_unit_kg[name] for f in factors])
            columns += [bytes([_BY_FACTOR]), floats(per_unit_kg)]
        else:
            columns += [bytes([_STORED]), integers(minutes.figures[name])]
            stored.append(name)
        if name in _MASSES:
            masses.append(name)
    columns.append(text(_END))
    columns += [_positions(minutes.unknown[name]) for name in names(NULLABLE)]
    packed = closed(*columns)
    # the others were computed as they are when it is unpacked, and compared with what they are
    check_packed(is_same=unpack(packed, stored).is_same(minutes, stored))
    return packed


def _positions(flags: Bools) -> bytes:
    return integers(np.flatnonzero(flags), RISING)


def unpack(packed: bytes, only: Collection[str] | None = None) -> MinuteColumns:
    """Return what :func:`pack` was given.

    ``only``: of figures no others but these, which may be no masses that others tell; the rest is
    0.

    :raises DamagedError: it is not what was packed.
    """
    with unpacking():
        return _unpack(packed, _ALL if only is None else only)


def _unpack(packed: bytes, wanted: Collection[str]) -> MinuteColumns:
    source = Source(packed)
    minute = source.integers()
    without_activity = source.flags(minute.size)
    present = source.floats()
    activity = np.zeros(minute.size, dtype=np.float64)
    activity[~without_activity] = present
    firsts = source.integers()
    figures: dict[str, Integers] = {}
    same: dict[str, str] = {}
    while (name := source.text()) != _END:
        kind = source.byte()
        if kind == _SAME:
            same[name] = source.text()
        elif kind == _OF_AMOUNT:
            if name in wanted:
                figures[name] = _amount(minute, activity)
        elif kind == _BY_FACTOR:
            per_unit_kg = source.floats()
            if name in wanted:
                figures[name] = _mass(minute, activity, firsts, per_unit_kg)
        elif kind != _STORED:
            raise DamagedError("a column is of an unknown kind")
        elif name in wanted:
            figures[name] = source.integers()
        else:
            source.skip()
    # one that others equal comes before them
    figures |= {name: figures[other] for name, other in same.items() if name in wanted}
    unknown = {name: source.flags(minute.size) for name in names(NULLABLE)}
    source.ends()
    check_lengths(minute.size, figures.values())
    nothing = np.zeros(minute.size, dtype=np.int64)
    return MinuteColumns(
        minute=minute,
        figures={name: figures.get(name, nothing) for name in names(COLUMNS)},
        unknown=unknown,
        activity=activity,
        without_activity=without_activity,
    )


def _amount(minute: Integers, activity: Floats) -> Integers:
    with np.errstate(all="ignore"):
        return billionths(minute, np.ones(minute.size, dtype=np.bool_), activity)


def _masses(minutes: MinuteColumns, factors: Sequence[Factors]) -> dict[str, Integers]:
    """Return what the factors make of the amounts, by mass."""
    firsts = np.array([f.first for f in factors], dtype=np.int64)
    if not factors or minutes.minute[0] < firsts[0]:
        return {}
    return {
        name: _mass(
            minutes.minute,
            minutes.activity,
            firsts,
            np.array([f.per_unit_kg[name] for f in factors]),
        )
        for name in names(MASSES)
    }


def _mass(minute: Integers, activity: Floats, firsts: Integers, per_unit_kg: Floats) -> Integers:
    place = np.searchsorted(firsts, minute, side="right") - 1
    return _amount(minute, activity * per_unit_kg[place])


def _holding(factors: Sequence[Factors], minutes: MinuteColumns) -> Sequence[Factors]:
    """Return the factors that any of the minutes has."""
    first, last = int(minutes.minute[0]), int(minutes.minute[-1])
    return [
        f
        for i, f in enumerate(factors)
        if f.first <= last and (i + 1 == len(factors) or factors[i + 1].first > first)
    ]
