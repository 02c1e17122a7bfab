"""Rows of emission_minute as arrays: reads those that are stored, writes those that differ.

Only who holds the facility writes minutes, so that what was read before holds until the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.emissions.minute_changes import Changes, SourceMinutes
from services.core.store.emissions.packing.columns import MinuteColumns
from services.core.store.schema.figures import COMPUTED, names, per_figure
from services.core.timeline.instants import MINUTE_US

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: A key is the source's id and the minute.
_MINUTE_BITS: Final = 32
_MINUTE_MASK: Final = (1 << _MINUTE_BITS) - 1

_NAMES: Final = names(COMPUTED)
_COVERED: Final = _NAMES.index("covered_ms")
#: The one figure that may be unknown.
_AMOUNT: Final = "activity_n"

_ROW: Final = PackedRows(
    source="int4",
    us="timestamptz",
    has_amount="bool",
    has_activity="bool",
    activity="float8",
    **{figure.name: figure.type for figure in COMPUTED},
)

# The LATERAL looks each run of minutes up instead of reading the hypertable; `oldest` and `newest`
# keep it from looking in other chunks.
_STORED: LiteralString = f"""
SELECT {
    _ROW.sql(
        "x.source_id",
        "m.minute",
        "m.activity_n IS NOT NULL",
        "m.activity IS NOT NULL",
        "coalesce(m.activity, 0)",
        *(f"coalesce(m.{f}, 0)" if f.nullable else f"m.{f}" for f in COMPUTED),
    )
}
FROM unnest(%(sources)s::int4[], %(firsts)s::int8[], %(lasts)s::int8[])
     AS x(source_id, first, last)
CROSS JOIN LATERAL (
    SELECT * FROM public.emission_minute e
    WHERE e.source_id = x.source_id
      AND e.minute >= minute_start(x.first) AND e.minute <= minute_start(x.last)
      AND e.minute BETWEEN %(oldest)s::timestamptz AND %(newest)s::timestamptz
    OFFSET 0) m
"""  # noqa: S608 - how rows are packed

# What closing added is left alone: it is the hour's matter, set when the hour is judged again.
_WRITE: LiteralString = f"""
INSERT INTO public.emission_minute (source_id, minute, {per_figure(COMPUTED)}, activity)
SELECT source_id, minute_start(minute), {per_figure(COMPUTED)}, activity
FROM (
    SELECT source_id, minute, {per_figure(f for f in COMPUTED if not f.nullable)},
           CASE WHEN has_activity THEN activity_n END AS activity_n,
           CASE WHEN has_activity THEN activity END AS activity
    FROM unnest(%(sources)s::int8[], %(minutes)s::int8[], %(has_activity)s::bool[],
                %(activity)s::float8[], {per_figure(COMPUTED, "%({f})s::int8[]")})
         AS u(source_id, minute, has_activity, activity, {per_figure(COMPUTED)})) s
