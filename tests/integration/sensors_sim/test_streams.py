from __future__ import annotations

import json
import math
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from sensors_sim.broker import parse_broker
from sensors_sim.publisher import BrokerAwayError, BrokerRefusedError, Message, Publisher
from tests.integration.sensors_sim.harness import LockedNats, Simulator, Witness
from tests.patience import until
from tests.services import Nats

pytestmark = pytest.mark.broker
SAMPLE = Path(__file__).parents[2] / "fixtures" / "household-hourly-kwh-2023-01.csv"


def arrived(witness: Witness, count: int) -> bool:
    return len(witness.values()) >= count


def test_history_is_published_whole_and_a_second_time_the_same(
    broker: Nats, witness: Witness, simulator: Simulator
) -> None:
    arguments = (
        "backfill", "--broker", broker.url, "--days", "1", "--until", "2026-11-23T00:00:00Z",
    )  # fmt: skip
    for time in (1, 2):
        out, err = simulator.run(*arguments)
        assert "14496 values" in out
        assert "100 %" in err
        until(partial(arrived, witness, 14_496 * time), "all of it arrived")
    copies = Counter(witness.values())
    assert set(copies.values()) == {2}
    assert len({(device, channel, ts) for device, channel, ts, _ in copies}) == len(copies)
    for topic, payload, _ in witness.messages:
        assert len(payload) < 1 << 20, topic
        assert sum(len(sample["values"]) for sample in json.loads(payload)) <= 10_000


def test_the_real_household_arrives_whole_twice_and_shuffled(
    broker: Nats, witness: Witness, simulator: Simulator
) -> None:
    out, _ = simulator.run(
        "replay", str(SAMPLE), "--facility", "home", "--device", "household", "--channel",
        "energy", "--twice", "--shuffle", "--broker", broker.url,
    )  # fmt: skip
    assert out.startswith("744 values, sum 980.797\n1488 messages")
    until(lambda: len(witness.values()) >= 1488, "all of it arrived")
    once = set(witness.values())
    assert len(once) == 744
    assert math.fsum(value for _, _, _, value in once) == pytest.approx(980.797, abs=1e-9)


def test_a_message_of_ones_own_arrives_as_it_was_written(
    broker: Nats, witness: Witness, simulator: Simulator
) -> None:
    topic, message = "emissions/linz/cems-1/readings", '{"ts": 1795456800, "values": {"co2": 1}}'
    simulator.run("publish", topic, message, "--broker", broker.url)
    until(lambda: witness.messages, "it arrived")
    assert [(t, p) for t, p, _ in witness.messages] == [(topic, message.encode())]


def test_every_number_the_load_booked_as_acknowledged_arrived_though_the_broker_was_killed(
    broker: Nats, witness: Witness, simulator: Simulator
) -> None:
    process = simulator.start(
        "load", "--broker", broker.url, "--rate", "1000", "--duration", "5", "--devices", "6",
        "--connections", "3", "--drain", "60", "--json",
    )  # fmt: skip
    until(lambda: len(witness.messages) > 1000, "the load flows")
    broker.kill()
    broker.start()
    out, _ = simulator.finish(process)
    books = json.loads(out)
    assert books["reconnects"] >= 3
    assert books["planned"] == 5000
    assert books["unsent"] + books["sent"] == 5000
    assert books["acknowledged"] == books["sent"] == sum(d["sent"] for d in books["devices"])

    def numbers(device: str) -> set[int]:
        return {
            value
            for name, channel, _, value in witness.values()
            if (name, channel) == (device, "import-energy")
        }

    def has(device: str, expected: set[int]) -> bool:
        return numbers(device) == expected

    for device in books["devices"]:
        first = books["first_number"]
        expected = set(range(first, first + device["contiguous"]))
        assert device["contiguous"] == device["acknowledged"]
        until(partial(has, device["id"], expected), f"all of {device['id']}")


def test_a_load_of_a_count_sends_exactly_so_many(broker: Nats, simulator: Simulator) -> None:
    out, _ = simulator.run(
        "load", "--broker", broker.url, "--rate", "max", "--count", "1001", "--json"
    )
    books = json.loads(out)
    assert (books["sent"], books["acknowledged"], books["unsent"]) == (1001, 1001, 0)
    assert books["puback_ms"]["p50"] <= books["puback_ms"]["p99"]


def test_a_load_goes_to_another_machine_only_if_allowed(simulator: Simulator) -> None:
    _, err = simulator.run("load", "--broker", "mqtt://192.0.2.1", status=1)
    assert "add --allow-remote" in err


async def test_a_wrong_password_is_refused_in_one_sentence_without_the_password(
    tmp_path: Path,
) -> None:
    nats = LockedNats(tmp_path)
    nats.start()
    try:
        broker = parse_broker(nats.url.replace("//", "//meter:wrong@"))
        async with Publisher(broker=broker, client_id="t") as publisher:
            publisher.publish(Message(topic="emissions/a/b/readings", payload=b"{}"))
            with pytest.raises(BrokerRefusedError, match="not authorise") as caught:
                await publisher.drain()
        assert "wrong" not in str(caught.value)
    finally:
        nats.kill()


async def test_a_broker_that_is_not_there_is_named_when_patience_ends() -> None:
    broker = parse_broker("mqtt://127.0.0.1:9")
    async with Publisher(broker=broker, client_id="t", patience_s=0.2) as publisher:
        publisher.publish(Message(topic="emissions/a/b/readings", payload=b"{}"))
        with pytest.raises(BrokerAwayError, match=r"no MQTT broker answers at 127.0.0.1:9"):
            await publisher.drain()
