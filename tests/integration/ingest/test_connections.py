"""Ingest that connects to a P1 port and to a Modbus device, between a broker and the database."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.command import tonne
from tests.integration.ingest.plant import Plant
from tests.modbus_device import modbus_server
from tests.patience import PATIENCE_S, until
from tests.services import as_login
from tests.telegrams import port, published, telegram

pytestmark = [pytest.mark.broker, pytest.mark.database]

FILE = """
facility: {{id: linz, name: Linz works, timezone: Europe/Vienna}}
devices:
  - id: meter
    format: p1
    p1: {{host: 127.0.0.1, port: {p1}}}
    channels:
      - {{id: import, from: 1-0:1.8.1, quantity: energy, unit: kWh, kind: counter}}
      - {{id: power, from: 1-0:1.7.0, quantity: power, unit: kW, kind: gauge}}
      - {{id: gas, from: 0-2:24.2.1, quantity: volume, unit: m3, kind: counter}}
  - id: hall
    format: modbus
    modbus: {{host: 127.0.0.1, port: {modbus}, every: 10s, timeout: 1s}}
    channels:
      - {{id: power, register: {{address: 0, function: input, type: int32}}, scale: 0.001, quantity: power, unit: kW, kind: gauge}}
      - {{id: none, register: {{address: 70}}, quantity: power, unit: kW, kind: gauge}}
  - id: beyond
    format: modbus
    modbus: {{host: 192.0.2.9}}
    channels: [{{id: power, register: {{address: 0}}, quantity: power, unit: kW, kind: gauge}}]
"""  # noqa: E501 - one line a channel

TELEGRAM = published("dsmr-5")
#: What the meter goes on with while the database takes nothing.
LATER = [
    telegram(f"0-0:1.0.0(2611231800{n:02d}W)", f"1-0:1.8.1({n:06d}.000*kWh)") for n in range(50)
]
BROKEN = telegram("1-0:1.8.1(000001.000*kWh)").replace(b"001.000", b"009.000")


def test_devices_are_read_by_one_process_that_may(plant: Plant, tmp_path: Path) -> None:
    stalled = threading.Event()

    def speak(send: Callable[[bytes], None]) -> None:
        for part in (TELEGRAM[300:], BROKEN, TELEGRAM):
            send(part)
        stalled.wait(PATIENCE_S)
        for part in LATER:
            send(part)

    with port(speak) as (p1, heard), modbus_server() as (number, connections):
        file = tmp_path / "linz.yaml"
        file.write_text(FILE.format(p1=p1, modbus=number))
        plant.apply(file.read_text())
        hosts = {"TONNE_DEVICE_HOSTS": "127.0.0.1@linz,192.0.2.9:503"}
        plant.started(**hosts)
        until(lambda: {"import", "power", "gas"} <= slugs(plant, "meter"), "the telegram is stored")
        until(lambda: "power" in slugs(plant, "hall"), "the registers are stored")

        assert values(plant, "meter") >= {("import", 2130.115), ("power", 0.111), ("gas", 246.138)}
        assert ("power", 5250.0) in values(plant, "hall")
        until(lambda: len(refused(plant)) >= 2, "what is wrong lies in quarantine")
        assert refused(plant) >= {("meter", "malformed_payload"), ("hall", "bad_value")}
        (row, *_) = plant.rows("SELECT payload FROM quarantine WHERE reason = 'malformed_payload'")
        assert bytes(row["payload"]) == BROKEN
        until(lambda: online(plant) == {"beyond": None, "hall": True, "meter": True}, "presence")
        until(lambda: notices(plant), "it is told what may not be connected to")
        assert "linz/beyond at 192.0.2.9:502" in notices(plant)["device-hosts"]
        assert notices(plant)["device-hosts"].count(" at ") == 1

        # what comes while the database takes nothing waits
        with psycopg.connect(plant.database) as lock:
            lock.execute("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")
            stalled.set()
            until(lambda: len(heard) >= 2, "the meter has said it all")
            lock.rollback()
        until(
            lambda: {("import", float(n)) for n in range(50)} <= values(plant, "meter"),
            "all of it is stored",
        )

        # another process takes over when this one ends, and not before
        other = replace(plant, log=plant.log.with_name("other.log"), client_id="other")
        other.started(**hosts)
        until(lambda: other.state.get("notices") is not None, "it has looked")
        assert not other.said("connecting to devices")
        assert plant.end(signal.SIGKILL) != 0
        until(lambda: other.said("connecting to devices") >= 2, "the other one connects")
        assert other.end() == 0

        # what an electrician sees
        ended = tonne(as_login(plant.database, "tonne_admin"), "devices", "poll", str(file), "hall")
        assert ended.code == 1
        assert '"registers":"00001482"' in ended.said
        assert "5.25" in ended.said
        assert "exception 2: illegal data address" in ended.said
        assert connections
    ended = tonne(as_login(plant.database, "tonne_admin"), "devices", "poll", str(file), "meter")
    assert f"meter at 127.0.0.1:{p1}: " in ended.said


def slugs(plant: Plant, device: str) -> set[str]:
    return {slug for slug, _ in values(plant, device)}


def values(plant: Plant, device: str) -> set[tuple[str, Any]]:
    rows = plant.rows(
        "SELECT c.slug, r.value FROM reading r JOIN channel c ON c.id = r.channel_id"
        " JOIN device d ON d.id = c.device_id WHERE d.slug = %s AND r.value IS NOT NULL",
        device,
    )
    return {(row["slug"], row["value"]) for row in rows}


def refused(plant: Plant) -> set[tuple[str, str]]:
    return {(row["device"], row["reason"]) for row in plant.quarantine()}


def online(plant: Plant) -> dict[str, bool | None]:
    rows = plant.rows("SELECT slug, online FROM device WHERE active")
    return {row["slug"]: row["online"] for row in rows}


def notices(plant: Plant) -> dict[str, str]:
    return {notice["code"]: notice["detail"] for notice in plant.state.get("notices", ())}
