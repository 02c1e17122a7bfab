"""What was refused is tried again: restored in order, once, or still refused, and why."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from services.core.store.database.connect import engine
from services.core.store.readings.replays import Selection, submit
from tests.command import tonne as called
from tests.integration.ingest.plant import CEMS, FILE, Plant
from tests.patience import until
from tests.services import as_login

pytestmark = [pytest.mark.broker, pytest.mark.database]

LATER = "emissions/linz/meter-later/readings"
LATER_FILE = (
    FILE
    + """
  - id: meter-later
    channels:
      - {id: energy, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}
"""
)
T0 = 1_700_000_000


def ask(plant: Plant, selection: Selection | None = None, *, accept: bool = False) -> int:
    bind = engine(plant.database, process="test")
    try:
        with bind.begin() as connection:
            return submit(
                connection,
                selection or Selection(),
                accept=accept,
                by="user berta",
                note="meter misread" if accept else None,
            )
    finally:
        bind.dispose()


def change(plant: Plant, sql: str) -> None:
    with psycopg.connect(plant.database) as connection:
        connection.execute(sql.encode())


def done(plant: Plant, request_id: int) -> dict[str, Any]:
    def finished() -> list[dict[str, Any]]:
        return plant.rows(
            "SELECT * FROM replay_request WHERE id = %s AND finished_at IS NOT NULL", request_id
        )

    until(finished, "the replay is finished")
    return finished()[0]


def replayed(
    plant: Plant, selection: Selection | None = None, *, accept: bool = False
) -> tuple[int, int, dict[str, int]]:
    row = done(plant, ask(plant, selection, accept=accept))
    assert row["tried"] == row["restored"] + row["accepted"] + sum(row["refused"].values())
    return row["restored"], row["accepted"], row["refused"]


def tonne(plant: Plant, *words: str, code: int = 0) -> str:
    ended = called(as_login(plant.database, "tonne_admin"), *words)
    assert ended.code == code, ended.said
    return ended.said


def states(plant: Plant) -> list[tuple[str, str]]:
    return [(entry["reason"], entry["state"]) for entry in plant.quarantine()]


def sent(ts: int, **values: Any) -> str:
    return json.dumps({"ts": ts, "values": {k.replace("_", "-"): v for k, v in values.items()}})


def test_a_device_registered_later_gets_all_its_readings_and_once(plant: Plant) -> None:
    plant.started()
    number = 1200
    plant.publish(*[sent(T0 + i, energy=float(i)) for i in range(number)], topic=LATER)
    plant.holds(quarantine=number)
    assert replayed(plant) == (0, 0, {"unknown_device": number})
    assert states(plant) == [("unknown_device", "open")] * number
    plant.apply(LATER_FILE)
    assert replayed(plant) == (number, 0, {})
    assert [(ts.timestamp(), value) for _, ts, value, _ in plant.readings()] == [
        (T0 + i, i) for i in range(number)
    ]
    entries = plant.quarantine()
    assert {entry["state"] for entry in entries} == {"replayed"}
    assert all(entry["settled_at"] is not None for entry in entries)
    assert replayed(plant) == (0, 0, {})
    assert plant.count("reading") == number
    minutes = plant.rows("SELECT DISTINCT unnest(minutes) AS minute, reason FROM touched")
    assert sorted(row["minute"] for row in minutes) == sorted(
        {(T0 + i) // 60 for i in range(number)}
    )
    assert {row["reason"] for row in minutes} == {None}


def test_of_two_values_for_one_time_that_which_arrived_first_is_restored(plant: Plant) -> None:
    plant.started()
    plant.publish(sent(T0, energy=1), sent(T0, energy=2), sent(T0 + 1, energy=3), topic=LATER)
    plant.holds(quarantine=3)
    # however they came to be stored: arrival decides
    change(
        plant,
        "WITH moved AS (DELETE FROM quarantine WHERE id = (SELECT min(id) FROM quarantine)"
        " RETURNING received_at, reason, detail, topic, payload, facility, device)"
        " INSERT INTO quarantine (received_at, reason, detail, topic, payload, facility,"
        " device) SELECT received_at - interval '1 second', reason, detail, topic, payload,"
        " facility, device FROM moved",
    )
    plant.apply(LATER_FILE)
    assert replayed(plant) == (2, 0, {"conflict": 1})
    assert [value for _, _, value, _ in plant.readings()] == [1, 3]
    (conflict,) = [e for e in plant.quarantine() if e["state"] == "open"]
    assert (conflict["reason"], conflict["value"], conflict["stored_value"]) == ("conflict", 2, 1)


def test_a_replay_goes_on_where_a_kill_left_it(plant: Plant) -> None:
    plant.started()
    number = 6000
    plant.publish(*[sent(T0 + i, energy=float(i)) for i in range(number)], topic=LATER)
    plant.holds(quarantine=number)
    plant.apply(LATER_FILE)
    # so that there is a chunk, which otherwise only one of two makes
    plant.publish(sent(T0, import_energy=1))
    plant.holds(readings=1)
    with psycopg.connect(plant.database) as other:
        # a step in the midst waits for a key that somebody else may take
        other.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at)"
            " SELECT id, to_timestamp(%s), 0, 0, 0, now() FROM channel WHERE slug = 'energy'",
            (T0 + number // 2,),
        )
        request_id = ask(plant)
        until(lambda: plant.rows("SELECT FROM pg_locks WHERE NOT granted"), "the replay waits")
        plant.end(signal.SIGKILL)
        assert 1 < plant.count("reading") < number
        other.rollback()
    plant.started()
    for _ in range(2):
        before = plant.count("reading")
        until(
            lambda before=before: plant.count("reading") > before or before > number,
            "the replay goes on",
        )
        plant.end(signal.SIGKILL)
        plant.started()
    row = done(plant, request_id)
    assert (row["tried"], row["restored"], row["refused"]) == (number, number, {})
    assert [value for channel, _, value, _ in plant.readings() if channel == "energy"] == [
        float(i) for i in range(number)
    ]
    assert {entry["state"] for entry in plant.quarantine()} == {"replayed"}


def test_what_another_rule_refuses_now_stays_under_its_new_reason(plant: Plant) -> None:
    plant.started()
    plant.publish(sent(T0, energy=1, power=2), sent(T0 + 1, energy=1), b"{", topic=LATER)
    plant.publish(sent(T0, co2=30, flow=1), topic=CEMS)
    plant.holds(quarantine=4)
    plant.apply(LATER_FILE)
    assert replayed(plant) == (
        1,
        0,
        {"unknown_channel": 1, "malformed_json": 1, "out_of_range": 1},
    )
    assert states(plant) == [
        ("unknown_device", "replayed"),
        ("unknown_device", "replayed"),
        ("unknown_device", "replayed"),
        ("out_of_range", "open"),
        ("unknown_channel", "open"),
        ("malformed_json", "open"),
    ]
    plant.apply(
        LATER_FILE.replace("range: [0, 25]", "range: [0, 40]")
        + "      - {id: power, quantity: power, unit: kW, kind: gauge}\n"
    )
    assert replayed(plant) == (2, 0, {"malformed_json": 1})
    # nothing is stored or quarantined twice by asking again
    held = plant.count("reading"), plant.count("quarantine")
    assert replayed(plant) == (0, 0, {"malformed_json": 1})
    assert (plant.count("reading"), plant.count("quarantine")) == held == (5, 6)


def test_only_what_is_selected_is_tried(plant: Plant) -> None:
    plant.started()
    plant.publish(b"{", sent(T0, what=1))
    plant.publish(b"{", topic=CEMS)
    plant.publish(b"{", topic="emissions/wels/meter-grid/readings")
    plant.holds(quarantine=4)
    first, *_ = plant.quarantine()
    tomorrow = datetime(2999, 1, 1, tzinfo=UTC)
    for selection, meant in (
        (Selection(ids=(first["id"],)), {"malformed_json": 1}),
        (Selection(facilities=("wels",)), {"unknown_facility": 1}),
        (Selection(devices=("cems-1",)), {"malformed_json": 1}),
        (Selection(reasons=("unknown_channel", "bad_time")), {"unknown_channel": 1}),
        (Selection(devices=("meter-grid",), facilities=("linz",)), {
            "malformed_json": 1, "unknown_channel": 1,
        }),
        (Selection(since=tomorrow), {}),
        (Selection(until=tomorrow, reasons=("unknown_facility",)), {"unknown_facility": 1}),
    ):  # fmt: skip
        assert replayed(plant, selection) == (0, 0, meant), selection


def test_an_accepted_conflict_replaces_the_reading_and_keeps_the_old_one(plant: Plant) -> None:
    plant.started()
    plant.publish(sent(T0, import_energy=1, import_power=5))
    plant.publish(
        sent(T0, import_energy=2, import_power={"v": 5, "q": "bad"}),
        sent(T0, import_energy=None),
    )
    plant.holds(readings=2, quarantine=3)
    conflicts = {
        (e["channel"], e["value"], e["quality"], e["stored_value"], e["stored_quality"])
        for e in plant.quarantine()
    }
    assert conflicts == {
        ("import-energy", 2, 0, 1, 0),
        ("import-power", 5, 2, 5, 0),
        ("import-energy", None, 0, 1, 0),
    }
    assert replayed(plant) == (0, 0, {"conflict": 3})
    assert [row[2:] for row in plant.readings()] == [(1, 0), (5, 0)]
    change(plant, "DELETE FROM touched")
    (energy,) = plant.rows("SELECT id FROM quarantine WHERE value = 2")
    (power,) = plant.rows("SELECT id FROM quarantine WHERE value = 5")
    meant = Selection(ids=(energy["id"], power["id"]))
    assert replayed(plant, meant, accept=True) == (0, 2, {})
    assert [row[2:] for row in plant.readings()] == [(2, 0), (5, 2)]
    history = plant.rows(
        "SELECT old_value, old_quality, new_value, new_quality, corrected_by, note, quarantine_id"
        " FROM reading_correction ORDER BY old_value"
    )
    assert [tuple(row.values()) for row in history] == [
        (1, 0, 2, 0, "user berta", "meter misread", energy["id"]),
        (5, 0, 5, 2, "user berta", "meter misread", power["id"]),
    ]
    (touched,) = plant.rows("SELECT minutes, reason FROM touched")
    assert touched["minutes"] == [T0 // 60] * 2
    assert touched["reason"] == "accepted correction by user berta: meter misread"
    assert sorted(e["state"] for e in plant.quarantine()) == ["accepted", "accepted", "open"]
    # the one that is left shows what is stored now
    assert replayed(plant) == (0, 0, {"conflict": 1})
    (left,) = [e for e in plant.quarantine() if e["state"] == "open"]
    assert (left["value"], left["stored_value"]) == (None, 2)


def test_a_conflict_that_nobody_has_seen_is_not_accepted(plant: Plant) -> None:
    plant.started()
    plant.publish(sent(T0, energy=1), sent(T0, energy=2), topic=LATER)
    plant.holds(quarantine=2)
    plant.apply(LATER_FILE)
    assert replayed(plant, accept=True) == (1, 0, {"conflict": 1})
    assert [value for _, _, value, _ in plant.readings()] == [1]
    assert replayed(plant, accept=True) == (0, 1, {})
    assert [value for _, _, value, _ in plant.readings()] == [2]


def test_a_reading_of_a_large_message_is_corrected_too(plant: Plant) -> None:
    plant.started()
    many = [{"ts": T0 + i, "values": {"import-energy": i}} for i in range(2000)]
    plant.publish(json.dumps(many))
    plant.holds(readings=2000)
    for each in many:
        each["values"] = {"import-energy": {"v": 7.5, "u": "MWh"}}
    plant.publish(json.dumps(many))
    plant.holds(quarantine=2000)
    assert replayed(plant, accept=True) == (0, 2000, {})
    assert {value for _, _, value, _ in plant.readings()} == {7500.0}


def test_the_command_lists_shows_replays_and_discards(plant: Plant) -> None:
    plant.started()
    plant.publish(sent(T0, import_energy=1), sent(T0, import_energy=2))
    plant.publish(sent(T0, energy=1), topic=LATER)
    plant.publish(b"{[red]\x1b[31m", topic=CEMS)
    plant.holds(readings=1, quarantine=3)
    listed = tonne(plant, "quarantine", "list")
    assert "conflict" in listed
    assert "sent 2.0, stored 1.0" in " ".join(listed.split())
    assert "--accept" in listed
    assert "meter-later" not in tonne(plant, "quarantine", "list", "--reason", "conflict")
    by_reason = {e["reason"]: str(e["id"]) for e in plant.quarantine()}
    shown = tonne(plant, "quarantine", "show", by_reason["malformed_json"])
    assert "{[red]\\x1b[31m" in shown
    assert "there is no entry 999" in tonne(plant, "quarantine", "show", "999", code=1)
    assert "there is no entry 999" in tonne(plant, "quarantine", "replay", "999", code=1)

    plant.apply(LATER_FILE)
    said = tonne(plant, "quarantine", "replay")
    assert said.splitlines()[-5:] == [
        "tried: 3", "restored: 1", "refused again: 2", "  conflict: 1", "  malformed_json: 1",
    ]  # fmt: skip
    said = tonne(plant, "quarantine", "replay", "--accept", "--note", "read by hand")
    assert "accepted: 1" in said
    (correction,) = plant.rows("SELECT * FROM reading_correction")
    assert (correction["old_value"], correction["new_value"], correction["note"]) == (
        1,
        2,
        "read by hand",
    )
    assert correction["corrected_by"].startswith("user ")
    assert "--all" in tonne(plant, "quarantine", "discard", code=1)
    assert "discarded: 1" in tonne(plant, "quarantine", "discard", by_reason["malformed_json"])
    assert dict(states(plant)) == {
        "conflict": "accepted",
        "unknown_device": "replayed",
        "malformed_json": "discarded",
    }
    assert "nothing that matches" in tonne(plant, "quarantine", "list")


def test_the_command_settles_what_the_device_of_one_facility_sent(plant: Plant) -> None:
    """Whoever names an id that two facilities have is asked whose they mean."""
    plant.apply(LATER_FILE)
    plant.apply(LATER_FILE.replace("id: linz, name: Linz", "id: graz, name: Graz"))
    plant.started()
    for topic in (LATER, LATER.replace("linz", "graz")):
        plant.publish(b"{", b"[", topic=topic)
    plant.holds(quarantine=4)

    def open_of() -> list[str]:
        return sorted(e["facility"] for e in plant.quarantine() if e["state"] == "open")

    asked = "name one: graz/meter-later, linz/meter-later"
    for command in ("replay", "discard"):
        named = ["quarantine", command, "--device", "meter-later"]
        assert asked in tonne(plant, *named, code=1)
    assert open_of() == ["graz", "graz", "linz", "linz"]
    assert tonne(plant, "quarantine", "list", "--device", "meter-later").count("malformed") == 4
    assert tonne(plant, "quarantine", "list", "--device", "graz/meter-later").count("graz/") == 2
    assert "tried: 2" in tonne(plant, "quarantine", "replay", "--device", "graz/meter-later")
    said = tonne(plant, "quarantine", "discard", "--device", "meter-later", "--facility", "graz")
    assert "discarded: 2" in said
    # what is left is of one facility
    assert open_of() == ["linz", "linz"]
    assert "discarded: 2" in tonne(plant, "quarantine", "discard", "--device", "meter-later")


def test_the_command_says_that_ingest_does_not_run(plant: Plant) -> None:
    plant.started()
    plant.publish(b"{")
    plant.holds(quarantine=1)
    assert plant.end() == 0
    assert "start `tonne ingest`" in tonne(plant, "quarantine", "replay", code=1)
    assert "waits for ingest" in tonne(plant, "quarantine", "replay", "--no-wait")
    plant.started()
    until(
        lambda: not plant.rows("SELECT FROM replay_request WHERE finished_at IS NULL"),
        "ingest works off what waited",
    )


def test_what_a_device_said_of_itself_long_ago_is_not_news(plant: Plant) -> None:
    plant.started()
    plant.publish(b"online", topic="emissions/linz/meter-later/status")
    plant.holds(quarantine=1)
    plant.apply(LATER_FILE)
    assert replayed(plant) == (1, 0, {})
    (device,) = plant.rows("SELECT online, last_seen FROM device WHERE slug = 'meter-later'")
    assert tuple(device.values()) == (None, None)


def test_settled_entries_are_forgotten_after_a_month(plant: Plant) -> None:
    change(
        plant,
        "INSERT INTO quarantine (reason, detail, topic, payload, state, settled_at)"
        " SELECT 'bad_value', '', '', '', 'replayed', now() - make_interval(days => d)"
        " FROM unnest(ARRAY[29, 31]) d",
    )
    plant.started()
    until(lambda: plant.count("quarantine") == 1, "the older one is forgotten")


def test_a_conflict_that_keeps_only_its_own_reading_can_be_tried_again(plant: Plant) -> None:
    plant.apply(
        FILE
        + """
  - id: meter-own
    topic: tele/own/SENSOR
    channels:
      - {id: energy, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}
"""
    )
    plant.started()
    readings = [{"ts": T0 + i, "values": {"energy": 1}, "x": "y" * 3000} for i in range(100)]
    plant.publish(json.dumps(readings), topic="tele/own/SENSOR")
    plant.holds(readings=100)
    for each in readings:
        each["values"] = {"energy": 2}
    plant.publish(json.dumps(readings), topic="tele/own/SENSOR")
    plant.holds(quarantine=100)
    (kept,) = plant.rows("SELECT max(octet_length(payload)) AS size FROM quarantine")
    assert kept["size"] < 200
    assert replayed(plant, accept=True) == (0, 100, {})
    assert {value for _, _, value, _ in plant.readings()} == {2}
