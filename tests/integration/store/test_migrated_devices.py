"""A database from when a device id was unique in the whole system goes on as it was."""

from __future__ import annotations

import psycopg
import pytest
from alembic import command
from sqlalchemy import text

from services.core.store.database.connect import engine
from services.core.store.registry import read
from services.core.store.schema import ddl
from services.core.store.schema.migrate import config, upgrade
from tests.integration.aggregator.plant import FILE, apply_text

_FILL = """
INSERT INTO facility (slug, name, timezone, document) VALUES
    ('works', 'Works', 'Europe/Vienna', '{}'), ('other', 'Other', 'UTC', '{}');
INSERT INTO device (facility_id, slug, spec, online) VALUES (1, 'meter', '{}', true);
INSERT INTO channel (device_id, slug, quantity, unit, kind, spec)
    VALUES (1, 'power', 'power', 'kW', 'gauge', '{}');
INSERT INTO reading (channel_id, ts, value, received_at, quality, time_source)
    VALUES (1, '2026-11-23T18:00Z', 412.5, '2026-11-23T18:00Z', 0, 0);
INSERT INTO quarantine (reason, detail, topic, payload, facility, device, ts)
    VALUES ('stands_alone', '', 't', '', 'works', 'meter', '2000-01-01T00:00Z');
"""


@pytest.fixture
def older_url(empty_database_url: str) -> str:
    """URL of a database at the schema before, with a device, a reading and a lone reading."""
    bind = engine(empty_database_url, process="migrate")
    with bind.begin() as connection:
        ddl.create_extension(connection)
        command.upgrade(config(connection), "0018")
        connection.execute(text(_FILL))
    bind.dispose()
    return empty_database_url


def test_what_was_there_stays_and_another_facility_takes_the_same_id(older_url: str) -> None:
    with psycopg.connect(older_url) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("INSERT INTO device (facility_id, slug, spec) VALUES (2, 'meter', '{}')")
    upgrade(older_url)
    upgrade(older_url)
    apply_text(older_url, FILE.replace("id: works, name", "id: other, name"))
    with psycopg.connect(older_url, autocommit=True) as connection:
        found = read.devices(connection).by_name
        assert found["works", "meter"].id == 1
        assert found["works", "meter"].channels["power"].id == 1
        assert found["other", "meter"].id != 1
        assert connection.execute(
            "SELECT d.slug, d.online, r.value FROM reading r JOIN channel c ON c.id = r.channel_id"
            " JOIN device d ON d.id = c.device_id"
        ).fetchall() == [("meter", True, 412.5)]
        assert connection.execute("SELECT facility, device FROM quarantine").fetchall() == [
            ("works", "meter")
        ]
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(
                "INSERT INTO device (facility_id, slug, spec) VALUES (1, 'meter', '{}')"
            )
