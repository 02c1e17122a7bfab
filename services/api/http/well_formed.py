"""Refuse what no call accepts before a call sees it: NUL, lone surrogates, duplicate keys."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import unquote_plus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.http.middleware import brings_readings
from services.api.http.problems import InvalidRequest, Malformed, Problem

#: Every request with a body has one of these headers.
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
#: What may encode NUL or a lone surrogate in JSON; the parsed text shows whether it does.
_SUSPICIOUS = re.compile(rb"\\u(0000|[dD][89a-fA-F])|\x00")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")


class WellFormedOnly:
    """Refuse a request with text that PostgreSQL cannot store, or with duplicate JSON keys.

    PostgreSQL stores neither NUL nor half of a surrogate pair. Where an object has a key twice, one
    value would silently win, and another reader might take the other. The whole body is read before
    the request takes its turn, so that a slow sender delays nobody.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check_address(scope)
            named = {name for name, _ in scope["headers"]} & _BODY_HEADERS
            if len(named) > 1:
                # a proxy in front may go by the other one, and take the rest for a request of
                # somebody else (RFC 9112, 6.3); what is left of the connection is not read
                raise Malformed(
                    "A request has either Content-Length or Transfer-Encoding, and not both.",
                    headers={"Connection": "close"},
                )
            if named:
                body = await _checked_body(receive, check=not brings_readings(scope))
                if body is None:
                    return
                receive = body
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _check_address(scope: Scope) -> None:
    query = scope["query_string"].decode("latin-1")
    if "\0" in scope["path"] or "\0" in unquote_plus(query):
        raise Malformed("The address contains a NUL byte (%00), which no name or value may.")


async def _checked_body(receive: Receive, *, check: bool) -> Receive | None:
    """Check the body and return it to be read again; None: the client has gone.

    ``check``: else it is read all the same.
    """
    messages: list[Message] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        messages.append(message)
        if not message.get("more_body", False):
            break
    if check:
        check_json(b"".join(message.get("body", b"") for message in messages))
    waiting = iter(messages)

    async def again() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return again


def check_json(body: bytes) -> None:
    """Check a body that may be JSON; the call decides whether it must be.

    :raises InvalidRequest: an object has a key twice.
    :raises Malformed: it is nested too deeply, or a text contains NUL or a lone surrogate.
    """
    # it is read later by what its first bytes say, so that it may be in UTF-16, too
    encoding = json.detect_encoding(body)
    text = body if encoding == "utf-8" else body.decode(encoding, "ignore").encode()
    if text.lstrip()[:1] not in {b"{", b"["}:
        return
    try:
        document = json.loads(body, object_pairs_hook=_object)
        if encoding != "utf-8" or _SUSPICIOUS.search(body):
            _check_texts(document)
    except Problem:
        raise
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None
    except ValueError:
        return


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        name = twice.encode("ascii", "backslashreplace").decode()[:80]
        raise InvalidRequest(f"body: duplicate key `{name}` in an object; remove one")
    return members


def _check_texts(node: Any) -> None:
    if isinstance(node, str):
        if _UNSAFE.search(node):
            raise Malformed(
                "A text in the body contains NUL (\\u0000) or half of a surrogate pair (\\ud800 to"
                " \\udfff), which cannot be stored."
            )
    elif isinstance(node, list):
        for item in node:
            _check_texts(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            _check_texts(key)
            _check_texts(value)
