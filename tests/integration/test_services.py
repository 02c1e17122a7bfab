"""The servers that other tests rely on: fresh databases, and data that survives a kill -9."""

from __future__ import annotations

import psycopg
import pytest

from tests.services import Mosquitto, Nats, Postgres


@pytest.mark.database
def test_each_database_is_migrated_and_its_own(
    postgres_cluster: Postgres, migrated_template: str
) -> None:
    with postgres_cluster.fresh_database(template=migrated_template) as first:
        with psycopg.connect(first) as connection:
            connection.execute("CREATE TABLE mine (a int)")
            connection.commit()
            assert connection.execute("SELECT count(*) FROM facility").fetchone() == (0,)
        with (
            postgres_cluster.fresh_database(template=migrated_template) as second,
            psycopg.connect(second) as connection,
        ):
            assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)


@pytest.mark.database
def test_committed_rows_survive_a_killed_database(
    postgres_cluster: Postgres, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    postgres_cluster.kill()
    postgres_cluster.start()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


@pytest.mark.broker
def test_brokers_stop_and_start_on_the_same_port(nats: Nats, mosquitto: Mosquitto) -> None:
    for broker in (nats, mosquitto):
        url = broker.url
        broker.kill()
        assert not broker.answers()
        broker.start()
        assert broker.answers()
        assert broker.url == url
