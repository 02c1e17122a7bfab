"""The address that was looked at is the one that is connected to, whatever a name says later."""

from __future__ import annotations

from ipaddress import ip_address

import httpx
import pytest

from services.notify.address import Address, Reach
from services.notify.pinned_transport import AddressRefusedError, PinnedTransport

PUBLIC, PRIVATE = "93.184.215.14", "127.0.0.1"


class Names:
    """Gives each look-up its own answer."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def addresses(self, host: str, port: int) -> list[Address]:
        assert (host, port) == ("example.org", 443)
        return [ip_address(text) for text in self.answers.pop(0)]


class Wire(httpx.AsyncBaseTransport):
    """Remembers where requests went; ``dead`` addresses cannot be connected to."""

    def __init__(self, *, dead: str = "") -> None:
        self.dead = dead
        self.went: list[tuple[str, str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        self.went.append((host, request.headers["host"], request.extensions["sni_hostname"]))
        if host == self.dead:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(204)


async def post(transport: PinnedTransport) -> int:
    async with httpx.AsyncClient(transport=transport) as client:
        return (await client.post("https://example.org/hook")).status_code


async def test_the_checked_address_is_connected_to_under_the_hosts_name() -> None:
    wire = Wire()
    # a second look-up would find another answer: there is none
    transport = PinnedTransport(Names([PUBLIC], [PRIVATE]), Reach.PUBLIC, wire)
    assert await post(transport) == 204
    assert await post(transport) == 204
    assert wire.went == [(PUBLIC, "example.org", "example.org")] * 2


async def test_a_name_that_turns_to_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.notify.pinned_transport._FRESH_S", -1.0)
    wire = Wire()
    transport = PinnedTransport(Names([PUBLIC], [PRIVATE]), Reach.PUBLIC, wire)
    assert await post(transport) == 204
    with pytest.raises(AddressRefusedError, match=r"example.org is at the loopback address"):
        await post(transport)
    assert len(wire.went) == 1


async def test_one_private_address_among_public_ones_is_refused() -> None:
    wire = Wire()
    transport = PinnedTransport(Names([PUBLIC, PRIVATE]), Reach.PUBLIC, wire)
    with pytest.raises(AddressRefusedError):
        await post(transport)
    assert wire.went == []


async def test_the_next_address_is_tried_where_the_first_is_dead() -> None:
    wire = Wire(dead="2606:4700::1111")
    transport = PinnedTransport(Names(["2606:4700::1111", PUBLIC]), Reach.PUBLIC, wire)
    assert await post(transport) == 204
    assert [host for host, _, _ in wire.went] == ["2606:4700::1111", PUBLIC]
