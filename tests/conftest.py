"""Fixtures that every test may ask for. Nothing starts unless a test asks for it.

Nor is anything loaded: each worker reads this file, also those of ``make unit``, which needs no
server and is to be done in seconds. So a fixture imports what it is made of.
"""

# ruff: noqa: PLC0415 - as said above

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings

if TYPE_CHECKING:
    from tests.services import Mosquitto, Nats, Postgres

_TEMPLATE = "tonne_template"


# How long an example takes says nothing of whether it is right, least of all on a busy machine.
# The same examples each time: what fails was broken by a change, and fails for everybody.
settings.register_profile("whole", deadline=None, derandomize=True)
#: New examples each time, for `make fuzz`.
settings.register_profile("search", deadline=None)
#: What `make unit` runs by, to be done in seconds; `make test` tries every property in full.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.load_profile("whole")


#: Files that wait longest, in ``tests``: begun first, so that no worker is left alone with one.
_LONGEST = (
    "integration/test_full_disk.py",
    "integration/test_local_stack.py",
    "upgrade/test_upgrade.py",
    "integration/api/test_as_of_recorded.py",
    "integration/api/test_specified_answers.py",
    "e2e/test_server.py",
    "faults/test_faults.py",
    "e2e/test_examples.py",
    "integration/aggregator/test_pieces.py",
    "integration/aggregator/test_closing.py",
    "integration/aggregator/test_clock_jumps.py",
    "e2e/test_kills.py",
    "upgrade/test_rolling.py",
    "integration/deploy/test_logins.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that wait longest first; all others stay in their order."""
    here = Path(__file__).parent
    order = {here / name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_collectstart() -> None:
    """Look for no garbage while tests are collected: thousands come, and all of them stay."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what collecting made out of every later look for garbage, too."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 20, 20)


def pytest_configure(config: pytest.Config) -> None:
    """Tests see tonne's defaults, whatever the shell that starts them has set."""
    _trust_one_authority(config)
    if config.getoption("numprocesses", None):
        from tests.compiling import compile_once

        compile_once(config)
    for name in [name for name in os.environ if name.startswith("TONNE_")]:
        del os.environ[name]
    if find_spec("sniffio") is None:
        # httpcore asks for it several times a request, which looks through all of sys.path
        sys.modules["sniffio"] = None  # type: ignore[assignment]
    # the default draws the locals of every frame: seconds of a processor for one logged error
    structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


def _trust_one_authority(config: pytest.Config) -> None:
    """Let HTTP clients trust one authority that signs nothing: no test leaves this machine.

    A client reads the whole list when it is made, also for plain HTTP: 60 ms for the public one.
    """
    if hasattr(config, "workerinput"):
        # the process that started this one has made it
        return
    import trustme

    directory = tempfile.TemporaryDirectory()
    config.add_cleanup(directory.cleanup)
    authority = Path(directory.name) / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    os.environ["SSL_CERT_FILE"] = str(authority)


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """A command that a test runs sets up logging to a stream that ends with it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Postgres]:
    """A running PostgreSQL with TimescaleDB, without tonne's schema."""
    from tests.services import Postgres, server_directory

    with server_directory(for_postgres=True, in_memory=True) as directory:
        server = Postgres(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: Postgres) -> str:
    """Name of a database that all migrations have run on."""
    from services.core.store.schema import migrate
    from services.core.store.schema.ddl import LOGINS

    postgres_cluster.execute(f'CREATE DATABASE "{_TEMPLATE}"')
    migrate.upgrade(postgres_cluster.url_of(_TEMPLATE))
    for login in LOGINS:
        # without a password: this server asks for none
        postgres_cluster.execute(f"ALTER ROLE {login} LOGIN")
    postgres_cluster.freeze_as_template(_TEMPLATE)
    return _TEMPLATE


@pytest.fixture
def database_url(postgres_cluster: Postgres, migrated_template: str) -> Iterator[str]:
    """URL of a fresh, migrated database of the test's own."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_cluster: Postgres) -> Iterator[str]:
    """URL of a fresh database without a schema."""
    with postgres_cluster.fresh_database() as url:
        yield url


@pytest.fixture(scope="session")
def nats() -> Iterator[Nats]:
    """A running NATS server; a test that stops it must start it again."""
    from tests.services import UnsyncedNats, server_directory

    with server_directory() as directory:
        server = UnsyncedNats(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[Mosquitto]:
    """A running mosquitto; a test that stops it must start it again."""
    from tests.services import Mosquitto, server_directory

    with server_directory() as directory:
        server = Mosquitto(directory)
        server.start()
        yield server
        server.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the accounting was put to the test."""
    passed = terminalreporter.stats.get("passed", [])
    vectors = sum("vector" in report.keywords for report in passed)
    incidents = sum("incident" in report.keywords for report in passed)
    hours = sum(
        int(str(value))
        for report in passed
        for name, value in report.user_properties
        if name == "random_hours"
    )
    if vectors or incidents or hours:
        terminalreporter.write_line(
            f"accounting: {vectors} golden vectors, {incidents} field incidents,"
            f" {hours} random hours against a second implementation"
        )
