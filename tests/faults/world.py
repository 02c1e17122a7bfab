"""The stack of a fault run: servers that can be killed, proxies that can be cut, disks to fill."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import httpx
import psycopg

from deploy.local import nats_server, postgres_server
from services.core.store.schema import migrate
from tests.command import tonne
from tests.contract.ingest.brokers import make_durable
from tests.e2e.stack import ROOT, ForkedService, Service
from tests.faults.facility import OTHERS, file
from tests.faults.proxy import Proxy
from tests.services import Nats, Postgres, Server, server_directory

#: How ingest hears of messages.
Source = Literal["mqtt", "jetstream"]
SCHEMES: Final[dict[Source, str]] = {"mqtt": "mqtt", "jetstream": "nats"}

_SHIPPED_NATS = ROOT / "deploy" / "nats" / "tonne.conf"

_LISTENS = """
SELECT count(*) FROM process_progress WHERE process = %s AND instance LIKE %s
AND progressed_at > now() - interval '5 seconds'
AND (process <> 'ingest' OR state->>'broker' = 'connected')
"""


class QuickNats(Nats):
    """The shipped settings, but for ``ack_wait``: what a dead reader had in hand waits for it."""

    ack_wait_s = 2

    def command(self) -> list[str]:
        settings = self.directory / "nats.conf"
        settings.write_text(
            _SHIPPED_NATS.read_text().replace('ack_wait: "10s"', f'ack_wait: "{self.ack_wait_s}s"')
        )
        *program, _ = nats_server.server_command(self.directory)
        return [*program, str(settings)]


class Disk:
    """A small file system of its own that can be filled up; None where none can be mounted."""

    def __init__(self, directory: Path, megabytes: int) -> None:
        self.directory = directory
        self.was_full = False
        self._filler = directory / "filler"
        directory.mkdir()
        self.mounted = (
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)],
                check=False,
                capture_output=True,
            ).returncode
            == 0
        )

    def fill(self) -> None:
        """Leave no block free."""
        self.was_full = True
        with self._filler.open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(65_536))

    def free(self) -> None:
        """Take the filler away."""
        self._filler.unlink(missing_ok=True)

    @property
    def full(self) -> bool:
        """Whether it was filled up and not freed."""
        return self._filler.exists()

    def unmount(self) -> None:
        """Give the memory back."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.directory)], check=False)


