"""The real API on a real port, over a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.api import presence
from services.api.app import create_app
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.database.pulse import Patience
from tests.integration.api.plant import at
from tests.integration.api.server import serving
from tests.leaks import open_now, until_closed
from tests.patience import PATIENCE_S
from tests.services import as_login


@pytest.fixture(autouse=True)
async def _leaves_nothing_open() -> AsyncIterator[None]:
    """What a test leaves open fails it, and no later one."""
    before = open_now()
    yield
    await until_closed(before)


@pytest.fixture(autouse=True)
def _a_busy_database_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a database of a busy machine take its time; tests of one that hangs have their own."""
    patience = Patience(answers_within_s=PATIENCE_S, cut_after_s=PATIENCE_S)
    monkeypatch.setattr(presence, "PATIENCE", patience)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that commits each statement."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(at("2026-11-23T18:00:30Z"))


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(database_url=SecretStr(as_login(database_url, "tonne_api")), api_auth="off")


@pytest.fixture
def app(settings: Settings, clock: FixedClock) -> FastAPI:
    """The API without authentication."""
    return create_app(settings, clock=clock, health_holds_s=0)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of :func:`app`."""
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as opened,
    ):
        yield opened
