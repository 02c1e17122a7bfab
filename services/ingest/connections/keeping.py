"""One connection after the other to an endpoint, for as long as its devices are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from services.core.runtime import metrics
from services.core.runtime.backoff import Backoff
from services.ingest.connections import modbus, p1
from services.ingest.connections.endpoints import ConnectedDevice, Endpoint
from services.ingest.connections.failures import ConnectionFailedError, SilentError
from services.ingest.connections.outlet import Outlet

_log: Final = structlog.get_logger()

_SHORTEST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 60.0


async def keep(
    endpoint: Endpoint,
    devices: Sequence[ConnectedDevice],
    outlet: Outlet,
    *,
    silent_after_s: float = p1.SILENT_AFTER_S,
) -> None:
    """Fetch until cancelled; whatever fails is tried again, after growing waits with jitter."""
    backoff = Backoff(shortest_s=_SHORTEST_WAIT_S, longest_s=_LONGEST_WAIT_S)
    rounds = modbus.Rounds(devices, outlet.utc()) if endpoint.protocol == "modbus" else None
    while True:
        try:
            if rounds is None:
                await p1.listen(
                    endpoint, devices, outlet, backoff.reset, silent_after_s=silent_after_s
                )
            else:
                await modbus.read_on(endpoint, rounds, outlet, backoff.reset)
        except ConnectionFailedError as failure:
            metrics.ingest_fetch_failures.labels(endpoint.protocol, failure.kind).inc()
            device = failure.device if isinstance(failure, SilentError) else None
            silent = devices if device is None else [device]
            outlet.silent(silent, address=endpoint.address, why=str(failure))
            if device is None:
                await asyncio.sleep(backoff.next_s())
        except Exception:  # noqa: BLE001 - one device's answers must not end ingest for all
            _log.exception("connection to a device failed by a fault", address=endpoint.address)
            outlet.silent(devices, address=endpoint.address, why="a fault of tonne")
            await asyncio.sleep(backoff.next_s())