class World:
    """PostgreSQL, NATS, ingest and aggregator, the latter two behind proxies."""

    #: imported by each process of a world that packs
    quick = "tests.faults.quick_packing"
    service_class: type[Service] = ForkedService
    database_disk_mb = 600

    def __init__(
        self, directory: Path, stack: ExitStack, source: Source, *, packing: bool = False
    ) -> None:
        directory.chmod(0o755)
        self._packing = packing
        self._by_mqtt = source == "mqtt"
        self._directory = directory
        self._change = 0
        self.database_disk = Disk(directory / "pg", self.database_disk_mb)
        self.broker_disk = Disk(directory / "nats", 300)
        stack.callback(self.database_disk.unmount)
        stack.callback(self.broker_disk.unmount)
        postgres_server.give_to_server_user(self.database_disk.directory)
        self.postgres = self._database(self.database_disk.directory)
        self.broker = QuickNats(self.broker_disk.directory)
        for server in (self.postgres, self.broker):
            stack.callback(server.kill)
            server.start()
        migrate.upgrade(self.postgres.url)
        listens = self.broker.port if source == "mqtt" else self.broker.client_port
        self.to_broker = self._link_to_broker(listens)
        self.ingest_to_database = self._link_to_database()
        self.aggregator_to_database = self._link_to_database()
        self._broker_url = self.broker.passwords.ingest_at(SCHEMES[source], self.to_broker.port)
        if source == "jetstream":
            make_durable(self.broker.nats_url, "tonne-ingest", ack_wait_s=QuickNats.ack_wait_s)
        for proxy in self.proxies:
            stack.callback(proxy.close)
        assert self._apply()
        self._services: dict[str, Service] = {}
        self.add(stack, "ingest", self.ingest_to_database)
        self.add(stack, "aggregate", self.aggregator_to_database)

    def _database(self, directory: Path) -> Postgres:
        return Postgres(directory)

    def _link_to_broker(self, port: int) -> Proxy:
        return Proxy(port)

    def _link_to_database(self) -> Proxy:
        return Proxy(self.postgres.port)

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """Every connection that can be cut."""
        return (self.to_broker, self.ingest_to_database, self.aggregator_to_database)

    @property
    def servers(self) -> tuple[Server, ...]:
        """Every process that can be killed, in the order they are to be started."""
        return (self.postgres, self.broker, *self._services.values())

    def service(self, word: str) -> Service:
        """The process that runs as ``tonne WORD``."""
        return self._services[word]

    @property
    def ingest(self) -> Service:
        """The process that takes readings in."""
        return self.service("ingest")

    @property
    def aggregator(self) -> Service:
        """The process that adds them up."""
        return self.service("aggregate")

    def add(self, stack: ExitStack, word: str, database: Proxy) -> None:
        """Start a process that reaches the database by a proxy."""
        service = self._make_service(self._directory, word, database)
        self._services[word] = service
        stack.callback(service.kill)
        service.start()

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection past the proxies."""
        return psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=5)

    def heal(self) -> None:
        """Disks free, connections flowing, every process running: what an operator sees to.

        NATS acknowledges nothing more after a failed write until it is started again.
        """
        for disk in (self.database_disk, self.broker_disk):
            disk.free()
        if self.broker_disk.was_full:
            self.broker.kill()
            self.broker_disk.was_full = False
        for proxy in self.proxies:
            proxy.flow()
        for server in self.servers:
            server.start()

    def _make_service(self, directory: Path, word: str, database: Proxy) -> Service:
        settings = self._environment(directory, database)
        process = {"aggregate": "aggregator"}.get(word, word)
        return self.service_class(
            directory / word, word, settings, lambda pid: self._progresses(process, pid)
        )

    def _environment(self, directory: Path, database: Proxy) -> dict[str, str]:
        settings = {
            "TONNE_DATABASE_URL": f"postgresql://{postgres_server.SUPERUSER}@127.0.0.1:"
            f"{database.port}/postgres",
            "TONNE_MQTT_URL": self._broker_url,
            # so that rounds see the old filters left, but later than `ack_wait`, when what a lost
            # connection had in hand has come again, and than a look at what NATS holds
            "TONNE_MQTT_OVERLAP_S": "8",
            **self._settings(directory),
        }
        if self._by_mqtt:
            settings["TONNE_BACKUP_BROKER_URL"] = self.broker.nats_url
        if self._packing:
            settings |= {"TONNE_PACK_AFTER_DAYS": "3", "TESTS_IMPORT": self.quick}
        return settings

    def _settings(self, directory: Path) -> dict[str, str]:
        """Settings of the processes beside those that every world has."""
        return {
            "TONNE_API_AUTH": "off",
            "TONNE_READINGS_SOCKET": str(directory / "readings.sock"),
        }

    def _file(self) -> str:
        return file(OTHERS[self._change % len(OTHERS)])

    def _progresses(self, process: str, pid: int) -> bool:
        if process == "api":
            return self._api_answers()
        try:
            with self.connect() as connection:
                row = connection.execute(_LISTENS, (process, f"%:{pid}")).fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and row[0] == 1

    def _api_answers(self) -> bool:
        url = f"http://127.0.0.1:{self.service('api').port}/healthz"
        try:
            return httpx.get(url, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def change_registry(self) -> None:
        """Add devices with topics of their own, or take them away; nothing if that fails."""
        self._change += 1
        self._apply()

    def _apply(self) -> bool:
        written = self._directory / "faults.yaml"
        written.write_text(self._file())
        return tonne(self.postgres.url, "apply", written).code == 0


@contextmanager
def running_world(source: Source = "mqtt", *, packing: bool = False) -> Iterator[World]:
    """Start everything; end every process and unmount every disk, also after a failure.

    ``packing``: the aggregator packs what has just come.
    """
    with ExitStack() as stack:
        directory = stack.enter_context(server_directory(for_postgres=True))
        yield World(directory, stack, source, packing=packing)
