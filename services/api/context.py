"""What every request needs, built once by the composition root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Protocol

from fastapi import Depends, Request

from services.api.admission.gate import Gate
from services.api.database import Database
from services.api.health import Health
from services.api.http.answer_cache import AnswerCache
from services.api.live.bodies import LiveBodies
from services.api.live.credentials import Uses
from services.api.live.feed import LiveFeed
from services.api.oidc.provider import Provider
from services.api.presence import Presence
from services.api.standby import Standby
from services.api.states import AnswerStates
from services.core.runtime.clock import Clock
from services.core.runtime.settings import Settings
from services.core.store.answers.known_facilities import KnownFacilities
from services.core.store.answers.source_uncertainty import KnownAccounts

if TYPE_CHECKING:
    from services.api.cells.all_cells import AllCells

#: Name, in the scope of a request, of the parts of the cell that answers it.
CONTEXT: Final = "tonne.context"


class Reading(Protocol):
    """What answers about the past take of the parts; a command has no others."""

    @property
    def database(self) -> Database:
        """Where to read."""

    @property
    def accounts(self) -> KnownAccounts:
        """How sources enter totals."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The parts of one running API."""

    settings: Settings
    database: Database
    #: whether that database answers
    presence: Presence
    clock: Clock
    feed: LiveFeed
    #: what answers follow from
    states: AnswerStates
    #: what polls and streams are sent
    live: LiveBodies
    #: answers of which nothing has changed
    answer_cache: AnswerCache
    #: which facilities and sources there are
    facilities: KnownFacilities
    #: how sources enter totals
    accounts: KnownAccounts
    #: rate limits and turns
    gate: Gate
    #: last uses of keys and sessions
    uses: Uses
    #: where people may sign in beside here
    provider: Provider | None
    health: Health
    #: where requests that only read may read; None: at the primary alone
    standby: Standby | None = None
    #: all databases that facilities live in; None: there is this one alone
    cells: AllCells | None = None

    @property
    def of_cells(self) -> Sequence[Context]:
        """Return the parts of each cell, or of this database alone."""
        return [self] if self.cells is None else list(self.cells.contexts.values())


def home_context(request: Request) -> Context:
    """Return the parts that know people and keys: those of the home cell."""
    shared = request.app.state.context
    assert isinstance(shared, Context)  # noqa: S101 - set by create_app, nothing else
    return shared


async def context(request: Request) -> Context:
    """Return the parts of the API that serves ``request``.

    It is async so that FastAPI calls it here: for a plain function it would wait for a thread.
    """
    of_cell = request.scope.get(CONTEXT)
    return of_cell if isinstance(of_cell, Context) else home_context(request)


InContext = Annotated[Context, Depends(context)]
