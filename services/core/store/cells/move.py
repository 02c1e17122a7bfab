"""A facility moved from one cell to another, step by step; killed at any, it goes on from there.

Until the commit that :func:`_freeze` ends with the facility lives in the old cell, and from
:func:`services.core.store.cells.arrival.arrive` on in the new one. Between these two commits it
lives nowhere, and everything that it was waits in the new cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from services.core.store.cells import arrival as arriving
from services.core.store.cells import clearing, departure, late_messages, shared_factors
from services.core.store.cells.arrival import Arrival
from services.core.store.cells.departure import Departure
from services.core.store.cells.equality import Seal, Seals, make_equal, of_proof, seals, total
from services.core.store.cells.errors import CellError
from services.core.store.cells.parts import PARTS, Numbers, numbers_of
from services.core.store.database import locks

#: Passes over what differs before nothing may change: each has less to do than the one before.
_PASSES: Final = 2

_HORIZON: Final = "SELECT horizon FROM reading_horizon"
_PACKED: Final = "SELECT id, upto_day FROM packing_horizon"

_FINISHED: Final = "UPDATE cell_departure SET finished_at = clock_timestamp() WHERE id = %s"

#: Computes the facility's hours again, in the new cell, in a transaction that is open there;
#: returns how many there are.
Verify = Callable[[psycopg.Connection[Any], str], int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two cells."""

    name: str
    connection: psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class Move:
    """What every step of a move needs."""

    facility: str
    old: Side
    new: Side
    by: str
    #: is told each step when it has been done
    step: Callable[[str], None]
    #: is told how many rows were copied
    copied: Callable[[int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """What a move came to."""

    rows: int
    verified_hours: int
    #: messages that came too late and are to be tried in the new cell
    late: int
    cleared: int
    proof: Mapping[str, Seal]


def move(task: Move, verify: Verify) -> Moved:
    """Move a facility, or go on with a move of it that was cut off.

    :raises CellError: it cannot move as asked, and lives where it did.
    :raises UnequalError: rows are not what they were proved to be; nothing was deleted.
    """
    with alone(task):
        return _moved(task, verify)


def _moved(task: Move, verify: Verify) -> Moved:
    under_way = departure.unfinished(task.old.connection, task.facility)
    if under_way is None or under_way.left_at is None:
        under_way = _bring(task, verify)
    elif under_way.to_cell != task.new.name:
        # which may have had it once
        raise _has_left(under_way)
    came = _arrive(task)
    late = late_messages.hand_over(task.old.connection, task.new.connection, under_way)
    task.step("late messages handed over")
    numbers, proof = departure.as_numbers(under_way), of_proof(came.proof or {})
    clearing.compare(task.old.connection, numbers, proof)
    task.step("old rows compared")
    cleared = clearing.clear(task.old.connection, numbers)
    task.old.connection.execute(_FINISHED, (under_way.id,))
    task.step("old rows deleted")
    return Moved(
        rows=sum(seal.rows for seal in proof.values()),
        verified_hours=came.verified_hours or 0,
        late=late,
        cleared=cleared,
        proof=proof,
    )


@contextmanager
def alone(task: Move) -> Iterator[None]:
    """See that nobody else moves a facility from or to these cells, nor ends such a move.

    :raises CellError: somebody does.
    """
    taken = []
    try:
        for side in (task.old, task.new):
            row = side.connection.execute("SELECT pg_try_advisory_lock(%s)", (locks.MOVES,))
            if row.fetchone() != (True,):
                raise CellError(
                    f"a facility is being moved from or to cell {side.name} just now: wait until"
                    " that is done, or end that command"
                )
            taken.append(side.connection)
        yield
    finally:
        for connection in taken:
            if not connection.closed:
                connection.execute("SELECT pg_advisory_unlock(%s)", (locks.MOVES,))


def _bring(task: Move, verify: Verify) -> Departure:
    """Copy, verify, freeze; the facility has left when this returns."""
    old, new = task.old.connection, task.new.connection
    numbers = _numbers(task)
    _refuse_horizon(task)
    shared_factors.copy_missing(old, new, numbers)
    shared_factors.refuse_other(old, new, numbers, task.new.name)
    begun = departure.begin(old, numbers, task.new.name, by=task.by)
    task.step("departure begun")
    came = arriving.begin(new, task.facility, task.old.name)
    task.step("arrival begun")
    for _ in range(_PASSES):
        _make_equal(task, numbers)
    task.step("copied")
    with _one_state(old):
        numbers = _numbers(task)
        known = _make_equal(task, numbers)
    # what is in neither database afterwards cannot be believed in either
    with new.transaction(force_rollback=True):
        arriving.put_in_place(new)
        hours = verify(new, task.facility)
    arriving.note_verified(new, came, hours)
    task.step("verified")
    _freeze(task, begun, came, known)
    task.step("left")
    left = departure.unfinished(old, task.facility)
    assert left is not None  # noqa: S101 - it has just left
    return left


def _freeze(task: Move, begun: Departure, came: Arrival, known: Mapping[str, Seals]) -> None:
    """Copy what changed last, and let the facility leave: one transaction of the old cell."""
    old, new = task.old.connection, task.new.connection
    numbers = _numbers(task)
    with departure.frozen(old, numbers):
        # what was applied just before is among them
        if _numbers(task) != numbers:
            raise CellError(
                f"the file of {task.facility} was applied just now: run this again, it goes on"
                " from here"
            )
        task.step("frozen")
        proof = {
            table: total(of_pieces)
            for table, of_pieces in _make_equal(task, numbers, known).items()
        }
        horizons = dict(old.execute(_PACKED).fetchall())
        arriving.stage(new, came, proof, horizons)
        task.step("staged")
        departure.leave(old, begun, numbers, proof, by=task.by, step=task.step)


def _arrive(task: Move) -> Arrival:
    """Let the facility live in the new cell, unless it does already."""
    new = task.new.connection
    newest = next(iter(arriving.arrivals(new, task.facility)), None)
    if newest is None or newest.staged_at is None:
        raise CellError(
            f"{task.facility} left for cell {task.new.name}, whose database does not have it:"
            " restore that database, or correct TONNE_CELLS"
        )
    if newest.arrived_at is None:
        arriving.arrive(new, newest, by=task.by)
    task.step("arrived")
    return newest


def cancel(task: Move) -> int:
    """End a move of a facility that has not left; return how many copied rows were deleted.

    :raises CellError: it has left, so that the move can only go on.
    """
    with alone(task):
        return _cancelled(task)


def _cancelled(task: Move) -> int:
    under_way = departure.unfinished(task.old.connection, task.facility)
    if under_way is None:
        raise CellError(f"{task.facility} is not moving")
    if under_way.left_at is not None:
        raise _has_left(under_way)
    numbers = departure.as_numbers(under_way)
    gone = clearing.clear(task.new.connection, numbers, rest=lambda _s: None)
    arriving.give_up(task.new.connection, task.facility)
    task.old.connection.execute("DELETE FROM cell_departure WHERE id = %s", (under_way.id,))
    return gone


def _has_left(departure: Departure) -> CellError:
    return CellError(
        f"{departure.facility} left for cell {departure.to_cell}: finish the move with"
        f" `tonne cells move {departure.facility} --to {departure.to_cell}`"
    )


def _numbers(task: Move) -> Numbers:
    numbers = numbers_of(task.old.connection, task.facility)
    if numbers is None:
        raise CellError(f"there is no facility {task.facility} in cell {task.old.name}")
    return numbers


def _make_equal(
    task: Move, numbers: Numbers, known: Mapping[str, Seals] | None = None
) -> dict[str, Seals]:
    """Let both cells have the same of every table; return the seals of it, by piece."""
    return {
        part.table: make_equal(
            task.old.connection,
            task.new.connection,
            part,
            numbers,
            known=None if known is None else known[part.table],
            copied=lambda seal: task.copied(seal.rows),
        )
        for part in PARTS
    }


def _refuse_horizon(task: Move) -> None:
    """Refuse to move readings to where those of their time have been dropped."""
    in_old, in_new = (
        (row[0] if row else None)
        for row in (side.connection.execute(_HORIZON).fetchone() for side in (task.old, task.new))
    )
    if in_new is not None and (in_old is None or in_old < in_new):
        raise CellError(
            f"cell {task.new.name} has dropped readings from before {in_new:%Y-%m-%d}, and cell"
            f" {task.old.name} has some of that time: choose a cell that keeps readings as long"
        )


@contextmanager
def _one_state(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Let everything that is read be of one state of the database."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def rows_of(task: Move) -> int:
    """Count the facility's rows in the old cell; of years of readings that takes a while."""
    numbers = _numbers(task)
    return sum(total(seals(task.old.connection, part, numbers, "lives")).rows for part in PARTS)
