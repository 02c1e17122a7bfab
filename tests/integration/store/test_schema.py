"""A fresh schema equals the sum of migrations."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from services.core.store.database.connect import engine
from services.core.store.schema import ddl
from services.core.store.schema.migrate import upgrade
from services.core.store.schema.tables import metadata

_CATALOGUE = {
    "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default,"
    " is_identity FROM information_schema.columns WHERE table_schema = 'public'",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    # by name: a migration can only add columns at the end
    "comments": "SELECT c.relname, a.attname, d.description FROM pg_description d"
    " JOIN pg_class c ON c.oid = d.objoid"
    " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid"
    " WHERE c.relnamespace = 'public'::regnamespace AND d.classoid = 'pg_class'::regclass",
    "hypertables": "SELECT hypertable_name, column_name, time_interval"
    " FROM timescaledb_information.dimensions",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'",
    "triggers": "SELECT tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t"
    " JOIN pg_class c ON c.oid = t.tgrelid"
    " WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal",
    # those of extensions belong to them
    "functions": "SELECT p.proname, pg_get_functiondef(p.oid) FROM pg_proc p"
    " WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f' AND NOT EXISTS"
    " (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')",
    "rights": "SELECT grantee, table_name, privilege_type"
    " FROM information_schema.role_table_grants WHERE table_schema = 'public'",
}


def catalogue(url: str) -> dict[str, list[tuple[Any, ...]]]:
    with psycopg.connect(url) as connection:
        return {
            name: sorted(
                (
                    row
                    for row in connection.execute(sql).fetchall()
                    if "alembic_version" not in str(row)
                ),
                key=repr,
            )
            for name, sql in _CATALOGUE.items()
        }


def test_a_fresh_schema_equals_the_sum_of_migrations(
    database_url: str, empty_database_url: str
) -> None:
    bind = engine(empty_database_url, process="test")
    with bind.begin() as connection:
        ddl.create_extension(connection)
        metadata.create_all(connection)
        ddl.create_hypertables(connection)
        ddl.create_views(connection)
        ddl.create_triggers(connection)
        ddl.create_roles(connection)
        ddl.seed(connection)
    bind.dispose()
    fresh, migrated = catalogue(empty_database_url), catalogue(database_url)
    for name in _CATALOGUE:
        assert fresh[name] == migrated[name], name
    assert len(migrated["hypertables"]) == 2


def test_the_reading_hypertable_has_no_index_but_its_key(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'reading'"
        ).fetchall()
    assert len(rows) == 1
    assert "UNIQUE" in rows[0][0]
    assert rows[0][0].endswith("(channel_id, ts)")


@pytest.mark.parametrize("times", [1, 2])
def test_migrating_again_changes_nothing(database_url: str, times: int) -> None:
    before = catalogue(database_url)
    for _ in range(times):
        upgrade(database_url)
    assert catalogue(database_url) == before
