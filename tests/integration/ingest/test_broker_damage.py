"""NATS loses what it holds for ingest: what the stream still has is stored once, and it is said."""

from __future__ import annotations

import pytest

from tests.contract.ingest.broker_damage import (
    corrupt_block,
    delete_consumers,
    divert_consumers,
    forget_keeper,
    keep_stream,
)
from tests.integration.ingest.plant import Plant
from tests.patience import until
from tests.services import Nats

pytestmark = [pytest.mark.broker, pytest.mark.database, pytest.mark.timeout(300)]

_BEGIN = 1_700_000_000


def _sent(plant: Plant, number: int) -> None:
    """Publish reading number 0, 1, ... and wait until it is stored with all before it."""
    plant.publish(f'{{"ts": {_BEGIN + number}, "values": {{"import-power": {number}}}}}')
    plant.holds(readings=number + 1)


def _notice(plant: Plant) -> str:
    notices = plant.state.get("notices", [])
    details = [n["detail"] for n in notices if n["code"] == "broker-damaged"]
    return details[0] if details else ""


@pytest.mark.incident
@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_what_nats_loses_of_ingests_consumers_and_messages_is_said_and_set_right(
    plant: Plant,
) -> None:
    server = plant.broker
    assert isinstance(server, Nats)
    by_mqtt = plant.url.startswith("mqtt:")
    plant.started(TONNE_BACKUP_BROKER_URL=server.nats_url if by_mqtt else None)
    keep_stream(server)
    try:
        _sent(plant, 0)
        until(lambda: "notices" in plant.state, "it has looked")
        assert _notice(plant) == ""
        delete_consumers(server)
        _sent(plant, 1)
        until(lambda: "deleted ingest's consumer" in _notice(plant), "it is said")
        divert_consumers(server)
        _sent(plant, 2)
        until(lambda: "changed where NATS delivers" in _notice(plant), "it is said")
        server.kill()
        corrupt_block(server, f'"ts": {_BEGIN + 1}'.encode())
        server.start()
        until(lambda: "went back" in _notice(plant), "it is said")
        _sent(plant, 3)
    finally:
        server.start()
        forget_keeper(server)
    assert plant.said("deleted ingest's consumer") > 0
    assert plant.end() == 0
    assert plant.quarantine() == []
