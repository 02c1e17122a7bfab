"""The OpenID provider as the API asks it: discovery, keys, and codes for ID tokens."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

import httpx

from services.api.oidc import group_roles
from services.api.oidc.attempt import Attempt
from services.api.oidc.group_roles import GroupRole, GroupRolesError
from services.api.oidc.id_token import ALGORITHMS, Expected, KeyUnknownError, claims_of
from services.api.oidc.refusals import SignInRefused
from services.core.runtime.settings import Settings, SettingsError, is_secure_url

#: For how long what the provider publishes is taken as it is; an unknown key is looked for at once.
_FRESH_S: Final = 3600.0
_TIMEOUT_S: Final = 5.0
#: Bytes; documents of providers have some 10 kB.
_LARGEST: Final = 1 << 20
#: Of errors as RFC 6749 lists them; anything else is not written to a log.
_ERROR: Final = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Published:
    """What the provider says of itself."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    algorithms: frozenset[str]
    #: whether the client's secret goes into the body; else into the header
    secret_in_body: bool


class Provider:
    """The one provider that people may sign in at."""

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        secret: str | None,
        scopes: str,
        roles_claim: str,
        roles: tuple[GroupRole, ...],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self.roles_claim = roles_claim
        self.roles = roles
        self._client_id = client_id
        self._secret = secret
        self._scopes = scopes
        self._now = now
        self._published: tuple[float, _Published] | None = None
        self._keys: tuple[float, list[dict[str, Any]]] | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self | None:
        """Build the provider of the settings; None: there is none.

        :raises SettingsError: something else is needed with the issuer, or cannot be read.
        """
        if settings.oidc_issuer is None:
            return None
        if settings.oidc_client_id is None or settings.oidc_roles is None:
            raise SettingsError(
                "TONNE_OIDC_ISSUER needs TONNE_OIDC_CLIENT_ID and TONNE_OIDC_ROLES beside it"
            )
        try:
            roles = group_roles.parse(settings.oidc_roles)
        except GroupRolesError as error:
            raise SettingsError(f"TONNE_OIDC_ROLES: {error}") from None
        secret = settings.oidc_client_secret
        return cls(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            secret=None if secret is None else secret.get_secret_value(),
            scopes=settings.oidc_scopes,
            roles_claim=settings.oidc_roles_claim,
            roles=roles,
        )

    async def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Return where somebody signs in, and comes back from to ``redirect_uri``.

        :raises SignInRefused: the provider cannot be asked.
        """
        published = await self._discover()
        asked = urlencode(
            {
                "response_type": "code",
                "client_id": self._client_id,
                "redirect_uri": redirect_uri,
                "scope": self._scopes,
                "state": attempt.state,
                "nonce": attempt.nonce,
                "code_challenge": attempt.challenge,
                "code_challenge_method": "S256",
            }
        )
        endpoint = published.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{asked}"

    async def claims(self, attempt: Attempt, code: str, redirect_uri: str) -> dict[str, Any]:
        """Redeem a code and return the claims of the ID token that the provider gives for it.

        :raises SignInRefused: the provider or the token does not say who somebody is.
        """
        published = await self._discover()
        token = await self._redeem(published, attempt, code, redirect_uri)
        expected = Expected(
            issuer=self.issuer,
            client_id=self._client_id,
            nonce=attempt.nonce,
            algorithms=published.algorithms,
        )
        try:
            return claims_of(token, await self._signing_keys(published), expected)
        except KeyUnknownError:
            self._keys = None
        try:
            return claims_of(token, await self._signing_keys(published), expected)
        except KeyUnknownError:
            raise SignInRefused("token", "the ID token is signed with an unknown key") from None

    async def _discover(self) -> _Published:
        if self._published is not None and self._now() - self._published[0] < _FRESH_S:
            return self._published[1]
        document = await self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self.issuer:
            raise SignInRefused(
                "provider", "the provider calls itself otherwise than TONNE_OIDC_ISSUER does"
            )
        algorithms = ALGORITHMS & set(_texts(document, "id_token_signing_alg_values_supported"))
        if not algorithms:
            raise SignInRefused("provider", "the provider signs with no algorithm that is safe")
        ways = _texts(document, "token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        published = _Published(
            authorization_endpoint=self._endpoint(document, "authorization_endpoint"),
            token_endpoint=self._endpoint(document, "token_endpoint"),
            jwks_uri=self._endpoint(document, "jwks_uri"),
            algorithms=algorithms,
            secret_in_body="client_secret_basic" not in ways,
        )
        self._published = (self._now(), published)
        return published

    async def _signing_keys(self, published: _Published) -> list[dict[str, Any]]:
        if self._keys is not None and self._now() - self._keys[0] < _FRESH_S:
            return self._keys[1]
        keys = (await self._get(published.jwks_uri)).get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise SignInRefused("provider", "the provider publishes no keys")
        self._keys = (self._now(), keys)
        return keys

    async def _redeem(
        self, published: _Published, attempt: Attempt, code: str, redirect_uri: str
    ) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        basic = None
        if self._secret is not None and not published.secret_in_body:
            # RFC 6749, 2.3.1: both are encoded as in a form
            basic = httpx.BasicAuth(quote(self._client_id, safe=""), quote(self._secret, safe=""))
        else:
            form["client_id"] = self._client_id
            if self._secret is not None:
                form["client_secret"] = self._secret
        status, document = await self._ask("POST", published.token_endpoint, form=form, basic=basic)
        token = document.get("id_token")
        if status == httpx.codes.OK and isinstance(token, str):
            return token
        error = error_name(document.get("error"))
        if error == "invalid_grant":
            raise SignInRefused("expired", "the provider took the code for used or too old")
        raise SignInRefused("provider", f"the provider gave no ID token: {status} {error}")

    async def _get(self, url: str) -> dict[str, Any]:
        status, document = await self._ask("GET", url)
        if status != httpx.codes.OK:
            raise SignInRefused("unreachable", f"the provider answered {status} for {_place(url)}")
        return document

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        form: dict[str, str] | None = None,
        basic: httpx.BasicAuth | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Ask the provider; redirects are not followed, so that no answer leads elsewhere."""
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                httpx.AsyncClient(timeout=_TIMEOUT_S) as client,
                client.stream(method, url, data=form, auth=basic) as answer,
            ):
                body = b""
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > _LARGEST:
                        raise SignInRefused("provider", f"{_place(url)} answers without end")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise SignInRefused(
                "unreachable", f"{_place(url)} cannot be reached: {type(error).__name__}"
            ) from None
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise SignInRefused("provider", f"{_place(url)} answers {answer.status_code}, no JSON")
        return answer.status_code, document

    def _endpoint(self, document: dict[str, Any], name: str) -> str:
        """Return an address of HTTPS, or of this machine where the issuer is on it."""
        url = document.get(name)
        schemes = ("https://", "http://") if self.issuer.startswith("http://") else ("https://",)
        if isinstance(url, str) and is_secure_url(url) and url.startswith(schemes):
            return url
        raise SignInRefused("provider", f"the provider publishes no {name} with https://")


def error_name(sent: object) -> str:
    """Return the name of an error of RFC 6749, if it is spelled as one."""
    return sent if isinstance(sent, str) and _ERROR.fullmatch(sent) else "error"


def _texts(document: dict[str, Any], name: str) -> list[str]:
    values = document.get(name)
    return [v for v in values if isinstance(v, str)] if isinstance(values, list) else []


def _place(url: str) -> str:
    """Host and path of a URL: queries may be secret."""
    parts = urlsplit(url)
    return f"{parts.hostname}{parts.path}"
