"""At the start: wait for what is away, end with one sentence for what is wrong."""

from __future__ import annotations

import socket

import pytest

from tests.integration.ingest.plant import Plant
from tests.patience import until
from tests.services import Postgres, free_port

pytestmark = [pytest.mark.broker, pytest.mark.database]


def one_line(plant: Plant, word: str) -> None:
    """Ingest ended with code 1 and named the trouble without a traceback."""
    assert plant.wait() == 1
    assert plant.said(word) == 1, plant.log.read_text()
    assert not plant.said("Traceback")


def test_a_database_without_schema(plant: Plant, empty_database_url: str) -> None:
    plant.start(TONNE_DATABASE_URL=empty_database_url)
    one_line(plant, "run `tonne migrate`")


def test_a_database_that_does_not_exist(plant: Plant) -> None:
    plant.start(TONNE_DATABASE_URL=plant.database + "_nowhere")
    one_line(plant, "does not exist")


def test_a_url_that_is_no_brokers(plant: Plant) -> None:
    plant.start(TONNE_MQTT_URL="amqp://user:secret@127.0.0.1")
    one_line(plant, "mqtt://")
    assert not plant.said("secret")


def test_a_certificate_without_its_key(plant: Plant) -> None:
    plant.start(TONNE_MQTT_URL="mqtts://127.0.0.1", TONNE_MQTT_TLS_CERT="client.pem")
    one_line(plant, "TONNE_MQTT_TLS_KEY belong together")


def test_an_id_that_cannot_name_a_consumer(plant: Plant) -> None:
    plant.start(TONNE_MQTT_URL="nats://127.0.0.1", TONNE_MQTT_CLIENT_ID="plant 1")
    one_line(plant, "TONNE_MQTT_CLIENT_ID")


def test_a_time_that_is_none_in_a_setting(plant: Plant) -> None:
    plant.start(TONNE_OLDEST_READING="long ago")
    one_line(plant, "TONNE_OLDEST_READING")


def test_a_port_for_metrics_that_is_taken(plant: Plant) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        plant.start(TONNE_INGEST_METRICS_PORT=str(taken.getsockname()[1]))
        one_line(plant, "TONNE_INGEST_METRICS_PORT")


@pytest.mark.parametrize("scheme", ["mqtt", "nats"])
def test_a_broker_that_is_away_is_waited_for_and_named_once(plant: Plant, scheme: str) -> None:
    port = free_port()
    plant.start(TONNE_MQTT_URL=f"{scheme}://plant:secret@127.0.0.1:{port}")
    until(lambda: plant.said("the broker is away; waiting for it"), "the loss is said")
    until(lambda: plant.state.get("broker") == "away", "readiness says that the broker is away")
    assert plant.said("the broker is away; waiting for it") == 1
    assert plant.said(f"127.0.0.1:{port}") == 1
    assert not plant.said("secret")
    assert plant.end() == 0


def test_a_database_that_is_away_is_waited_for(plant: Plant, postgres_cluster: Postgres) -> None:
    postgres_cluster.stop()
    try:
        plant.start()
        until(lambda: plant.said("the database is away"), "the loss is said")
    finally:
        postgres_cluster.start()
    until(lambda: plant.said("listening at the broker"), "ingest is connected")
    plant.publish('{"ts": 1700000000, "values": {"import-energy": 1}}')
    plant.holds(readings=1)
