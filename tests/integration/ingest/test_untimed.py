"""Devices whose messages tell no time, many messages at once, from the broker to the database."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.ingest.brokers import is_settled
from tests.contract.ingest.formats.station import VARIOUS, example
from tests.contract.ingest.traffic import publish
from tests.integration.ingest.plant import Plant
from tests.integration.ingest.test_replay import replayed
from tests.patience import until

pytestmark = [pytest.mark.broker, pytest.mark.database]

BURST = 1000


@dataclass(frozen=True)
class Untimed:
    """A topic of a shipped example, and what its device sends as the k-th message."""

    topic: str
    payload: Callable[[int], Any]
    #: the channel whose k-th value is ``value(k)``
    channel: str
    value: Callable[[int], float] = float


EM = "shellypro3em-a0dd6c9ef474/status"
URN = "urn:dev:mac:0024befffe804ff1:"

DEVICES = [
    Untimed("shellies/shellyem-b1e05a/emeter/0/total", float, "shellyem-house.import"),
    Untimed("shellies/shellyplug-s-041c9f/relay/0/power", int, "shellyplug-server.power"),
    Untimed("dsmr/reading/electricity_delivered_1", lambda k: f"{k:06d}.500", "p1-split.import-low",
            lambda k: k + 0.5),
    Untimed("edge/edge0/channel/meter0/ActivePower", int, "edge0-meter0.power"),
    Untimed("emon/mynode/power1", int, "emon-mynode.power"),
    Untimed("emon/emontx", lambda k: {"power": 10, "wh": k}, "emon-emontx.energy"),
    Untimed("emonhub/rx/10/values", lambda k: f"{k},11,12", "emon-node10.power-1"),
    # only what changed: the register in every other message
    Untimed("zigbee2mqtt/PS5", lambda k: {"power": k} if k % 2 else {"power": k, "energy": k},
            "ps5.power"),
    Untimed(f"{EM}/em:0", lambda k: {"id": 0, "total_act_power": k}, "shellypro3em-workshop.power"),
    Untimed("boiler-house/v1/devices/me/telemetry", lambda k: {"energy": k}, "boiler-house.energy"),
    Untimed("plant/gateway-1/senml", lambda k: [{"n": f"{URN}power", "u": "kW", "v": k}],
            "gateway-1.power"),
]  # fmt: skip


def sent(each: Untimed, k: int) -> tuple[str, bytes]:
    payload = each.payload(k)
    return each.topic, (payload if isinstance(payload, str) else json.dumps(payload)).encode()


def stored(plant: Plant, channel: str) -> list[dict[str, Any]]:
    return plant.rows(
        "SELECT r.ts, r.value, r.time_source, r.received_at"
        " FROM reading r JOIN channel c ON c.id = r.channel_id JOIN device d ON d.id = c.device_id"
        " WHERE d.slug || '.' || c.slug = %s ORDER BY r.ts",
        channel,
    )


def values(plant: Plant, channel: str) -> list[float]:
    return [row["value"] for row in stored(plant, channel)]


def all_stored(plant: Plant, each: Untimed) -> None:
    """Wait until the last value is there, and see that all are, in the order they were sent."""
    last = each.value(BURST - 1)
    until(lambda: last in values(plant, each.channel), f"the last of {each.channel} is stored")
    assert values(plant, each.channel) == [each.value(k) for k in range(BURST)]


@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_a_burst_of_a_thousand_is_stored_in_order_for_every_example(plant: Plant) -> None:
    for name in VARIOUS:
        plant.apply(example(name))
    plant.started()
    for each in DEVICES:
        publish(plant.broker.port, [sent(each, k) for k in range(BURST)])
    for each in DEVICES:
        all_stored(plant, each)
    assert plant.quarantine() == []


@pytest.mark.incident
@pytest.mark.parametrize("plant", ["mqtt", "jetstream"], indirect=True)
def test_what_waited_in_the_broker_is_stored_in_order_and_says_what_is_known_of_its_time(
    plant: Plant,
) -> None:
    plant.apply(example("zigbee2mqtt"))
    plant.started()
    plant.leave()
    each = next(device for device in DEVICES if device.channel == "ps5.power")
    publish(plant.broker.port, [sent(each, k) for k in range(BURST)])
    (row,) = plant.rows("SELECT clock_timestamp() AS now")
    plant.started()
    all_stored(plant, each)
    found = stored(plant, each.channel)
    if plant.url.startswith("nats"):
        # the broker tells when it stored each
        assert {r["time_source"] for r in found} == {1}
        assert all(r["ts"] < row["now"] < r["received_at"] for r in found)
    else:
        assert {r["time_source"] for r in found} == {2}
    assert plant.quarantine() == []


@pytest.mark.incident
@pytest.mark.redelivery
def test_after_a_crash_the_newest_value_is_the_one_that_was_sent_last(plant: Plant) -> None:
    plant.apply(example("zigbee2mqtt"))
    each = next(device for device in DEVICES if device.channel == "ps5.power")
    plant.started()
    # killed with messages in hand, some of them stored: NATS delivers those again after newer ones
    publish(plant.broker.port, [sent(each, k) for k in range(BURST // 2)])
    until(lambda: plant.count("reading") > 0, "some are stored")
    plant.end(signal.SIGKILL)
    publish(plant.broker.port, [sent(each, k) for k in range(BURST // 2, BURST)])
    plant.started()
    wanted = {float(k) for k in range(BURST)}
    until(lambda: set(values(plant, each.channel)) == wanted, "everything is stored")
    # what a slow machine did not acknowledge within a second came again, as older than these
    newer = values(plant, each.channel)[-(BURST // 2) :]
    assert newer == [float(k) for k in range(BURST // 2, BURST)]
    assert plant.quarantine() == []


_RANGED = """
facility: {{id: tight, name: Tight, timezone: UTC}}
devices:
  - id: gauge
    topic: tight/gauge
    format: json
    channels: [{{id: power, quantity: power, unit: W, kind: gauge, range: [-1, {limit}]}}]
"""


def test_a_burst_that_was_refused_is_replayed_in_the_order_it_was_sent(plant: Plant) -> None:
    plant.apply(_RANGED.format(limit=0))
    plant.started()
    plant.publish(*[str(k) for k in range(1, BURST + 1)], topic="tight/gauge")
    plant.holds(quarantine=BURST)
    # what comes again later would be within the range, and a reading of then
    until(lambda: is_settled(plant.broker.nats_url), "NATS waits for no acknowledgement")
    plant.apply(_RANGED.format(limit=BURST))
    assert replayed(plant) == (BURST, 0, {})
    assert [v for v in values(plant, "gauge.power") if v] == list(range(1, BURST + 1))
