"""What is at work beside the API: the aggregator, or a load through broker, ingest and it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from services.core.facility.file import parse
from services.core.store.database.connect import engine
from services.core.store.registry.apply import apply
from tests.bench.throughput.generator import Generator, facility_yaml
from tests.e2e.stack import Service
from tests.services import Nats, server_directory

#: of load before anything is measured
WARM_UP_S = 10.0

_PROGRESSES = """
SELECT count(*) FROM process_progress
WHERE instance LIKE %s AND progressed_at > now() - interval '5 seconds'
"""


@contextmanager
def service(word: str, directory: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """Run one of the services until it is not needed any more."""

    def progresses(pid: int) -> bool:
        with psycopg.connect(settings["TONNE_DATABASE_URL"]) as connection:
            row = connection.execute(_PROGRESSES, (f"%:{pid}",)).fetchone()
        return row is not None and row[0] > 0

    running = Service(directory / word, word, settings, progresses)
    running.start()
    try:
        yield
    finally:
        running.stop()


@contextmanager
def aggregator(database: str, directory: Path) -> Iterator[None]:
    """Let windows be moved on with the time, without which each answer sums up ever more."""
    with service("aggregate", directory, {"TONNE_DATABASE_URL": database}):
        time.sleep(WARM_UP_S)
        yield


@contextmanager
def load(database: str, directory: Path, *, rate: float, seconds: float) -> Iterator[None]:
    """Let ``rate`` messages of two values a second be stored and summed up meanwhile."""
    with ExitStack() as ending:
        bind = engine(database, process="test")
        with bind.begin() as connection:
            apply(connection, parse(facility_yaml()))
        bind.dispose()
        broker = Nats(ending.enter_context(server_directory()))
        ending.callback(broker.stop)
        broker.start()
        settings = {"TONNE_DATABASE_URL": database, "TONNE_MQTT_URL": broker.url}
        for word in ("ingest", "aggregate"):
            ending.enter_context(service(word, directory, settings))
        ending.enter_context(Generator(broker.url, rate, seconds))
        time.sleep(WARM_UP_S)
        yield
