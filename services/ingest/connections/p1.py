"""One connection to a P1 port: it speaks, ingest hears, and never sends a byte."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from services.core.runtime import metrics
from services.ingest.connections.endpoints import ConnectedDevice, Endpoint
from services.ingest.connections.failures import AwayError, SilentError
from services.ingest.connections.outlet import Outlet
from services.ingest.connections.p1_stream import P1Stream

#: Meters send every 1 to 10 s.
SILENT_AFTER_S: Final = 60.0

_CONNECT_S: Final = 10.0
_READ_BYTES: Final = 4096

#: A meter's clock and this one differ: a telegram may come a little early.
_EARLY_S: Final = 0.5


async def telegrams(
    endpoint: Endpoint, *, silent_after_s: float = SILENT_AFTER_S
) -> AsyncGenerator[bytes, None]:
    """Connect, and yield telegrams as they come, without end.

    :raises AwayError: the connection cannot be made, or ended.
    :raises SilentError: no telegram came for so long.
    """
    try:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except (OSError, TimeoutError) as error:
        raise AwayError(str(error) or "it takes no connection in time") from None
    stream = P1Stream()
    try:
        while True:
            # of a port that sends what is none, the deadline passes as well
            async with asyncio.timeout(silent_after_s):
                whole: Sequence[bytes] = ()
                while not whole:
                    data = await reader.read(_READ_BYTES)
                    if not data:
                        raise AwayError("it closed the connection")
                    broken = stream.broken
                    whole = stream.feed(data)
                    metrics.ingest_fetch_failures.labels("p1", "broken").inc(stream.broken - broken)
            for telegram in whole:
                yield telegram
    except TimeoutError:
        raise SilentError(f"no telegram came in {silent_after_s:g} s") from None
    except OSError as error:
        raise AwayError(str(error)) from None
    finally:
        writer.close()


async def listen(
    endpoint: Endpoint,
    devices: Sequence[ConnectedDevice],
    outlet: Outlet,
    answered: Callable[[], None],
    *,
    silent_after_s: float,
) -> None:
    """Hand on telegrams until the connection ends; raises as :func:`telegrams`."""
    taken_at: dict[str, float] = {}
    async with aclosing(telegrams(endpoint, silent_after_s=silent_after_s)) as incoming:
        async for telegram in incoming:
            answered()
            now = time.monotonic()
            for device in devices:
                every_s = device.part.get("every") or 0.0
                last = taken_at.get(device.name)
                if last is not None and now - last < every_s - _EARLY_S:
                    continue
                taken_at[device.name] = now
                metrics.ingest_fetched_messages.labels("p1").inc()
                await outlet.hand(device, telegram)
