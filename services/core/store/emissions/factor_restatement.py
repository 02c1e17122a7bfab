"""What a new factor makes of hours: reads the amounts that are stored, writes the hours anew.

Microseconds and minutes count from the epoch, masses are whole micrograms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from services.core.store.database.arrays import PackedRows
from services.core.store.emissions import cold_hours, minute_history
from services.core.store.emissions.hour_ledger import NEXT_VERSION, supersede
from services.core.store.emissions.hour_packing import months
from services.core.store.packing import opened
from services.core.store.schema.figures import MASSES, names, per_figure
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US, to_us
from services.core.timeline.intervals import Interval

_QUEUED = """
SELECT id, source_id, from_minute, to_minute, reason FROM recompute
WHERE facility_id = %s AND step = 'factor' ORDER BY id FOR UPDATE
"""

_ADVANCE = """
UPDATE recompute SET from_minute = v.first
FROM unnest(%s::int8[], %s::int4[]) AS v(id, first) WHERE recompute.id = v.id
"""

# An amount that was rounded but not kept as it was before says too little: see activity. So does a
# mass without an amount, of a time when the source was counted otherwise.
_AMOUNT: Final = PackedRows(source="int4", us="timestamptz", value="float8")
_CLOSING: Final = PackedRows(source="int4", us="timestamptz", value="int8")
_AMOUNTS: LiteralString = f"""
SELECT {_AMOUNT.sql("source_id", "minute", "activity")},
       {_CLOSING.sql("source_id", "minute", "closing_ug")} FILTER (WHERE closing_ug <> 0),
       array_agg(DISTINCT source_id)
           FILTER (WHERE activity IS NULL AND (
               activity_n IS NOT NULL OR ({per_figure(MASSES)}) <> ({per_figure(MASSES, "0")})))
FROM public.emission_minute
WHERE {{sources}}
  AND minute >= minute_start(%(first)s) AND minute < minute_start(%(stop)s)
"""

# Where the ids of a facility's sources lie together, to read all between them takes two thirds of
# the time that it takes to look each up.
_TOGETHER: LiteralString = "source_id BETWEEN %(lowest)s AND %(highest)s"
_OF_SOURCES: LiteralString = "source_id = ANY(%(sources)s)"

_CHUNK_END = """
SELECT minute_of(range_end) FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'emission_minute'
  AND range_start <= minute_start(%(minute)s) AND range_end > minute_start(%(minute)s)
"""

# As :mod:`.minutes_and_hours` changes hours, but to figures and not by them; see there.
_CHANGE: Final = PackedRows(source="int8", minute="int8", **dict.fromkeys(names(MASSES), "int8"))
_HOURS: LiteralString = f"""
WITH changed AS (
    SELECT h.*, {per_figure(MASSES, "d.{f} AS new_{f}")}
    FROM unnest(%(sources)s::int8[], %(hours)s::int8[], {per_figure(MASSES, "%({f})s::int8[]")})
         AS d(source_id, hour, {per_figure(MASSES)})
    JOIN public.emission_hour h ON h.source_id = d.source_id
     AND h.hour = minute_start(60 * d.hour)
    WHERE ({per_figure(MASSES, "h.{f}")}) <> ({per_figure(MASSES, "d.{f}")})
), superseded AS (
    {supersede("changed h")}
), written AS (
    UPDATE public.emission_hour h
    SET {per_figure(MASSES, "{f} = c.new_{f}")}, {NEXT_VERSION}
    FROM changed c WHERE h.source_id = c.source_id AND h.hour = c.hour
)
SELECT {_CHANGE.sql("source_id", "minute_of(hour)", *(f"new_{m} - {m}" for m in names(MASSES)))},
       (SELECT count(*) FROM superseded)
FROM changed
"""

_WINDOWS: LiteralString = f"""
UPDATE rolling_total r
SET {per_figure(MASSES, "{f} = r.{f} + c.{f}")}
FROM (
    SELECT t.source_id, t.span, {per_figure(MASSES, "sum(d.{f}) AS {f}")}
    FROM unnest(%(sources)s::int8[], %(minutes)s::int8[], {per_figure(MASSES, "%({f})s::int8[]")})
         AS d(source_id, minute, {per_figure(MASSES)})
    JOIN rolling_total t ON t.source_id = d.source_id
     AND minute_start(d.minute) BETWEEN t.since AND t.upto
    GROUP BY 1, 2) c
