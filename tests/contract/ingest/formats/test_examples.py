"""Every example is complete, valid, and tells its topics apart, alone and with all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.facility import model
from services.core.facility.file import parse
from services.ingest.route import Kind
from services.ingest.sources.subscriptions import filters
from tests.contract.ingest.formats.station import EXAMPLES, directory

FILES = sorted(EXAMPLES.glob("*.yaml"))


def covers(topic_filter: str, topic: str) -> bool:
    levels, wanted = topic_filter.split("/"), topic.split("/")
    if levels[-1] == "#":
        return wanted[: len(levels) - 1] == levels[:-1]
    return len(levels) == len(wanted) and all(
        f in {"+", w} for f, w in zip(levels, wanted, strict=True)
    )


def test_there_is_one_for_each_kind_of_device() -> None:
    assert {path.stem for path in FILES} == {
        "dsmr-reader-json", "dsmr-reader-split", "emoncms", "oesterreichs-energie", "openems",
        "senml", "shelly-gen1", "shelly-gen2", "tasmota", "thingsboard", "zigbee2mqtt",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_valid_and_each_of_its_topics_is_heard(path: Path) -> None:
    file = parse(path.read_text())
    known = directory(file)
    subscribed = filters(known.own_topics, max_units=6)
    for device in file.devices:
        for channel in device.channels:
            topic = model.own_topic(device.topic, channel.topic)
            assert topic is not None
            assert any(covers(each, topic) for each in subscribed)
            destination = known.destination(topic)
            assert destination.kind is Kind.READINGS
            (publisher,) = destination.publishers
            assert publisher.device == device.id


def test_all_of_them_can_be_applied_together() -> None:
    files = [parse(path.read_text()) for path in FILES]
    devices = [device.id for file in files for device in file.devices]
    assert len(set(devices)) == len(devices)
    known = directory(*files)
    assert all(known.destination(topic).reason is None for topic in known.own_topics)


def test_every_counter_has_a_bound_against_false_readings() -> None:
    for path in FILES:
        for device in parse(path.read_text()).devices:
            for channel in device.channels:
                assert channel.kind != "counter" or channel.max_rate is not None
