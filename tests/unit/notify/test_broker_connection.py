"""A connection to a broker that is given up before it stands."""

from __future__ import annotations

import asyncio
import threading

from paho.mqtt.enums import MQTTProtocolVersion

from services.core.runtime.broker_url import parse
from services.notify.broker_connection import BrokerConnection
from tests.patience import PATIENCE_S


async def test_one_that_is_given_up_leaves_no_thread_and_no_connection() -> None:
    greeted, left = asyncio.Event(), asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the greeting, and answer nothing."""
        await reader.read(1)
        greeted.set()
        await reader.read()
        writer.close()
        left.set()

    before = set(threading.enumerate())
    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = BrokerConnection(
            parse(f"mqtt://127.0.0.1:{port}"),
            None,
            max_at_once=1,
            version=MQTTProtocolVersion.MQTTv311,
        )
        opening = asyncio.create_task(connection.open())
        async with asyncio.timeout(PATIENCE_S):
            await greeted.wait()
            opening.cancel()
            await asyncio.wait({opening})
            assert opening.cancelled()
            others = {one.name for one in set(threading.enumerate()) - before}
            assert not {name for name in others if name.startswith("paho")}
            await left.wait()
