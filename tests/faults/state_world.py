"""The stack of the rounds of hard states: every process behind a wire that can stop it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.clocks import ClockedPostgres, FakeClock
from tests.command import tonne
from tests.e2e.stack import ForkedService, Service
from tests.faults.proxy import Proxy
from tests.faults.wire import Wire, http_requests, mqtt_packets, statements
from tests.faults.world import World
from tests.forked import Forked
from tests.services import Server, server_directory

#: The process at the near end of each wire.
_NEAR_END: Final = {
    "ingest": "ingest",
    "aggregator": "aggregate",
    "notifier": "notify",
    "api": "api",
    "mqtt": "ingest",
    "webhook": "notify",
}


class StateService(ForkedService):
    """A process that may be started with a clock of its own."""

    #: from the next start on: what it goes by
    clock: FakeClock | None = None

    def environment(self) -> dict[str, str]:
        clock = {} if self.clock is None else self.clock.environment()
        return {**super().environment(), **clock}

    def launched(self, log: int) -> subprocess.Popen[bytes] | Forked:
        # a library is loaded with the program, and not with a fork of it
        return super().launched(log) if self.clock is None else Server.launched(self, log)


class StateWorld(World):
    """A world of all processes; what each says to the database and the broker is understood."""

    quick = "tests.faults.quick_states"
    service_class = StateService
    # all packed days are opened after each of some hundred rounds, and closed again
    database_disk_mb = 3000
    postgres: ClockedPostgres

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        super().__init__(directory, stack, "mqtt", packing=True)
        self.directory = directory
        self._wires = {
            "mqtt": self.to_broker,
            "ingest": self.ingest_to_database,
            "aggregator": self.aggregator_to_database,
            **{name: self._link_to_database() for name in ("notifier", "api", "command")},
        }
        for name in ("notifier", "api", "command"):
            stack.callback(self._wires[name].close)
        for name in ("notifier", "api"):
            self.add(stack, _NEAR_END[name], self._wires[name])

    def listen_for(self, stack: ExitStack, port: int) -> int:
        """Put a wire before a webhook; return where messages are to be sent."""
        wire = self._wires["webhook"] = Wire(port, http_requests)
        stack.callback(wire.close)
        return wire.port

    def wire(self, name: str) -> Wire:
        """The wire of a process to the database, or ``mqtt``: that of ingest to the broker."""
        wire = self._wires[name]
        assert isinstance(wire, Wire)
        return wire

    def near_end(self, name: str) -> Service:
        """The process that talks on a wire."""
        return self.service(_NEAR_END[name])

    @contextmanager
    def clocked(self, word: str) -> Iterator[FakeClock]:
        """Start a process anew with a clock of its own, for the block; yields it."""
        service = self.service(word)
        assert isinstance(service, StateService)
        service.kill()
        service.clock = FakeClock(self.directory / f"{word}-clock")
        try:
            service.start()
            yield service.clock
        finally:
            service.kill()
            service.clock = None
            service.start()

    @contextmanager
    def clocked_database(self) -> Iterator[FakeClock]:
        """Do so with the database."""
        self.postgres.stop()
        self.postgres.goes_by_it = True
        try:
            self.postgres.start()
            yield self.postgres.clock
        finally:
            self.postgres.clock.jump_to("+0s")
            self.postgres.stop()
            self.postgres.goes_by_it = False
            self.postgres.start()

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        return tuple(self._wires.values()) if hasattr(self, "_wires") else super().proxies

    # -- what the kilns want ------------------------------------------------------------------

    @property
    def notifier(self) -> Service:
        """The process that tells of alerts."""
        return self.service("notify")

    @property
    def database_url(self) -> str:
        """URL of the database, past the wires."""
        return self.postgres.url

    @property
    def mqtt_url(self) -> str:
        """Where devices publish."""
        return self.broker.url

    def apply(self, *files: Path) -> None:
        """Write facility files into the registry."""
        applied = tonne(self.postgres.url, "apply", *files)
        assert applied.code == 0, applied.said

    def readings(self) -> int:
        """How many readings are stored."""
        with self.connect() as connection:
            row = connection.execute("SELECT count(*) FROM reading").fetchone()
        return int(str(row[0])) if row else 0

    # -- how it is built ----------------------------------------------------------------------

    def _database(self, directory: Path) -> ClockedPostgres:
        return ClockedPostgres(directory, goes_by_it=False)

    def _link_to_broker(self, port: int) -> Wire:
        return Wire(port, mqtt_packets)

    def _link_to_database(self) -> Wire:
        return Wire(self.postgres.port, statements)

    def _settings(self, directory: Path) -> dict[str, str]:
        return {**super()._settings(directory), "TONNE_WEBHOOK_PRIVATE": "allow"}


@contextmanager
def running_state_world() -> Iterator[StateWorld]:
    """Start everything; end every process and unmount every disk, also after a failure."""
    with ExitStack() as stack:
        directory = stack.enter_context(server_directory(for_postgres=True))
        yield StateWorld(directory, stack)
