"""The whole of tonne, with a broker and a database of its own for each file of tests; a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, async_playwright

from deploy.site.pictures import CHROMIUM
from tests.e2e.stack import Stack, running_stack
from tests.leaks import open_now, until_closed
from tests.patience import PATIENCE_S
from tests.services import Nats, Postgres, UnsyncedNats, server_directory

_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    # databases of tests are in shared memory; a browser that finds none left loses its pages
    "--disable-dev-shm-usage",
    # the dot that breathes is drawn sixty times a second, and is half of what an open page costs
    "--force-prefers-reduced-motion",
]  # fmt: skip


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A browser, once for all files: a start takes a second of a processor.

    What a test leaves in it goes with the test's context.
    """
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=_FLAGS, timeout=PATIENCE_S * 1000
        )
        yield opened
        await opened.close()


@pytest.fixture(autouse=True)
async def _leaves_nothing_open() -> AsyncIterator[None]:
    """What a test leaves open fails it, and no later one."""
    before = open_now()
    yield
    # the browser goes on
    await until_closed(before | {one for one in open_now() if "/playwright/" in repr(one)})


@pytest.fixture(scope="module")
def broker() -> Iterator[Nats]:
    """A broker that no other file has left sessions or retained messages in."""
    with server_directory() as directory:
        server = UnsyncedNats(directory)
        server.start()
        yield server
        server.kill()


@pytest.fixture(scope="module")
def stack(postgres_cluster: Postgres, migrated_template: str, broker: Nats) -> Iterator[Stack]:
    """The services, ready, with the demo facilities and no readings."""
    with (
        postgres_cluster.fresh_database(template=migrated_template) as database_url,
        running_stack(database_url=database_url, mqtt_url=broker.url) as running,
    ):
        yield running
