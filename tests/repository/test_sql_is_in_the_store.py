"""SQL is written in ``services/core/store`` and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_STORE = _ROOT / "services" / "core" / "store"

#: Files that may hold SQL, each with its reason.
_ALLOWED: dict[str, str] = {}

#: What a statement begins with, or what only a part of one holds.
_SQL = re.compile(
    r"^\s*(?:--.*\s+)*(?:INSERT\s+INTO|UPDATE\s+\S+\s+(?:\S+\s+)?SET|DELETE\s+FROM|WITH\s+\S+\s+AS"
    r"|(?:CREATE|ALTER|DROP)\s+[A-Z]+|GRANT\s|REVOKE\s|TRUNCATE\s|COPY\s+\S|LISTEN\b|UNLISTEN\b"
    r"|NOTIFY\s|LOCK\s+TABLE|SET\s+\w+\s*(?:=|TO)|SHOW\s|VACUUM|BEGIN;|COMMIT;|EXPLAIN\s)"
    r"|\bSELECT\s|\bFROM\s+\w+\s+WHERE\s|\bON CONFLICT\b|\b(?:GROUP|ORDER) BY\b"
)

#: Methods of connections, cursors and engines that take a statement.
_METHODS = {"execute", "executemany", "exec_driver_sql", "scalar", "scalars", "copy"}

#: What makes SQL of text.
_MAKERS = {("sqlalchemy", "text"), ("psycopg", "sql"), ("sqlalchemy.sql", "text")}


def _sql_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _SQL.search(node.value):
                yield node.lineno, f"a statement: {node.value.strip()[:50]!r}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            written = node.args and isinstance(node.args[0], ast.JoinedStr | ast.Constant)
            if node.func.attr in _METHODS and written:
                yield node.lineno, f"a text in .{node.func.attr}()"
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                if (node.module, name.name) in _MAKERS:
                    yield node.lineno, f"{node.module}.{name.name}"


def _files() -> list[Path]:
    return [
        path
        for root in ("services", "deploy", "sensors-sim")
        for path in sorted((_ROOT / root).rglob("*.py"))
        if _STORE not in path.parents
    ]


def test_sql_is_written_in_the_store_only() -> None:
    found = {
        f"{path.relative_to(_ROOT)}:{line}": what
        for path in _files()
        if str(path.relative_to(_ROOT)) not in _ALLOWED
        for line, what in _sql_in(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_no_sql_is_written_into_settings_and_scripts() -> None:
    found = [
        f"{path.relative_to(_ROOT)}: {line.strip()}"
        for pattern in ("*.yaml", "*.yml", "*.sh", "*.conf", "*.service", "Makefile")
        for path in (_ROOT / "deploy").rglob(pattern)
        for line in path.read_text(encoding="utf-8").splitlines()
        if _SQL.search(line.strip(" \"'"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        'x = "SELECT 1"',
        'x = """\nUPDATE device d SET online = true"""',
        'connection.execute(f"LISTEN {name}")',
        'connection.execute(f"{verb} outbox")',
        'x = ("DELETE FROM t" " WHERE id = 1")',
        'x = f"SET statement_timeout = {ms}"',
        "from sqlalchemy import text",
    ],
)
def test_sql_is_seen(code: str) -> None:
    assert list(_sql_in(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        'say("Set it to 5, or select another")',
        "connection.execute(replays.select_request(7))",
        "firsts.copy()",
        '"""Update from a file where it is newer."""',
    ],
)
def test_words_are_no_sql(code: str) -> None:
    assert not list(_sql_in(ast.parse(code)))
