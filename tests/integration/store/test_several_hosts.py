"""A database of several hosts: whoever connects ends at the one that can be written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from services.core.store.database.connect import (
    DatabaseUrlError,
    async_engine,
    check_standby_url,
    check_url,
    connect,
    connect_async,
    engine,
)
from tests.services import Postgres, free_port, server_directory

pytestmark = pytest.mark.database

_WHERE = "SELECT inet_server_port()"


class ReadOnly(Postgres):
    """A server that takes no writes, as a standby does."""

    def command(self) -> list[str]:
        return [*super().command(), "-c", "default_transaction_read_only=on"]


@pytest.fixture(scope="module")
def read_only() -> Iterator[Postgres]:
    with server_directory(for_postgres=True, in_memory=True) as directory:
        server = ReadOnly(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def several(database_url: str, postgres_cluster: Postgres, read_only: Postgres) -> str:
    """Nobody at the first host, no writing at the second, the database at the third."""
    port = postgres_cluster.port
    others = f"127.0.0.1:{free_port()},127.0.0.1:{read_only.port}"
    name = database_url.rpartition("/")[2]
    with psycopg.connect(read_only.url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return database_url.replace(f"127.0.0.1:{port}", f"{others},127.0.0.1:{port}")


async def _asynchronously(url: str) -> list[int]:
    async with await connect_async(url, process="api", role="tonne_read") as connection:
        row = await (await connection.execute(_WHERE)).fetchone()
    pool = async_engine(url, process="api", role="tonne_read", pool_size=1)
    async with pool.connect() as reading:
        port = (await reading.execute(text(_WHERE))).scalar_one()
    await pool.dispose()
    assert row is not None
    return [row[0], port]


def test_every_way_to_connect_ends_at_the_primary(several: str, postgres_cluster: Postgres) -> None:
    with connect(several, process="ingest", role="tonne_ingest") as connection:
        row = connection.execute(_WHERE).fetchone()
    bind = engine(several, process="admin")
    with bind.connect() as writing:
        written = writing.execute(text(_WHERE)).scalar_one()
    bind.dispose()
    ports = [row and row[0], written, *asyncio.run(_asynchronously(several))]
    assert ports == [postgres_cluster.port] * 4


def test_hosts_that_the_environment_names_are_several_too(
    several: str, postgres_cluster: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as of the units of systemd, whose URLs name a login and no place
    stated = conninfo_to_dict(several)
    monkeypatch.setenv("PGHOST", str(stated["host"]))
    monkeypatch.setenv("PGPORT", str(stated["port"]))
    placeless = f"postgresql://{stated['user']}@/{stated['dbname']}"
    # without a role: the second, which has none of tonne's, would refuse it and be passed by
    with connect(placeless, process="test") as connection:
        row = connection.execute(_WHERE).fetchone()
    assert row == (postgres_cluster.port,)
    assert asyncio.run(_asynchronously(placeless)) == [postgres_cluster.port] * 2


@pytest.mark.parametrize("attribute", ["standby", "prefer-standby", "read-only"])
def test_a_url_that_leads_to_a_standby_is_refused(attribute: str) -> None:
    with pytest.raises(DatabaseUrlError, match="standby"):
        check_url(f"postgresql://u:secret@one,two/tonne?target_session_attrs={attribute}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:secret@one,two/tonne?target_session_attrs=read-write", "the primary"),
        ("postgresql://u:secret@one/tonne?target_session_attrs=primary", "the primary"),
        ("mysql://u:secret@one/tonne", "cannot be read"),
        ("postgresql://u:se/cret@one/tonne", "cannot be read"),
    ],
)
def test_a_url_to_read_by_that_leads_elsewhere_is_refused(url: str, words: str) -> None:
    with pytest.raises(DatabaseUrlError, match=f"TONNE_API_READS_URL .*{words}") as refused:
        check_standby_url(url)
    assert "cret" not in str(refused.value)


def test_a_standby_of_several_hosts_is_none_that_can_be_written(several: str) -> None:
    # the second takes no writes, and is no standby either
    with pytest.raises(psycopg.OperationalError, match=r"standby|recovery|refused"):
        connect(several, process="test", server="standby").close()
