"""Two databases made equal, and proved to be: rows are counted and hashed, what differs is copied.

A piece's seal is the number of its rows and two sums of 64-bit hashes of their text. The text of a
row is exact: PostgreSQL writes floating point numbers so that they are read back to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg import sql

from services.core.store.cells.parts import Numbers, Part

Side = Literal["lives", "waits"]

#: Number of a piece to its seal.
Seals = Mapping[int, "Seal"]

_SEALS: Final = sql.SQL(
    """
SELECT piece, count(*), sum(hashtextextended(line, 0)), sum(hashtextextended(line, 1))
FROM (SELECT {piece} AS piece, ROW({columns})::text AS line FROM {place} WHERE {condition}
      OFFSET 0) rows
GROUP BY piece
"""
)

#: The owner says so, and triggers on hours believe that these do not change.
_AS_THEY_ARE: Final = "SELECT set_config('tonne.moving_hours', 'on', true)"

#: Bytes that are passed on at once.
_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Seal:
    """What a number of rows is known by."""

    rows: int = 0
    first: int = 0
    second: int = 0

    def __add__(self, other: Seal) -> Seal:
        return Seal(
            rows=self.rows + other.rows,
            first=self.first + other.first,
            second=self.second + other.second,
        )


def seals(
    connection: psycopg.Connection[Any], part: Part, numbers: Numbers, side: Side
) -> dict[int, Seal]:
    """Count and hash the rows of a part, piece by piece.

    ``side``: ``lives`` in the cell that has the facility, ``waits`` in the one that it moves to.
    """
    return _seals(connection, part, numbers, side, sql.SQL("true"))


def _seals(
    connection: psycopg.Connection[Any],
    part: Part,
    numbers: Numbers,
    side: Side,
    within: sql.Composable,
) -> dict[int, Seal]:
    statement = _SEALS.format(
        piece=part.piece,
        columns=part.names,
        place=part.place if side == "lives" else part.waits_at,
        condition=sql.SQL("({}) AND {}").format(_condition(part, side), within),
    )
    rows = connection.execute(statement, numbers).fetchall()
    return {
        piece: Seal(rows=count, first=int(first), second=int(second))
        for piece, count, first, second in rows
    }


def _condition(part: Part, side: Side) -> sql.Composable:
    # what waits elsewhere is of this facility alone, and what it refers to may not be there
    everything = side == "waits" and not part.is_history
    return sql.SQL("true") if everything else sql.SQL(part.condition)


def total(of_pieces: Seals) -> Seal:
    """Add the seals of pieces up."""
    return sum(of_pieces.values(), Seal())


def differing(one: Seals, other: Seals) -> list[int]:
    """Return the pieces that are not the same in both."""
    return sorted(
        piece for piece in one.keys() | other.keys() if one.get(piece) != other.get(piece)
    )


def make_equal(
    old: psycopg.Connection[Any],
    new: psycopg.Connection[Any],
    part: Part,
    numbers: Numbers,
    *,
    known: Seals | None = None,
    copied: Callable[[Seal], None] = lambda _seal: None,
) -> dict[int, Seal]:
    """Copy the pieces of a part that differ; return the seals that both have then.

    Each piece is a transaction of its own in the new cell, so that a move which is killed has not
    to begin again. ``known``: the new cell's, where they were read after the last change of it.

    :raises RuntimeError: what was copied is not what was read; the old cell changed meanwhile.
    """
    in_old = seals(old, part, numbers, "lives")
    in_new = dict(seals(new, part, numbers, "waits") if known is None else known)
    for piece in differing(in_old, in_new):
        with new.transaction():
            _replace(old, new, part, numbers, piece)
            in_new |= _seals(new, part, numbers, "waits", part.within(piece))
            if piece not in in_old:
                in_new.pop(piece, None)
        copied(in_old.get(piece, Seal()))
    return in_new


def _replace(
    old: psycopg.Connection[Any],
    new: psycopg.Connection[Any],
    part: Part,
    numbers: Numbers,
    piece: int,
) -> None:
    within = part.within(piece)
    new.execute(_AS_THEY_ARE)
    new.execute(
        sql.SQL("DELETE FROM {} WHERE ({}) AND {}").format(
            part.waits_at, _condition(part, "waits"), within
        ),
        numbers,
    )
    out = sql.SQL("COPY (SELECT {} FROM {} WHERE ({}) AND {}) TO STDOUT (FORMAT BINARY)").format(
        part.names, part.place, _condition(part, "lives"), within
    )
    target = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(part.waits_at, part.names)
    with (
        old.cursor() as reading,
        new.cursor() as writing,
        reading.copy(out, numbers) as rows,
        writing.copy(target) as place,
    ):
        for block in _blocks(rows):
            place.write(block)


def _blocks(rows: Iterable[bytes | bytearray | memoryview]) -> Iterable[bytes]:
    buffered = bytearray()
    for row in rows:
        buffered += row
        if len(buffered) >= _AT_ONCE:
            yield bytes(buffered)
            buffered.clear()
    yield bytes(buffered)


def as_proof(by_table: Mapping[str, Seal]) -> dict[str, list[str]]:
    """Write seals down; hashes are numbers that JSON does not hold."""
    return {
        table: [str(seal.rows), str(seal.first), str(seal.second)]
        for table, seal in sorted(by_table.items())
    }


def of_proof(proof: Mapping[str, list[str]]) -> dict[str, Seal]:
    """Read what :func:`as_proof` wrote down."""
    return {
        table: Seal(rows=int(rows), first=int(first), second=int(second))
        for table, (rows, first, second) in proof.items()
    }
