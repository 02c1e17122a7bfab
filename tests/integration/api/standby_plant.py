"""A primary with two facilities, a standby that follows it, and APIs that read from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from services.api.app import create_app
from services.api.standby import Standby
from services.core.runtime.clock import FixedClock
from services.core.runtime.metrics import api_registry
from services.core.store.schema import migrate
from services.core.store.schema.ddl import LOGINS
from tests.integration.api import cells_plant
from tests.integration.api.cells_plant import NOW
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S, until_async
from tests.services import Postgres, as_login, server_directory
from tests.standby_server import StandbyServer

DATABASE = "tonne"

#: One more message in quarantine; its id.
REFUSED = """
INSERT INTO quarantine (reason, detail, topic, payload, facility, received_at)
VALUES ('bad_time', 'x', 't', '', 'linz', now()) RETURNING id
"""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A primary and what follows it."""

    primary: Postgres
    standby: StandbyServer

    @property
    def url(self) -> str:
        """Of the primary's database, as superuser."""
        return self.primary.url_of(DATABASE)

    @property
    def standby_url(self) -> str:
        """Of the standby's."""
        return self.standby.url_of(DATABASE)

    def app(self, *, reads: str | None = None, writes: str | None = None) -> FastAPI:
        """Build an API; ``reads``: where it may read but at the primary."""
        settings = cells_plant.settings(writes or self.url)
        if reads is not None:
            url = SecretStr(as_login(reads, "tonne_api"))
            settings = settings.model_copy(update={"api_reads_url": url})
        return create_app(settings, clock=FixedClock(NOW), health_holds_s=0)


@contextmanager
def pair() -> Iterator[Pair]:
    """Start both, with the facilities `linz` and `graz`."""
    with (
        server_directory(for_postgres=True, in_memory=True) as of_primary,
        server_directory(for_postgres=True, in_memory=True) as of_standby,
    ):
        primary = Postgres(of_primary)
        primary.start()
        primary.execute(f'CREATE DATABASE "{DATABASE}"')
        url = primary.url_of(DATABASE)
        migrate.upgrade(url)
        for login in LOGINS:
            primary.execute(f"ALTER ROLE {login} LOGIN")
        cells_plant.fill(url, ("linz", "graz"))
        standby = StandbyServer(of_standby, primary)
        standby.start()
        standby.catch_up()
        yield Pair(primary=primary, standby=standby)
        standby.stop()
        primary.stop()


@asynccontextmanager
async def asking(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that is served."""
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        yield client


def standby_of(app: FastAPI) -> Standby:
    """The standby that an API may read from."""
    standby = app.state.context.standby
    assert isinstance(standby, Standby)
    return standby


async def until_used(app: FastAPI) -> None:
    """Wait until an API reads from its standby."""
    await until_async(lambda: standby_of(app).unused is None, "the API reads from the standby")


async def until_unused(app: FastAPI, reason: str) -> None:
    """Wait until an API reads from the primary, for a reason."""
    await until_async(lambda: standby_of(app).unused == reason, f"unused, because {reason}")


def reads(server: str) -> float:
    """How many reads a server has answered that a standby might have."""
    return api_registry.get_sample_value("tonne_api_reads_total", {"server": server}) or 0.0


def fallbacks(reason: str) -> float:
    """How many reads the primary answered for a reason."""
    labels = {"reason": reason}
    return api_registry.get_sample_value("tonne_api_standby_fallbacks_total", labels) or 0.0
