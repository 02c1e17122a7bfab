from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.sensors_sim.harness import KillableNats, Simulator, Witness


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KillableNats]:
    nats = KillableNats(tmp_path)
    nats.start()
    yield nats
    nats.kill()


@pytest.fixture
def witness(broker: KillableNats) -> Iterator[Witness]:
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
