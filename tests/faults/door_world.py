"""The stack of the rounds of ways in: with an API, a host of Sparkplug, and discovery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.faults.facility import door_file
from tests.faults.proxy import Proxy
from tests.faults.world import SCHEMES, World
from tests.services import free_port, server_directory


class DoorWorld(World):
    """A world that readings come into by every way."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._proxied: list[Proxy] = []
        self._ports: dict[str, int] = {}
        self._hj212_port = free_port()
        super().__init__(directory, stack, "mqtt")
        self.directory = directory
        self.add(stack, "api", self.ingest_to_database)
        #: what clients and stations connect by
        self.to_api = stack.enter_context(self.proxied(self.service("api").port))
        self.to_hj212 = stack.enter_context(self.proxied(self._hj212_port))

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """Every connection that can be cut."""
        return (*super().proxies, *self._proxied)

    @contextmanager
    def proxied(self, port: int) -> Iterator[Proxy]:
        """A proxy to a port, which flows again when all is healed."""
        proxy = Proxy(port)
        self._proxied.append(proxy)
        try:
            yield proxy
        finally:
            self._proxied.remove(proxy)
            proxy.close()

    def place(self, device: str, port: int) -> None:
        """Let ingest connect to a device at a port."""
        self._ports[device] = port
        assert self._apply()

    @property
    def api_url(self) -> str:
        """Where readings are sent by HTTP."""
        return f"http://127.0.0.1:{self.to_api.port}"

    @property
    def sparkplug_is_online(self) -> bool:
        """Whether edge nodes are heard."""
        return self._metric("tonne_ingest_sparkplug_online") == 1

    def _metric(self, name: str) -> float:
        try:
            return self.ingest.metric(name)
        except httpx.TransportError:
            return 0.0

    def _settings(self, directory: Path) -> dict[str, str]:
        at_broker = self.broker.passwords.ingest_at(SCHEMES["mqtt"], self.to_broker.port)
        return {
            **super()._settings(directory),
            "TONNE_SPARKPLUG_URL": at_broker,
            "TONNE_SPARKPLUG_REORDER_S": "0.5",
            "TONNE_DISCOVERY_URL": at_broker,
            "TONNE_UPLOADS_DIR": str(directory / "uploads"),
            "TONNE_HJ212_PORT": str(self._hj212_port),
            "TONNE_DEVICE_HOSTS": "127.0.0.1",
        }

    def _file(self) -> str:
        return door_file(self._ports)


@contextmanager
def running_door_world() -> Iterator[DoorWorld]:
    """Start everything; end every process and unmount every disk, also after a failure."""
    with ExitStack() as stack:
        directory = stack.enter_context(server_directory(for_postgres=True))
        yield DoorWorld(directory, stack)