WHERE r.source_id = c.source_id AND r.span = c.span
"""

_MINUTES: LiteralString = f"""
SELECT x.source_id, minute_of(m.minute), {per_figure(MASSES, "m.{f}")}
FROM unnest(%s::int4[], %s::int4[]) AS x(source_id, hour)
CROSS JOIN LATERAL (
    SELECT * FROM minute_in_force v WHERE v.source_id = x.source_id
       AND v.minute >= minute_start(60 * x.hour)
       AND v.minute < minute_start(60 * (x.hour + 1))) m
"""

Integers = NDArray[np.int64]

_NONE: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Queued:
    """A span of a source whose factor changed; ``stop`` exclusive."""

    id: int
    source_id: int
    first: int
    stop: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Amounts:
    """Stored minutes, one element each, in any order."""

    source: Integers
    minute: Integers
    activity: NDArray[np.float64]
    #: what closing added, of the minutes to which it added anything
    closing: tuple[Integers, Integers, Integers]
    #: sources that have minutes whose amount is not kept exactly
    unknown: frozenset[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Masses:
    """Masses of minutes or hours, or changes of them: one element each."""

    source: Integers
    #: the first one of an hour
    minute: Integers
    #: by name, of each mass
    ug: Mapping[str, Integers]

    def where(self, chosen: NDArray[np.bool_]) -> Masses:
        """Return those that are chosen."""
        return Masses(
            source=self.source[chosen],
            minute=self.minute[chosen],
            ug={name: column[chosen] for name, column in self.ug.items()},
        )

    def plus(self, other: Masses) -> Masses:
        """Return both as one."""
        return Masses(
            source=np.concatenate([self.source, other.source]),
            minute=np.concatenate([self.minute, other.minute]),
            ug={name: np.concatenate([column, other.ug[name]]) for name, column in self.ug.items()},
        )


def queued(connection: psycopg.Connection[Any], facility_id: int) -> list[Queued]:
    """Read what waits for a new factor, the oldest request first."""
    return [
        Queued(id=row[0], source_id=row[1], first=row[2], stop=row[3], reason=row[4])
        for row in connection.execute(_QUEUED, (facility_id,))
    ]


def advance(connection: psycopg.Connection[Any], firsts: Mapping[int, int]) -> None:
    """Let requests, by id, begin at a later minute."""
    if firsts:
        connection.execute(_ADVANCE, (list(firsts), list(firsts.values())))


def end(connection: psycopg.Connection[Any], ids: Iterable[int]) -> None:
    """Take requests off the queue."""
    connection.execute("DELETE FROM recompute WHERE id = ANY(%s)", (list(ids),))


def from_readings(connection: psycopg.Connection[Any], source_ids: Iterable[int]) -> None:
    """Have the sources computed from their readings instead."""
    connection.execute(
        "UPDATE recompute SET step = 'readings' WHERE step = 'factor' AND source_id = ANY(%s)",
        (list(source_ids),),
    )


def chunk_end(connection: psycopg.Connection[Any], minute: int) -> int | None:
    """Read the first minute that is not in the chunk of ``minute`` any more; None: it has none."""
    row = connection.execute(_CHUNK_END, {"minute": minute}).fetchone()
    return None if row is None else int(row[0])


def packed_month_end(connection: psycopg.Connection[Any], minute: int) -> int | None:
    """Return the end of a minute's month (UTC); None: its hours are not packed."""
    horizon = opened.horizon(connection, opened.HOURS)
    month = int(months.months_of(np.array([minute // 60]))[0])
    end = to_us(months.begin(month + 1)) // MINUTE_US
    return None if horizon is None or end > horizon.upto_day * DAY_MINUTES else end


def amounts(
    connection: psycopg.Connection[Any], source_ids: Sequence[int], first: int, stop: int
) -> Amounts:
    """Read the stored amounts from minute ``first`` to ``stop`` (exclusive), packed ones too.

    Those of the sources, and of others whose ids lie between theirs.

    They come as one value: taking up a million rows one by one costs more than finding them.
    """
    lowest, highest = min(source_ids), max(source_ids)
    together = highest - lowest < 2 * len(source_ids)
    row = connection.execute(
        _AMOUNTS.format(sources=_TOGETHER if together else _OF_SOURCES),
        {
            "sources": list(source_ids),
            "lowest": lowest,
            "highest": highest,
            "first": first,
            "stop": stop,
        },
        binary=True,
        # planned anew each time: only a plan for these very minutes leaves other chunks out
        prepare=False,
    ).fetchone()
    packed, closing, unknown = row if row is not None else (None, None, None)
    amounts, added = _AMOUNT.columns(packed), _CLOSING.columns(closing)
    old = _packed(connection, source_ids, first, stop)
    return Amounts(
        source=np.concatenate((old.source, amounts["source"].astype(np.int64))),
        minute=np.concatenate((old.minute, amounts["us"] // MINUTE_US)),
        activity=np.concatenate((old.activity, amounts["value"])),
        closing=(
            np.concatenate((old.closing[0], added["source"].astype(np.int64))),
            np.concatenate((old.closing[1], added["us"] // MINUTE_US)),
            np.concatenate((old.closing[2], added["value"])),
        ),
        unknown=(old.unknown | frozenset(unknown or ())) & frozenset(source_ids),
    )


def _packed(
    connection: psycopg.Connection[Any], source_ids: Sequence[int], first: int, stop: int
) -> Amounts:
    """Return the amounts of packed days; only where one is lacking the masses are looked at."""
    source, minute, activity = [_NONE], [_NONE], [np.zeros(0)]
    closing: list[tuple[Integers, Integers, Integers]] = [(_NONE, _NONE, _NONE)]
    lacking: set[int] = set()
    for source_id, part in minute_history.packed_parts(
        connection, source_ids, first, stop, only=("closing_ug",)
    ):
        known = ~part.without_activity
        if not known.all():
            lacking.add(source_id)
        minute.append(part.minute[known])
        activity.append(part.activity[known])
        source.append(np.full(minute[-1].size, source_id))
        closing_ug = part.figures["closing_ug"]
        if closing_ug.any():
            added = closing_ug != 0
            owner = np.full(int(added.sum()), source_id)
            closing.append((owner, part.minute[added], closing_ug[added]))
    owners, minutes, ug = (np.concatenate(column) for column in zip(*closing, strict=True))
    return Amounts(
        source=np.concatenate(source),
        minute=np.concatenate(minute),
        activity=np.concatenate(activity),
        closing=(owners, minutes, ug),
        unknown=frozenset(
            source_id
            for source_id in lacking
            if _without_amount(connection, source_id, first, stop)
        ),
    )


def _without_amount(
    connection: psycopg.Connection[Any], source_id: int, first: int, stop: int
) -> bool:
    """Whether packed minutes have a rounded amount or masses, and no amount as it was before."""
    minutes = minute_history.packed(connection, [source_id], first, stop).minutes
    columns = [~minutes.unknown["activity_n"]]
    columns += [minutes.figures[name] != 0 for name in names(MASSES)]
    return bool((np.logical_or.reduce(columns) & minutes.without_activity).any())


def write_hours(
    connection: psycopg.Connection[Any], hours: Masses, reasons: Mapping[int, str]
) -> tuple[Masses, int]:
    """Give hours their masses; those that were closed get a new version.

    Returns by how much each changed that did, and how many of these were closed.
    """
    packed = cold_hours.set_masses(connection, hours.source, hours.minute // 60, hours.ug, reasons)
    in_packed = Masses(
        source=hours.source[packed.changed],
        minute=hours.minute[packed.changed],
        ug=packed.differences,
    )
    warm = hours.where(~packed.cold)
    if not warm.source.size:
        return in_packed, packed.changed.size
    row = connection.execute(
        _HOURS,
        {
            "sources": warm.source,
            "hours": warm.minute // 60,
            **warm.ug,
            "reasons": Jsonb(reasons),
        },
        binary=True,
    ).fetchone()
    sent, closed = row if row is not None else (None, 0)
    changes = _CHANGE.columns(sent)
    in_rows = Masses(
        source=changes["source"],
        minute=changes["minute"],
        ug={name: changes[name] for name in names(MASSES)},
    )
    return in_packed.plus(in_rows), packed.changed.size + int(closed)


def change_windows(connection: psycopg.Connection[Any], changes: Masses) -> None:
    """Change each rolling total by what lies in it."""
    connection.execute(
        _WINDOWS,
        {
            "sources": changes.source,
            "minutes": changes.minute,
            **changes.ug,
        },
    )


def minutes_in_force(
    connection: psycopg.Connection[Any], hours: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], tuple[int, ...]]:
    """Read the masses by source and minute; ``hours``: source and first minute."""
    minute_history.open_intervals(
        connection,
        sorted({source_id for source_id, _ in hours}),
        [Interval(start=first, end=first + 60) for first in sorted({h[1] for h in hours})],
    )
    rows = connection.execute(_MINUTES, ([h[0] for h in hours], [h[1] // 60 for h in hours]))
    return {(row[0], row[1]): row[2:] for row in rows}
