"""What an answer is made of, handed to whoever puts the answers of several databases together.

A route answers from one database. Where several are asked, each route's rows are taken here, before
they are written as JSON or CSV, and merged (:mod:`services.api.cells.merge`). A route that adds up
hands over what it read, and makes one answer of what all databases have (:func:`combined_answer`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastapi.responses import Response

if TYPE_CHECKING:
    from services.api.http.columns import Table
    from services.api.http.shapes import Shape
    from services.core.store.registry.organisations import Membership

Part = TypeVar("Part")
#: Makes one answer of what each database has, with the headers of all of them.
Combine = Callable[[Sequence[Part], Mapping[str, str]], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CutPage:
    """How a list was cut to a page."""

    #: rows that the caller wants
    limit: int
    #: the header that leads to what follows a row, by its number on the page
    link_after: Callable[[int], Mapping[str, str]]
    #: whether rows follow the page
    is_cut: bool


@dataclass(kw_only=True, slots=True)
class Gathered:
    """The parts of one database's answer."""

    table: Table | None = None
    #: None: the list is offered as JSON alone
    shape: Shape | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: what the call read, and how it makes one answer of several; None: its rows are merged
    part: Any = None
    combine: Combine[Any] | None = None
    #: None: the list is not cut
    page: CutPage | None = None
    #: names that the call asks for, and this database has not
    missing: set[str] = field(default_factory=set)
    #: those that another database has: of others the call is refused; None: of none yet
    elsewhere: frozenset[str] | None = None
    #: whose answer it is, read once for all databases; None: of facilities
    organisation: Membership | None = None


#: What the present call's parts are put into; None: it is answered as it is.
current: Final[ContextVar[Gathered | None]] = ContextVar("gathered", default=None)


async def combined_answer(
    part: Part, combine: Combine[Part], headers: Mapping[str, str]
) -> Response:
    """Answer with what ``combine`` makes of one database's part, or of the parts of several."""
    if (gathering := current.get()) is None:
        return await combine([part], headers)
    gathering.part, gathering.combine, gathering.headers = part, combine, headers
    return Response(status_code=204)


def not_here(names: Iterable[str]) -> set[str]:
    """Return which names to refuse; none where another database may have them."""
    missing, gathered = set(names), current.get()
    if gathered is None:
        return missing
    if gathered.elsewhere is not None:
        return missing - gathered.elsewhere
    gathered.missing |= missing
    return set()
