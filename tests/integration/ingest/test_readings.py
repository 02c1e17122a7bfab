"""A message at the broker becomes rows that the aggregator finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from services.core.store.database import notify
from services.ingest.prepare import Sighting
from services.ingest.presence import Presence
from tests.integration.ingest.plant import CEMS, FILE, METER, Plant
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.broker, pytest.mark.database]

#: the contract's own example lies in the future of some test runs
LATE_CLOCK = {"TONNE_FUTURE_TOLERANCE_S": "100000000"}

SIX = datetime(2026, 11, 23, 18, tzinfo=UTC)
QUARTER = timedelta(milliseconds=250)


def test_the_contracts_examples_become_readings_and_touched_minutes(plant: Plant) -> None:
    plant.started(**LATE_CLOCK)
    with psycopg.connect(plant.database, autocommit=True) as listener:
        listener.execute(f"LISTEN {notify.INVALIDATED}".encode())
        plant.publish(
            '{"ts": "2026-11-23T18:00:00.250Z",'
            ' "values": {"import-energy": 18234.125, "import-power": 412.5}}'
        )
        plant.publish(
            '[{"ts": 1795456800.25, "values":'
            ' {"co2": {"v": 12.5, "u": "%", "q": "good"}, "flow": 101234}},'
            ' {"ts": 1795456860250, "values": {"co2": null}}]',
            topic=CEMS,
        )
        plant.holds(readings=5)
        (facility,) = plant.rows("SELECT id FROM facility")
        woken = next(listener.notifies(timeout=PATIENCE_S, stop_after=1))
        assert (woken.channel, woken.payload) == (notify.INVALIDATED, str(facility["id"]))
    assert plant.readings() == [
        ("co2", SIX + QUARTER, 12.5, 0),
        ("co2", SIX + QUARTER + timedelta(minutes=1), None, 0),
        ("flow", SIX + QUARTER, 101234.0, 0),
        ("import-energy", SIX + QUARTER, 18234.125, 0),
        ("import-power", SIX + QUARTER, 412.5, 0),
    ]
    slugs = {row["id"]: row["slug"] for row in plant.rows("SELECT id, slug FROM channel")}
    touched = {
        (slugs[channel], minute)
        for row in plant.rows("SELECT channel_ids, minutes FROM touched")
        for channel, minute in zip(row["channel_ids"], row["minutes"], strict=True)
    }
    minute = int(SIX.timestamp()) // 60
    assert touched == {
        ("co2", minute),
        ("co2", minute + 1),
        ("flow", minute),
        ("import-energy", minute),
        ("import-power", minute),
    }
    assert plant.end() == 0


def test_units_are_converted_and_qualities_kept(plant: Plant) -> None:
    plant.started()
    plant.publish(
        '{"ts": 1700000000, "values": {"import-energy": {"v": 2500, "u": "Wh", "q": "uncertain"},'
        ' "import-power": {"v": null, "q": "maintenance"}}}'
    )
    plant.holds(readings=2)
    at = datetime.fromtimestamp(1_700_000_000, UTC)
    assert plant.readings() == [("import-energy", at, 2.5, 1), ("import-power", at, None, 4)]


def test_live_readings_and_history_of_one_message_are_told_apart(plant: Plant) -> None:
    plant.started()
    now_s = int(datetime.now(UTC).timestamp())
    plant.publish(
        f'[{{"ts": {now_s - 86_500}, "values": {{"import-energy": 1}}}},'
        f' {{"ts": {now_s - 60}, "values": {{"import-energy": 2}}}}]'
    )
    plant.holds(readings=2)
    assert plant.rows("SELECT live, minutes FROM touched ORDER BY live") == [
        {"live": False, "minutes": [(now_s - 86_500) // 60]},
        {"live": True, "minutes": [(now_s - 60) // 60]},
    ]


def test_the_same_again_changes_nothing(plant: Plant) -> None:
    payload = '{"ts": 1700000000, "values": {"import-energy": 1, "import-power": null}}'
    plant.started()
    plant.publish(payload)
    plant.holds(readings=2)
    touched = plant.count("touched")
    plant.publish(payload, payload)
    plant.publish('{"ts": 1700000001, "values": {"import-energy": 2}}')
    plant.holds(readings=3, quarantine=0)
    assert plant.end() == 0
    # the last message touched its minute; those that were there already touched nothing new
    assert plant.count("touched") <= touched + 1


def test_another_value_for_the_same_time_is_a_conflict_and_the_first_stays(plant: Plant) -> None:
    plant.started()
    plant.publish('{"ts": 1700000000, "values": {"import-energy": 1}}')
    plant.holds(readings=1)
    other = '{"ts": 1700000000, "values": {"import-energy": 2, "import-power": 5}}'
    plant.publish(other)
    plant.holds(readings=2, quarantine=1)
    (entry,) = plant.quarantine()
    assert (entry["reason"], entry["channel"], entry["value"], entry["stored_value"]) == (
        "conflict",
        "import-energy",
        2.0,
        1.0,
    )
    assert bytes(entry["payload"]) == other.encode()
    assert entry["ts"] == datetime.fromtimestamp(1_700_000_000, UTC)
    assert [value for _, _, value, _ in plant.readings()] == [1.0, 5.0]


def test_a_conflict_within_one_batch_keeps_what_came_first(plant: Plant) -> None:
    plant.started(TONNE_FLUSH_INTERVAL_MS="1000")
    plant.publish(
        '[{"ts": 1700000000, "values": {"import-power": 1}},'
        ' {"ts": 1700000000, "values": {"import-power": {"v": 1, "q": "bad"}}},'
        ' {"ts": 1700000000, "values": {"import-power": null}},'
        ' {"ts": 1700000000, "values": {"import-power": 1}}]'
    )
    plant.holds(readings=1, quarantine=2)
    assert [(value, quality) for _, _, value, quality in plant.readings()] == [(1.0, 0)]
    assert [(e["reason"], e["value"], e["stored_value"]) for e in plant.quarantine()] == [
        ("conflict", 1.0, 1.0),
        ("conflict", None, 1.0),
    ]


def test_a_reading_from_before_those_that_are_kept_is_too_late(plant: Plant) -> None:
    plant.started()
    with psycopg.connect(plant.database, autocommit=True) as connection:
        connection.execute("INSERT INTO reading_horizon VALUES (1, to_timestamp(1700000000))")
    plant.publish(
        '[{"ts": 1699999999, "values": {"import-energy": 1}},'
        ' {"ts": 1700000000, "values": {"import-energy": 2}}]'
    )
    plant.holds(readings=1, quarantine=1)
    (entry,) = plant.quarantine()
    assert (entry["reason"], entry["channel"], entry["value"]) == ("too_late", "import-energy", 1.0)
    assert [value for _, _, value, _ in plant.readings()] == [2.0]
    assert plant.count("touched") == 1
    # what stands beside readings that the archive alone has waits until they are back
    with psycopg.connect(plant.database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO archived_span SELECT id, 0, 19676, 0, 19675 FROM channel"
            " WHERE slug = 'import-power'"
        )
        connection.execute(
            "INSERT INTO archive_file (facility_id, month, place, path, bytes, sha256, readings,"
            " days, tonne, removed_at) SELECT id, '2023-11-01', '/a', 'b', 1, '', 1, 1, '', now()"
            " FROM facility"
        )
    plant.publish('{"ts": 1700000002, "values": {"import-energy": 3, "import-power": 4}}')
    plant.holds(readings=2, quarantine=2)
    entry = plant.quarantine()[-1]
    assert (entry["reason"], entry["channel"], entry["value"]) == ("archived", "import-power", 4.0)
    assert "`tonne archive restore linz 2023-11`" in entry["detail"]
    # but below what is kept no restoring helps
    plant.publish('{"ts": 1699999998, "values": {"import-power": 5}}')
    plant.holds(readings=2, quarantine=3)
    entry = plant.quarantine()[-1]
    assert (entry["reason"], entry["channel"], entry["value"]) == ("too_late", "import-power", 5.0)


def test_a_device_registered_while_ingest_runs_is_heard_at_once(plant: Plant) -> None:
    plant.started()
    topic = "emissions/graz/new/readings"
    plant.publish('{"ts": 1700000000, "values": {"a": 1}}', topic=topic)
    plant.holds(quarantine=1)
    plant.apply(
        "facility: {id: graz, name: Graz, timezone: Europe/Vienna}\n"
        "devices: [{id: new, channels: [{id: a, quantity: energy, unit: kWh, kind: counter}]}]\n"
    )
    plant.publish('{"ts": 1700000060, "values": {"a": 2}}', topic=topic)
    plant.holds(readings=1, quarantine=1)
    assert plant.quarantine()[0]["reason"] == "unknown_facility"


@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_devices_are_seen_and_their_status_is_kept(plant: Plant) -> None:
    plant.started()
    plant.publish('{"ts": 1700000000, "values": {"import-energy": 1}}')
    plant.publish("online", topic="emissions/linz/cems-1/status")

    def devices() -> dict[str, tuple[bool, bool | None]]:
        found = plant.rows("SELECT slug, last_seen, online FROM device")
        return {r["slug"]: (r["last_seen"] is not None, r["online"]) for r in found}

    until(
        lambda: devices() == {"meter-grid": (True, None), "cems-1": (True, True)},
        "both devices are seen",
    )
    plant.publish("offline", topic="emissions/linz/cems-1/status")
    until(lambda: devices()["cems-1"] == (True, False), "the device is offline")


@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_devices_of_one_id_in_two_facilities_are_heard_apart(plant: Plant) -> None:
    plant.apply(FILE.replace("id: linz, name: Linz", "id: graz, name: Graz"))
    plant.started()
    graz = "emissions/graz/cems-1"
    plant.publish("online", topic=f"{graz}/status")
    plant.publish('{"ts": 1700000000, "values": {"co2": 9}}', topic=f"{graz}/readings")
    plant.publish('{"ts": 1700000000, "values": {"co2": 12.5}}', topic=CEMS)
    plant.holds(readings=2)

    def devices() -> dict[str, tuple[bool | None, float]]:
        found = plant.rows(
            "SELECT f.slug, d.online, r.value FROM reading r JOIN channel c ON c.id = r.channel_id"
            " JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id"
        )
        return {row["slug"]: (row["online"], row["value"]) for row in found}

    until(lambda: devices() == {"graz": (True, 9.0), "linz": (None, 12.5)}, "both are heard")


def test_a_status_that_is_written_late_does_not_undo_a_later_one(plant: Plant) -> None:
    at = datetime(2026, 11, 23, 18, tzinfo=UTC)
    (device,) = plant.rows("SELECT id FROM device WHERE slug = 'cems-1'")

    def write(*, online: bool, said_at: datetime) -> None:
        presence = Presence()
        presence.note({device["id"]: Sighting(seen_at=None, online=online, said_at=said_at)})
        with psycopg.connect(plant.database) as connection:
            presence.write(connection)

    write(online=True, said_at=at)
    write(online=True, said_at=at + timedelta(seconds=2))
    write(online=False, said_at=at + timedelta(seconds=1))
    (found,) = plant.rows("SELECT online, status_at FROM device WHERE slug = 'cems-1'")
    assert found == {"online": True, "status_at": at + timedelta(seconds=2)}


def test_progress_is_reported_and_taken_back_at_the_end(plant: Plant) -> None:
    plant.started()
    until(
        lambda: plant.state.get("broker") == "connected",
        "ingest reports that it is connected",
    )
    assert plant.end() == 0
    assert plant.count("process_progress") == 0
    assert plant.said("ingest has finished") == 1


@pytest.mark.redelivery
def test_a_stop_finishes_what_is_in_hand(plant: Plant) -> None:
    plant.started(TONNE_FLUSH_INTERVAL_MS="1000")
    plant.publish('{"ts": 1700000000, "values": {"import-energy": 1}}', topic=METER)
    assert plant.end() == 0
    plant.started()
    plant.holds(readings=1)
