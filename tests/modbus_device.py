"""A Modbus device: pymodbus' server, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimAction, SimData, SimDevice

from tests.patience import PATIENCE_S


@contextmanager
def modbus_server(action: SimAction | None = None) -> Iterator[tuple[int, list[bool]]]:
    """Serve two input registers with 5250; yields the port, and a list of who came and went.

    ``action``: called whenever registers are read, and may change them.
    """
    connections: list[bool] = []
    device = SimDevice(
        1,
        (
            [SimData(0, count=1, values=False, datatype=DataType.BITS)],
            [SimData(0, count=1, values=False, datatype=DataType.BITS)],
            [SimData(0, values=[0], datatype=DataType.REGISTERS)],
            [SimData(0, values=[0, 5250], datatype=DataType.REGISTERS)],
        ),
        action=action,
    )
    loop = asyncio.new_event_loop()

    async def start() -> tuple[ModbusTcpServer, int]:
        server = ModbusTcpServer(
            [device], address=("127.0.0.1", 0), trace_connect=connections.append
        )
        await server.serve_forever(background=True)
        return server, server.transport.sockets[0].getsockname()[1]

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server, number = asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE_S)
    try:
        yield number, connections
    finally:
        asyncio.run_coroutine_threadsafe(server.shutdown(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
