"""How devices speak, and how the tests of monitors stand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg

from tests.integration.aggregator.plant import FILE
from tests.integration.aggregator.test_audits_and_loads import file as stack_file
from tests.integration.api.plant import at

Connection = psycopg.Connection[Any]

MINUTE = timedelta(minutes=1)


def store(connection: Connection, channel: str, ts: datetime, received: datetime, by: int) -> None:
    connection.execute(
        "INSERT INTO reading (ts, value, received_at, channel_id, quality, time_source)"
        " SELECT %s, 1, %s, id, 0, %s FROM channel WHERE slug = %s",
        (ts, received, by, channel),
    )


async def test_a_devices_clock_is_compared_with_the_arrival_of_its_newest_reading(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    await client.put("/v1/facilities/works", content=FILE)
    now = at("2026-11-23T18:00:00Z")
    store(connection, "energy", now - 9 * MINUTE, now - 8 * MINUTE, 0)
    store(connection, "power", now - 2 * MINUTE, now - 5 * MINUTE, 0)
    # what was timed by its arrival says nothing of a clock
    store(connection, "quarter", now, now, 1)
    store(connection, "co2", now, now, 1)
    cems, meter = (await client.get("/v1/devices", params={"facility": "works"})).json()
    assert (cems["device"], cems["newest_reading"], cems["clock_offset_s"]) == ("cems", None, None)
    assert (meter["device"], meter["clock_offset_s"]) == ("meter", 180.0)
    assert meter["newest_reading"] == "2026-11-23T17:58:00Z"


async def test_calibrations_and_audits_say_how_they_came_out_and_what_is_due(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    audit = "audits: [{at: 2026-08-10T00:00:00Z, passed: true, relative_accuracy: 6.2}]"
    daily = "calibration: {references: [0, 10]}"
    file = stack_file().replace(
        "basis: wet", f"basis: wet, {audit}, audit_deadlines: part75, {daily}", 1
    )
    put = await client.put("/v1/facilities/works", content=file)
    assert put.status_code == 200, put.text
    rows = (await client.get("/v1/monitors", params={"facility": "works"})).json()
    by_test = {row["test"]: row for row in rows}
    assert by_test["calibration"]["state"] == "none"
    assert (by_test["rata"]["state"], by_test["rata"]["channel"]) == ("passed", "cems.co2")
    # four quarters after that of the test
    assert by_test["rata"]["due_before"] == "2027-10-01T00:00:00Z"
    assert by_test["rata"]["expires_at"] == "2027-10-31T00:00:00Z"

    connection.execute(
        "INSERT INTO calibration_test SELECT id, '2026-11-23T06:00:00Z', false, 'zero: 3 % off'"
        " FROM channel WHERE slug = 'co2'"
    )
    rows = (await client.get("/v1/monitors")).json()
    (calibration,) = (row for row in rows if row["test"] == "calibration")
    assert (calibration["state"], calibration["detail"]) == ("failed", "zero: 3 % off")
    assert calibration["tested_at"] == "2026-11-23T06:00:00Z"

    old = file.replace("2026-08-10", "2020-01-10")
    await client.put("/v1/facilities/works", content=old)
    (rata,) = (r for r in (await client.get("/v1/monitors")).json() if r["test"] == "rata")
    assert (rata["state"], rata["passed"]) == ("audit-expired", True)
