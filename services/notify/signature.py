"""Signatures of webhook messages, as https://www.standardwebhooks.com specifies.

A receiver computes HMAC-SHA256 over ``id.timestamp.body`` and compares; the timestamp
prevents replays of old messages, the id tells a second delivery from a second message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"


class SecretError(ValueError):
    """The secret cannot be used."""


def key_of(secret: str) -> bytes:
    """Return the key's bytes: after ``whsec_`` in base64, else the text itself.

    :raises SecretError: it is empty, or what follows ``whsec_`` is not base64.
    """
    if not secret.startswith(_PREFIX):
        key = secret.encode()
    else:
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise SecretError("what follows whsec_ is not base64") from None
    if not key:
        raise SecretError("it is empty")
    return key


def sign(key: bytes, *, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the header ``webhook-signature``."""
    signed = b".".join((message_id.encode(), str(timestamp_s).encode(), body))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
