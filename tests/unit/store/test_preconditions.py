"""What a server lacks is said in one sentence, with what to do."""

from __future__ import annotations

from typing import Any, cast

import pytest
from sqlalchemy import Connection

from services.core.store.schema import preconditions
from services.core.store.schema.preconditions import MigrationError

_SERVER = (17, "17.6", False, "UTF8", "tonne")
_EXTENSION = ("2.24.0", None, True)


class _Server:
    """Answers as a server would: about itself, then about its extension."""

    def __init__(self, *rows: tuple[Any, ...] | None) -> None:
        self._rows = list(rows)
        self.statements: list[str] = []

    def execute(self, statement: object) -> _Server:
        self.statements.append(str(statement))
        return self

    def one(self) -> tuple[Any, ...] | None:
        return self._rows.pop(0)

    one_or_none = one


def require(*rows: tuple[Any, ...] | None) -> list[str]:
    server = _Server(*rows)
    preconditions.require(cast(Connection, server))
    return server.statements


@pytest.mark.parametrize(
    ("server", "extension", "sentence"),
    [
        ((14, "14.2", False, "UTF8", "tonne"), None, "PostgreSQL 14.2 is too old.* 15 or newer"),
        ((17, "17.6", True, "UTF8", "tonne"), None, "is a standby.* name the primary"),
        (
            (17, "17.6", False, "SQL_ASCII", "tonne"),
            None,
            "the database tonne has the encoding SQL_ASCII.*createdb --encoding=UTF8",
        ),
        (_SERVER, None, "TimescaleDB is not installed.*install the package"),
        (_SERVER, ("2.9.1", None, True), "TimescaleDB 2.9.1 is too old; install 2.19 or newer"),
        (_SERVER, ("2.24.0", None, False), "has not loaded TimescaleDB; set shared_preload_lib"),
        (_SERVER, ("2.24.0", "2.9.1", True), "2.9.1, which is too old.*ALTER EXTENSION"),
    ],
)
def test_what_is_missing_is_said(
    server: tuple[Any, ...], extension: tuple[Any, ...] | None, sentence: str
) -> None:
    with pytest.raises(MigrationError, match=sentence):
        require(server, extension)


@pytest.mark.parametrize("installed", [None, "2.19.3", "2.24.0"])
def test_a_server_that_has_all_is_taken(installed: str | None) -> None:
    statements = require(_SERVER, ("2.24.0", installed, True))
    assert statements[-1] == "CREATE EXTENSION IF NOT EXISTS timescaledb"
