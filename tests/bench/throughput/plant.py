"""The servers of a measurement: PostgreSQL and NATS with the settings that tonne ships."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import postgres_server
from services.core.facility.file import parse
from services.core.store.database.connect import engine
from services.core.store.registry.apply import apply
from services.core.store.schema import migrate
from tests.bench.throughput.generator import facility_yaml
from tests.services import Nats, Postgres, server_directory

_TEMPLATE = "bench_template"


class ShippedPostgres(Postgres):
    """The database as it is run in earnest: every setting is the shipped one."""

    def command(self) -> list[str]:
        """Without what makes the tests' databases cheap."""
        return postgres_server.server_command(self._programs, self._data_dir, self.port)


@dataclass(frozen=True, kw_only=True)
class Plant:
    """A broker and a migrated database with the load's facility, both empty otherwise."""

    postgres: Postgres
    database: str
    broker: Nats
    directory: Path


class Site:
    """One PostgreSQL cluster from which every measurement gets a fresh database and broker."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    @contextmanager
    def plant(self) -> Iterator[Plant]:
        """Fresh servers, gone at the end."""
        # what earlier measurements left to be written must not be written during this one
        self._postgres.execute("CHECKPOINT")
        with ExitStack() as ending:
            database = ending.enter_context(self._postgres.fresh_database(template=_TEMPLATE))
            broker = Nats(ending.enter_context(server_directory()))
            ending.callback(broker.stop)
            broker.start()
            directory = ending.enter_context(server_directory())
            yield Plant(
                postgres=self._postgres, database=database, broker=broker, directory=directory
            )


@contextmanager
def site() -> Iterator[Site]:
    """The cluster, gone at the end."""
    with ExitStack() as ending:
        postgres = ShippedPostgres(ending.enter_context(server_directory(for_postgres=True)))
        ending.callback(postgres.stop)
        postgres.start()
        postgres.execute(f"CREATE DATABASE {_TEMPLATE}")
        url = postgres.url_of(_TEMPLATE)
        migrate.upgrade(url)
        bind = engine(url, process="test")
        with bind.begin() as connection:
            apply(connection, parse(facility_yaml()))
        bind.dispose()
        postgres.freeze_as_template(_TEMPLATE)
        yield Site(postgres)
