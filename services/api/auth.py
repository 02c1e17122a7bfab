"""Authentication and access: API keys as bearer tokens, sessions of people as cookies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.admission.gate import address_of, host_of, key_of, session_of
from services.api.context import Context, InContext, home_context
from services.api.http.problems import (
    CellAway,
    DatabaseAway,
    FacilityRetired,
    Forbidden,
    InvalidRequest,
    NotFound,
    SessionEnded,
    Unauthenticated,
)
from services.api.http.same_site import from_own_page
from services.api.live.credentials import Credential
from services.core.accounting.spelling import did_you_mean
from services.core.runtime.cell_urls import HOME
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.operations import keys
from services.core.store.people import sessions
from services.core.store.people.roles import (
    RIGHTS,
    Grant,
    Right,
    facilities_with,
    grant_of_scopes,
    grants_of_roles,
)
from services.core.store.people.sessions import Session
from services.core.timeline.instants import rfc3339

Result = TypeVar("Result")

#: Name, in the scope of a request, of its client where it was authenticated for several cells.
WHO: Final = "tonne.who"
#: Header of an answer about the past of facilities that are retired.
RETIRED = "Tonne-Retired"
#: Facilities that it names at most: headers are short.
_MAX_NAMED = 20


#: What to do about a right that is missing.
_NEEDS: Final[dict[Right, str]] = {
    "read": "a key with the scope `read`, or the role `viewer`",
    "send": "a key with the scope `send`, or the role `operator`",
    "operate": "a key with the scope `write`, or the role `operator`",
    "configure": "a key with the scope `write`, or the role `engineer`",
    "administer": "a key with the scope `admin`, or the role `admin`",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """The client of a request, with its rights: a person, a key, or nobody in particular."""

    #: as the ledger shows it
    name: str
    grants: tuple[Grant, ...]
    #: where it may do what the call does, as slugs; None: in all facilities
    facilities: frozenset[str] | None
    #: which the request comes from, as the audit log shows it
    address: str
    #: whose budget it counts for, see :class:`services.api.admission.gate.Gate`
    asker: str
    #: None: without a key or session
    credential: Credential | None = None
    #: of a person who signed in
    session: Session | None = None

    def may(self, right: Right) -> bool:
        """Whether ``right`` is held in any facility."""
        return any(right in grant.rights for grant in self.grants)

    def with_right(self, right: Right) -> Principal:
        """Narrow what is seen to where ``right`` is held.

        :raises Forbidden: it is held nowhere.
        """
        if not self.may(right):
            raise Forbidden(f"This call needs {_NEEDS[right]}.")
        return replace(self, facilities=facilities_with(right, self.grants))

    def sees(self, facility: str) -> bool:
        """Whether ``facility`` exists for this key or person, where the call is concerned."""
        return self.facilities is None or facility in self.facilities


def _anyone(request: Request) -> Principal:
    """Return the client of a request while authentication is off."""
    return Principal(
        name="someone without a key",
        grants=(Grant(rights=frozenset(RIGHTS), facilities=None),),
        facilities=None,
        address=host_of(request.scope),
        asker=address_of(request.scope),
    )


async def authenticate(request: Request) -> Principal:
    """Authenticate the client of a request, by its key or else by its session.

    :raises Unauthenticated: it sends neither, or the key is unknown, expired or revoked.
    :raises SessionEnded: the session is over.
    :raises CrossSite: another website could have sent the change.
    :raises DatabaseAway: the database that knows it does not answer.
    """
    known = request.scope.get(WHO)
    if isinstance(known, Principal):
        return known
    context = home_context(request)
    if context.settings.api_auth == "off":
        return _anyone(request)
    key = key_of(request.scope)
    if key is not None:
        return await _by_key(request, context, key)
    token = session_of(request.scope, context.gate.cookie)
    if token is None:
        raise Unauthenticated("Send the header `Authorization: Bearer KEY`, or sign in at /login.")
    return await _by_session(request, context, token)


async def _by_key(request: Request, context: Context, key: str) -> Principal:
    context.gate.try_key(request.scope, key)
    record = await _at_home(context, lambda connection: keys.find(connection, key))
    if record is None:
        context.gate.key_was_wrong(request.scope, key)
        raise Unauthenticated("The API key is unknown, expired or revoked.")
    context.gate.key_was_right(key)
    return _known(
        request,
        context,
        Credential("key", record.id),
        f"key {record.name}",
        (grant_of_scopes(record.scopes, record.facilities),),
    )


async def _by_session(request: Request, context: Context, token: str) -> Principal:
    from_own_page(request)
    context.gate.try_key(request.scope, token)
    session, was_begun = await _at_home(context, lambda connection: _session(connection, token))
    if session is None:
        # pages left open overnight ask on: nothing is tried by that
        if not was_begun:
            context.gate.key_was_wrong(request.scope, token)
        raise SessionEnded("Your session ended; sign in again.")
    context.gate.key_was_right(token)
    credential = Credential("session", session.id)
    grants = grants_of_roles(session.roles)
    known = _known(request, context, credential, f"person {session.name}", grants)
    return replace(known, session=session)


async def _session(connection: AsyncConnection, token: str) -> tuple[Session | None, bool]:
    """Find a session, and whether it was ever begun."""
    session = await sessions.find(connection, token)
    return session, session is not None or await sessions.was_begun(connection, token)


async def _at_home(context: Context, ask: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """Ask the database that knows who may do what.

    :raises DatabaseAway: of several cells it is the one that does not answer, so that nobody waits
        for it again and again.
    """

    async def read(home: Context) -> Result:
        async with home.database.read_at_primary() as connection:
            return await ask(connection)

    if context.cells is None:
        return await read(context)
    try:
        return await context.cells.ask(HOME, read)
    except CellAway as error:
        raise DatabaseAway from error


def _known(
    request: Request,
    context: Context,
    credential: Credential,
    name: str,
    grants: tuple[Grant, ...],
) -> Principal:
    address = host_of(request.scope)
    context.uses.note(credential, address)
    return Principal(
        name=name,
        grants=grants,
        facilities=facilities_with("read", grants),
        address=address,
        asker=context.gate.asker(request.scope),
        credential=credential,
    )


class _Needs(HTTPBearer):
    """Accepts keys and sessions with a right; it documents the header that keys come in, too.

    It is all of it that FastAPI has to call for a request: each function takes as long as a short
    query.
    """

    def __init__(self, right: Right | None) -> None:
        super().__init__(
            scheme_name="HTTPBearer",
            description="An API key from `tonne keys create`; a browser sends the cookie of"
            " POST /v1/sign-in instead",
        )
        self._right = right

    async def __call__(self, request: Request) -> Principal:  # type: ignore[override]
        """Authenticate the client of a request.

        :raises Unauthenticated: the key is missing, unknown, expired or revoked.
        :raises SessionEnded: the session is over.
        :raises Forbidden: it has not the right.
        """
        who = await authenticate(request)
        return who if self._right is None else who.with_right(self._right)


Anyone = Annotated[Principal, Depends(_Needs(None))]
Reader = Annotated[Principal, Depends(_Needs("read"))]
Sender = Annotated[Principal, Depends(_Needs("send"))]
Operator = Annotated[Principal, Depends(_Needs("operate"))]
Engineer = Annotated[Principal, Depends(_Needs("configure"))]
Admin = Annotated[Principal, Depends(_Needs("administer"))]


def no_facility(slug: str, known: Iterable[str] = ()) -> NotFound:
    """Build the same answer for a facility that does not exist and one the key cannot see.

    ``known``: those that the key can see, one of which may be meant.
    """
    meant = did_you_mean(slug, known) or "; GET /v1/facilities lists facilities."
    return NotFound(f"There is no facility {slug}{meant}")


def retired(facility: FacilityRow) -> FacilityRetired:
    """Build the answer for what only a facility in force has."""
    return FacilityRetired(
        f"Facility {facility.slug} was retired at {facility.retired_at:%Y-%m-%dT%H:%MZ}: it has no"
        f" live totals. GET /v1/emissions?facility={facility.slug} has its history, and as_of its"
        " totals as they were; applying its file again brings it back."
    )


def retired_header(facilities: Iterable[FacilityRow], named: Sequence[str]) -> dict[str, str]:
    """Build the header that says which facilities of a call are retired, and since when.

    ``named``: those that the call names; a sum over all facilities names none.
    """
    since = [
        f"{facility.slug}={rfc3339(facility.retired_at)}"
        for facility in facilities
        if facility.retired_at is not None and facility.slug in named
    ]
    return {RETIRED: ", ".join(since[:_MAX_NAMED])} if since else {}


async def in_force(context: InContext, who: Principal, slug: str) -> FacilityRow:
    """Read a facility that ``who`` may see.

    :raises NotFound: it does not exist for this key.
    :raises FacilityRetired: it is retired.
    """
    (facility,) = await visible_facilities(context, who, [slug])
    if facility.retired_at is not None:
        raise retired(facility)
    return facility


async def visible_facilities(
    context: InContext, who: Principal, wanted: Sequence[str]
) -> list[FacilityRow]:
    """Read the facilities named ``wanted``, or all if none is named, that ``who`` may see.

    Retired ones are among them: their history counts in every sum over the past.

    :raises NotFound: one of ``wanted`` does not exist for this key.
    """
    async with context.database.read() as connection:
        return await seen_facilities(connection, context, who, wanted)


async def seen_facilities(
    connection: AsyncConnection,
    context: InContext,
    who: Principal,
    wanted: Sequence[str],
    *,
    revision: int | None = None,
) -> list[FacilityRow]:
    """Do as :func:`visible_facilities` does, on a connection that the caller has.

    ``revision``: of the registry, read before on this connection; None: it is read here.
    """
    rows: list[FacilityRow] = []
    if all(map(who.sees, wanted)):
        rows = await context.facilities.read(
            connection, only=asked_slugs(who, wanted), revision=revision
        )
    missing = set(wanted) - {row.slug for row in rows}
    if missing:
        for slug in wanted:
            _refuse_what_is_only_read(who, slug)
        unseen = (slug for slug in wanted if not who.sees(slug))
        known = await context.facilities.read(connection, only=asked_slugs(who, []))
        raise no_facility(next(unseen, min(missing)), [row.slug for row in known])
    return rows


def _refuse_what_is_only_read(who: Principal, slug: str) -> None:
    readable = facilities_with("read", who.grants)
    if not who.sees(slug) and (readable is None or slug in readable):
        raise Forbidden(f"In {slug} you may read, and not do what this call does.")


def asked_slugs(who: Principal, wanted: Sequence[str]) -> list[str] | None:
    """Return which facilities a call asks for: the wanted, or those that the key sees.

    None: all that there are.
    """
    if wanted:
        return list(wanted)
    return None if who.facilities is None else list(who.facilities)


async def one_facility(context: InContext, who: Principal, wanted: str | None) -> str:
    """Return the facility that is wanted, or the only one that ``who`` can see.

    :raises NotFound: it does not exist for this key.
    :raises InvalidRequest: there is more than one, and none is wanted.
    """
    rows = await visible_facilities(context, who, [] if wanted is None else [wanted])
    if len(rows) != 1:
        raise InvalidRequest("facility: name one, as in ?facility=linz")
    return rows[0].slug
