from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.ingest.brokers import (
    ImpatientNats,
    forget_durable,
    has_consumers,
    make_durable,
)
from tests.contract.ingest.traffic import forget_session
from tests.integration.ingest.plant import Plant
from tests.patience import until
from tests.services import Nats, server_directory


@pytest.fixture(scope="session")
def impatient_nats() -> Iterator[Nats]:
    with server_directory() as directory:
        server = ImpatientNats(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def plant(
    request: pytest.FixtureRequest, database_url: str, impatient_nats: Nats, tmp_path: Path
) -> Iterator[Plant]:
    """A registered facility; ingest is not running yet. It comes by MQTT, or by ``jetstream``."""
    impatient_nats.start()
    shared = getattr(request, "param", "mqtt") == "jetstream"
    made = Plant(
        database=database_url,
        broker=impatient_nats,
        url=impatient_nats.nats_url if shared else impatient_nats.url,
        log=tmp_path / "ingest.log",
    )
    if shared:
        make_durable(made.url, made.client_id, ack_wait_s=1.0)
    made.apply()
    yield made
    made.kill()
    impatient_nats.start()
    for session in made.sessions:
        if shared:
            forget_durable(made.url, session)
        else:
            forget_session(impatient_nats.port, session)
    # NATS keeps a message while any session wants it, and a new durable gets all that is kept: what
    # a test leaves here comes to those after it
    until(lambda: not has_consumers(impatient_nats.nats_url), "the broker holds nothing for it")


@pytest.fixture
def twin(plant: Plant) -> Iterator[Plant]:
    """A second ingest that shares the consumer, the database and the facility with ``plant``."""
    made = replace(plant, log=plant.log.with_name("twin.log"))
    yield made
    made.kill()
