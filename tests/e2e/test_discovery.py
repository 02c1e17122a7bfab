"""From devices that nobody registered to right totals, on the whole stack, within a minute."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.command import tonne
from tests.e2e.stack import Device, Stack
from tests.patience import PATIENCE_S, until
from tests.services import as_login
from tests.shelly import Shelly, wait_until_heard
from tests.unhindered import Unhindered

pytestmark = [pytest.mark.database, pytest.mark.broker]

#: From the first message of an unknown device to its total, people's deciding left out, and what
#: others on the machine hold up.
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def device(stack: Stack) -> Iterator[Device]:
    with Device(stack.mqtt_url) as client:
        wait_until_heard(client, lambda: stack.get("/v1/devices/candidates"))
        yield client


def candidate(stack: Stack, label: str, messages: int) -> dict[str, Any]:
    def listed() -> dict[str, Any] | None:
        rows = stack.get("/v1/devices/candidates")
        return next(
            (row for row in rows if row["label"] == label and row["stored"] >= messages), None
        )

    row: dict[str, Any] = until(listed, f"{label} is listed with {messages} messages")
    return row


def total_kg(stack: Stack, source: str) -> float | None:
    sources = stack.get("/v1/live", facility="linz")["sources"]
    known = {one["id"]: one["totals"]["1h"]["co2_kg"] for one in sources}
    return known.get(source)


def test_an_unknown_shelly_is_adopted_by_http_and_its_total_is_right(
    stack: Stack, device: Device
) -> None:
    passed = Unhindered()
    shelly = Shelly(device, "shellyplus1pm-a8032abe54dc")
    now = time.time()
    # heard before anybody knew it: 3 kWh in half a minute
    for i in range(4):
        shelly.notify(1000.0 * i, now - 40 + 10 * i)
    row = candidate(stack, shelly.name, 4)
    assert total_kg(stack, "fridge") is None
    answer = httpx.post(
        f"{stack.url}/v1/devices/candidates/{row['id']}/adopt",
        json={"facility": "linz", "device": "fridge", "source": {"factor": "works-grid"}},
        timeout=PATIENCE_S,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["replayed"] == 4
    # and one that comes the durable way: 4 kWh at 0.2 kg each
    shelly.notify(4000.0, now)
    until(
        lambda: total_kg(stack, "fridge") == pytest.approx(4 * 0.2),
        "four kilowatt-hours show in /v1/live",
    )
    assert passed.seconds() < WITHIN_S
    readings = stack.get("/v1/readings", facility="linz", device="fridge", channel="energy")
    assert [one["value"] for one in readings] == [0.0, 1000.0, 2000.0, 3000.0, 4000.0]
    assert not [r for r in stack.get("/v1/devices/candidates") if r["label"] == shelly.name]


def test_one_whose_messages_tell_no_time_is_adopted_as_soon(stack: Stack, device: Device) -> None:
    passed = Unhindered()

    def tell(total: float) -> None:
        device.publish("zigbee2mqtt/Cellar", json.dumps({"energy": total, "power": 900}))

    for i, total in enumerate((11.5, 12.0)):
        tell(total)
        row = candidate(stack, "Cellar", i + 1)
    answer = httpx.post(
        f"{stack.url}/v1/devices/candidates/{row['id']}/adopt",
        json={"facility": "linz", "device": "cellar", "source": {"factor": "works-grid"}},
        timeout=PATIENCE_S,
    )
    assert answer.status_code == 200, answer.text
    until(
        lambda: total_kg(stack, "cellar") == pytest.approx(0.5 * 0.2),
        "half a kilowatt-hour shows in /v1/live",
    )
    # and one that comes the durable way: 2 kWh more at 0.2 kg each
    tell(14.0)
    until(
        lambda: total_kg(stack, "cellar") == pytest.approx(2.5 * 0.2),
        "two and a half kilowatt-hours show in /v1/live",
    )
    assert passed.seconds() < WITHIN_S
    readings = stack.get("/v1/readings", facility="linz", device="cellar", channel="energy")
    assert [one["value"] for one in readings] == [11.5, 12.0, 14.0]


def test_another_is_adopted_by_the_command_line(stack: Stack, device: Device) -> None:
    for i, total in enumerate((11.5, 12.0)):
        document = {"energy": total, "power": 900, "linkquality": 102}
        device.publish("zigbee2mqtt/Boiler", json.dumps(document))
        candidate(stack, "Boiler", i + 1)
    url = as_login(stack.database_url, "tonne_admin")
    shown = tonne(url, "devices", "discover")
    line = re.search(r"^(\d+) +Boiler +zigbee2mqtt .*$", shown.stdout, re.MULTILINE)
    assert line is not None, shown.said
    assert "energy = 12 kWh (counter), power = 900 W (gauge)" in line[0]
    adopted = tonne(
        url,
        "devices",
        "adopt",
        line[1],
        "--facility",
        "linz",
        "--id",
        "boiler-2",
        "--factor",
        "works-grid",
    )
    assert adopted.code == 0, adopted.said
    assert "2 messages stored of it will be replayed" in adopted.said
    until(
        lambda: total_kg(stack, "boiler-2") == pytest.approx(0.5 * 0.2),
        "half a kilowatt-hour shows in /v1/live",
    )
