"""``/v1/sign-in``, ``/v1/sign-out``, ``/v1/me``: people and their sessions."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field, SecretStr

from services.api.admission.gate import host_of, is_https, session_of
from services.api.auth import Anyone, Principal
from services.api.context import Context, InContext
from services.api.http.answers import json_answer
from services.api.http.parameters import Query
from services.api.http.problems import (
    CrossSite,
    Forbidden,
    SessionEnded,
    TooManyRequests,
    WrongPassword,
    documented,
)
from services.api.http.same_site import from_own_page
from services.api.models.people import Me, WaysIn
from services.core.store.people import accounts, sessions
from services.core.store.people.passwords import LONGEST

router = APIRouter(tags=["people"])

#: Each takes 64 MiB for a twentieth of a second.
_HASHES_AT_ONCE: Final = 2
_HASHING: Final = asyncio.Semaphore(_HASHES_AT_ONCE)


class SignInBody(Query):
    """Body of ``POST /v1/sign-in``."""

    name: str = Field(min_length=1, max_length=100, examples=["anna"])
    password: SecretStr = Field(min_length=1, max_length=LONGEST)


class PasswordBody(Query):
    """Body of ``PUT /v1/me/password``."""

    old: SecretStr = Field(min_length=1, max_length=LONGEST)
    new: SecretStr = Field(min_length=1, max_length=LONGEST)


@router.get(
    "/v1/sign-in",
    summary="Get the ways to sign in",
    response_model=WaysIn,
    responses=documented(),
)
async def get_sign_in(context: InContext) -> Response:
    """Return how people can sign in."""
    required = context.settings.api_auth == "required"
    has_provider = required and context.provider is not None
    return json_answer(
        {
            "required": required,
            "password": required,
            "provider": context.settings.oidc_button if has_provider else None,
        }
    )


@router.post(
    "/v1/sign-in",
    summary="Sign in",
    status_code=204,
    response_class=Response,
    responses=documented(WrongPassword, CrossSite, TooManyRequests),
)
async def post_sign_in(request: Request, context: InContext, body: SignInBody) -> Response:
    """Begin a session with a local account; its token comes as a cookie."""
    if context.settings.api_auth == "off":
        raise Forbidden("Authentication is off (TONNE_API_AUTH): there is nothing to sign in to.")
    from_own_page(request)
    name = accounts.spelled(body.name)
    context.gate.try_sign_in(request.scope, name)
    address = host_of(request.scope)
    async with _HASHING:
        token = await context.database.write(
            lambda connection: sessions.sign_in(
                connection, name, body.password.get_secret_value(), address=address
            ),
            address=address,
        )
    if token is None:
        raise WrongPassword("The name or the password is wrong.")
    context.gate.signed_in(request.scope, name)
    answer = Response(status_code=204)
    give_cookie(answer, context, token)
    return answer


@router.post(
    "/v1/sign-out",
    summary="Sign out",
    status_code=204,
    response_class=Response,
    responses=documented(CrossSite),
)
async def post_sign_out(request: Request, context: InContext) -> Response:
    """End the session of this browser; without one nothing happens."""
    token = session_of(request.scope, context.gate.cookie)
    if token is not None:
        from_own_page(request)
        async with context.database.read() as connection:
            session = await sessions.find(connection, token)
        if session is not None:
            await context.database.write(
                lambda connection: sessions.end(connection, session),
                address=host_of(request.scope),
            )
    answer = Response(status_code=204)
    answer.delete_cookie(
        context.gate.cookie, secure=is_https(context.settings), httponly=True, samesite="lax"
    )
    return answer


@router.get("/v1/me", summary="Get who asks", response_model=Me, responses=documented(SessionEnded))
async def get_me(who: Anyone) -> Response:
    """Return who the request comes from, and what they may do."""
    return json_answer(_me(who))


@router.put(
    "/v1/me/password",
    summary="Change one's password",
    status_code=204,
    response_class=Response,
    responses=documented(WrongPassword, CrossSite),
)
async def put_password(
    request: Request, context: InContext, who: Anyone, body: PasswordBody
) -> Response:
    """Change the password of a local account; its other sessions end."""
    session = who.session
    if session is None or session.issuer is not None:
        raise Forbidden("Only a person who signed in with a password here can change it.")
    context.gate.try_sign_in(request.scope, session.name)
    async with _HASHING:
        is_changed = await context.database.write(
            lambda connection: sessions.change_password(
                connection,
                session,
                body.old.get_secret_value(),
                body.new.get_secret_value(),
            ),
            address=who.address,
        )
    if not is_changed:
        raise WrongPassword("The old password is wrong.")
    context.gate.signed_in(request.scope, session.name)
    return Response(status_code=204)


def give_cookie(answer: Response, context: Context, token: str) -> None:
    """Let the browser keep the token: no script reads it, no other website has it sent."""
    answer.set_cookie(
        context.gate.cookie,
        token,
        max_age=sessions.LIFE_S,
        secure=is_https(context.settings),
        httponly=True,
        samesite="lax",
    )


def _me(who: Principal) -> dict[str, Any]:
    session = who.session
    kind = "person" if session else "nobody" if who.credential is None else "key"
    return {
        "kind": kind,
        "name": who.name.removeprefix(f"{kind} "),
        "full_name": None if session is None else session.full_name,
        "allowed": [
            {
                "rights": sorted(grant.rights),
                "facilities": None if grant.facilities is None else sorted(grant.facilities),
            }
            for grant in who.grants
        ],
        "local": session is not None and session.issuer is None,
        "expires_at": None if session is None else session.expires_at,
    }
