from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.ingest.traffic import ImpatientNats, forget_session
from tests.integration.ingest.plant import Plant
from tests.services import Nats, server_directory


@pytest.fixture(scope="session")
def impatient_nats() -> Iterator[Nats]:
    with server_directory() as directory:
        server = ImpatientNats(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def plant(database_url: str, impatient_nats: Nats, tmp_path: Path) -> Iterator[Plant]:
    """A registered facility; ingest is not running yet."""
    impatient_nats.start()
    made = Plant(database=database_url, broker=impatient_nats, log=tmp_path / "ingest.log")
    made.apply()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    impatient_nats.start()
    forget_session(impatient_nats.port, made.client_id)
