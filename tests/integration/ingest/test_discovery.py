"""Devices that nobody registered: seen, counted nowhere, adopted, and replayed once."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from services.core.store.operations.readiness import readiness
from tests.command import tonne as called
from tests.faults.proxy import Proxy
from tests.integration.ingest.plant import FILE, METER, Plant
from tests.patience import PATIENCE_S, until
from tests.services import as_login

pytestmark = [pytest.mark.broker, pytest.mark.database]

EVENTS = "shellyplus1pm-a8032abe54dc/events/rpc"
STATUS = "shellyplus1pm-a8032abe54dc/status/switch:0"
FACILITY = (
    FILE
    + """
factors:
  - {id: works, unit: kWh, co2_kg: 0.2, citation: contract}
sources:
  - {id: grid, scope: 2, method: activity, input: meter-grid.import-energy, factor: works}
"""
)


def notification(total_wh: float, ts: float | None = None, **more: float) -> str:
    switch = {"id": 0, "apower": 60.0, "aenergy": {"total": total_wh, "minute_ts": 1}, **more}
    params = {"ts": time.time() if ts is None else ts, "switch:0": switch}
    return json.dumps(
        {
            "src": "shellyplus1pm-a8032abe54dc",
            "dst": "x",
            "method": "NotifyStatus",
            "params": params,
        }
    )


def tonne(plant: Plant, *words: str, code: int = 0) -> str:
    ended = called(as_login(plant.database, "tonne_admin"), *words)
    assert ended.code == code, ended.said
    return ended.said


def adopt(plant: Plant, row: dict[str, Any], *words: str, code: int = 0) -> str:
    """Make a candidate a device of linz that adds nothing to a total."""
    named = ("devices", "adopt", str(row["id"]), "--facility", "linz", "--no-source")
    return tonne(plant, *named, *words, code=code)


def candidates(plant: Plant) -> list[dict[str, Any]]:
    return list(json.loads(tonne(plant, "devices", "discover", "--json")))


def states(plant: Plant) -> set[str]:
    return {str(entry["state"]) for entry in plant.quarantine()}


def noted(plant: Plant, messages: int) -> dict[str, Any]:
    """The only candidate, once so many of its messages are noted."""
    sql = "SELECT * FROM device_candidate WHERE state = 'open' AND messages >= %s"
    row: dict[str, Any] = until(
        lambda: next(iter(plant.rows(sql, messages)), None), f"{messages} messages are noted"
    )
    return row


@pytest.fixture
def listening(plant: Plant) -> Plant:
    """Ingest with discovery: what nobody registered is heard from now on."""
    plant.apply(FACILITY)
    plant.started()
    until(lambda: plant.state.get("discovery") == "listens", "discovery listens")
    # from here on the first message of anybody is heard
    plant.publish("1", topic="hall/probe/energy_kwh")
    tonne(plant, "devices", "dismiss", str(noted(plant, 1)["id"]))
    return plant


def is_ready(plant: Plant) -> bool:
    """Whether /readyz would have nothing against discovery."""
    state = asyncio.run(readiness(as_login(plant.database, "tonne_api"), stale_after_s=PATIENCE_S))
    return "ingest" in state.progress_age_s and not state.discovery_begins


def test_ingest_is_not_ready_before_it_hears_whom_nobody_registered(plant: Plant) -> None:
    network = Proxy(plant.broker.port)
    network.stall()
    try:
        plant.apply(FACILITY)
        plant.started(TONNE_DISCOVERY_URL=f"mqtt://127.0.0.1:{network.port}")
        until(lambda: plant.state.get("broker") == "connected", "ingest is connected")
        assert plant.state["discovery"] == "begins"
        assert not is_ready(plant)
        network.flow()
        until(lambda: is_ready(plant), "discovery listens", explain=plant.shown)
        plant.publish("7", topic="hall/first/energy_kwh")
        assert noted(plant, 1)["label"] == "hall/first"
    finally:
        network.close()
    until(
        lambda: [n["code"] for n in plant.state["notices"]] == ["discovery-waits"],
        "that it hears nothing is said, and ingest goes on",
        explain=plant.shown,
    )
    assert is_ready(plant)


def test_a_shelly_is_seen_adopted_and_replayed_once(listening: Plant) -> None:
    plant = listening
    now = round(time.time(), 2)
    times = [now - 3, now - 2, now - 1]
    for i, ts in enumerate(times):
        plant.publish(notification(1000.0 + i, ts), topic=EVENTS)
        plant.publish(
            json.dumps({"id": 0, "apower": 60.0, "aenergy": {"total": 5.0}}), topic=STATUS
        )
    row = noted(plant, 6)
    assert plant.count("reading") == 0
    assert plant.count("quarantine") == 0
    assert plant.count("candidate_message") == 6
    (shown,) = candidates(plant)
    assert shown["label"] == "shellyplus1pm-a8032abe54dc"
    assert [c["id"] for c in shown["channels"] if c["included"]] == ["energy", "power"]

    adopt = ("devices", "adopt", str(row["id"]), "--facility", "linz")
    assert "--factor works" not in tonne(plant, *adopt, code=1)
    tried = tonne(plant, *adopt, "--factor", "works", "--dry-run")
    assert "nothing was changed" in tried
    assert "topic: shellyplus1pm-a8032abe54dc/events/rpc" in tried
    assert "3 messages stored of it" in tried
    assert len(candidates(plant)) == 1
    tonne(plant, *adopt, "--factor", "works", "--id", "plug")
    plant.publish(notification(1003.0, now), topic=EVENTS)

    plant.holds(readings=8)
    energy = [r for r in plant.readings() if r[0] == "energy"]
    assert [value for _, _, value, _ in energy] == [1000.0, 1001.0, 1002.0, 1003.0]
    assert [ts.timestamp() for _, ts, _, _ in energy] == [*times, now]
    # the messages of the topic that was not chosen are gone, and none is in the way
    until(lambda: plant.count("candidate_message") == 0, "what was stored is handed over")
    until(lambda: states(plant) == {"replayed"}, "all is replayed")
    assert candidates(plant) == []
    plant.publish(json.dumps({"id": 0, "apower": 61.0}), topic=STATUS)
    plant.publish("7", topic="hall/probe/energy_kwh")
    plant.publish("8", topic="hall/other/energy_kwh")
    assert noted(plant, 1)["key"] == "other:hall/other"
    assert candidates(plant)[0]["label"] == "hall/other"
    assert plant.count("reading") == 8


def test_what_the_broker_answers_its_clients_is_no_device(listening: Plant) -> None:
    """NATS gives each answer a topic of its own: they took the places of devices."""
    plant = listening
    answer = json.dumps({"type": "io.nats.jetstream.api.v1.stream_info_response", "total": 12})
    for i in range(3):
        plant.publish(answer, topic=f"_INBOX/zLe63x36KB7ujIqsTdjcet/{i}")
    plant.publish("7", topic="hall/other/energy_kwh")
    assert noted(plant, 1)["label"] == "hall/other"
    assert [row["label"] for row in candidates(plant)] == ["hall/other"]
    # what was taken for a device before is forgotten
    plant.rows(
        "UPDATE device_candidate SET key = replace(key, 'hall/other', '_INBOX/zLe'),"
        " learned = replace(learned::text, 'hall/other', '_INBOX/zLe')::jsonb"
        " WHERE state = 'open' RETURNING id"
    )
    plant.end()
    plant.started()
    until(lambda: candidates(plant) == [], "it is forgotten")


def test_each_device_of_a_gateway_is_recognised_and_adopted_with_its_familys_mapping(
    listening: Plant,
) -> None:
    plant = listening
    for i in range(2):
        ts = 1_763_922_000_000 + 1000 * i
        both = {
            name: [{"ts": ts, "values": {"energy": start + i}}]
            for name, start in (("Boiler", 100), ("Chiller", 7))
        }
        plant.publish(json.dumps(both), topic="v1/gateway/telemetry")

    def both_heard() -> list[dict[str, Any]] | None:
        rows = [row for row in candidates(plant) if row["messages"] == 2]
        return rows if len(rows) == 2 else None

    rows = {row["label"]: row for row in until(both_heard, "both devices are candidates")}
    boiler = rows["Boiler"]
    assert boiler["family"] == "thingsboard-gateway"
    assert boiler["reason"].startswith("v1/gateway/telemetry, 1 of 2 values as meter-")
    assert [(c["id"], c["unit"], c["last"]) for c in boiler["channels"]] == [
        ("energy", "kWh", 101.0)
    ]
    said = adopt(plant, boiler, "--id", "boiler")
    assert "device_from: keys(@)" in said
    assert "known_as: Boiler" in said
    plant.holds(readings=2)
    assert [(channel, value) for channel, _, value, _ in plant.readings()] == [
        ("energy", 100.0),
        ("energy", 101.0),
    ]
    # from here on it is an id that no device of the topic is known as
    third = {"Pump": [{"ts": 1_763_922_000_000, "values": {"energy": 3}}]}
    plant.publish(json.dumps(third), topic="v1/gateway/telemetry")

    def like_the_boiler() -> dict[str, Any] | None:
        listed = [row for row in candidates(plant) if row["family"] == "fleet"]
        return next((row for row in listed if row["label"] == "Pump"), None)

    pump = until(like_the_boiler, "the unknown id is a candidate")
    assert pump["facility"] == "linz"
    assert pump["reason"] == "1 of 1 values as boiler of linz, which shares its topic"
    said = adopt(plant, pump)
    assert "known_as: Pump" in said
    plant.holds(readings=3)
    assert 3.0 in [value for _, _, value, _ in plant.readings()]


def test_what_lies_in_quarantine_for_want_of_a_device_is_a_candidate(listening: Plant) -> None:
    plant = listening
    for i in range(3):
        reading = {
            "ts": 1_700_000_000 + i,
            "values": {"import-power": 1.0, "gas": {"v": i, "u": "m3"}},
        }
        plant.publish(json.dumps(reading), topic="emissions/linz/meter-new/readings")
    row = noted(plant, 3)
    assert (row["facility"], row["device"]) == ("linz", "meter-new")
    refusal = adopt(
        plant,
        row,
        "--id",
        "other",
        code=1,
    )
    assert "adopt it as that" in refusal
    adopt(
        plant,
        row,
        "--channel",
        "gas",
        "--channel",
        "import-power=kW:gauge",
    )
    plant.holds(readings=6)
    until(lambda: states(plant) == {"replayed"}, "all is replayed")


def test_a_channel_that_nobody_registered_becomes_one_of_its_device(listening: Plant) -> None:
    plant = listening
    reading = {"ts": 1_700_000_000, "values": {"import-power": 1.0, "gas": {"v": 5, "u": "m3"}}}
    plant.publish(json.dumps(reading), topic=METER)
    row = noted(plant, 1)
    said = adopt(
        plant,
        row,
        "--channel",
        "gas",
    )
    assert "- {id: gas, quantity: volume, unit: m3, kind: counter}" in said
    plant.holds(readings=2)


def test_what_is_retained_teaches_and_is_not_replayed(listening: Plant) -> None:
    plant = listening
    config = {
        "state_topic": "hall/wallbox", "value_template": "{{ value_json.e }}",
        "unit_of_measurement": "kWh", "state_class": "total_increasing", "name": "Energy",
        "device": {"identifiers": ["wb"], "name": "Wallbox"},
    }  # fmt: skip
    topic = "homeassistant/sensor/wb/config"
    plant.publish(json.dumps(config), topic=topic, retain=True)
    try:
        row = noted(plant, 0)
        assert row["label"] == "Wallbox"
        assert plant.count("candidate_message") == 0
        plant.publish('{"e": 12.5}', topic="hall/wallbox")
        assert noted(plant, 1)["id"] == row["id"]
        (shown,) = candidates(plant)
        assert [(c["id"], c["unit"], c["kind"]) for c in shown["channels"]] == [
            ("energy", "kWh", "counter")
        ]
    finally:
        plant.publish("", topic=topic, retain=True)


def test_a_device_that_is_registered_by_its_file_is_no_candidate(listening: Plant) -> None:
    plant = listening
    plant.publish("5", topic="hall/meter/energy_kwh")
    noted(plant, 1)
    plant.apply(
        FACILITY.replace(
            "factors:",
            "  - id: hall\n    topic: hall/meter/energy_kwh\n    format: json\n"
            "    channels: [{id: e, quantity: energy, unit: kWh, kind: counter}]\nfactors:",
        )
    )

    def is_gone() -> bool:
        plant.publish("6", topic="hall/meter/energy_kwh")
        return not plant.rows("SELECT FROM device_candidate WHERE state = 'open'")

    until(is_gone, "it is forgotten")
    assert plant.count("reading") > 0


def test_only_the_newest_messages_are_stored_and_the_rest_is_counted(listening: Plant) -> None:
    plant = listening
    plant.publish(*(str(i) for i in range(620)), topic="hall/big/energy_kwh")
    row = noted(plant, 620)
    assert plant.count("candidate_message") == 500
    stored = plant.rows("SELECT payload FROM candidate_message ORDER BY id DESC LIMIT 1")
    assert bytes(stored[0]["payload"]) == b"619"
    assert row["let_go"] + 500 <= 620


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"TONNE_DISCOVERY_TOPICS": "off"}, None),
        ({"TONNE_DISCOVERY_URL": "nats://127.0.0.1:1"}, "mqtt://"),
    ],
)
def test_discovery_can_be_off(plant: Plant, settings: dict[str, str], why: str | None) -> None:
    plant.apply(FACILITY)
    plant.started(**settings)
    plant.publish("5", topic="hall/meter/energy_kwh")
    plant.publish('{"ts": 1700000000, "values": {"import-power": 1}}')
    plant.holds(readings=1)
    assert plant.count("device_candidate") == 0
    assert why is None or plant.said(why)
