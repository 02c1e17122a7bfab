"""What no call can use is refused before any call sees it: NUL, half characters, doubled keys."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import unquote_plus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.http.problems import InvalidRequest, Malformed, Problem

#: One of them stands in the head of every request that has a body.
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
#: What may stand for NUL or for half of a character in JSON; whether it does, the parsed text says.
_SUSPICIOUS = re.compile(rb"\\u(0000|[dD][89a-fA-F])|\x00")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")


class WellFormedOnly:
    """Refuse a request whose text no database can hold, or whose JSON says a thing twice.

    PostgreSQL's texts hold neither NUL nor half of a surrogate pair. Of a key that stands twice in
    an object one value would win in silence, and another reader would take the other. The body is
    read whole before the request takes its turn, so that a slow sender holds up nobody.
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
            if any(name in _BODY_HEADERS for name, _ in scope["headers"]):
                body = await _checked_body(receive)
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
        raise Malformed("The address holds a NUL byte (%00), which no name or value does.")


async def _checked_body(receive: Receive) -> Receive | None:
    """The body again, after a look at it; None: the client has gone."""
    messages: list[Message] = []
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        messages.append(message)
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    check_json(body)
    waiting = iter(messages)

    async def again() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return again


def check_json(body: bytes) -> None:
    """Check a body that may be JSON; whether it is, is for the call to say.

    :raises InvalidRequest: a key stands twice in one object.
    :raises Malformed: it is nested too deeply, or a text holds NUL or half of a character.
    """
    if body.lstrip()[:1] not in {b"{", b"["}:
        return
    try:
        found = json.loads(body, object_pairs_hook=_object)
        if _SUSPICIOUS.search(body):
            _check_texts(found)
    except Problem:
        raise
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None
    except ValueError:
        return


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        name = twice.encode("ascii", "backslashreplace").decode()[:80]
        raise InvalidRequest(f"body: the key `{name}` stands twice in one object; leave one")
    return found


def _check_texts(node: Any) -> None:
    if isinstance(node, str):
        if _UNSAFE.search(node):
            raise Malformed(
                "A text of the body holds NUL (\\u0000) or half of a character (a lone \\ud800 to"
                " \\udfff), which cannot be stored."
            )
    elif isinstance(node, list):
        for each in node:
            _check_texts(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            _check_texts(key)
            _check_texts(value)
