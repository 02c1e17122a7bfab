"""Each migration says by itself which older code goes on, and what only adds takes nothing away."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory

from services.core.store.database.schema_version import MIGRATIONS
from services.core.store.schema.compatibility import EXPANDS, compatible_from
from tests.upgrade.catalogue import contractions, read

#: The first migration that says it.
_FIRST = "0099"

#: Statements that change what older code reads, or what it may write; also of rows.
_CONTRACTS = re.compile(r"\b(?:DROP|RENAME|TRUNCATE|UPDATE|DELETE|ALTER)\b")
_CALLS = re.compile(r"drop_|alter_column|rename_|create_(?:unique|check|foreign)|bulk_insert")


def _since_the_first() -> list[Any]:
    script = ScriptDirectory(str(MIGRATIONS))
    steps = [*script.walk_revisions()][::-1]
    first = next(i for i, step in enumerate(steps) if step.revision == _FIRST)
    return steps[first:]


def test_each_migration_states_which_older_code_goes_on() -> None:
    steps = _since_the_first()
    order = [step.revision for step in steps]
    newest = 0
    for place, step in enumerate(steps):
        name = Path(step.path).name
        assert hasattr(step.module, "compatible_from"), (
            f"{name} must state compatible_from: EXPANDS (of services.core.store.schema"
            ".compatibility) if it only adds, else the revision of the oldest code that no longer"
            " uses what it takes away"
        )
        stated = step.module.compatible_from
        if stated is not EXPANDS:
            assert stated in order[: place + 1], f"{name}: {stated} does not come before it"
            assert order.index(stated) >= newest, f"{name}: older than what came before it states"
            newest = order.index(stated)
    assert compatible_from(steps[::-1]) == order[newest]


def objections(code: str) -> list[str]:
    """Find what a migration's code does that does not only add."""
    tree = ast.parse(code)
    documentation = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef)
    }
    found = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _CALLS.match(node.attr)
    ]
    found += [
        match[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value not in documentation
        for match in _CONTRACTS.finditer(node.value)
    ]
    return found


def test_a_migration_that_only_adds_calls_nothing_else() -> None:
    for step in _since_the_first():
        if step.module.compatible_from is EXPANDS:
            path = Path(step.path)
            assert objections(path.read_text(encoding="utf-8")) == [], path.name


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("op.drop_column('a', 'b')", ["drop_column"]),
        ("op.alter_column('a', 'b', nullable=True)", ["alter_column"]),
        ("op.create_unique_constraint('c', 'a', ['b'])", ["create_unique_constraint"]),
        ("op.execute('ALTER TABLE a RENAME b TO c')", ["ALTER", "RENAME"]),
        ("op.execute(f'UPDATE {table} SET a = 1')", ["UPDATE"]),
        ('def upgrade():\n    """DROP nothing."""\n    op.add_column("a", b)', []),
        ("op.create_index('i', 'a', ['b'])", []),
    ],
)
def test_a_change_in_a_migration_is_found(code: str, found: list[str]) -> None:
    assert objections(code) == found


@pytest.mark.database
def test_what_a_migration_takes_away_is_seen_in_the_schema(database_url: str) -> None:
    """Whatever words it is written in, also by functions that it calls."""
    expanding = {
        "CREATE TABLE trial (a int NOT NULL UNIQUE)": None,
        "ALTER TABLE reading ADD trial int": None,
        "ALTER TABLE emission_hour ADD trial int NOT NULL DEFAULT 0": None,
        "CREATE INDEX ON audit_entry (address)": None,
        "CREATE VIEW trial AS SELECT 1 AS a": None,
        "CREATE FUNCTION trial() RETURNS int LANGUAGE sql AS 'SELECT 1'": None,
        "GRANT DELETE ON quarantine TO tonne_read": None,
    }
    contracting = {
        "ALTER TABLE facility DROP name": "column facility.name is gone",
        "ALTER TABLE facility RENAME name TO title": "column facility.name is gone",
        "DROP TABLE sent_readings": "table sent_readings is gone",
        "ALTER TABLE device ALTER slug TYPE varchar(20)": "column device.slug was text not null",
        "ALTER TABLE facility ALTER file SET NOT NULL": "column facility.file was text and is",
        "ALTER TABLE facility ALTER name DROP NOT NULL": "column facility.name was text not null",
        "ALTER TABLE facility ADD trial int NOT NULL": "trial is new, must be filled",
        "ALTER TABLE facility ADD CHECK (name <> '')": "is new on a table that was there",
        "CREATE UNIQUE INDEX ON facility (name)": "is new on a table that was there",
        "CREATE TRIGGER trial BEFORE INSERT ON facility FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()": "trigger facility.trial is new",
        "DROP FUNCTION drop_readings(text)": "function drop_readings(text) is gone",
        "REVOKE INSERT ON reading FROM tonne_ingest": "reading is without INSERT",
    }
    with psycopg.connect(database_url) as connection:
        before = read(connection)
        for statement, sentence in (expanding | contracting).items():
            with connection.transaction(force_rollback=True):
                connection.execute(statement.encode())
                found = contractions(before, read(connection))
            if sentence is None:
                assert found == [], statement
            else:
                assert sentence in "\n".join(found), statement
