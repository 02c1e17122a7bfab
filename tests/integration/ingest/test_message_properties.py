"""What MQTT 5 says beside a payload, from a device through quarantine to what is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import tonne as called
from tests.contract.ingest.traffic import forget_session, publishing
from tests.integration.ingest.plant import FILE, Plant
from tests.patience import until
from tests.services import Mosquitto, as_login

pytestmark = [pytest.mark.database, pytest.mark.broker]

NOON = 1700049600
GATEWAY = "shop/all"


def meter(name: str, serial: str) -> str:
    return (
        f"  - {{id: {name}, topic: {GATEWAY}, device_from: property.serial, known_as: {serial},"
        " format: json, where: {content_type: application/json}, timestamp: {from: property.at},"
        f" channels: [{{id: {name}, from: e, quantity: energy,"
        " unit: {from: property.unit, default: kWh}, kind: counter}]}\n"
    )


@pytest.fixture
def shop(mosquitto: Mosquitto, database_url: str, tmp_path: Path) -> Iterator[Plant]:
    """A facility at a broker that speaks MQTT 5."""
    made = Plant(
        database=database_url, broker=mosquitto, url=mosquitto.url, log=tmp_path / "ingest.log"
    )
    yield made
    made.kill()
    forget_session(mosquitto.port, made.client_id)


def tonne(plant: Plant, *words: str) -> str:
    ended = called(as_login(plant.database, "tonne_admin"), *words)
    assert ended.code == 0, ended.said
    return ended.said


def test_a_replay_sees_what_stood_beside_the_message(shop: Plant, tmp_path: Path) -> None:
    file = tmp_path / "linz.yaml"
    first = FILE + meter("oven", "A-17")
    file.write_text(first)
    tonne(shop, "apply", str(file))
    shop.started()
    for serial, unit in (("A-17", "MWh"), ("A-18", "kWh"), ("A-18", "MWh")):
        shop.publish(
            '{"e": 2}',
            topic=GATEWAY,
            properties=publishing(
                ContentType="application/json",
                UserProperty=[("serial", serial), ("unit", unit), ("at", str(NOON + len(unit)))],
            ),
        )
    shop.holds(readings=1, quarantine=2)
    entries = json.loads(tonne(shop, "quarantine", "list", "--json"))
    assert [entry["properties"] for entry in entries] == [
        {
            "content_type": "application/json",
            "property.serial": "A-18",
            "property.unit": unit,
            "property.at": str(NOON + 3),
        }
        for unit in ("MWh", "kWh")
    ]
    shown = tonne(shop, "quarantine", "show", str(entries[0]["id"]))
    assert "property.unit: MWh" in shown

    file.write_text(first + meter("press", "A-18"))
    tonne(shop, "apply", str(file))
    # of one time, so that the second is a conflict with the first
    until(
        lambda: [entry["state"] for entry in shop.quarantine()].count("replayed") == 2,
        "both are tried again",
    )
    stored = [(channel, ts.timestamp() - NOON, value) for channel, ts, value, _ in shop.readings()]
    assert stored == [("oven", 3, 2000), ("press", 3, 2)]
