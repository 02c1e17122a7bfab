"""A request that the standby cannot go on with begins anew at the primary, unless it has begun."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.api.http.read_again import ReadAgain
from services.api.standby import AskPrimaryError, Standby


class _App:
    """Fails at the standby, before or after its answer begins."""

    def __init__(self, *, begins_first: bool = False) -> None:
        self.places: list[bool] = []
        self._begins_first = begins_first

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.places.append(Standby.may_serve())
        if self._begins_first or not Standby.may_serve():
            await send({"type": "http.response.start", "status": 200, "headers": []})
        if Standby.may_serve():
            raise AskPrimaryError


def asked(app: _App, method: str) -> list[str]:
    """Ask an app; what it sent."""
    sent: list[str] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    asyncio.run(ReadAgain(app)({"type": "http", "method": method}, receive, send))
    return sent


def test_it_begins_anew_at_the_primary() -> None:
    app = _App()
    assert asked(app, "GET") == ["http.response.start"]
    assert app.places == [True, False]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_may_write_reads_at_the_primary(method: str) -> None:
    app = _App()
    assert asked(app, method) == ["http.response.start"]
    assert app.places == [False]


def test_what_was_sent_is_not_sent_twice() -> None:
    app = _App(begins_first=True)
    with pytest.raises(AskPrimaryError):
        asked(app, "GET")
    assert app.places == [True]
