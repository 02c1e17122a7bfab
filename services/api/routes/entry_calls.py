"""The calls that change entries of a facility which its file may have too, in one shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from services.api.auth import Principal, one_facility
from services.api.context import Context
from services.api.http import entries
from services.api.http.answers import json_answer
from services.api.http.entries import Entry, Stated
from services.api.http.parameters import FacilityQuery
from services.api.http.problems import Conflict, NotFound, documented
from services.api.models.alerts import Changed

#: Puts an entry of a facility into force for somebody, and returns what changed.
Put = Callable[[Connection, str, Stated, str], list[str]]

#: Takes the entry with an id out of force for somebody; False: there is none.
Delete = Callable[[Connection, str, str, str], bool]


class EntryCalls(Generic[Stated]):
    """PUT and DELETE of one kind of entry.

    ``phrase`` names one in a sentence; ``path`` is that of the list of them.
    """

    def __init__(
        self,
        kind: str,
        phrase: str,
        path: str,
        entry: Entry[Stated],
        *,
        put: Put[Stated],
        delete: Delete,
    ) -> None:
        self._kind = kind
        self._phrase = phrase
        self._path = path
        self._entry = entry
        self._put = put
        self._delete = delete

    def declared(self, router: APIRouter) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the decorators of the two calls, whose parameter is named as the kind."""
        address = f"{self._path}/{{{self._kind}}}"
        shared: dict[str, Any] = {
            "response_model": Changed,
            "responses": documented(NotFound, Conflict),
        }
        return (
            router.put(
                address,
                summary=f"Create or change {self._phrase}",
                openapi_extra=self._entry.documented(),
                **shared,
            ),
            router.delete(address, summary=f"Delete {self._phrase}", **shared),
        )

    async def put(
        self, context: Context, who: Principal, request: Request, slug: str, query: FacilityQuery
    ) -> Response:
        """Put the entry in the request's body into force.

        :raises InvalidRequest: it is no such entry.
        """
        body, named = await entries.read(request, query.facility)
        facility = await one_facility(context, who, named)
        stated = self._entry.stated(body, slug)
        changes = await context.database.write(
            lambda connection: self._put(connection, facility, stated, who.name),
            address=who.address,
        )
        return json_answer({"changes": changes})

    async def delete(
        self, context: Context, who: Principal, slug: str, query: FacilityQuery
    ) -> Response:
        """Take the entry out of force.

        :raises NotFound: there is none with that id.
        """
        facility = await one_facility(context, who, query.facility)
        if not await context.database.write(
            lambda connection: self._delete(connection, facility, slug, who.name),
            address=who.address,
        ):
            plural = self._path.rpartition("/")[2]
            raise NotFound(f"There is no {self._kind} {slug}; GET {self._path} lists {plural}.")
        return json_answer({"changes": [f"- {self._kind} {slug}"]})
