"""Checks of an ID token: OpenID Connect Core 1.0, 3.1.3.7."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from services.api.oidc.refusals import SignInRefused

#: Signatures by a key pair. Never `none`, and no HMAC: then who checks tokens could make them.
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

#: Seconds that the clocks of provider and API may differ by.
_LEEWAY_S: Final = 60
#: Characters, OpenID Connect Core 1.0, 2.
_LONGEST_SUBJECT: Final = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str
    #: that the provider signs with
    algorithms: Collection[str]


class KeyUnknownError(Exception):
    """No key of the provider's has the name that the token gives: keys may have been changed."""


def claims_of(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected) -> dict[str, Any]:
    """Check a token and return its claims.

    ``keys``: the provider's, each a JSON Web Key (RFC 7517).

    :raises KeyUnknownError: none of the keys can have signed it.
    :raises SignInRefused: it is not signed, expired, or not for this client and attempt.
    """
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS or algorithm not in expected.algorithms:
            raise SignInRefused("token", "the ID token is signed with none of the algorithms")
        key = jwt.PyJWK(_key(keys, header.get("kid"), algorithm), algorithm=algorithm)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=expected.client_id,
            issuer=expected.issuer,
            leeway=_LEEWAY_S,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        # the library's messages name claims, and no values of the token
        raise SignInRefused("token", f"the ID token is refused: {type(error).__name__}") from None
    subject = claims["sub"]
    if not (0 < len(subject) <= _LONGEST_SUBJECT and subject.isascii() and subject.isprintable()):
        raise SignInRefused("token", "the ID token has no subject as OpenID Connect spells them")
    _check_party(claims, expected.client_id)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(), expected.nonce.encode()
    ):
        raise SignInRefused("token", "the ID token is of another attempt: its nonce differs")
    return claims


def _key(keys: Sequence[Mapping[str, Any]], name: object, algorithm: str) -> dict[str, Any]:
    """Find the key that a token is signed with; where it names none, there must be but one."""
    fitting = [
        key
        for key in keys
        if key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
        if name is None or key.get("kid") == name
    ]
    if len(fitting) != 1:
        raise KeyUnknownError
    return dict(fitting[0])


def _check_party(claims: Mapping[str, Any], client_id: str) -> None:
    """Refuse a token that another client asked for; one for several says which one did."""
    audience = claims["aud"]
    party = claims.get("azp", client_id if isinstance(audience, str) or len(audience) == 1 else "")
    if party != client_id:
        raise SignInRefused("token", "the ID token was asked for by another client (azp)")
