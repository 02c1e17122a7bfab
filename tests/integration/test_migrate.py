"""`tonne migrate` says what a database lacks, and waits for nobody for long."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import psycopg
import pytest
from alembic.config import Config
from sqlalchemy import text

from services.core.store.database.connect import connect
from services.core.store.database.process_names import parse
from services.core.store.database.schema_version import newest_revision
from services.core.store.schema import migrate
from services.core.store.schema.preconditions import MigrationError
from tests.integration.every_process import run
from tests.services import Postgres

pytestmark = pytest.mark.database


@pytest.fixture
def ascii_url(postgres_cluster: Postgres) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres_cluster.execute(
        f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    )
    yield postgres_cluster.url_of(name)
    postgres_cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_database_that_is_not_utf8_is_refused_in_one_sentence(ascii_url: str) -> None:
    (ended,) = run(["migrate"], environment={"TONNE_DATABASE_URL": ascii_url})
    assert ended.code == 1
    (sentence,) = ended.said.strip().splitlines()
    assert "has the encoding SQL_ASCII" in sentence
    assert "createdb --encoding=UTF8" in sentence


def test_a_plan_says_whether_the_version_before_goes_on(
    database_url: str, empty_database_url: str
) -> None:
    assert migrate.plan(database_url) == ([], True, [])
    steps, older_go_on, _ = migrate.plan(empty_database_url)
    assert steps[0] == ("0001", "The first schema: registry, readings, emissions and operation.")
    assert not older_go_on
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0095'")
    steps, older_go_on, _ = migrate.plan(database_url)
    assert [revision for revision, _ in steps][:1] == ["0099"]
    # code before it works on its own schema alone
    assert not older_go_on


@contextmanager
def process_of(url: str, name: str) -> Iterator[None]:
    """Hold a session such as a process of some version has."""
    with psycopg.connect(url, application_name=name):
        yield


@pytest.fixture
def schema_to_come(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database one migration behind, whose last one takes away what code before 0099 reads."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0095'")

    def upgrade(settings: Config, _revision: str) -> None:
        settings.attributes["connection"].execute(
            text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest_revision()}
        )

    monkeypatch.setattr(migrate.command, "upgrade", upgrade)
    return database_url


def revision_of(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tonne.ingest", "tonne.ingest of a version that it does not report"),
        ("tonne.api 0.0.9 schema 0092", "tonne.api of version 0.0.9 (schema 0092)"),
    ],
)
def test_a_process_that_the_new_schema_leaves_behind_stops_the_migration(
    schema_to_come: str, name: str, words: str
) -> None:
    with process_of(schema_to_come, name), process_of(schema_to_come, name):
        (ended,) = run(["migrate"], environment={"TONNE_DATABASE_URL": schema_to_come})
        assert ended.code == 1
        (sentence,) = ended.said.strip().splitlines()
        assert f"do not work on the new schema: {words}" in sentence
        assert "(2 sessions); nothing was changed: stop them" in sentence
        assert "`tonne migrate --force`" in sentence
        assert revision_of(schema_to_come) == "0095"
        (process,) = migrate.plan(schema_to_come).left_behind
        assert process.startswith(words)
        assert migrate.upgrade(schema_to_come, force=True)
        assert revision_of(schema_to_come) == newest_revision()


@pytest.mark.parametrize(
    "name",
    [
        # works on both
        "tonne.ingest 0.1.0 schema 0099",
        # of a later version than this one
        "tonne.ingest 9.0.0 schema 9999",
        "tonne.migrate 0.0.9 schema 0092",
        "psql",
        "tonne.example of somebody else",
    ],
)
def test_who_works_on_the_new_schema_or_is_not_tonne_may_go_on(
    schema_to_come: str, name: str
) -> None:
    with process_of(schema_to_come, name):
        assert migrate.plan(schema_to_come).left_behind == []
        assert migrate.upgrade(schema_to_come)


def test_a_process_in_another_database_is_not_concerned(
    schema_to_come: str, empty_database_url: str
) -> None:
    with process_of(empty_database_url, "tonne.ingest"):
        assert migrate.upgrade(schema_to_come)


def test_a_process_goes_on_where_the_schema_has_nothing_new(database_url: str) -> None:
    with process_of(database_url, "tonne.ingest 0.0.9 schema 0092"):
        assert migrate.upgrade(database_url)


def test_a_session_names_its_process_version_and_schema(database_url: str) -> None:
    with connect(database_url, process="ingest", role="tonne_ingest") as connection:
        row = connection.execute("SELECT current_setting('application_name')").fetchone()
    assert row == (f"tonne.ingest {version('tonne')} schema {newest_revision()}",)
    assert parse(row[0]) == ("tonne.ingest", version("tonne"), newest_revision())


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest migration changes a table; there is less patience than in earnest."""

    def lock(settings: Config, _revision: str) -> None:
        settings.attributes["connection"].execute(text("LOCK TABLE facility"))

    monkeypatch.setattr(migrate.command, "upgrade", lock)
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT_S", 0.05)


@pytest.mark.usefixtures("waits")
def test_a_migration_that_waits_for_a_table_lets_others_go_first(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    with psycopg.connect(database_url) as reader, psycopg.connect(database_url) as writer:
        reader.execute("SELECT FROM facility")

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            # while it pauses nobody waits
            writer.execute("LOCK TABLE facility IN ROW EXCLUSIVE MODE NOWAIT")
            writer.rollback()
            if len(pauses) == 2:
                reader.rollback()

        assert migrate.upgrade(database_url, pause=pause)
        assert len(pauses) == 2
        monkeypatch.setattr(migrate, "_PATIENCE_S", 0.0)
        reader.execute("SELECT FROM facility")
        with pytest.raises(MigrationError, match=r"others hold tables .* nothing was changed"):
            migrate.upgrade(database_url)
