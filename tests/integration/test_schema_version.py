"""Code works with the schema that it was written for, and says so in one sentence if it is not."""

from __future__ import annotations

import psycopg
import pytest

from services.core.store.database.schema_version import newest_revision
from tests.integration.every_process import COMMANDS, SERVICES, run

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]


def _set_revision(url: str, revision: str, compatible_from: str = newest_revision()) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (revision,))
        connection.execute(
            "UPDATE schema_compatibility SET compatible_from = %s", (compatible_from,)
        )


def test_older_code_refuses_a_newer_schema_in_one_sentence(database_url: str) -> None:
    _set_revision(database_url, "9999", "9998")
    for ended in run([*SERVICES, *COMMANDS], environment={"TONNE_DATABASE_URL": database_url}):
        lines = ended.said.strip().splitlines()
        assert ended.code == 1, ended
        # what is no log
        (sentence,) = [line for line in lines if not line.startswith("{")]
        assert sentence == (
            "tonne: the database's schema (9999) is newer than this version of tonne knows"
            f" ({newest_revision()}); upgrade tonne"
        ), ended.command


def test_older_code_works_on_a_newer_schema_that_lets_it(database_url: str) -> None:
    _set_revision(database_url, "9999")
    environment = {"TONNE_DATABASE_URL": database_url}
    said = {ended.command: ended for ended in run(COMMANDS, environment=environment)}
    assert {command: ended.code for command, ended in said.items()} == dict.fromkeys(COMMANDS, 0)
    assert "that of a newer version of tonne, which this one works on" in said["migrate"].said
    with psycopg.connect(database_url) as connection:
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert revision == ("9999",)


def test_newer_code_asks_for_the_migration_of_an_older_schema(database_url: str) -> None:
    _set_revision(database_url, "0014")
    commands = [command for command in COMMANDS if command != "migrate"]
    for ended in run([*SERVICES, *commands], environment={"TONNE_DATABASE_URL": database_url}):
        assert ended.code == 1, ended
        assert "(0014) is older than this version of tonne needs" in ended.said, ended
        assert ended.said.count("run `tonne migrate`") == 1
        assert "Traceback" not in ended.said


def test_a_database_without_a_schema_is_told_from_one_that_is_away(empty_database_url: str) -> None:
    environment = {"TONNE_DATABASE_URL": empty_database_url}
    for ended in run(["api", "aggregate", "keys list"], environment=environment):
        assert ended.code == 1, ended
        assert "the database has no schema yet; run `tonne migrate`" in ended.said, ended


def test_chunks_that_the_edition_reads_as_empty_are_refused(database_url: str) -> None:
    """Only the Community edition can compress; what it leaves in the catalogue is written here."""
    with psycopg.connect(database_url) as connection:
        # a reading makes the chunk; whose it is does not matter
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
            " VALUES (1, now(), 1, 0, now(), 0)"
        )
        connection.execute(
            "UPDATE _timescaledb_catalog.chunk SET status = status | 1, compressed_chunk_id = id"
        )
    for ended in run([*SERVICES, *COMMANDS], environment={"TONNE_DATABASE_URL": database_url}):
        assert ended.code == 1, ended
        assert "the database has compressed chunks (1 of reading)" in ended.said, ended
        assert "decompress_chunk" in ended.said
        assert "Traceback" not in ended.said
