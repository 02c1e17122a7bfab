"""The broker's streams: NATS makes a snapshot of each, and takes it back.

What waits at the broker, the sessions of devices and retained messages are in streams; each goes
with the state of its consumers. Protocol: JetStream's ``STREAM.SNAPSHOT`` and ``STREAM.RESTORE``,
in pieces, each of which the other side acknowledges.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from nats.aio.client import Client
from nats.aio.msg import Msg

from services.core.backup.problem import BackupError
from services.core.runtime import nats_client
from services.core.runtime.broker_url import BrokerRefusalError, BrokerUrl

_PIECE_BYTES: Final = 128 << 10
#: How long NATS may be silent.
_SILENCE_S: Final = 30.0
_API: Final = "$JS.API."
#: Ends the name of a stream's messages: a tar archive in S2 compression.
_DATA: Final = ".tar.s2"
#: Status of the empty piece that ends a snapshot.
_ENDED: Final = "204"


def take(
    url: BrokerUrl, tls: ssl.SSLContext | None, target: Path, hear: Callable[[int], None]
) -> dict[str, int]:
    """Write a snapshot of every stream into a directory; return how many messages each holds.

    :param hear: gets the bytes of each piece.
    :raises BackupError: NATS cannot be reached, or refuses.
    """
    target.mkdir(mode=0o700)

    async def all_streams(client: Client) -> dict[str, int]:
        return {name: await _snapshot(client, name, target, hear) for name in await _names(client)}

    return _connected(url, tls, all_streams)


def bring_back(
    url: BrokerUrl, tls: ssl.SSLContext | None, taken: Path, hear: Callable[[int], None]
) -> dict[str, int]:
    """Restore every stream of a directory to a server that has none of them.

    :raises BackupError: a stream is there already, NATS cannot be reached, or refuses.
    """
    stated = [json.loads(path.read_bytes()) for path in sorted(taken.glob("*.json"))]

    async def all_streams(client: Client) -> dict[str, int]:
        present = set(await _names(client))
        if twice := sorted(present & {about["config"]["name"] for about in stated}):
            raise BackupError(
                f"the broker has {', '.join(twice)} already; let it start with an empty"
                " directory and NATS_MQTT_PORT=-1, where no device finds it, and restore before"
                " anybody connects"
            )
        return {
            about["config"]["name"]: await _restore(client, about, taken, hear) for about in stated
        }

    return _connected(url, tls, all_streams)


def _connected(
    url: BrokerUrl,
    tls: ssl.SSLContext | None,
    work: Callable[[Client], Awaitable[dict[str, int]]],
) -> dict[str, int]:
    async def session() -> dict[str, int]:
        async def hear_error(_: Exception) -> None:
            """Do nothing: what matters comes as the answer of a request."""

        async def hear_closed() -> None:
            """Do nothing: the request that waits ends by it."""

        client = await nats_client.connect(
            url, name="tonne-backup", tls=tls, on_error=hear_error, on_closed=hear_closed
        )
        try:
            return await work(client)
        finally:
            await nats_client.close(client)

    try:
        return asyncio.run(session())
    except BrokerRefusalError as error:
        raise BackupError(str(error)) from None
    except nats_client.RECOVERABLE as error:
        reason = str(error) or type(error).__name__
        raise BackupError(f"the broker at {url.address} does not answer ({reason})") from None


async def _names(client: Client) -> list[str]:
    names: list[str] = []
    while True:
        answer = await _ask(client, "STREAM.NAMES", {"offset": len(names)})
        page = answer.get("streams") or []
        names += page
        if not page or len(names) >= answer["total"]:
            return sorted(names)


async def _snapshot(client: Client, name: str, target: Path, hear: Callable[[int], None]) -> int:
    inbox = client.new_inbox()
    pieces: asyncio.Queue[Msg] = asyncio.Queue()
    subscription = await client.subscribe(inbox, cb=pieces.put)
    answer = await _ask(
        client,
        f"STREAM.SNAPSHOT.{name}",
        {"deliver_subject": inbox, "chunk_size": _PIECE_BYTES, "jsck": True},
    )
    with (target / f"{name}{_DATA}").open("wb") as file:
        while (piece := await _next(pieces)).data:
            file.write(piece.data)
            hear(len(piece.data))
            if piece.reply:
                await piece.respond(b"")
    status = (piece.headers or {}).get("Status", _ENDED)
    await subscription.unsubscribe()
    if status != _ENDED:
        reply = (piece.headers or {}).get("Description", "no reason given")
        raise BackupError(f"the broker broke off the snapshot of {name} ({reply}); try again")
    stated = {"config": answer["config"], "state": answer["state"]}
    (target / f"{name}.json").write_text(json.dumps(stated, indent=1), encoding="utf-8")
    count: int = answer["state"]["messages"]
    return count


async def _next(pieces: asyncio.Queue[Msg]) -> Msg:
    async with asyncio.timeout(_SILENCE_S):
        return await pieces.get()


async def _restore(
    client: Client, about: dict[str, Any], taken: Path, hear: Callable[[int], None]
) -> int:
    name = about["config"]["name"]
    answer = await _ask(client, f"STREAM.RESTORE.{name}", about)
    target = answer["deliver_subject"]
    with (taken / f"{name}{_DATA}").open("rb") as file:
        for piece in _pieces(file):
            reply = await client.request(target, piece, timeout=_SILENCE_S)
            if reply.data:
                _raise_refusal(json.loads(reply.data))
            hear(len(piece))
    done = await client.request(target, b"", timeout=_SILENCE_S)
    ended = json.loads(done.data)
    _raise_refusal(ended)
    count: int = ended["state"]["messages"]
    return count


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


async def _ask(client: Client, call: str, body: Mapping[str, Any]) -> dict[str, Any]:
    reply = await client.request(_API + call, json.dumps(body).encode(), timeout=_SILENCE_S)
    answer: dict[str, Any] = json.loads(reply.data)
    _raise_refusal(answer)
    return answer


def _raise_refusal(answer: Mapping[str, Any]) -> None:
    if error := answer.get("error"):
        raise BackupError(f"the broker refuses: {error.get('description', error)}")
