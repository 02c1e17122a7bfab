"""What an answer is made of, handed to whoever puts the answers of several databases together.

A route answers from one database. Where several are asked, each route's rows are taken here, before
they are written as JSON or CSV, and merged (:mod:`services.api.cells.merge`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from services.api.http.columns import Table
    from services.api.http.shapes import Shape


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
    #: None: the list is not cut
    page: CutPage | None = None
    #: names that the call asks for, and this database has not
    missing: set[str] = field(default_factory=set)
    #: those that another database has: of others the call is refused; None: of none yet
    elsewhere: frozenset[str] | None = None


#: What the present call's parts are put into; None: it is answered as it is.
current: Final[ContextVar[Gathered | None]] = ContextVar("gathered", default=None)


def not_here(names: Iterable[str]) -> set[str]:
    """Return which names to refuse; none where another database may have them."""
    missing, gathered = set(names), current.get()
    if gathered is None:
        return missing
    if gathered.elsewhere is not None:
        return missing - gathered.elsewhere
    gathered.missing |= missing
    return set()
