from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.sensors_sim.harness import Simulator, Witness
from tests.services import Nats, UnsyncedNats, server_directory


@pytest.fixture
def broker() -> Iterator[Nats]:
    """A broker of the test's own, with an empty store; the test may kill it."""
    with server_directory() as directory:
        server = UnsyncedNats(directory)
        server.start()
        yield server
        server.kill()


@pytest.fixture
def witness(broker: Nats) -> Iterator[Witness]:
    subscriber = Witness(broker.port, "emissions/#")
    yield subscriber
    subscriber.close()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    runner = Simulator()
    yield runner
    for process in runner.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
