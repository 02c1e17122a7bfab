from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from sensors_sim.cli import app
from sensors_sim.devices import Device
from sensors_sim.facility_file import works_file
from sensors_sim.payloads import encode_history, encode_sample
from sensors_sim.worlds import (
    ActivitySource,
    Facility,
    StackSource,
    aschach,
    chosen,
    delta_campus,
)
from sensors_sim.worlds import plant as plant_world

ROOT = Path(__file__).parents[3]
NOW_MS = 1_795_456_800_000


def declared(text: str) -> Any:
    return YAML(typ="safe").load(text)


def demo_file(name: str) -> Any:
    return declared((ROOT / "deploy" / "demo" / name).read_text())


def devices() -> list[Device]:
    return [device for facility in chosen("demo", None, 1) for device in facility.devices]


@pytest.mark.parametrize(
    ("facility", "file"),
    [
        (aschach(1), demo_file("aschach.yaml")),
        (delta_campus(1), demo_file("delta-campus.yaml")),
        (plant_world("works-7", 1), declared(works_file("works-7"))),
    ],
    ids=["aschach", "delta-campus", "plant"],
)
def test_the_facility_file_says_what_the_world_does(facility: Facility, file: Any) -> None:
    assert file["facility"]["id"] == facility.id
    channels = {
        (device["id"], channel["id"]): channel
        for device in file["devices"]
        for channel in device["channels"]
    }
    for device in facility.devices:
        for channel in device.channels:
            said = channels[device.id, channel.id]
            assert (said["kind"], said["unit"]) == (channel.kind, channel.unit)
            if channel.kind == "gauge":
                assert said["max_gap"] == channel.max_gap_s
            if channel.kind == "interval":
                assert (said["length"], said["stamp"]) == (f"{channel.length_s // 60}m", "start")
    sources = {source["id"]: source for source in file["sources"]}
    for source in facility.sources:
        said = sources[source.id]
        if isinstance(source, StackSource):
            assert said["equation"] == "F-11"
            assert said["inputs"] == {
                "co2": f"{source.device}.{source.co2}",
                "flow": f"{source.device}.{source.flow}",
            }
        else:
            assert said["input"] == f"{source.device}.{source.channel}"
            assert factor_of(file, said["factor"]) == factors_of(source)


def factor_of(file: Any, factor: str) -> list[tuple[str, float]]:
    rows = [row for row in file["factors"] if row["id"] == factor]
    return [(str(row["valid_from"]), row["co2_kg"]) for row in rows]


def factors_of(source: ActivitySource) -> list[tuple[str, float]]:
    names = {0: "2020-01-01", 1_767_225_600_000: "2026-01-01"}
    return [(names[start_ms], kg) for start_ms, kg in source.factor.steps]


def test_the_hand_fed_devices_are_registered_and_not_simulated() -> None:
    simulated = {device.id for device in devices()}
    for file, silent in [("linz.yaml", {"meter-grid", "gas-meter", "cems-1"}),
                         ("home.yaml", {"household"})]:  # fmt: skip
        assert silent <= {device["id"] for device in demo_file(file)["devices"]} - simulated


def test_device_ids_are_unique_over_all_demo_files() -> None:
    ids = [
        device["id"]
        for path in (ROOT / "deploy" / "demo").glob("*.yaml")
        for device in declared(path.read_text())["devices"]
    ]
    assert len(ids) == len(set(ids))


def test_two_worlds_of_one_seed_publish_the_same_bytes() -> None:
    for one, other in zip(devices(), devices(), strict=True):
        assert encode_sample(one.sample(NOW_MS)) == encode_sample(other.sample(NOW_MS))


def test_history_and_live_say_the_same_at_the_same_time() -> None:
    for device in devices():
        live = {
            due: device.sample(due).values
            for due in device.due_times(NOW_MS - 3_600_000, NOW_MS, device.interval_s)
        }
        history = {
            due: device.sample(due).values
            for due in device.due_times(NOW_MS - 3_600_000, NOW_MS, 60)
        }
        assert history
        assert history.items() <= live.items()


def test_an_interval_is_stamped_with_its_start_and_adds_up_to_the_register() -> None:
    (homes,) = (device for device in devices() if device.is_interval)
    dues = list(homes.due_times(NOW_MS - 86_400_000, NOW_MS, 60))
    samples = [homes.sample(due) for due in dues]
    assert len(samples) == 96
    assert [due - sample.ts_ms for due, sample in zip(dues, samples, strict=True)] == [900_000] * 96


@pytest.mark.parametrize("device", devices(), ids=lambda device: device.id)
def test_payloads_keep_the_contract(device: Device) -> None:
    single = json.loads(encode_sample(device.sample(NOW_MS)))
    assert single["ts"].endswith("Z")
    assert set(single["values"]) == {channel.id for channel in device.channels}
    assert all(isinstance(value, float) for value in single["values"].values())
    many = json.loads(encode_history(device.sample(NOW_MS - i * 60_000) for i in range(3)))
    assert [one["ts"] for one in many] == [
        device.sample(NOW_MS - i * 60_000).ts_ms for i in range(3)
    ]


def test_a_farewell_ends_the_gauges_and_leaves_registers_alone() -> None:
    meter = aschach(1).devices[0]
    farewell = meter.farewell(NOW_MS + 1)
    assert farewell is not None
    assert farewell.values == {"import-power": None}
    assert aschach(1).devices[2].farewell(NOW_MS) is None


def test_a_facility_that_the_demo_does_not_have_is_refused_with_the_choice() -> None:
    with pytest.raises(ValueError, match="choose one of aschach, delta-campus"):
        chosen("demo", "nowhere", 1)
    with pytest.raises(ValueError, match="small letters"):
        chosen("plant", "No/Where", 1)


# it waits for a broker that is not there
@pytest.mark.thorough
def test_now_is_not_the_future_on_a_machine_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(1_795_000_000)
    monkeypatch.setattr("sensors_sim.world_commands.time", SimpleNamespace(time=seconds.__next__))
    monkeypatch.setattr("sensors_sim.arguments.time", SimpleNamespace(time=seconds.__next__))
    done = CliRunner().invoke(
        app, ["backfill", "--days", "0.001", "--broker", "mqtt://127.0.0.1:1"]
    )
    assert "future" not in done.output
    assert "127.0.0.1" in done.output
