from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.core.runtime.settings import Settings
from tests.contract.ingest.brokers import (
    ImpatientNats,
    PatientNats,
    forget_durable,
    has_consumers,
    make_durable,
)
from tests.contract.ingest.traffic import forget_session
from tests.integration.api.server import serving
from tests.integration.ingest.plant import FILE, Plant
from tests.integration.ingest.upload_client import key
from tests.patience import PATIENCE_S, until
from tests.services import Nats, as_login, is_listening, server_directory


def _running(made: Callable[[Path], Nats]) -> Iterator[Nats]:
    with server_directory() as directory:
        server = made(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def impatient_nats() -> Iterator[Nats]:
    yield from _running(ImpatientNats)


@pytest.fixture(scope="session")
def patient_nats() -> Iterator[Nats]:
    yield from _running(PatientNats)


@pytest.fixture
def plant(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Plant]:
    """A registered facility; ingest is not running yet. It comes by MQTT, or by ``jetstream``.

    What ingest has not acknowledged comes again in a test that is marked ``redelivery``, and there
    also where a slow machine took longer than a second; in any other everything comes once.
    """
    again = request.node.get_closest_marker("redelivery") is not None
    broker: Nats = request.getfixturevalue("impatient_nats" if again else "patient_nats")
    broker.start()
    shared = getattr(request, "param", "mqtt") == "jetstream"
    made = Plant(
        database=database_url,
        broker=broker,
        url=broker.nats_url if shared else broker.url,
        log=tmp_path / "ingest.log",
    )
    if shared:
        ack_wait_s = ImpatientNats.ack_wait_s if again else PatientNats.ack_wait_s
        make_durable(made.url, made.client_id, ack_wait_s=ack_wait_s)
    made.apply()
    yield made
    made.kill()
    broker.start()
    for session in made.sessions:
        if shared:
            forget_durable(made.url, session)
        else:
            forget_session(broker.port, session)
    # NATS keeps a message while any session wants it, and a new durable gets all that is kept: what
    # a test leaves here comes to those after it
    until(lambda: not has_consumers(broker.nats_url), "the broker holds nothing for it")


@pytest.fixture
def twin(plant: Plant) -> Iterator[Plant]:
    """A second ingest that shares the consumer, the database and the facility with ``plant``."""
    made = replace(plant, log=plant.log.with_name("twin.log"))
    yield made
    made.kill()


@pytest.fixture
def door_folder() -> Iterator[Path]:
    """Where the door of ingest is, and what is uploaded."""
    with server_directory() as directory:
        yield directory


@pytest.fixture
def begin_ingest(plant: Plant, door_folder: Path) -> Callable[..., None]:
    """Start ingest, with the folder of uploads that it had before."""

    def begin(**more: str) -> None:
        socket = door_folder / "door.sock"
        plant.started(
            TONNE_READINGS_SOCKET=str(socket),
            TONNE_UPLOADS_DIR=str(door_folder / "uploads"),
            TONNE_UPLOAD_BYTES=str(8 << 20),
            **more,
        )
        until(lambda: is_listening(socket), "ingest listens")

    return begin


@pytest.fixture
async def client(
    plant: Plant, door_folder: Path, begin_ingest: Callable[..., None]
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that requires keys, whose own is of the facility."""
    plant.apply(FILE)
    begin_ingest()
    settings = Settings(
        database_url=SecretStr(as_login(plant.database, "tonne_api")),
        readings_socket=door_folder / "door.sock",
        readings_body_bytes=200_000,
    )
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as opened,
    ):
        opened.headers["Authorization"] = f"Bearer {key(plant, 'read,write')}"
        yield opened
