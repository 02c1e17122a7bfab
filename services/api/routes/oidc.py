"""``/v1/sign-in/oidc``: to the OpenID provider and back. Browsers are led here, not programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.api.admission.gate import host_of, is_https, session_of
from services.api.context import Context, InContext
from services.api.http.problems import Forbidden, NotFound, TooManyRequests
from services.api.oidc import attempt as attempts
from services.api.oidc.attempt import Attempt
from services.api.oidc.group_roles import groups_in, roles_of
from services.api.oidc.provider import Provider, error_name
from services.api.oidc.refusals import Reason, SignInRefused
from services.api.routes.people import give_cookie
from services.core.runtime.settings import is_secure_url
from services.core.store.people import vouched

router = APIRouter(include_in_schema=False)
log = structlog.get_logger()

_CALLBACK: Final = "/v1/sign-in/oidc/callback"
#: Seconds for a password, a second factor, and a look for the telephone.
_ATTEMPT_S: Final = 600
#: Characters of groups that the audit log is told.
_GROUPS_SHOWN: Final = 300

_Text = Annotated[str, Query(max_length=8192)]


@router.get("/v1/sign-in/oidc")
async def get_provider(
    request: Request,
    context: InContext,
    next_path: Annotated[str, Query(alias="next", max_length=8192)] = "/",
) -> Response:
    """Lead somebody to the provider."""
    provider = _provider(context)
    attempt = attempts.begin(next_path)
    try:
        address = await provider.address(attempt, _redirect_uri(request, context))
    except SignInRefused as refused:
        return _refused(context, refused, attempt)
    answer = _led_to(address)
    answer.set_cookie(
        _cookie(context),
        attempt.cookie,
        max_age=_ATTEMPT_S,
        secure=is_https(context.settings),
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(_CALLBACK)
async def get_callback(
    request: Request,
    context: InContext,
    state: _Text = "",
    code: _Text = "",
    error: _Text = "",
    iss: _Text | None = None,
) -> Response:
    """Begin the session of somebody who comes from the provider."""
    provider = _provider(context)
    attempt = attempts.from_cookie(session_of(request.scope, _cookie(context)))
    if attempt is None:
        # nothing was begun by this browser: another website may have led it here
        return _refused(context, SignInRefused("expired", "no attempt of this browser"), None)
    name = "somebody"
    try:
        _count(request, context)
        _check_return(attempt, provider, state=state, error=error, iss=iss)
        claims = await provider.claims(attempt, code, _redirect_uri(request, context))
        name = _name(claims)
        roles = _roles(provider, claims)
        token = await _begin(request, context, provider, claims, roles)
    except SignInRefused as refused:
        reason = str(refused)
        if refused.reason not in {"too-many", "disabled"}:
            await context.database.write(
                lambda connection: vouched.refuse(connection, name, reason),
                address=host_of(request.scope),
            )
        return _refused(context, refused, attempt)
    context.gate.signed_in(request.scope)
    answer = _led_to(attempt.next)
    _forget(answer, context)
    give_cookie(answer, context, token)
    return answer


def _count(request: Request, context: Context) -> None:
    try:
        context.gate.try_sign_in(request.scope)
    except TooManyRequests as error:
        raise SignInRefused("too-many", error.detail) from None


def _check_return(
    attempt: Attempt, provider: Provider, *, state: str, error: str, iss: str | None
) -> None:
    """Check that the browser comes back from where it was sent, and with a code."""
    if not attempt.has_state(state):
        raise SignInRefused("expired", "the state is of another attempt")
    if iss is not None and iss != provider.issuer:
        # RFC 9207
        raise SignInRefused("provider", "another provider than TONNE_OIDC_ISSUER answered")
    if error:
        name = error_name(error)
        reason: Reason = "denied" if name == "access_denied" else "provider"
        raise SignInRefused(reason, f"the provider answered {name}")


def _roles(provider: Provider, claims: Mapping[str, Any]) -> list[dict[str, Any]]:
    groups = groups_in(claims, provider.roles_claim)
    if groups is None:
        raise SignInRefused(
            "no-groups", f"the ID token has no claim {provider.roles_claim} that lists groups"
        )
    roles = roles_of(groups, provider.roles)
    if not roles:
        shown = ", ".join(groups)[:_GROUPS_SHOWN] or "none"
        raise SignInRefused("no-role", f"TONNE_OIDC_ROLES has none of the groups; they are {shown}")
    return roles


async def _begin(
    request: Request,
    context: Context,
    provider: Provider,
    claims: Mapping[str, Any],
    roles: list[dict[str, Any]],
) -> str:
    full_name = claims.get("name")
    address = host_of(request.scope)
    token = await context.database.write(
        lambda connection: vouched.sign_in(
            connection,
            issuer=provider.issuer,
            subject=claims["sub"],
            wanted_name=_name(claims),
            full_name=full_name[:200] if isinstance(full_name, str) else None,
            roles=roles,
            address=address,
        ),
        address=address,
    )
    if token is None:
        raise SignInRefused("disabled", "the account is disabled")
    return token


def _name(claims: Mapping[str, Any]) -> str:
    """Return what somebody is called at the provider."""
    names = (claims.get(claim) for claim in ("preferred_username", "email", "sub"))
    return next(name for name in names if isinstance(name, str) and name)


def _provider(context: Context) -> Provider:
    if context.settings.api_auth == "off":
        raise Forbidden("Authentication is off (TONNE_API_AUTH): there is nothing to sign in to.")
    if context.provider is None:
        raise NotFound("No OpenID provider is configured; set TONNE_OIDC_ISSUER.")
    return context.provider


def _redirect_uri(request: Request, context: Context) -> str:
    """Return where the provider sends people back to.

    A request's own word for this host is believed on this machine alone.
    """
    public_url = context.settings.public_url
    if public_url is not None:
        return f"{public_url.rstrip('/')}{_CALLBACK}"
    host = f"http://{request.headers.get('host', '')}"
    if not is_secure_url(host):
        raise Forbidden("Set TONNE_PUBLIC_URL, so that the provider knows the way back.")
    return f"{host}{_CALLBACK}"


def _refused(context: Context, refused: SignInRefused, attempt: Attempt | None) -> Response:
    """Lead somebody to the page that says why they are not let in."""
    log.warning("sign_in_refused", reason=refused.reason, detail=str(refused))
    query = {"refused": refused.reason, **({"next": attempt.next} if attempt else {})}
    answer = _led_to(f"/login?{urlencode(query)}")
    _forget(answer, context)
    return answer


def _led_to(address: str) -> Response:
    # the address that is left has a code in it
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(address, status_code=303, headers=headers)


def _cookie(context: Context) -> str:
    return f"{context.gate.cookie}-attempt"


def _forget(answer: Response, context: Context) -> None:
    answer.delete_cookie(
        _cookie(context), secure=is_https(context.settings), httponly=True, samesite="lax"
    )
