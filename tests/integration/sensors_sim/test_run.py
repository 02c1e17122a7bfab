from __future__ import annotations

import json
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sensors_sim.devices import Device
from sensors_sim.payloads import rfc3339
from sensors_sim.worlds import plant
from tests.integration.sensors_sim.harness import Simulator, Witness
from tests.patience import until
from tests.services import Nats

pytestmark = pytest.mark.broker
PLANT = ("--profile", "plant", "--facility", "works-7", "--seed", "3")
Value = tuple[str, str, Any, Any]


def devices() -> tuple[Device, ...]:
    return plant("works-7", 3).devices


def on_grid(start_ms: int, end_ms: int, step_s: int) -> set[Value]:
    """What the plant publishes in [start, end), told anew from its seed."""
    return {
        (device.id, channel, rfc3339(due_ms), value)
        for device in devices()
        for due_ms in device.due_times(start_ms, end_ms, step_s)
        for channel, value in device.sample(due_ms).values.items()
    }


def arrived(witness: Witness, count: int) -> bool:
    return len(witness.values()) > count


def counted(truth: Path) -> dict[str, Any]:
    return json.loads(truth.read_text())  # type: ignore[no-any-return]


def test_a_run_publishes_its_world_ends_its_gauges_and_tells_the_truth(
    broker: Nats, witness: Witness, simulator: Simulator, tmp_path: Path
) -> None:
    start_ms = (int(time.time()) - 3600) * 1000
    truth = tmp_path / "truth.json"
    out, _ = simulator.run(
        "run", *PLANT, "--broker", broker.url, "--start", rfc3339(start_ms),
        "--speed", "60", "--duration", "60", "--truth", str(truth),
    )  # fmt: skip
    report = counted(truth)
    until(lambda: len(witness.values()) >= report["values"], "all values arrived")
    values = witness.values()
    ends = {value for value in values if value[3] is None}
    assert {(device, channel) for device, channel, _, _ in ends} == {
        (device.id, channel.id)
        for device in devices()
        for channel in device.channels
        if channel.kind == "gauge"
    }
    expected = {
        value
        for device in devices()
        for value in on_grid(start_ms, start_ms + 60_000, device.interval_s)
        if value[0] == device.id
    }
    assert set(values) - ends == expected
    assert len(values) == report["values"]
    assert f"{report['facilities'][0]['co2_kg']:.6f}" in out
    sources = {source["id"]: source for source in report["facilities"][0]["sources"]}
    assert sources["stack"]["covered_s"] == pytest.approx(60.0, abs=5.01)
    assert sources["stack"]["co2_kg"] > 0.0


def test_devices_are_online_while_it_runs_and_offline_after_it_is_asked_to_stop(
    broker: Nats, simulator: Simulator
) -> None:
    process = simulator.start("run", *PLANT, "--broker", broker.url, "--interval", "1")
    witness = Witness(broker.port, "emissions/#")
    until(lambda: len(witness.values()) >= 20, "readings flow")
    process.send_signal(signal.SIGTERM)
    simulator.finish(process)
    topic = f"emissions/works-7/{devices()[0].id}/status"

    def statuses() -> list[bytes]:
        return [payload for name, payload, _ in witness.messages if name == topic]

    until(lambda: statuses()[-1:] == [b"offline"], "the device says it is offline")
    assert b"online" in statuses()
    witness.close()


def test_a_killed_simulator_leaves_the_word_to_its_will(
    broker: Nats, witness: Witness, simulator: Simulator
) -> None:
    process = simulator.start("run", *PLANT, "--broker", broker.url, "--interval", "1")
    topics = {f"emissions/works-7/{device.id}/status" for device in devices()}

    def saying(word: bytes) -> set[str]:
        return {topic for topic, payload, _ in witness.messages if payload == word}

    until(lambda: saying(b"online") == topics, "all devices are online")
    process.kill()
    until(lambda: saying(b"offline") == topics, "all wills are published")


def test_no_message_is_lost_when_the_broker_is_killed_twice(
    broker: Nats, witness: Witness, simulator: Simulator, tmp_path: Path
) -> None:
    start_ms = (int(time.time()) - 7200) * 1000
    truth = tmp_path / "truth.json"
    process = simulator.start(
        "run", *PLANT, "--broker", broker.url, "--start", rfc3339(start_ms), "--interval", "1",
        "--speed", "60", "--duration", "480", "--drain", "60", "--truth", str(truth),
    )  # fmt: skip
    for enough in (400, 1600):
        until(partial(arrived, witness, enough), f"{enough} values arrived")
        broker.kill()
        until(lambda: process.poll() is None, "the simulator holds on")
        broker.start()
    simulator.finish(process)
    expected = on_grid(start_ms, start_ms + 480_000, 1)
    until(lambda: expected <= set(witness.values()), "every value arrived at least once")
    report = counted(truth)
    distinct = set(witness.values())
    assert {value for value in distinct if value[3] is not None} == expected
    assert len(distinct) == report["values"]


def test_a_run_whose_broker_never_comes_back_says_what_is_missing(
    simulator: Simulator, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.json"
    _, err = simulator.run(
        "run", *PLANT, "--broker", "mqtt://127.0.0.1:9", "--start", rfc3339(1_795_456_800_000),
        "--speed", "600", "--duration", "60", "--drain", "0.2", "--truth", str(truth), status=1,
    )  # fmt: skip
    assert "messages were never acknowledged by 127.0.0.1:9" in err
    assert not truth.exists()
