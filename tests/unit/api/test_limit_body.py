"""How much of bodies may be in memory together."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from services.api.http import middleware
from services.api.http.middleware import LimitBody
from services.api.http.problems import BodyTooLarge, Busy

READINGS: Scope = {"type": "http", "method": "POST", "path": "/v1/readings", "headers": []}


def parts(*sizes: int) -> Receive:
    """A body that says its length of no part."""
    messages: list[Message] = [
        {"type": "http.request", "body": bytes(size), "more_body": True} for size in sizes
    ]
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    return receive


async def sent(_message: Message) -> None:
    raise AssertionError("nobody answers here")


async def test_a_body_that_is_too_large_makes_no_room_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(middleware, "_TOGETHER_BYTES", 100)
    others = [parts(60)]

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if others:
            # another one comes while this one is read
            await limited(READINGS, others.pop(), send)
        await receive()

    limited = LimitBody(app, limit=10, readings_limit=60)
    with pytest.raises(Busy):
        await limited(READINGS, parts(60), sent)
    for _ in range(3):
        with pytest.raises(BodyTooLarge):
            await limited(READINGS, parts(50, 50), sent)
    others = [parts(60)]
    with pytest.raises(Busy):
        await limited(READINGS, parts(60), sent)
