"""The middleware that finds the cell of each request, or asks several and merges their answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast, get_args
from urllib.parse import parse_qs, urlencode

import msgspec
from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.auth import WHO, Principal, authenticate, no_facility
from services.api.cells import cursors
from services.api.cells.all_cells import AllCells
from services.api.cells.merge import Wanted, head_of, merged
from services.api.cells.one_answer import NotPassedOnError, OneAnswer, Repeated, Unsent, tags_of
from services.api.cells.organisations import asked_organisation
from services.api.cells.rules import AtFacility, AtHome, Merged, Sought, rule_of
from services.api.context import CONTEXT
from services.api.http import gathered
from services.api.http.errors import DATABASE_ERRORS, REFUSALS, problem_of
from services.api.http.formats import FormatName
from services.api.http.gathered import Gathered
from services.api.http.parameters import split_list
from services.api.http.problems import (
    CellAway,
    FacilityMoving,
    Internal,
    InvalidRequest,
    Problem,
    SeveralCells,
)
from services.core.runtime.cell_urls import HOME
from services.core.store.cells.places import Journeys
from services.core.store.registry.organisations import Membership

#: By which a new facility is put into another cell than home.
CELL: Final = b"tonne-cell"
_IF_NONE_MATCH: Final = b"if-none-match"
#: A facility that moves again and again is not followed for ever.
_MOST_CELLS: Final = 4
_READS: Final = frozenset({"GET", "HEAD"})
#: What the parts of an answer may raise when they are put together.
_ANSWERED: Final[tuple[type[Exception], ...]] = (*DATABASE_ERRORS, *REFUSALS)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Call:
    """A request whose route is known."""

    route: str
    path: Mapping[str, Any]
    query: Mapping[str, list[str]]
    scope: Scope
    body: Repeated
    send: Send
    #: whose facilities it is of
    organisation: Membership | None = None

    @property
    def facilities(self) -> list[str]:
        """Return the facilities that the path or the query names."""
        if "facility" in self.path:
            return [str(self.path["facility"])]
        return [str(slug) for slug in split_list(self.query.get("facility", []))]

    def header(self, name: bytes) -> bytes:
        """Return a header of the request."""
        return next((value for key, value in self.scope["headers"] if key == name), b"")


class OverCells:
    """Serve each request from the cells that it is of, by the rule of its call."""

    def __init__(self, app: ASGIApp, *, cells: AllCells, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._cells = cells
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = self._call(scope, receive, send) if scope["type"] == "http" else None
        if call is None:
            await self._app(scope, receive, send)
            return
        try:
            await self._serve(call)
        except Problem as problem:
            await problem.response()(scope, receive, send)
        except _ANSWERED as error:
            await problem_of(error, Request(scope)).response()(scope, receive, send)

    def _call(self, scope: Scope, receive: Receive, send: Send) -> _Call | None:
        for route in self._routes:
            match, matched = route.matches(scope)
            if match == Match.FULL and isinstance(route, APIRoute):
                scope["route"] = route
                return _Call(
                    route=route.name,
                    path=matched.get("path_params", {}),
                    query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
                    scope=scope,
                    body=Repeated(receive),
                    send=send,
                )
        return None

    async def _serve(self, call: _Call) -> None:
        rule = rule_of(call.route)
        if isinstance(rule, AtHome):
            await self._app(call.scope, call.body.receive, call.send)
            return
        await self._who(call)
        if isinstance(rule, Sought):
            await self._seek(call, await self._cells.by_number(_number(call.path[rule.number])))
        elif isinstance(rule, AtFacility):
            named = await self._named(call, rule)
            if (rule.is_required or rule.is_handed_on) and not named:
                await self._pass_on(call, HOME)
            else:
                await self._at_facility(call, named)
        elif "organisation" in call.query:
            await self._add_up(call, rule)
        else:
            await self._merge(call, rule)

    async def _who(self, call: _Call) -> Principal:
        """Authenticate the caller, once for all cells."""
        if WHO not in call.scope:
            call.scope[WHO] = await authenticate(Request(call.scope))
        return cast("Principal", call.scope[WHO])

    # -- one cell --------------------------------------------------------------------------------

    async def _named(self, call: _Call, rule: AtFacility) -> list[str]:
        named = call.facilities
        if rule.in_body is not None and not named:
            try:
                body = msgspec.json.decode(await call.body.all())
            except (msgspec.DecodeError, UnicodeDecodeError):
                return []
            value = body.get(rule.in_body) if isinstance(body, dict) else None
            several = split_list(value)
            # what is no text and no list, the call refuses
            named = several if isinstance(several, list) else []
        if not named and rule.needs_name:
            visible = await self._cells.facilities((await self._who(call)).facilities)
            if len(await self._cells.cells_of(visible)) > 1:
                raise InvalidRequest("facility: name one, as in ?facility=linz")
        return named

    async def _at_facility(self, call: _Call, named: Sequence[str]) -> None:
        """Have the one cell answer that the facilities live in; follow one that moves."""
        who = await self._who(call)
        if not all(map(who.sees, named)):
            # what the caller does not see is not there, wherever it is
            await self._pass_on(call, HOME)
            return
        for _ in range(_MOST_CELLS):
            cell = await self._one_cell(call, named)
            answer = await self._ask(call, cell, frozenset(named))
            if answer is None:
                return
            if answer.is_of_a_silent_database:
                self._cells.silent(cell)
                raise self._cells.away(cell, named or None)
            moved = [slug for slug in named if await self._cells.has_moved(slug, cell)]
            if not moved or not call.body.is_whole:
                if answer.is_dropped:
                    raise FacilityMoving(named)
                await answer.pass_on()
                return
            call.body.rewind()
        raise FacilityMoving(named)

    async def _pass_on(self, call: _Call, cell: str) -> None:
        answer = await self._ask(call, cell)
        if answer is not None:
            await answer.pass_on()

    async def _one_cell(self, call: _Call, named: Sequence[str]) -> str:
        """Return the cell that a call is answered by.

        :raises SeveralCells: it is of facilities of more than one.
        """
        if named:
            places = {await self._cells.cell_of(slug) for slug in named}
        else:
            visible = await self._cells.facilities((await self._who(call)).facilities)
            places = {*await self._cells.cells_of(visible)}
        present = sorted(place for place in places if place is not None)
        if len(present) > 1:
            raise SeveralCells(
                f"This call answers from one database, and the facilities live in the cells"
                f" {', '.join(present)}: name facilities of one of them, as in ?facility=linz."
            )
        if present:
            return present[0]
        wanted = call.header(CELL).decode("latin-1")
        if call.route == "put_facility" and wanted:
            if wanted not in self._cells.contexts:
                raise InvalidRequest(f"Tonne-Cell: there is no cell {wanted}")
            who = await self._who(call)
            if wanted != HOME and who.may("configure"):
                await self._cells.claim(named[0], wanted, who.address)
            return wanted
        return HOME

    async def _ask(
        self, call: _Call, cell: str, facilities: frozenset[str] = frozenset()
    ) -> OneAnswer | None:
        """Have a cell answer; None: it did, else what it said was not passed on."""
        if self._cells.is_away(cell):
            raise self._cells.away(cell, facilities or None)
        suffix = b"" if cell == HOME else b"~" + cell.encode()
        answer = OneAnswer(call.send, cell=cell, tag_suffix=suffix)
        if call.scope["method"] in _READS and facilities:
            # what was read while it left may be of neither cell; what was written has moved along
            answer.check(lambda: self._cells.lives(cell, facilities))
        began_s = time.perf_counter()
        try:
            await self._cells.unless_it_hangs(
                cell,
                self._app(self._scope(call, cell, suffix), call.body.receive, answer.take),
                # what has begun is made of what was read
                may_leave=lambda: answer.status == 0,
            )
        except NotPassedOnError:
            return answer
        except CellAway:
            answer.drop()
            raise
        if answer.is_held_back or answer.is_dropped:
            return answer
        if call.route != "get_stream":
            self._cells.answered(cell, time.perf_counter() - began_s)
        return None

    def _scope(self, call: _Call, cell: str, suffix: bytes) -> Scope:
        headers = [
            (name, tags_of(value, suffix) if name == _IF_NONE_MATCH else value)
            for name, value in call.scope["headers"]
        ]
        return {**call.scope, "headers": headers, CONTEXT: self._cells.contexts[cell]}

    async def _seek(self, call: _Call, cells: Sequence[str]) -> None:
        """Have the first cell answer that has what is asked for."""
        first, silent = None, None
        for cell in cells:
            if self._cells.is_away(cell):
                silent = cell
                continue
            answer = await self._ask(call, cell)
            if answer is None:
                return
            if answer.is_of_a_silent_database:
                self._cells.silent(cell)
                silent = cell
            else:
                first = first or answer
            call.body.rewind()
        if silent is not None:
            raise self._cells.away(silent)
        who = await self._who(call)
        if moving := [*filter(who.sees, sorted((await self._cells.journeys()).in_none))]:
            raise FacilityMoving(moving)
        assert first is not None  # noqa: S101 - there are cells, and each answered
        await first.pass_on()

    # -- several cells ---------------------------------------------------------------------------

    async def _merge(self, call: _Call, rule: Merged) -> None:
        who, named = await self._who(call), call.facilities
        # what stays may be of a facility that is nowhere by now
        for slug in named if not rule.stays else ():
            if not who.sees(slug) or await self._cells.cell_of(slug) is None:
                raise no_facility(slug, await self._cells.facilities(who.facilities))
        if (
            named
            and not rule.stays
            and len({await self._cells.cell_of(slug) for slug in named}) == 1
        ):
            await self._at_facility(call, named)
            return
        await self._of_several(call, rule, named or who.facilities)

    async def _add_up(self, call: _Call, rule: Merged) -> None:
        """Answer of an organisation, whose facilities may live in any cells."""
        who = await self._who(call)
        organisation = await asked_organisation(self._cells, who, call.query)
        if organisation is None:
            # in the words of the call
            await self._pass_on(call, HOME)
            return
        named = replace(call, organisation=organisation)
        await self._of_several(named, rule, list(organisation.members))

    async def _of_several(
        self, call: _Call, rule: Merged, visible: Sequence[str] | frozenset[str] | None
    ) -> None:
        """Answer with what the cells have of facilities; None: of all."""

        async def answer(journeys: Journeys) -> Response:
            return await self._gathered(call, rule, visible, journeys)

        response = await self._cells.undisturbed(
            answer, lambda slug: visible is None or slug in visible, adds_up=not rule.may_lack
        )
        await response(call.scope, call.body.receive, call.send)

    async def _gathered(
        self,
        call: _Call,
        rule: Merged,
        visible: Sequence[str] | frozenset[str] | None,
        journeys: Journeys,
    ) -> Response:
        cursor = cursors.read(call.query.get("cursor", [None])[-1])
        if cursor is not None:
            cursor.refuse_moved(journeys.arrivals)
        names = [
            name
            for name in await self._cells.cells_of(None if rule.stays else visible) or [HOME]
            if cursor is None or cursor.after.get(name, "") is not None
        ]
        answers = await asyncio.gather(
            *(self._part(call, rule, name, visible, cursor) for name in names),
            return_exceptions=True,
        )
        parts: dict[str, Gathered] = {}
        missing: list[str] = []
        for name, part in zip(names, answers, strict=True):
            if isinstance(part, Gathered):
                parts[name] = part
            elif (
                isinstance(part, CellAway) and rule.may_lack and (rule.stays or not call.facilities)
            ):
                lost = self._cells.slugs_of(name)
                missing += sorted(lost if visible is None else lost & set(visible)) or [
                    f"cell {name}"
                ]
            elif isinstance(part, Response):
                return part
            elif isinstance(part, BaseException):
                raise part
        if not parts:
            raise self._cells.away(names[0])
        missed = [part.missing for part in parts.values()]
        if absent := set.intersection(*missed):
            # in the words of the call
            elsewhere = frozenset[str]().union(*missed) - absent
            refusal = await self._part(call, rule, next(iter(parts)), visible, cursor, elsewhere)
            if isinstance(refusal, Response):
                return refusal
        wanted = Wanted(
            path=call.scope["path"],
            parameters=call.query,
            accept=call.header(b"accept").decode("latin-1"),
            if_none_match=call.header(_IF_NONE_MATCH).decode("latin-1"),
            format=_format(call.query),
            cursor=cursor,
            arrivals=journeys.arrivals,
            missing=missing,
        )
        return await _together(parts, rule, wanted)

    async def _part(
        self,
        call: _Call,
        rule: Merged,
        cell: str,
        visible: Sequence[str] | frozenset[str] | None,
        cursor: cursors.CellsCursor | None,
        elsewhere: frozenset[str] | None = None,
    ) -> Gathered | Response:
        """Ask one cell for its rows; a response: what it refused the call with.

        :raises CellAway: its database does not answer.
        """
        if self._cells.is_away(cell):
            raise self._cells.away(cell, visible)
        query = {name: values for name, values in call.query.items() if name != "cursor"}
        if call.facilities and not rule.stays:
            lives = self._cells.slugs_of(cell)
            query["facility"] = [slug for slug in call.facilities if slug in lives]
        if cursor is not None and (after := cursor.after.get(cell)) is not None:
            query["cursor"] = [after]
        scope = self._scope(call, cell, b"")
        scope["query_string"] = urlencode(query, doseq=True).encode()
        scope["headers"] = [h for h in scope["headers"] if h[0] != _IF_NONE_MATCH]
        part = Gathered(elsewhere=elsewhere, organisation=call.organisation)
        unsent, began_s = Unsent(), time.perf_counter()
        before = gathered.current.set(part)
        try:
            await self._cells.unless_it_hangs(
                cell, self._app(scope, call.body.receive, unsent.send)
            )
        finally:
            gathered.current.reset(before)
        if part.table is not None or part.combine is not None:
            self._cells.answered(cell, time.perf_counter() - began_s)
            return part
        if unsent.is_of_a_silent_database:
            self._cells.silent(cell)
            raise self._cells.away(cell, visible)
        if unsent.status < 400:
            raise Internal("See the log of tonne's API.")
        return unsent.response()


async def _together(parts: Mapping[str, Gathered], rule: Merged, wanted: Wanted) -> Response:
    """Make one answer of what cells have: as the call does, else by putting rows in order."""
    combine = next(iter(parts.values())).combine
    if combine is None:
        return await asyncio.to_thread(merged, parts, rule, wanted)
    head = head_of(parts, wanted)
    if isinstance(head, Response):
        return head
    return await combine([part.part for part in parts.values()], head)


def _number(text: object) -> int:
    """Return a row's number, or 0 of what no row has."""
    digits = str(text)
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else 0


def _format(query: Mapping[str, Sequence[str]]) -> FormatName | None:
    name = query.get("format", [None])[-1]
    return cast("FormatName", name) if name in get_args(FormatName) else None
