from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from services.core.store.operations import heard_topics
from tests.command import tonne as called
from tests.integration.ingest.plant import FILE, Plant
from tests.patience import PATIENCE_S, until
from tests.services import as_login

GATEWAY = "plant/gw1/meters"
T0 = 1795456800
METER = (
    "format: json, timestamp: {{from: ts}},"
    " channels: [{{id: {channel}, from: kwh, quantity: energy, unit: kWh, kind: counter}}]}}"
)


def in_message(name: str, known_as: str) -> str:
    start = f"  - {{id: {name}, topic: {GATEWAY}, device_from: macid, known_as: {known_as}, "
    return start + METER.format(channel=name)


def in_topic(name: str, known_as: str) -> str:
    start = f"  - {{id: {name}, topic: gw/+/up, known_as: {known_as}, "
    return start + METER.format(channel=name)


def tonne(plant: Plant, *words: str) -> str:
    ended = called(as_login(plant.database, "tonne_admin"), *words)
    assert ended.code == 0, ended.said
    return ended.said


def stored(plant: Plant) -> list[tuple[str, float, float | None]]:
    return [(channel, ts.timestamp() - T0, value) for channel, ts, value, _ in plant.readings()]


def test_what_nobody_registered_is_listed_and_stored_once_it_is(
    plant: Plant, tmp_path: Path
) -> None:
    file = tmp_path / "linz.yaml"
    first = FILE + "\n".join([in_message("s1", "Slave.1"), in_topic("t1", "a1"), ""])
    file.write_text(first)
    tonne(plant, "apply", str(file))
    plant.started()
    batch = [
        {"macid": "Slave.1", "ts": T0, "kwh": 100},
        {"macid": "Slave.9", "ts": T0, "kwh": 500},
        {"macid": "Slave.12", "ts": T0, "kwh": 900},
    ]
    plant.publish(json.dumps(batch), topic=GATEWAY)
    plant.publish(json.dumps({"ts": T0 + 60, "kwh": 7}), topic="gw/b2/up")
    plant.publish(json.dumps({"ts": T0 + 60, "kwh": 6}), topic="gw/a1/up")
    plant.holds(readings=2, quarantine=2)
    assert stored(plant) == [("s1", 0, 100), ("t1", 60, 6)]
    listed = json.loads(tonne(plant, "devices", "unknown", "--json"))
    assert [(row["facility"], row["id"], row["messages"], row["topic"]) for row in listed] == [
        ("linz", "Slave.12", 1, GATEWAY),
        ("linz", "Slave.9", 1, GATEWAY),
        ("linz", "b2", 1, "gw/b2/up"),
    ]
    assert datetime.fromisoformat(listed[0]["last"]).tzinfo == UTC
    (entry,) = json.loads(tonne(plant, "quarantine", "list", "--device", "Slave.9", "--json"))
    assert (entry["reason"], entry["unknown_ids"]) == ("unknown_device", ["Slave.12", "Slave.9"])

    file.write_text(first + "\n".join([in_message("s9", "Slave.9"), in_topic("t2", "b2"), ""]))
    assert "+ replay of what waits in quarantine for Slave.9, b2" in tonne(
        plant, "apply", str(file)
    )
    plant.holds(readings=4)
    assert stored(plant) == [("s1", 0, 100), ("s9", 0, 500), ("t1", 60, 6), ("t2", 60, 7)]
    # what nobody has still waits, and by itself
    until(lambda: plant.quarantine()[0]["unknown_ids"] == ["Slave.12"], "the entry is settled")
    states = {entry["topic"]: entry["state"] for entry in plant.quarantine()}
    assert states == {GATEWAY: "open", "gw/b2/up": "replayed"}
    assert "replay" not in tonne(plant, "apply", str(file))


def test_what_is_published_as_soon_as_a_file_is_applied_is_heard(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heard_topics, "LONGEST_WAIT_S", PATIENCE_S)
    file = tmp_path / "linz.yaml"
    plant.started()
    for number in range(3):
        # each begins in another way, so that each needs a filter that the session has not
        device = in_topic(f"t{number}", "a1").replace("gw/+/up", f"first{number}/+/up")
        file.write_text(FILE + device + "\n")
        tonne(plant, "apply", str(file))
        plant.publish(json.dumps({"ts": T0 + number, "kwh": number}), topic=f"first{number}/a1/up")
        plant.holds(readings=number + 1)


_WAITS_TO_REPORT = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
               AND wait_event_type = 'Lock' AND application_name LIKE 'tonne.ingest %%')
"""


def test_an_ingest_that_begins_while_a_file_is_applied_hears_its_topics(
    plant: Plant, tmp_path: Path
) -> None:
    """Nobody waits for an ingest that has said nothing yet: so it speaks before it looks."""
    file = tmp_path / "linz.yaml"
    file.write_text(FILE + in_topic("t1", "a1") + "\n")
    with psycopg.connect(plant.database) as connection:
        # what it says of itself has to wait, and whoever asks need not
        connection.execute("LOCK TABLE process_progress IN SHARE MODE")
        plant.start()
        until(lambda: plant.rows(_WAITS_TO_REPORT)[0]["exists"], "it is about to speak")
        tonne(plant, "apply", str(file))
        connection.rollback()
    until(lambda: plant.said("listening at the broker"), "it listens", explain=plant.shown)
    plant.publish(json.dumps({"ts": T0, "kwh": 1}), topic="gw/a1/up")
    plant.holds(readings=1)
