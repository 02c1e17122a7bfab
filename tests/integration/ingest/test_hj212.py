"""Stations that speak HJ 212 by TCP: a real ingest, its pipeline, and a real database."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from sensors_sim.hj212 import DataLogger, framed
from tests.command import tonne as called
from tests.data_logger import Line
from tests.integration.ingest.plant import Plant
from tests.patience import until
from tests.sealed_frames import KEY, sealed
from tests.services import as_login, free_port

pytestmark = [pytest.mark.broker, pytest.mark.database]

MN, OTHER = "010000A8900016F000169DC0", "010000A8900016F000169DC1"
NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
FILE = """
facility: {{id: {name}, name: Tianjin, timezone: Asia/Shanghai}}
devices:
  - id: cems
    topic: hj212/{mn}
    format: hj212
    channels:
      - {{id: co2, from: a05001.Rtd, quantity: concentration, unit: mg/Nm3, kind: gauge, basis: dry}}
      - {{id: gas, from: hour.a00000.Cou, quantity: volume, unit: Nm3, kind: interval, length: 1h, stamp: start}}
"""  # noqa: E501 - one line a channel


@pytest.fixture
def port(plant: Plant) -> int:
    plant.apply(FILE.format(name="tianjin", mn=MN))
    return free_port()


def listening(plant: Plant, port: int, **settings: str) -> None:
    before = plant.said("stations may connect by HJ 212")
    plant.started(TONNE_HJ212_PORT=str(port), **settings)
    until(lambda: plant.said("stations may connect by HJ 212") > before, "stations can connect")


def tonne(plant: Plant, *words: str) -> str:
    ended = called(as_login(plant.database, "tonne_admin"), *words)
    assert ended.code == 0, ended.said
    return ended.said


def co2(minute: int) -> dict[str, dict[str, str]]:
    return {"a05001": {"Rtd": f"{minute}.5", "Flag": "N"}}


def minutes(number: int, start: int = 0) -> Iterator[tuple[datetime, dict[str, dict[str, str]]]]:
    for minute in range(start, start + number):
        yield NOON + timedelta(minutes=minute), co2(minute)


def test_nothing_is_lost_and_nothing_counts_twice_though_ingest_is_killed(
    plant: Plant, port: int
) -> None:
    logger = DataLogger(mn=MN)
    listening(plant, port)
    with Line(port, logger) as line:
        for at, factors in minutes(20):
            line.send(logger.measure(at, factors))
        line.hear(until_answers=20)
        assert logger.unanswered == {}
        # an answer is given when it is durable
        assert plant.count("reading") == 20
        # an answer that is lost: the same again
        again = [logger.measure(at, factors) for at, factors in minutes(20)]
        line.send(b"".join(again))
        line.hear(until_answers=40)
        assert plant.count("reading") == 20
        for at, factors in minutes(200, start=20):
            line.send(logger.measure(at, factors))
        line.hear(until_answers=41)
        plant.end(signal.SIGKILL)
        assert line.is_ended
    durable = plant.count("reading")
    assert durable >= 220 - len(logger.unanswered)
    listening(plant, port)
    for at, factors in minutes(5, start=220):
        logger.measure(at, factors)
    logger.measure(NOON, {"a00000": {"Cou": "361800", "Flag": "N"}}, command="2061")
    with Line(port, logger) as line:
        line.resend()
        until(lambda: line.turn() and not logger.unanswered, "all is answered")
        line.send(logger.heartbeat(NOON))
        answers = len(logger.answers)
        line.hear(until_answers=answers + 1)
        assert logger.answers[-1][1] == "9013"
    values = [(slug, ts, value) for slug, ts, value, _ in plant.readings()]
    assert values == [
        *(("co2", NOON + timedelta(minutes=minute), minute + 0.5) for minute in range(225)),
        ("gas", NOON, 361800.0),
    ]
    assert plant.quarantine() == []


def test_a_station_is_not_answered_while_nothing_can_be_stored_and_goes_on_after_it(
    plant: Plant, port: int
) -> None:
    logger = DataLogger(mn=MN, edition="2025")
    listening(plant, port)
    with Line(port, logger) as line:
        # whoever holds it lets nobody write
        with psycopg.connect(plant.database) as lock:
            lock.execute("LOCK TABLE reading IN SHARE ROW EXCLUSIVE MODE")
            for at, factors in minutes(3):
                line.send(logger.measure(at, factors))
            line.send(logger.heartbeat(NOON))
            line.hear(until_answers=1)
            assert [cn for _, cn in logger.answers] == ["9013"]
        line.hear(until_answers=4)
    assert plant.count("reading") == 3


def test_an_unknown_station_waits_in_quarantine_and_is_stored_once_it_is_registered(
    plant: Plant, port: int, tmp_path: Path
) -> None:
    listening(plant, port)
    unknown = DataLogger(mn=OTHER)
    with Line(port, unknown) as line:
        for at, factors in minutes(2):
            line.send(unknown.measure(at, factors))
        line.hear(until_answers=2)
    assert plant.count("reading") == 0
    assert [(e["facility"], e["reason"], e["unknown_ids"]) for e in plant.quarantine()] == [
        (None, "unknown_device", [OTHER])
    ] * 2
    assert all(b"123456" not in entry["payload"] for entry in plant.quarantine())
    assert OTHER in tonne(plant, "devices", "unknown")
    file = tmp_path / "beijing.yaml"
    file.write_text(FILE.format(name="beijing", mn=OTHER))
    said = tonne(plant, "apply", str(file))
    assert f"+ replay of what waits in quarantine for {OTHER}" in said
    plant.holds(readings=2)
    until(lambda: {entry["state"] for entry in plant.quarantine()} == {"replayed"}, "they are in")


def test_an_unknown_station_is_proposed_with_what_its_codes_mean_and_adopted(
    plant: Plant, port: int
) -> None:
    """Over TCP; how one that speaks by MQTT is recognised, families' tests hold."""
    listening(plant, port)
    logger = DataLogger(mn=OTHER)
    frames = [
        logger.measure(
            at, {**factors, "a21026": {"Rtd": "18.5", "Flag": "M"}, "a05024": {"Rtd": "0.5"}}
        )
        for at, factors in minutes(2)
    ]
    with Line(port, logger) as line:
        for frame in frames:
            line.send(frame)
        line.hear(until_answers=2)
    (row,) = until(
        lambda: plant.rows(
            "SELECT id, family, facility FROM device_candidate WHERE label = %s AND messages = 2",
            OTHER,
        ),
        "the station is a candidate",
    )
    assert (row["family"], row["facility"]) == ("hj212", None)
    shown = tonne(plant, "devices", "discover")
    assert "co2 = 1.5 mg/Nm3 (gauge)" in shown
    assert "so2 = 18.5 mg/Nm3 (gauge)" in shown
    assert "1 number more (--all)" in shown
    # a code that the family lacks is listed, and not adopted: nobody says what it is
    shown = tonne(plant, "devices", "discover", "--all")
    assert "a05024-rtd = 0.5 unit unknown (gauge)" in shown
    said = tonne(
        plant, "devices", "adopt", str(row["id"]), "--facility", "tianjin", "--id", "stack-2",
        "--no-source",
    )  # fmt: skip
    assert "2 messages stored of it will be replayed" in said
    plant.holds(readings=4)
    until(lambda: {entry["state"] for entry in plant.quarantine()} == {"replayed"}, "they are in")
    maintenance = 4
    assert plant.readings() == [
        ("co2", NOON, 0.5, 0),
        ("co2", NOON + timedelta(minutes=1), 1.5, 0),
        ("so2", NOON, 18.5, maintenance),
        ("so2", NOON + timedelta(minutes=1), 18.5, maintenance),
    ]


