"""`tonne migrate` says what a database lacks, and waits for nobody for long."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from alembic.config import Config
from sqlalchemy import text

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
    assert migrate.plan(database_url) == ([], True)
    steps, older_go_on = migrate.plan(empty_database_url)
    assert steps[0] == ("0001", "The first schema: registry, readings, emissions and operation.")
    assert not older_go_on
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0095'")
    steps, older_go_on = migrate.plan(database_url)
    assert [revision for revision, _ in steps][:1] == ["0099"]
    # code before it works on its own schema alone
    assert not older_go_on


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
