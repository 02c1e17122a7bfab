"""What ingest says of itself while it works, read where Prometheus reads it."""

from __future__ import annotations

import math
import time
import urllib.request
from dataclasses import dataclass

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.core.store.database.connect import engine
from services.core.store.readings.replays import Selection, submit
from tests.integration.ingest.plant import CEMS, Plant
from tests.patience import PATIENCE_S, until
from tests.services import free_port

pytestmark = [pytest.mark.broker, pytest.mark.database]

_QUARANTINED = "tonne_ingest_quarantined_total"


@dataclass(frozen=True)
class Metrics:
    """The metrics of one ingest."""

    port: int

    def samples(self) -> dict[tuple[str, str], float]:
        """Values by name and the value of the only label, as far as there is one."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}/metrics", timeout=PATIENCE_S
        ) as answer:
            text = answer.read().decode()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                assert set(sample.labels) <= {"reason", "result", "le"}, sample
                found[sample.name, "".join(sample.labels.values())] = sample.value
        return found

    def value(self, name: str, label: str = "") -> float:
        return self.samples().get((name, label), 0.0)


@pytest.fixture
def metrics(plant: Plant) -> Metrics:
    """Metrics of the plant's ingest, which is started here."""
    port = free_port()
    plant.started(TONNE_INGEST_METRICS_PORT=str(port))
    return Metrics(port)


def test_messages_readings_batches_conflicts_and_refusals_are_counted(
    plant: Plant, metrics: Metrics
) -> None:
    assert math.isnan(metrics.value("tonne_ingest_lag_seconds"))
    sent_at = int(time.time()) - 100
    good = f'{{"ts": {sent_at}, "values": {{"import-energy": 1, "import-power": 2}}}}'
    plant.publish(good, good, good.replace(": 1,", ": 3,"), b"{", b"{")
    plant.publish(b"asleep", topic="emissions/linz/cems-1/status")

    def counted() -> dict[tuple[str, str], float] | None:
        found = metrics.samples()
        # a batch counts its messages first, and last what it refused
        entries = sum(n for (name, _), n in found.items() if name == _QUARANTINED)
        return found if (found["tonne_ingest_messages_total", ""], entries) == (6, 4) else None

    found = until(counted, "every message is counted", explain=lambda: str(metrics.samples()))
    assert {
        label: value
        for (name, label), value in found.items()
        if name == "tonne_ingest_readings_total"
    } == {"stored": 2, "duplicate": 3, "conflict": 1}
    assert {label: value for (name, label), value in found.items() if name == _QUARANTINED} == {
        "malformed_json": 2,
        "bad_status": 1,
        "conflict": 1,
    }
    batches = found["tonne_ingest_batches_total", ""]
    assert 1 <= batches <= 6
    assert found["tonne_ingest_batch_messages_count", ""] == batches
    assert found["tonne_ingest_batch_messages_sum", ""] == 6
    assert found["tonne_ingest_batch_seconds_count", ""] == batches
    assert found["tonne_ingest_batch_seconds_sum", ""] > 0
    assert found["tonne_ingest_ack_seconds_count", ""] >= batches
    lag_s = found["tonne_ingest_lag_seconds", ""]
    assert 99 <= lag_s <= time.time() - sent_at
    # it is told against the clock, not as of the last batch
    assert metrics.value("tonne_ingest_lag_seconds") > lag_s
    assert found["tonne_ingest_shed_total", ""] == 0
    until(lambda: (plant.state.get("lag_s") or 0) >= 99, "readiness says how late readings are")


def test_a_lost_connection_to_the_broker_is_counted(plant: Plant, metrics: Metrics) -> None:
    assert metrics.value("tonne_ingest_connections_total") == 1
    assert metrics.value("tonne_ingest_reconnects_total") == 0
    plant.broker.stop()
    plant.broker.start()
    until(lambda: metrics.value("tonne_ingest_reconnects_total") == 1, "ingest is back")
    assert metrics.value("tonne_ingest_connections_total") == 2


def test_what_is_tried_again_is_counted(plant: Plant, metrics: Metrics) -> None:
    plant.publish(b"{")
    plant.publish('{"ts": 1700000000, "values": {"co2": 30}}', topic=CEMS)
    plant.holds(quarantine=2)
    plant.apply(
        "facility: {id: linz, name: Linz works, timezone: Europe/Vienna}\n"
        "devices: [{id: cems-1, channels: [{id: co2, quantity: fraction, unit: '%', kind: gauge}]}]"
    )
    bind = engine(plant.database, process="test")
    with bind.begin() as connection:
        submit(connection, Selection(), accept=False, by="user berta", note=None)
    bind.dispose()
    until(
        lambda: (
            metrics.value("tonne_ingest_replayed_total", "restored") == 1
            and metrics.value("tonne_ingest_replayed_total", "refused") == 1
        ),
        "both entries are counted",
    )


def test_a_flood_from_one_device_fills_its_part_and_stops_nobody(
    plant: Plant, metrics: Metrics
) -> None:
    """What does not fit is counted and said, and the readings of others are all stored."""
    with psycopg.connect(plant.database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO quarantine (reason, detail, topic, payload, facility, device)"
            " SELECT 'bad_value', '', '', '', 'linz', 'meter-grid' FROM generate_series(1, 99000)"
        )
    flood, others = 5000, 500
    for part in range(10):
        plant.publish(*[b"{"] * (flood // 10))
        first = 1_700_000_000 + part * others // 10
        plant.publish(
            *[f'{{"ts": {first + i}, "values": {{"co2": 1}}}}' for i in range(others // 10)],
            topic=CEMS,
        )
    plant.holds(readings=others)
    # what a slow machine has delivered to it again is shed, and counted, again
    shed = flood - 1000
    until(lambda: metrics.value("tonne_ingest_shed_total") >= shed, "sheds are counted")
    assert plant.count("quarantine") == 100_000
    assert metrics.value("tonne_ingest_quarantined_total", "malformed_json") == 1000
    until(lambda: plant.state.get("shed", 0) >= shed, "the process says so")
    assert plant.said("quarantine is full") >= 1