def test_what_is_wrong_is_refused_with_its_bytes_and_never_answered(
    plant: Plant, port: int
) -> None:
    listening(plant, port, TONNE_HJ212_PASSWORDS=f"{MN}:abc123 *:xyz")
    wrong, right = DataLogger(mn=MN), DataLogger(mn=MN, password="abc123")
    with Line(port, wrong) as line:
        line.send(wrong.measure(NOON, co2(0)))
        line.send(b"GET / HTTP/1.1\r\n\r\n##0012" + framed("ST=31;CP=&&&&"))
        line.send(wrong.measure(NOON, co2(1)).replace(b"1.5", b"7.5"))
        plant.holds(quarantine=4)
        assert wrong.answers == []
        # it hears frames that are right on the same connection
        line.logger = right
        line.send(right.measure(NOON, co2(0)))
        line.hear(until_answers=1)
    assert plant.count("reading") == 1
    entries = [(e["facility"], e["device"], e["reason"], e["topic"]) for e in plant.quarantine()]
    assert sorted(entries, key=repr) == sorted(
        [
            ("tianjin", "cems", "wrong_password", f"$hj212/{MN}"),
            *[(None, None, "malformed_payload", "$hj212")] * 3,
        ],
        key=repr,
    )
    log = plant.log.read_text()
    assert "a frame of HJ 212 is refused" in log
    assert "123456" not in log
    assert "abc123" not in log
    # a second try lets nothing in
    ids = [str(entry["id"]) for entry in plant.quarantine()]
    tonne(plant, "quarantine", "replay", *ids)
    until(lambda: plant.rows("SELECT FROM replay_request WHERE finished_at IS NOT NULL"), "tried")
    assert {entry["state"] for entry in plant.quarantine()} == {"open"}
    assert plant.count("reading") == 1


def test_encrypted_frames_wait_for_their_key_which_is_there_without_a_restart(
    plant: Plant, port: int, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{OTHER}:{KEY.hex()}\n")
    listening(plant, port, TONNE_HJ212_KEYS_FILE=str(keys))
    logger = DataLogger(mn=MN, edition="2025")
    secret = [sealed(logger.measure(at, factors)[6:-6].decode()) for at, factors in minutes(2)]
    with Line(port, logger) as line:
        line.send(secret[0])
        plant.holds(quarantine=1)
        (entry,) = plant.quarantine()
        assert (entry["device"], entry["topic"]) == ("cems", f"hj212/{MN}")
        assert b"123456" not in entry["payload"]
        assert logger.answers == []
        keys.write_text(f"{MN}:{KEY.hex()}\n")
        line.send(secret[1])
        line.hear(until_answers=1)
    tonne(plant, "quarantine", "replay", str(entry["id"]))
    plant.holds(readings=2)
    assert [value for _, _, value, _ in plant.readings()] == [0.5, 1.5]
    log = plant.log.read_text()
    assert "a frame of HJ 212 cannot be decrypted" in log
    assert KEY.hex() not in log
    assert "123456" not in log


def test_connections_are_bounded_and_a_silent_one_is_ended(plant: Plant, port: int) -> None:
    # an answer that takes longer would come to nobody
    listening(plant, port, TONNE_HJ212_CONNECTIONS="1", TONNE_HJ212_IDLE_S="4")
    logger = DataLogger(mn=MN)
    with Line(port, logger) as first:
        first.send(logger.measure(NOON, co2(0)))
        first.hear(until_answers=1)
        with Line(port, DataLogger(mn=OTHER)) as second:
            assert second.is_ended
        assert first.is_ended
    with Line(port, logger) as third:
        third.send(logger.measure(NOON, co2(0)))
        third.hear(until_answers=2)
