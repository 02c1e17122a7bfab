"""The cells of one API: where facilities live, which cells answer, and answers of one state.

The registry of a cell says which facilities live there. What is remembered of it is a hint: whoever
is sent to a cell that the facility has left is sent on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from services.api.http.errors import DATABASE_ERRORS, from_database
from services.api.http.problems import (
    CellAway,
    Conflict,
    DatabaseAway,
    FacilityInTwoCells,
    FacilityMoving,
)
from services.api.presence import HangingError
from services.core.runtime.cell_urls import HOME
from services.core.runtime.metrics import api_cell_seconds
from services.core.store.cells import directory
from services.core.store.cells.errors import CellError
from services.core.store.cells.places import (
    Journeys,
    Moves,
    Residents,
    cell_numbers,
    live_here,
    residents,
)
from services.core.store.cells.places import moves as read_moves
from services.core.store.database.connect import driver_connection
from services.core.store.schema.cell_tables import STEP

if TYPE_CHECKING:
    from services.api.context import Context

log = structlog.get_logger()

Result = TypeVar("Result")

#: A facility is in no cell for a tenth of a second; who asks meanwhile waits so long.
_MOVES_WITHIN_S: Final = 3.0
_LOOK_AGAIN_S: Final = 0.05
#: While a cell does not answer, it is looked so often where facilities live.
_LOOK_EVERY_S: Final = 1.0
#: A database that takes longer to say who lives there counts as away.
_GLANCE_S: Final = 3.0
#: Facilities that an answer names at most.
_MAX_NAMED: Final = 20


class AllCells:
    """The contexts of all cells, home first."""

    def __init__(self, contexts: Mapping[str, Context]) -> None:
        self.contexts = contexts
        self._cell_of: dict[str, str] = {}
        #: facilities that several have, and these cells
        self._doubled: dict[str, list[str]] = {}
        #: cells in whose place another database answers, and which cell that is; None: it is none
        self._mistaken: dict[str, str | None] = {}
        self._numbers: dict[int, str] = {}
        self._reading = asyncio.Lock()
        self._begun = 0
        #: how many facilities had arrived anywhere when it was last read where they live
        self._arrivals: int | None = None

    # -- asking one cell -------------------------------------------------------------------------

    def is_away(self, name: str) -> bool:
        """Return whether a cell did not answer lately, or another one answers in its place."""
        return name in self._mistaken or self.contexts[name].presence.is_away

    def away(self, name: str, only: Collection[str] | None = None) -> CellAway:
        """Build the problem of a cell that does not answer; ``only``: names these facilities."""
        lost = sorted(
            slug
            for slug, cell in self._cell_of.items()
            if cell == name and (only is None or slug in only)
        )
        more = f" and {len(lost) - _MAX_NAMED} more" if len(lost) > _MAX_NAMED else ""
        named = ", ".join(lost[:_MAX_NAMED]) + more if lost else "its facilities"
        return CellAway(name, named, is_another=name in self._mistaken)

    def answered(self, name: str, seconds: float) -> None:
        """Take note that a cell answered."""
        api_cell_seconds.labels(name).observe(seconds)
        self.contexts[name].presence.alive()

    def silent(self, name: str) -> None:
        """Take note that a cell does not answer."""
        self.contexts[name].presence.silent()

    async def ask(
        self,
        name: str,
        call: Callable[[Context], Awaitable[Result]],
        *,
        within_s: float | None = None,
    ) -> Result:
        """Ask one cell; ``within_s``: what takes longer was not answered.

        :raises CellAway: its database does not answer, or did not a moment ago.
        """
        if self.is_away(name):
            raise self.away(name)
        return await self._asked(name, call, within_s)

    async def _asked(
        self, name: str, call: Callable[[Context], Awaitable[Result]], within_s: float | None
    ) -> Result:
        context, began_s = self.contexts[name], time.perf_counter()
        try:
            answer = await self.unless_it_hangs(name, call(context), within_s=within_s)
        except DATABASE_ERRORS as error:
            if not isinstance(from_database(error), DatabaseAway):
                raise
            self.silent(name)
            raise self.away(name) from error
        self.answered(name, time.perf_counter() - began_s)
        return answer

    async def unless_it_hangs(
        self,
        name: str,
        work: Awaitable[Result],
        *,
        within_s: float | None = None,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> Result:
        """Await what a cell does, for as long as it answers; see :class:`..presence.Presence`.

        :raises CellAway: the cell hangs, or takes longer.
        """
        presence = self.contexts[name].presence
        try:
            return await presence.unless_it_hangs(work, within_s=within_s, may_leave=may_leave)
        except HangingError as error:
            presence.silent()
            raise self.away(name) from error

    async def _glances(
        self, names: Iterable[str], call: Callable[[Context], Awaitable[Result]]
    ) -> dict[str, Result]:
        """Take a glance at databases side by side; those that do not answer are left out."""
        asked = [name for name in names if not self.contexts[name].presence.is_away]
        answers = await asyncio.gather(
            *(self._asked(name, call, _GLANCE_S) for name in asked), return_exceptions=True
        )
        answered: dict[str, Result] = {}
        for name, answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException):
                if not isinstance(answer, CellAway):
                    raise answer
            else:
                answered[name] = answer
        return answered

    # -- where facilities live -------------------------------------------------------------------

    async def look(self) -> None:
        """Read anew where facilities live; a cell that does not answer keeps what it had."""
        asked_after = self._begun
        async with self._reading:
            if self._begun > asked_after:
                # somebody else began to read after this was asked
                return
            self._begun += 1
            read = self._recognised(await self._glances(self.contexts, _residents))
            self._take(read)
            if len(read) < len(self.contexts) and HOME in read:
                # what those have that do not answer
                for slug, name in (await self.ask(HOME, _directory)).items():
                    if name not in read:
                        self._cell_of.setdefault(slug, name)

    def _recognised(self, read: Mapping[str, Residents]) -> Mapping[str, Residents]:
        """Leave out what is another database than the cell that it was asked for.

        It has to be seen that this is over: a database that answers says nothing of it by that.
        """
        recognised: dict[str, Residents] = {}
        for name, of_cell in read.items():
            # home alone, before another cell is added, is none
            if of_cell.cell == name or (name == HOME and of_cell.cell is None):
                self._mistaken.pop(name, None)
                recognised[name] = of_cell
            elif self._mistaken.get(name, name) != of_cell.cell:
                self._mistaken[name] = of_cell.cell
                log.error("not_the_cell", named=name, is_cell=of_cell.cell)
        return recognised

    def _take(self, read: Mapping[str, Residents]) -> None:
        """Take note of who lives where; what a cell says goes before what another one had."""
        cells_of: dict[str, list[str]] = {}
        for name, of_cell in read.items():
            for slug in of_cell.slugs:
                cells_of.setdefault(slug, []).append(name)
        silent = {s: name for s, name in self._cell_of.items() if name not in read}
        self._cell_of = silent | {slug: cells[0] for slug, cells in cells_of.items()}
        before = self._doubled
        self._doubled = {slug: cells for slug, cells in cells_of.items() if len(cells) > 1}
        for slug in self._doubled.keys() - before.keys():
            log.error("facility_in_two_cells", facility=slug, cells=self._doubled[slug])

    async def _refuse_doubled(self, wanted: Callable[[str], bool]) -> None:
        """Refuse to answer of a facility that several cells have.

        :raises FacilityInTwoCells: there is one.
        """
        if any(map(wanted, self._doubled)):
            # one that moved between the looks at both is in one by now
            await self.look()
        if doubled := {slug: self._doubled[slug] for slug in filter(wanted, self._doubled)}:
            raise FacilityInTwoCells(doubled)

    async def watch(self) -> None:
        """Look where facilities live while a cell does not answer, until cancelled.

        What is remembered to live there may have moved before it fell silent.
        """
        while True:
            if any(map(self.is_away, self.contexts)):
                with suppress(CellAway, *DATABASE_ERRORS):
                    await self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def who_is_away(self) -> list[CellAway]:
        """Return what is wrong with cells that do not answer now, beside home."""
        await self.look()
        return [self.away(name) for name in self.contexts if name != HOME and self.is_away(name)]

    async def cell_of(self, slug: str) -> str | None:
        """Return the cell that a facility lives in; None: it is in none.

        :raises CellAway: a cell does not answer, and may have it.
        :raises FacilityInTwoCells: it is in more than one.
        """
        if slug not in self._cell_of:
            await self.look()
        await self._refuse_doubled(lambda other: other == slug)
        name = self._cell_of.get(slug)
        if name is None:
            for other in self.contexts:
                if self.is_away(other):
                    raise self.away(other, [])
        return name

    async def cells_of(self, facilities: Collection[str] | None) -> list[str]:
        """Return the cells that may have some of these facilities, home first; None: all cells."""
        if self._begun == 0:
            # to be able to say later what a silent cell has
            await self.look()
        if facilities is None:
            return list(self.contexts)
        if not self._cell_of.keys() >= set(facilities):
            await self.look()
        named = {self._cell_of.get(slug) for slug in facilities}
        return [
            # what is nowhere may be where nobody answers
            name
            for name in self.contexts
            if name in named or (None in named and self.is_away(name))
        ]

    async def homes(self, slugs: Collection[str]) -> dict[str, str]:
        """Return the cells that facilities live in now; one that is in none is left out.

        :raises CellAway: a cell does not answer, and may have one of them.
        :raises FacilityMoving: one is in no cell for too long.
        :raises FacilityInTwoCells: one is in more than one.
        """
        until_s = time.monotonic() + _MOVES_WITHIN_S
        while True:
            await self._refuse_doubled(lambda slug: slug in slugs)
            present = {s: cell for s in slugs if (cell := self._cell_of.get(s)) is not None}
            if len(present) == len(slugs) and await self._still(present):
                return present
            await self.look()
            present = {s: cell for s in slugs if (cell := self._cell_of.get(s)) is not None}
            nowhere = set(slugs) - present.keys()
            moving = nowhere & (await self.journeys()).in_none if nowhere else set()
            if not moving:
                for name in filter(self.is_away, self.contexts) if nowhere else ():
                    raise self.away(name, [])
                return present
            if time.monotonic() > until_s:
                raise FacilityMoving(sorted(moving))
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _still(self, present: Mapping[str, str]) -> bool:
        """Return whether facilities live where they were last seen, as far as cells answer."""
        cells = {*present.values()}
        of_cell = {name: frozenset(s for s in present if present[s] == name) for name in cells}
        lives = await asyncio.gather(
            *(self.lives(name, of_cell[name]) for name in cells if not self.is_away(name)),
            return_exceptions=True,
        )
        return all(one is True or isinstance(one, CellAway) for one in lives)

    async def facilities(self, visible: Collection[str] | None) -> list[str]:
        """Return all facilities of ``visible``; None: all that there are."""
        await self.look()
        return [slug for slug in self._cell_of if visible is None or slug in visible]

    def slugs_of(self, name: str) -> frozenset[str]:
        """Return the facilities that lived in a cell when it was last read."""
        return frozenset(slug for slug, cell in self._cell_of.items() if cell == name)

    async def lives(self, name: str, slugs: frozenset[str]) -> bool:
        """Return whether facilities still live in a cell."""

        async def read(context: Context) -> bool:
            async with context.database.read() as connection:
                return await live_here(connection, slugs)

        return await self.ask(name, read, within_s=_GLANCE_S)

    async def claim(self, slug: str, name: str, address: str) -> None:
        """Give the id of a new facility to a cell, so that no other one can have it.

        :raises Conflict: it is another cell's.
        """
        try:
            await self.contexts[HOME].database.write(
                lambda connection: directory.claim(
                    driver_connection(connection), slug, name, is_nowhere=True
                ),
                address=address,
            )
        except CellError as error:
            raise Conflict(f"{error}.") from None
        await self.contexts[name].database.write(
            lambda connection: directory.note(driver_connection(connection), slug, name),
            address=address,
        )

    async def has_moved(self, slug: str, name: str) -> bool:
        """Return whether a facility is in another cell by now than the one that was asked.

        :raises FacilityMoving: it is in none for too long.
        """
        until_s = time.monotonic() + _MOVES_WITHIN_S
        while True:
            await self.look()
            present = self._cell_of.get(slug)
            if present is not None:
                return present != name
            if slug not in (await self.journeys()).in_none:
                await self.look()
                return self._cell_of.get(slug, name) != name
            if time.monotonic() > until_s:
                raise FacilityMoving([slug])
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def by_number(self, row: int) -> list[str]:
        """Return all cells, the one that gave a row its number first."""
        if row % STEP not in self._numbers:
            self._numbers = await self.ask(HOME, _numbers)
        first = self._numbers.get(row % STEP, HOME)
        return sorted(self.contexts, key=lambda name: name != first)

    # -- answers of one state --------------------------------------------------------------------

    async def journeys(self) -> Journeys:
        """Read what has moved between the cells that answer."""
        names = [name for name in self.contexts if name not in self._mistaken]
        return Journeys(by_cell=await self._glances(names, _moves))

    async def undisturbed(
        self,
        answer: Callable[[Journeys], Awaitable[Result]],
        wanted: Callable[[str], bool] = lambda _slug: True,
        *,
        adds_up: bool = True,
    ) -> Result:
        """Return an answer over several cells while no facility moved between them.

        ``wanted``: whether the answer is of a facility; ``adds_up``: one that two cells have would
        count twice in it.

        :raises FacilityMoving: one is in no cell for too long, or one moves again and again.
        :raises FacilityInTwoCells: one is in more than one.
        """
        until_s = time.monotonic() + _MOVES_WITHIN_S
        while True:
            before = await self.journeys()
            if before.arrivals != self._arrivals:
                await self.look()
                self._arrivals = before.arrivals
            if adds_up:
                await self._refuse_doubled(wanted)
            moving = sorted(filter(wanted, before.in_none))
            if not moving:
                result = await answer(before)
                after = await self.journeys()
                shared = before.by_cell.keys() & after.by_cell.keys()
                if all(before.by_cell[name] == after.by_cell[name] for name in shared):
                    return result
                await self.look()
            if time.monotonic() > until_s:
                raise FacilityMoving(moving)
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def of_all(
        self, visible: Collection[str] | None, call: Callable[[Context], Awaitable[Result]]
    ) -> Sequence[Result]:
        """Ask each cell that has facilities of ``visible``, all of one state.

        :raises CellAway: one of them does not answer.
        """

        async def answer(_: Journeys) -> Sequence[Result]:
            names = await self.cells_of(visible)
            answers = await asyncio.gather(
                *(self.ask(name, call) for name in names), return_exceptions=True
            )
            for one in answers:
                if isinstance(one, BaseException):
                    raise one
            return [one for one in answers if not isinstance(one, BaseException)]

        return await self.undisturbed(answer, lambda slug: visible is None or slug in visible)


async def _residents(context: Context) -> Residents:
    async with context.database.read() as connection:
        return await residents(connection)


async def _moves(context: Context) -> Moves:
    async with context.database.read() as connection:
        return await read_moves(connection)


async def _directory(context: Context) -> dict[str, str]:
    async with context.database.read() as connection:
        return await directory.listed(connection)


async def _numbers(context: Context) -> dict[int, str]:
    async with context.database.read() as connection:
        return await cell_numbers(connection)
