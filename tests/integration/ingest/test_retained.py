"""Rubbish that a broker retains comes again with each subscription, and is quarantined once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.ingest.traffic import publish
from tests.integration.ingest.plant import CEMS, FILE, METER, Plant
from tests.patience import until
from tests.services import Mosquitto, server_directory

pytestmark = [pytest.mark.broker, pytest.mark.database]

_FILE = (
    FILE
    + """
  - id: untimed
    topic: site/untimed
    format: json
    channels: [{id: power, from: power, quantity: power, unit: kW, kind: gauge}]
"""
)

_RUBBISH = [
    (METER, b'{"ts": 1700000000, "values": {"import-energy": '),
    (CEMS, b'{"ts": 1700000000, "values": {"co2": 99, "flow": "much"}}'),
    ("emissions/linz/meter-grid/status", b"asleep"),
    ("emissions/linz/nobody/readings", b'{"ts": 1700000000, "values": {"a": 1}}'),
    # each time it comes it is timed anew, and is the same rubbish
    ("site/untimed", b'{"power": "much"}'),
]
_REASONS = [
    "bad_status",
    "bad_value",
    "bad_value",
    "malformed_json",
    "out_of_range",
    "unknown_device",
]


@pytest.fixture
def mosquitto_plant(database_url: str, tmp_path: Path) -> Iterator[Plant]:
    with server_directory() as directory:
        server = Mosquitto(directory)
        server.start()
        made = Plant(
            database=database_url, broker=server, url=server.url, log=tmp_path / "ingest.log"
        )
        yield made
        made.kill()
        server.stop()


def _is_kept_once(plant: Plant) -> None:
    plant.apply(_FILE)
    publish(plant.broker.port, _RUBBISH[:3], retain=True)
    plant.started()
    publish(plant.broker.port, _RUBBISH[3:], retain=True)
    # what is retained and in the stream too may come twice
    until(lambda: len(plant.quarantine()) >= len(_REASONS), "all of it is kept")
    _has_seen_all(plant)
    assert sorted(entry["reason"] for entry in plant.quarantine()) == _REASONS
    readings = len(plant.readings())
    for how in (signal.SIGTERM, signal.SIGKILL):
        plant.end(how)
        plant.rows("DELETE FROM process_progress RETURNING 1")
        plant.started()
        _has_seen_all(plant)
        # new subscriptions bring it once more
        plant.apply(_FILE.replace("site/untimed", "site/elsewhere"))
        plant.apply(_FILE)
    assert plant.end() == 0
    assert sorted(entry["reason"] for entry in plant.quarantine()) == _REASONS
    # nor is there a gap at each arrival of what may be old
    assert len(plant.readings()) == readings
    # what somebody gave up does not come back either
    plant.rows("UPDATE quarantine SET state = 'discarded', settled_at = now() RETURNING 1")
    plant.rows("DELETE FROM process_progress RETURNING 1")
    plant.started()
    _has_seen_all(plant)
    assert len(plant.quarantine()) == len(_REASONS)


def _has_seen_all(plant: Plant) -> None:
    until(lambda: plant.state.get("messages", 0) >= len(_RUBBISH), "all of it came")


@pytest.mark.incident
@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_retained_rubbish_is_quarantined_once(plant: Plant) -> None:
    try:
        _is_kept_once(plant)
    finally:
        publish(plant.broker.port, [(topic, b"") for topic, _ in _RUBBISH], retain=True)


def test_retained_rubbish_of_mosquitto_is_quarantined_once(mosquitto_plant: Plant) -> None:
    _is_kept_once(mosquitto_plant)


@pytest.mark.incident("32b-retained-before")
@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_what_was_retained_before_its_device_was_registered_is_stored(plant: Plant) -> None:
    """A filter for another device of the shape is there already, and brought it to nobody."""
    plant.apply(_FILE)
    plant.started()
    retained = [
        ("site/timed", b'{"t": "2026-06-01T08:00:00Z", "kwh": 100}'),
        ("site/late", b'{"power": 3}'),
    ]
    try:
        publish(plant.broker.port, retained, retain=True)
        until(
            lambda: plant.state.get("messages", 0) >= len(retained),
            "they have come and were nobody's",
            explain=plant.shown,
        )
        plant.apply(
            _FILE
            + """
  - id: timed
    topic: site/timed
    format: json
    timestamp: {from: t}
    channels: [{id: energy, from: kwh, quantity: energy, unit: kWh, kind: counter}]
  - id: late
    topic: site/late
    format: json
    channels: [{id: power, from: power, quantity: power, unit: kW, kind: gauge}]
"""
        )
        plant.holds(readings=1)
        # of what tells no time nobody knows how old it is
        assert [(channel, value) for channel, _, value, _ in plant.readings()] == [
            ("energy", 100.0)
        ]
    finally:
        publish(plant.broker.port, [(topic, b"") for topic, _ in retained], retain=True)