ON CONFLICT (source_id, minute) DO UPDATE
SET {per_figure(COMPUTED, "{f} = excluded.{f}")}, activity = excluded.activity
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True, slots=True)
class MinuteRows:
    """Minutes of sources in the order of their keys, none of them twice; row i of each."""

    keys: Integers
    #: one column for each figure that is computed; 0 where it is none
    figures: Integers
    has_amount: Bools
    has_activity: Bools
    #: before it was rounded; 0 where there is none
    activity: NDArray[np.float64]

    def __len__(self) -> int:
        return self.keys.size

    @property
    def sources(self) -> Integers:
        """The source of each."""
        return self.keys >> _MINUTE_BITS

    @property
    def minutes(self) -> Integers:
        """The minute since the epoch of each."""
        return self.keys & _MINUTE_MASK

    @classmethod
    def none(cls) -> MinuteRows:
        """Return no rows."""
        return cls.received(None)

    @classmethod
    def computed(cls, parts: Sequence[SourceMinutes]) -> MinuteRows:
        """Return what was computed."""
        has_activity = np.repeat(
            [part.activity is not None for part in parts], [part.minutes.size for part in parts]
        ) & ~np.concatenate([part.beyond for part in parts])
        activity = [np.zeros(p.minutes.size) if p.activity is None else p.activity for p in parts]
        figures = np.stack(
            [np.concatenate([part.figures[name] for part in parts]) for name in _NAMES], axis=1
        )
        for column in (i for i, figure in enumerate(COMPUTED) if figure.nullable):
            # an amount that cannot be is none at all
            figures[~has_activity, column] = 0
        return cls._in_order(
            key(
                np.concatenate([part.source_ids for part in parts]),
                np.concatenate([part.minutes for part in parts]),
            ),
            figures,
            has_activity,
            has_activity,
            np.where(has_activity, np.concatenate(activity), 0.0),
        )

    @classmethod
    def received(cls, packed: bytes | None) -> MinuteRows:
        """Return what :data:`_STORED` gave."""
        rows = _ROW.rows(packed)
        return cls._in_order(
            key(rows["source"].astype(np.int64), rows["us"] // MINUTE_US),
            np.stack([rows[name].astype(np.int64) for name in _NAMES], axis=1),
            rows["has_amount"],
            rows["has_activity"],
            rows["activity"],
        )

    @classmethod
    def unpacked(cls, sources: Integers, minutes: MinuteColumns) -> MinuteRows:
        """Return minutes of packed days, each with its source."""
        return cls._in_order(
            key(sources, minutes.minute),
            np.stack([minutes.figures[name] for name in _NAMES], axis=1),
            ~minutes.unknown[_AMOUNT],
            ~minutes.without_activity,
            minutes.activity,
        )

    def merged_into(
        self, sources: Integers, minutes: MinuteColumns
    ) -> tuple[Integers, MinuteColumns]:
        """Return minutes of packed days with these in the place of theirs, and their sources.

        What closing added is left alone.
        """
        packed = key(sources, minutes.minute)
        place = np.searchsorted(packed, self.keys)
        added = place == packed.size
        added[~added] = packed[place[~added]] != self.keys[~added]
        keys = np.sort(np.concatenate((packed, self.keys[added])), kind="stable")
        before, new = np.searchsorted(keys, packed), np.searchsorted(keys, self.keys)

        def column(old: NDArray[Any], values: NDArray[Any] | None) -> NDArray[Any]:
            both = np.zeros(keys.size, dtype=old.dtype)
            both[before] = old
            if values is not None:
                both[new] = values
            return both

        computed = {name: self.figures[:, i] for i, name in enumerate(_NAMES)}
        merged = MinuteColumns(
            minute=keys & _MINUTE_MASK,
            figures={
                name: column(old, computed.get(name)) for name, old in minutes.figures.items()
            },
            unknown={_AMOUNT: column(minutes.unknown[_AMOUNT], ~self.has_amount)},
            activity=column(minutes.activity, self.activity),
            without_activity=column(minutes.without_activity, ~self.has_activity),
        )
        return keys >> _MINUTE_BITS, merged

    @classmethod
    def _in_order(
        cls,
        keys: Integers,
        figures: Integers,
        has_amount: Bools,
        has_activity: Bools,
        activity: NDArray[np.float64],
    ) -> MinuteRows:
        rows = cls(
            keys=keys,
            figures=figures,
            has_amount=has_amount,
            has_activity=has_activity,
            activity=activity,
        )
        ascending = bool(np.all(keys[1:] > keys[:-1]))
        return rows if ascending else rows.where(np.argsort(keys, kind="stable"))

    def where(self, chosen: NDArray[Any]) -> MinuteRows:
        """Return those chosen, by number or by whether each is."""
        if chosen.dtype == np.bool_ and chosen.all():
            return self
        return MinuteRows(
            keys=self.keys[chosen],
            figures=self.figures[chosen],
            has_amount=self.has_amount[chosen],
            has_activity=self.has_activity[chosen],
            activity=self.activity[chosen],
        )

    def with_newer(self, newer: MinuteRows) -> MinuteRows:
        """Return both, of what is in both the newer."""
        older = self.where(~np.isin(self.keys, newer.keys, assume_unique=True))
        return MinuteRows._in_order(
            np.concatenate((older.keys, newer.keys)),
            np.concatenate((older.figures, newer.figures)),
            np.concatenate((older.has_amount, newer.has_amount)),
            np.concatenate((older.has_activity, newer.has_activity)),
            np.concatenate((older.activity, newer.activity)),
        )

    def present(self, keys: Integers) -> Bools:
        """Whether there is a row of each of the keys."""
        return self._places(keys)[1]

    def _places(self, keys: Integers) -> tuple[Integers, Bools]:
        place = np.searchsorted(self.keys, keys)
        present = place < self.keys.size
        present[present] = self.keys[place[present]] == keys[present]
        return place, present

    def _compared(self, before: MinuteRows) -> tuple[Bools, Integers, Bools]:
        """Return which are stored, by how much figures differ, and which minutes do."""
        place, present = before._places(self.keys)
        place = place[present]
        was = np.zeros_like(self.figures)
        was[present] = before.figures[place]
        change = self.figures - was
        differing: Bools = np.logical_or.reduce(change != 0, axis=1)
        differing[present] |= (
            (self.has_amount[present] != before.has_amount[place])
            | (self.has_activity[present] != before.has_activity[place])
            | (self.activity[present] != before.activity[place])
        )
        differing[~present] = self.figures[~present, _COVERED] > 0
        return present, change, differing

    def since(self, before: MinuteRows) -> Difference:
        """Return what is to be written where ``before`` is stored, and by how much it differs.

        A minute that nothing is known of, and never was, makes no difference.
        """
        if not len(before):
            # such as of history that comes in
            present, change = np.zeros(len(self), dtype=np.bool_), self.figures
            differing: Bools = self.figures[:, _COVERED] > 0
        else:
            present, change, differing = self._compared(before)
        written = self.where(differing)
        change = change if differing.all() else change[differing]
        return Difference(
            written=written,
            stored=self.where(present | differing),
            changes=Changes.from_columns(
                {
                    "sources": written.sources,
                    "minutes": written.minutes,
                    "has_activity": written.has_amount,
                    **{name: np.ascontiguousarray(change[:, i]) for i, name in enumerate(_NAMES)},
                }
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What differs between rows and those that are stored."""

    #: rows that have to be written
    written: MinuteRows
    #: rows that are stored once these are
    stored: MinuteRows
    #: by how much the written ones differ
    changes: Changes


def key(sources: Integers, minutes: Integers) -> Integers:
    """Return what orders minutes by source and time."""
    return (sources << _MINUTE_BITS) + minutes


def stored(connection: psycopg.Connection[Any], keys: Integers) -> MinuteRows:
    """Read the rows that are stored of ascending keys, and maybe of others between them."""
    if not keys.size:
        return MinuteRows.none()
    new = np.ones(keys.size, dtype=np.bool_)
    new[1:] = keys[1:] != keys[:-1] + 1
    first = np.flatnonzero(new)
    last = np.append(first[1:], keys.size) - 1
    minutes = keys & _MINUTE_MASK
    row = connection.execute(
        _STORED,
        {
            "sources": keys[first] >> _MINUTE_BITS,
            "firsts": minutes[first],
            "lasts": minutes[last],
            "oldest": _instant(minutes.min()),
            "newest": _instant(minutes.max()),
        },
        binary=True,
        # planned anew each time: only a plan for these very minutes leaves other chunks out
        prepare=False,
    ).fetchone()
    return MinuteRows.received(None if row is None else row[0])


def write(connection: psycopg.Connection[Any], rows: MinuteRows) -> None:
    """Store the rows, in place of what was stored of their minutes."""
    if not len(rows):
        return
    connection.execute(
        _WRITE,
        {
            "sources": rows.sources,
            "minutes": rows.minutes,
            "has_activity": rows.has_activity,
            "activity": rows.activity,
            **{name: np.ascontiguousarray(rows.figures[:, i]) for i, name in enumerate(_NAMES)},
        },
    )


def _instant(minute: np.int64) -> datetime:
    return datetime.fromtimestamp(int(minute) * 60, UTC)
