"""What connections hand over: messages into ingest's inbox, and who is online."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import structlog

from services.core.facility.topics import fetched_topic
from services.core.runtime import metrics
from services.ingest.connections.endpoints import ConnectedDevice
from services.ingest.sources.inbox import Inbox
from services.ingest.sources.source import Message

_log: Final = structlog.get_logger()

#: How long a message waits before it looks for room again.
_LOOK_S: Final = 0.05


class Outlet:
    """Takes what was fetched; used by one loop of asyncio alone."""

    def __init__(self, inbox: Inbox, utc: Callable[[], datetime]) -> None:
        """``utc``: the time that totals move by."""
        self._inbox = inbox
        self.utc = utc
        #: by name: whether the device answered last
        self._online: dict[str, bool] = {}

    async def hand(self, device: ConnectedDevice, payload: bytes) -> None:
        """Hand a message over; waits while the pipeline has enough to do."""
        while not self._inbox.has_room:  # noqa: ASYNC110 - another thread makes it
            await asyncio.sleep(_LOOK_S)
        topic = fetched_topic(device.facility, device.device)
        self._inbox.put([self._message(topic, payload)])
        self._say(device, is_online=True)

    def silent(self, devices: Iterable[ConnectedDevice], *, address: str, why: str) -> None:
        """Note that devices do not answer."""
        for device in devices:
            if self._online.get(device.name) is not False:
                _log.warning(
                    "device does not answer; trying again",
                    device=device.name,
                    address=address,
                    reason=why,
                )
            self._say(device, is_online=False)

    def forget(self, devices: Iterable[ConnectedDevice]) -> None:
        """Note that devices are no concern of this process any longer."""
        for device in devices:
            self._online.pop(device.name, None)
        self._measure()

    def _say(self, device: ConnectedDevice, *, is_online: bool) -> None:
        if self._online.get(device.name) is is_online:
            return
        if is_online:
            _log.info("device answers", device=device.name)
        self._online[device.name] = is_online
        status = f"emissions/{device.facility}/{device.device}/status"
        self._inbox.put([self._message(status, b"online" if is_online else b"offline")])
        self._measure()

    def _measure(self) -> None:
        answering = sum(self._online.values())
        metrics.ingest_fetched_devices.labels("online").set(answering)
        metrics.ingest_fetched_devices.labels("offline").set(len(self._online) - answering)

    def _message(self, topic: str, payload: bytes) -> Message:
        return Message(topic=topic, payload=payload, received_at=self.utc(), token=None)
