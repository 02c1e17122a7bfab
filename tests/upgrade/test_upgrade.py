"""An upgrade from every stored version while devices publish: nothing is lost, no total changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from psycopg import sql
from pydantic import SecretStr

from services.aggregator.head import Head
from services.aggregator.pieces import Pieces
from services.aggregator.tick import tick
from services.api.app import create_app
from services.core.runtime.settings import Settings
from services.core.store.database.connect import engine
from services.core.store.database.schema_version import MIGRATIONS, newest_revision
from services.core.store.registry.plan import facility_plans
from services.core.store.schema.compatibility import EXPANDS
from services.core.store.schema.migrate import config, plan
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S, until
from tests.services import Mosquitto, Postgres
from tests.upgrade import dump
from tests.upgrade.answers import differences
from tests.upgrade.catalogue import contractions, read
from tests.upgrade.fill import Devices, minutes
from tests.upgrade.processes import Processes
from tests.upgrade.releases import Release, stored

pytestmark = [pytest.mark.database, pytest.mark.timeout(900)]

MINUTE = timedelta(minutes=1)
MOMENT = timedelta(milliseconds=100)

_STORED = stored()

#: Tables that the story leaves empty, and why it has to.
_NEVER_FILLED = {
    "archived_span": "days leave for the archive once nothing changed what they feed for an hour",
    "packed_hours": "hours are packed by the month, once nothing came to them for an hour",
    "process_progress": "a process that ends takes its row along",
    "set_aside": "it has what cannot be computed, and all of the story can",
    "taken_readings": "it has rows within a transaction alone",
}


@pytest.fixture
def url(postgres_cluster: Postgres) -> Iterator[str]:
    with postgres_cluster.fresh_database() as url:
        yield url


def hold(url: str, mosquitto: Mosquitto) -> None:
    """Let the broker keep what is published, as it does for an ingest that was stopped."""
    with psycopg.connect(url) as connection:
        sessions = connection.execute("SELECT client_id FROM broker_session").fetchall()
    for (client_id,) in sessions:
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        subscribed: list[object] = []
        client.on_connect = lambda c, *_: c.subscribe("emissions/+/+/readings", qos=1)
        client.on_subscribe = lambda *_, done=subscribed: done.append(True)
        client.connect("127.0.0.1", mosquitto.port)
        client.loop_start()
        until(lambda done=subscribed: done, "the session is there")
        client.disconnect()
        client.loop_stop()


def compute(url: str, now: datetime) -> None:
    """Do what the aggregator does, as if it were soon after the dump."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for facility in facility_plans(connection).values():
            head = Head()
            while tick(connection, facility, now, head, Pieces(), history_first=False).worked:
                pass


async def ask(url: str, calls: list[str]) -> dict[str, Any]:
    settings = Settings(database_url=SecretStr(url), api_auth="off", api_requests_per_minute=10**6)
    app = create_app(settings)
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        answers = {}
        for call in calls:
            response = await client.get(call)
            assert response.status_code == 200, f"{call}: {response.text}"
            answers[call] = response.json()
        return answers


def _lost_rows(connection: psycopg.Connection[Any], release: Release) -> dict[str, tuple[int, int]]:
    """Find tables that have fewer rows than were stored: how many they had, and have."""
    lost = {}
    for table, stored_rows in release.rows.items():
        present = connection.execute("SELECT to_regclass(%s)", (f"public.{table}",)).fetchone()
        if present == (None,):
            continue
        statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", table))
        (rows,) = connection.execute(statement).fetchone() or (0,)
        if rows < stored_rows:
            lost[table] = (stored_rows, rows)
    return lost


@pytest.mark.parametrize("release", _STORED, ids=[release.version for release in _STORED])
def test_an_upgrade_under_load_loses_nothing_and_changes_no_total(
    release: Release, url: str, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    dump.restore(url, release.database)
    hold(url, mosquitto)
    made_at = datetime.fromisoformat(release.made_at)
    begins = made_at.replace(second=0, microsecond=0) + MINUTE
    processes = Processes(url, mosquitto, tmp_path)
    with psycopg.connect(url, autocommit=True) as connection, ExitStack() as stack:
        (readings,) = connection.execute("SELECT count(*) FROM reading").fetchone() or (0,)
        devices = Devices(mosquitto.url)
        stack.callback(devices.close)
        published = 0

        def publish() -> None:
            nonlocal published
            # close together: nothing may be of a time that has not come
            first = begins + published * MOMENT
            devices.publish([m for m in minutes(first, 5, every=MOMENT) if "/works/" in m[0]])
            published += 5

        publish()
        with processes.running("migrate") as migrate:
            while migrate.poll() is None:
                publish()
            assert migrate.returncode == 0, processes.said
        assert plan(url).steps == []
        assert _lost_rows(connection, release) == {}
        publish()
        # energy and power, volume, co2 and flow of each minute
        expected = readings + 5 * published
        with processes.running("ingest"):
            publish()
            expected += 25
            until(
                lambda: (
                    connection.execute("SELECT count(*) FROM reading").fetchone() == (expected,)
                ),
                "all that was published is stored",
                explain=lambda: (
                    str(
                        connection.execute(
                            "SELECT count(*), (SELECT count(*) FROM quarantine) FROM reading"
                        ).fetchone()
                    )
                    + processes.said
                ),
            )
    compute(url, begins + published * MOMENT)
    before = {
        call: answer
        for call, answer in release.answers.items()
        # days have hours that were not closed yet
        if answer is not None and "interval=1d" not in call
    }
    after = asyncio.run(ask(url, list(before)))
    differing = {
        call: found
        for call, answer in before.items()
        if (found := list(differences(answer, after[call]))[:5])
    }
    assert differing == {}, json.dumps(differing, indent=1)
    processes.run("verify")


def test_what_only_adds_takes_nothing_away(url: str) -> None:
    """As older code sees the schema, before each migration since the newest stored version."""
    newest = _STORED[-1]
    script = ScriptDirectory(str(MIGRATIONS))
    steps = list(script.iterate_revisions(newest_revision(), newest.revision))[::-1]
    if not steps:
        return
    dump.restore(url, newest.database)
    bind = engine(url, process="test")
    with psycopg.connect(url, autocommit=True) as connection:
        for step in steps:
            before = read(connection)
            with bind.begin() as own:
                command.upgrade(config(own), step.revision)
            found = contractions(before, read(connection))
            if step.module.compatible_from is EXPANDS:
                assert found == [], f"{step.revision} states that it only adds"
    bind.dispose()


def test_the_stored_version_has_rows_of_every_kind() -> None:
    """What no stored version has rows of, no upgrade has ever been tried on."""
    filled = {table for release in _STORED for table, count in release.rows.items() if count}
    known = {table for release in _STORED for table in release.rows}
    assert known - filled == _NEVER_FILLED.keys()


def test_a_stored_version_stays_small() -> None:
    """All of them come with every checkout, for ever."""
    for release in _STORED:
        files = [file.stat().st_size for file in release.directory.iterdir()]
        assert sum(files) < 2_000_000, release.version
