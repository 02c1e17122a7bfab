"""Facility files applied by hundreds of tests: read once, by statements that are compiled once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

from sqlalchemy import Connection, NullPool, create_engine

from services.core.facility.file import parse
from services.core.facility.model import FacilityFile
from services.core.store.database.connect import connect
from services.core.store.registry.apply import apply

_url: ContextVar[str] = ContextVar("url")

#: It remembers statements and what it asked of the server; each test has a database of its own.
_ENGINE = create_engine(
    "postgresql+psycopg://",
    creator=lambda: connect(_url.get(), process="test"),
    poolclass=NullPool,
)

#: What a text says; a file that was read never changes.
read = lru_cache(maxsize=128)(parse)


@contextmanager
def transaction(url: str) -> Iterator[Connection]:
    """A connection to the database at ``url``, committed at the end."""
    token = _url.set(url)
    try:
        with _ENGINE.begin() as connection:
            yield connection
    finally:
        _url.reset(token)


def apply_text(url: str, text: str, *, by: str | None = None) -> list[str]:
    """Apply a facility file as ``tonne apply`` does; a line for each change."""
    file: FacilityFile = read(text)
    with transaction(url) as connection:
        return apply(connection, file, by=by)
