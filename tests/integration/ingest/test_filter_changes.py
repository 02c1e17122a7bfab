"""Devices whose topics begin in any number of ways come and go, while ingest runs and while not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from paho.mqtt.enums import CallbackAPIVersion

from services.core.runtime.mqtt_client import MqttClient
from tests.integration.ingest.plant import Plant
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.broker, pytest.mark.database]

#: Seconds: so that the test need not wait for the minute that is right for a plant.
OVERLAP = {"TONNE_MQTT_OVERLAP_S": "1"}

BEGIN_MS = 1_700_000_000_000

#: Without one, what is published takes the processor from what is tested.
_PAUSE_S = 0.002


def works(*topics: str) -> str:
    """A facility of meters, each with a topic of its own."""
    devices = "".join(
        f"  - {{id: m{i}, topic: {json.dumps(topic)}, format: json, timestamp: {{from: t}},"
        " channels: [{id: e, from: e, quantity: energy, unit: kWh, kind: counter,"
        " max_rate: 1e9}]}\n"
        for i, topic in enumerate(topics)
    )
    return f"facility: {{id: sites, name: Sites, timezone: UTC}}\ndevices:\n{devices}sources: []\n"


SIX = [f"{name}/b1/meter1/energy" for name in ("aalen", "basel", "celle", "dresden", "essen", "f")]
LEVELS = ["/".join(["x"] * n + [f"site{n}"]) for n in range(1, 9)]


def stored(plant: Plant) -> set[int]:
    """The values of the first meter."""
    rows = plant.rows(
        "SELECT value FROM reading JOIN channel ON channel.id = channel_id"
        " JOIN device ON device.id = device_id WHERE device.slug = 'm0'"
    )
    return {int(row["value"]) for row in rows}


def unheard(plant: Plant) -> list[str]:
    """What ingest says that the broker refuses."""
    notices = plant.state.get("notices", [])
    return [each["detail"] for each in notices if each["code"] == "filter-refused"]


def say(plant: Plant, topic: str, number: int) -> None:
    plant.publish(json.dumps({"t": BEGIN_MS + number, "e": number}), topic=topic)


def count(plant: Plant) -> int:
    (row,) = plant.rows("SELECT count(*) FROM reading")
    return int(row["count"])


class Load:
    """A device that publishes hundreds a second; each message waits for its acknowledgement."""

    def __init__(self, port: int, topic: str) -> None:
        self.acknowledged: set[int] = set()
        self._topic = topic
        self._ended = threading.Event()
        self._client = MqttClient(CallbackAPIVersion.VERSION2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            payload = json.dumps({"t": BEGIN_MS + number, "e": number})
            self._client.publish(self._topic, payload, qos=1).wait_for_publish(PATIENCE_S)
            self.acknowledged.add(number)
            self._ended.wait(_PAUSE_S)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()
        self._client.release()


@contextmanager
def load(plant: Plant, topic: str) -> Iterator[Load]:
    made = Load(plant.broker.port, topic)
    try:
        yield made
    finally:
        made.end()


def test_any_number_of_beginnings_and_levels_is_heard(plant: Plant) -> None:
    topics = [*SIX, *LEVELS]
    plant.apply(works(*topics))
    plant.started(**OVERLAP)
    for number, topic in enumerate(topics):
        say(plant, topic, number)
    until(lambda: count(plant) == len(topics), "every meter is heard")
    assert unheard(plant) == []


def test_beginnings_that_come_and_go_under_load_cost_no_message(plant: Plant) -> None:
    """Field case 43, with ten times its switches."""
    few, many = works(*SIX[:4]), works(*SIX)
    plant.apply(few)
    plant.started(**OVERLAP)
    with load(plant, SIX[0]) as device:
        for _ in range(5):
            for registry in (many, few):
                before = plant.said("leaving the filters that were replaced")
                plant.apply(registry)
                until(
                    lambda before=before: (
                        plant.said("leaving the filters that were replaced") > before
                    ),
                    "the old filters are left",
                )
    until(lambda: stored(plant) >= device.acknowledged, "every acknowledged message is stored")


@pytest.mark.parametrize("before", [SIX[:4], SIX], ids=["four", "six"])
@pytest.mark.parametrize("after", [SIX[1:5], SIX], ids=["four", "six"])
def test_a_registry_that_changes_while_ingest_is_down_is_no_obstacle(
    plant: Plant, before: list[str], after: list[str]
) -> None:
    """Field cases 42 and 43: the session still holds the old filters, and messages for them."""
    plant.apply(works(*before))
    plant.started(**OVERLAP)
    plant.leave()
    for topic in before:
        say(plant, topic, 1)
    plant.apply(works(*after))
    plant.started(**OVERLAP)
    for number, topic in enumerate(after):
        say(plant, topic, 100 + number)
    kept = len(set(before) & set(after))
    until(lambda: count(plant) == len(after) + kept, "every meter that there is was heard")
    assert unheard(plant) == []
    # and the session comes to rest at few filters
    until(
        lambda: len(plant.rows("SELECT unnest(filters) FROM broker_session")) <= 5,
        "the old filters are left",
    )


def test_a_topic_that_the_broker_cannot_carry_is_said_and_mended(plant: Plant) -> None:
    plant.apply(works("My Home/energy", "tele/a/b"))
    plant.started(**OVERLAP)
    say(plant, "tele/a/b", 1)
    until(lambda: count(plant) == 1, "the other device is heard")
    until(lambda: "My Home/+" in str(unheard(plant)), "it is said what is refused")
    plant.apply(works("MyHome/energy", "tele/a/b"))
    until(lambda: unheard(plant) == [], "mending the file mends it")
    say(plant, "MyHome/energy", 2)
    until(lambda: count(plant) == 2, "the mended device is heard")
