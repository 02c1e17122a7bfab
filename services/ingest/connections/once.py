"""One answer of one device, for whoever tries a facility file."""

from __future__ import annotations

from datetime import UTC, datetime

from services.core.store.registry import read
from services.ingest.connections import modbus, p1
from services.ingest.connections.endpoints import connected, endpoint_of
from services.ingest.connections.failures import SilentError
from services.ingest.connections.requests import requests

#: Meters send a telegram every 1 to 10 s; a connection begins in the midst of one.
_WAIT_S = 25.0


async def fetch(device: read.Device) -> bytes:
    """Return what the device says now, as ingest would hand it on.

    :raises ConnectionFailedError: it cannot be reached, or does not answer.
    :raises ValueError: the device is none that is connected to.
    """
    endpoint = endpoint_of(device.format, device.spec)
    if endpoint is None:
        raise ValueError(f"{device.slug} is not fetched from an address")
    if endpoint.protocol == "p1":
        async for telegram in p1.telegrams(endpoint, silent_after_s=_WAIT_S):
            return telegram
        raise SilentError("no telegram came")
    behind = connected(device)
    client = await modbus.connect(endpoint, timeout_s=behind.part["timeout"])
    try:
        return await modbus.poll(client, behind, requests(behind.channels), datetime.now(UTC))
    finally:
        client.close()
