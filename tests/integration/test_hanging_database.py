"""A database that takes connections and answers nothing: every process goes on when it does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.contract.ingest.brokers import PatientNats
from tests.forked import Forked
from tests.hanging import WAYS, Hanging, hanging
from tests.integration.ingest.plant import Plant
from tests.patience import PATIENCE_S, until
from tests.services import Postgres, as_login, free_port, server_directory

pytestmark = [pytest.mark.database, pytest.mark.broker]

_READING = '{{"ts": {ts}, "values": {{"import-energy": {value}}}}}'
#: What each service says while it waits, and the login that it has.
_SERVICES = {
    "aggregate": ("tonne_aggregate", "database away, trying again"),
    "notify": ("tonne_notify", "database unreachable, will retry"),
}


@dataclass(frozen=True, kw_only=True)
class _Process:
    """A process of tonne and what it said."""

    running: Forked
    log: Path

    def said(self) -> str:
        return self.log.read_text()


@pytest.fixture(params=WAYS)
def database(
    request: pytest.FixtureRequest, postgres_cluster: Postgres, migrated_template: str
) -> Iterator[Hanging]:
    with hanging(request.param, postgres_cluster, migrated_template) as made:
        yield made


@pytest.fixture
def plant(database: Hanging, tmp_path: Path) -> Iterator[Plant]:
    """Ingest, whose way to the database can hang."""
    with server_directory() as directory:
        broker = PatientNats(directory)
        broker.start()
        made = Plant(
            database=database.url, broker=broker, url=broker.url, log=tmp_path / "ingest.log"
        )
        made.apply()
        yield made
        made.kill()
        broker.stop()


def _started(database: Hanging, directory: Path, login: str, *words: str) -> _Process:
    log = directory / f"{words[0]}.log"
    ports = {f"TONNE_{name}_METRICS_PORT": str(free_port()) for name in ("AGGREGATOR", "NOTIFY")}
    with log.open("wb") as written:
        running = Forked(
            words,
            environment={
                **os.environ,
                **ports,
                "TONNE_DATABASE_URL": as_login(database.through, login),
                "TONNE_LOG_FORMAT": "json",
                "TONNE_MQTT_URL": "mqtt://127.0.0.1:1",
            },
            stdout=written.fileno(),
        )
    return _Process(running=running, log=log)


def test_services_wait_and_go_on_and_a_command_says_that_it_gives_up(
    database: Hanging, plant: Plant, tmp_path: Path
) -> None:
    services = {
        name: _started(database, tmp_path, login, name) for name, (login, _) in _SERVICES.items()
    }
    plant.started(TONNE_DATABASE_URL=as_login(database.through, "tonne_ingest"))
    with psycopg.connect(database.url, autocommit=True) as connection:

        def progress() -> dict[str, float]:
            return dict(
                connection.execute(
                    "SELECT process, extract(epoch FROM max(progressed_at))::float8"
                    " FROM process_progress GROUP BY 1"
                ).fetchall()
            )

        until(lambda: len(progress()) == 3, "all are at work", explain=plant.shown)
        plant.publish(*(_READING.format(ts=1_700_000_000 + i, value=i) for i in range(5)))
        plant.holds(readings=5)
        with psycopg.connect(database.url) as holder:
            # a command in the midst of its work
            holder.execute("LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE")
            command = _started(database, tmp_path, "tonne_admin", "keys", "list")
            until(
                lambda: connection.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND application_name LIKE 'tonne.admin%'"
                ).fetchone(),
                "the command waits for a lock",
                explain=command.said,
            )
            database.hang()
            try:
                plant.publish(*(_READING.format(ts=1_700_000_010 + i, value=i) for i in range(20)))
                assert command.running.wait(PATIENCE_S) == 1
                (said,) = [line for line in command.said().splitlines() if "tonne: " in line]
                assert "the database has answered nothing for 15 s" in said
                assert "Traceback" not in command.said()
                for name, process in services.items():
                    waits = _SERVICES[name][1]
                    until(lambda: waits in process.said(), f"{name} waits", explain=process.said)  # noqa: B023
                until(
                    lambda: plant.said("the database is away; holding the batch"),
                    "ingest waits",
                    explain=plant.log.read_text,
                )
                # one that begins now
                late = _started(database, tmp_path, "tonne_admin", "factors", "list")
                assert late.running.wait(PATIENCE_S) == 1
                assert "the database cannot be used (connection timeout expired" in late.said()
            finally:
                database.go_on()
        before = progress()
        plant.holds(readings=25)
        until(
            lambda: all(progress()[name] > at for name, at in before.items()),
            "all are at work again",
            explain=lambda: "\n".join([plant.shown(), *(s.said() for s in services.values())]),
        )
        assert plant.count("quarantine") == 0
    assert not plant.exited
    for process in services.values():
        assert process.running.poll() is None
        process.running.terminate()
        assert process.running.wait(PATIENCE_S) == 0
    assert plant.end() == 0
