"""Values of factors by the hour from the broker to the totals that count by them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from services.aggregator.published_values import PublishedValues
from services.core.facility.factor_file import read
from services.core.store.database import notify
from services.core.store.database.connect import connect, engine
from services.core.store.readings.replays import Selection, submit
from services.core.store.registry.import_factors import import_factors
from services.ingest.route import values_topic
from tests.integration.ingest.plant import FILE, Plant
from tests.patience import PATIENCE_S, until
from tests.services import as_login

pytestmark = [pytest.mark.broker, pytest.mark.database]

SERIES = """
factors:
  - {id: grid-at, kind: series, unit: kWh, basis: location, citation: operator}
sources:
  - {id: bought, scope: 2, method: activity, input: meter-grid.import-energy, factor: grid-at}
"""
TOPIC = values_topic("linz", "grid-at")
VALUE = '{"values": [{"hour": "2026-03-01T00:00:00Z", "co2_kg": %s}]}'


@pytest.fixture
def aggregator(plant: Plant) -> Iterator[psycopg.Connection[Any]]:
    """The aggregator's connection, with its rights."""
    with connect(
        as_login(plant.database, "tonne_aggregate"), process="aggregator", autocommit=True
    ) as made:
        yield made


def take(plant: Plant, aggregator: psycopg.Connection[Any]) -> None:
    """Let the aggregator record what waits."""
    published = PublishedValues(as_login(plant.database, "tonne_aggregate"))
    assert published.step(aggregator, datetime.now(UTC))
    assert not published.notices()
    published.close()
    assert not plant.count("factor_inbox")


def values(plant: Plant) -> list[tuple[float | None, datetime]]:
    rows = plant.rows("SELECT co2_kg, known_at FROM factor_value ORDER BY hour, known_at")
    return [(row["co2_kg"], row["known_at"]) for row in rows]


@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_a_published_value_counts_once_however_often_it_is_delivered(
    plant: Plant, aggregator: psycopg.Connection[Any]
) -> None:
    plant.apply(FILE + SERIES)
    plant.started()
    before = datetime.now(UTC)
    notify.listen(aggregator, notify.FACTOR_VALUES)
    plant.publish(VALUE % "0.2", topic=TOPIC)
    woken = next(aggregator.notifies(timeout=PATIENCE_S, stop_after=1))
    assert woken.channel == notify.FACTOR_VALUES
    take(plant, aggregator)
    # known since it came, as it says nothing else
    ((kg, known_at),) = values(plant)
    assert kg == 0.2
    assert before <= known_at <= datetime.now(UTC)
    # the aggregator is asked to compute the hour for the source that counts by it
    queued = plant.rows("SELECT reason FROM recompute")
    assert [row["reason"] for row in queued] == [
        "factor version: grid-at, value of 2026-03-01T00:00Z; brought by MQTT"
    ]
    plant.publish(VALUE % "0.2", VALUE % "0.25", topic=TOPIC)
    until(lambda: plant.count("factor_inbox") == 2, "both wait")
    take(plant, aggregator)
    assert [kg for kg, _ in values(plant)] == [0.2, 0.25]
    assert plant.end() == 0


def test_what_cannot_be_a_value_goes_to_quarantine_whole_with_the_words_of_http(
    plant: Plant, aggregator: psycopg.Connection[Any]
) -> None:
    plant.apply(FILE + SERIES)
    plant.started()
    shared = values_topic(None, "zone-fr")
    for topic, payload in (
        (TOPIC, '{"values": [{"hour": "2026-03-01T00:30:00Z", "co2_kg": 1}, {"hour": "x"}]}'),
        (TOPIC, "[" * 200_000),
        (shared, VALUE % "0.04"),
        (values_topic("graz", "grid-at"), VALUE % "0.2"),
        (values_topic("linz", "none"), VALUE % "0.2"),
        (TOPIC, VALUE % "212"),
    ):
        plant.publish(payload, topic=topic)
    plant.holds(quarantine=6)
    entries = plant.quarantine()
    assert [(entry["reason"], entry["facility"]) for entry in entries] == [
        ("bad_factor_values", "linz"),
        ("bad_factor_values", "linz"),
        ("unknown_series", None),
        ("unknown_facility", "graz"),
        ("unknown_series", "linz"),
        ("bad_factor_values", "linz"),
    ]
    assert "value 1: hour: 2026-03-01T00:30:00Z is no full hour of UTC" in entries[0]["detail"]
    assert "value 2: co2_kg is missing" in entries[0]["detail"]
    assert "values are kilograms: divide grams by 1000" in entries[5]["detail"]
    assert "kind: series in its file" in entries[4]["detail"]
    assert not plant.count("factor_inbox")
    # once the series is there, what waited for it counts
    declared = "id,kind,unit,co2_kg,fallback,citation\nzone-fr,series,kWh,,,operator\n"
    bind = engine(plant.database, process="test")
    with bind.begin() as connection:
        import_factors(connection, read(declared, datetime.now(UTC)), by="user test")
    with bind.begin() as connection:
        selection = Selection(ids=[entries[2]["id"]])
        submit(connection, selection, accept=False, by="user test", note=None)
    bind.dispose()
    until(lambda: plant.count("factor_inbox") == 1, "it is replayed")
    take(plant, aggregator)
    ((kg, known_at),) = values(plant)
    assert (kg, known_at) == (0.04, entries[2]["received_at"])


def test_what_the_broker_kept_counts_by_the_times_that_it_tells(
    plant: Plant, aggregator: psycopg.Connection[Any]
) -> None:
    plant.apply(FILE + SERIES)
    dated = VALUE.replace("}]", ', "known_at": "2026-03-01T02:00:00Z"}]')
    plant.publish(VALUE % "0.3", topic=TOPIC, retain=True)
    try:
        plant.started()
        plant.publish(dated % "0.2", topic=TOPIC)
        until(lambda: plant.count("factor_inbox") == 1, "one waits")
    finally:
        # the broker is that of other tests too
        plant.publish("", topic=TOPIC, retain=True)
    take(plant, aggregator)
    assert values(plant) == [(0.2, datetime(2026, 3, 1, 2, tzinfo=UTC))]
