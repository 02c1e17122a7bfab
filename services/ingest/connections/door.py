"""The door for devices that ingest connects to: a thread with all connections, beside brokers.

Of several ingest processes one connects to an address: whose session with the database has its
lock, and whose setting names it.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import psycopg
import structlog

from services.core.runtime import tasks
from services.core.runtime.clock import Clock
from services.core.store.operations.device_leases import DeviceLeases
from services.ingest.connections.endpoints import ConnectedDevice, Devices, Endpoint
from services.ingest.connections.hosts import Hosts
from services.ingest.connections.keeping import keep
from services.ingest.connections.outlet import Outlet
from services.ingest.connections.p1 import SILENT_AFTER_S
from services.ingest.resolve import Directory
from services.ingest.sources.inbox import Inbox

_log: Final = structlog.get_logger()

#: Devices that a notice names.
_MAX_NAMED: Final = 20


class ConnectionsDoor:
    """All connections to devices; one thread of its own, all else is called by the pipeline's."""

    def __init__(
        self, hosts: Hosts, *, inbox: Inbox, clock: Clock, silent_after_s: float = SILENT_AFTER_S
    ) -> None:
        """``clock``: the time that totals move by; ``silent_after_s``: of a P1 port."""
        self._hosts = hosts
        self._inbox = inbox
        self._outlet = Outlet(inbox, clock.now)
        self._silent_after_s = silent_after_s
        self._leases = DeviceLeases()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._wanted: Mapping[Endpoint, Sequence[ConnectedDevice]] = {}
        self._tasks: dict[Endpoint, tuple[Sequence[ConnectedDevice], asyncio.Task[None]]] = {}
        #: devices that no setting lets this process connect to
        self._refused: list[str] = []
        # in a copy of this context, so that its log lines name the process too
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run,),
            name="connections",
            daemon=True,
        )

    # -- the pipeline's side ------------------------------------------------------------------

    def look(self, connection: psycopg.Connection[Any], directory: Directory) -> None:
        """Connect to what the registry names, no more and no less; call every second or so."""
        allowed, self._refused = self._divided(directory.connected)
        leased = self._leases.keep(connection, {endpoint.address for endpoint in allowed})
        wanted = {
            endpoint: devices for endpoint, devices in allowed.items() if endpoint.address in leased
        }
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if self._thread.ident is None:
            self._thread.start()
        self._loop.call_soon_threadsafe(self._want, wanted)

    @property
    def due(self) -> bool:
        """Whether there is something to :meth:`write`: never."""
        return False

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Store nothing: each message says all that it means."""

    @property
    def refused(self) -> str:
        """Which devices are not connected to, and what to do; empty: none."""
        if not self._refused:
            return ""
        more = len(self._refused) - _MAX_NAMED
        named = ", ".join(self._refused[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
        return (
            f"TONNE_DEVICE_HOSTS of ingest does not name where these devices are: {named}; add the"
            " hosts to it, as deploy/docs/howto/devices/p1.md says, or correct the facility files"
        )

    def close(self) -> None:
        """Close all connections; what was fetched is in the inbox on return."""
        if self._thread.ident is None:
            self._loop.close()
            return
        with suppress(RuntimeError):
            # it has ended already
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _divided(self, devices: Devices) -> tuple[dict[Endpoint, list[ConnectedDevice]], list[str]]:
        allowed: dict[Endpoint, list[ConnectedDevice]] = {}
        refused: list[str] = []
        for endpoint, behind in devices.items():
            for device in behind:
                if self._hosts.allow(device.facility, endpoint.host, endpoint.port):
                    allowed.setdefault(endpoint, []).append(device)
                else:
                    refused.append(f"{device.name} at {endpoint.address}")
        return allowed, sorted(refused)

    # -- the thread's side --------------------------------------------------------------------

    def _run(self) -> None:
        """Whatever goes wrong here ends the pipeline too: its next ``receive`` raises it."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._until_ended())
        except BaseException as failure:  # noqa: BLE001 - handed over to the pipeline's thread
            self._inbox.fail(failure)

    async def _until_ended(self) -> None:
        await self._ended.wait()
        await tasks.end(*(task for _, task in self._tasks.values()))

    def _want(self, wanted: Mapping[Endpoint, Sequence[ConnectedDevice]]) -> None:
        for endpoint, (devices, task) in list(self._tasks.items()):
            if wanted.get(endpoint) != devices:
                tasks.cancel(task)
                del self._tasks[endpoint]
                self._outlet.forget(devices)
        for endpoint, devices in wanted.items():
            if endpoint not in self._tasks:
                _log.info(
                    "connecting to devices",
                    address=endpoint.address,
                    devices=[device.name for device in devices],
                )
                work = keep(endpoint, devices, self._outlet, silent_after_s=self._silent_after_s)
                self._tasks[endpoint] = (devices, self._loop.create_task(work))
