"""Reports from the field that once needed an expression in each channel, by keys alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.core.facility.file import parse
from tests.contract.ingest.formats.station import (
    ARRIVAL,
    ARRIVAL_TIME,
    Reading,
    Station,
    directory,
    station_of,
)

_METER = "channels: [{id: energy, from: kwh, quantity: energy, unit: kWh, kind: counter}]"
_HEAD = "facility: {{id: {name}, name: Fleet, timezone: Asia/Kolkata}}\ndevices:\n"


def _slave(device: str, known_as: str) -> str:
    return (
        f"  - {{id: {device}, topic: plant/gw1/meters, device_from: macid, known_as: {known_as},"
        f" format: json, timestamp: {{from: ts}}, {_METER}}}\n"
    )


@pytest.mark.incident("02b-fleet-as-one-device")
def test_all_meters_of_a_gateway_at_one_topic_are_a_device_each() -> None:
    """thingsboard/thingsboard-gateway#1657, thingsboard/thingsboard#1987."""
    text = _HEAD.format(name="fleet") + _slave("hall-1", "Slave1") + _slave("hall-2", "Slave2")
    fleet = station_of(text)
    fleet.receive(
        "plant/gw1/meters",
        [
            {"macid": "Slave1", "meterid": "IB1", "ts": 1780303500, "kwh": "101.5"},
            {"macid": "Slave2", "meterid": "IB2", "ts": 1780303500, "kwh": "506.0"},
            {"macid": "Slave1", "meterid": "IB1", "ts": 1780304400, "kwh": "102.0"},
            {"macid": "Slave2", "meterid": "IB2", "ts": 1780304400, "kwh": "508.0"},
        ],
    )
    at = [datetime(2026, 6, 1, 8, 45, tzinfo=UTC), datetime(2026, 6, 1, 9, tzinfo=UTC)]
    assert fleet.readings == [
        Reading("hall-1.energy", at[0], 101.5),
        Reading("hall-1.energy", at[1], 102.0),
        Reading("hall-2.energy", at[0], 506.0),
        Reading("hall-2.energy", at[1], 508.0),
    ]
    assert fleet.quarantine == []


@pytest.mark.incident("02d-fleet-two-facilities")
def test_two_tenants_of_a_gateway_get_their_meters() -> None:
    """As above: a second facility names the topic that a first one uses."""
    texts = (
        _HEAD.format(name="first") + _slave("hall-1", "Slave1"),
        _HEAD.format(name="second") + _slave("shop", "Slave9"),
    )
    both = Station(directory(*map(parse, texts)))
    found = both.receive(
        "plant/gw1/meters",
        [
            {"macid": "Slave1", "ts": 1780305300, "kwh": "102.5"},
            {"macid": "Slave9", "ts": 1780305300, "kwh": "3"},
        ],
    )
    assert [(reading.channel, reading.value) for reading in found] == [
        ("hall-1.energy", 102.5),
        ("shop.energy", 3.0),
    ]
    assert both.quarantine == []


@pytest.mark.incident("11-ams-t0")
def test_a_reader_without_a_clock_is_timed_by_arrival() -> None:
    """UtilitechAS/amsreader-firmware#225 and #165: t is 0 until the reader has a clock."""
    reader = station_of("""
facility: {id: ams, name: AMS, timezone: Europe/Oslo}
devices:
  - id: ams
    topic: ams/house/power
    format: json
    timestamp: {from: t, unit: s, invalid: [0]}
    channels:
      - {id: power, from: data.P, quantity: power, unit: W, kind: gauge, max_gap: 60}
      - {id: import, from: data.tPI, quantity: energy, unit: kWh, kind: counter, max_rate: 40}
""")
    now = int(ARRIVAL.timestamp()) - 3
    reader.receive("ams/house/power", {"t": 0, "data": {"P": 3125, "tPI": 109241.592}})
    reader.receive("ams/house/power", {"t": now, "data": {"P": 3130}, "realtime": {"t": 0}})
    assert reader.readings == [
        Reading("ams.power", ARRIVAL, 3125.0, ARRIVAL_TIME),
        Reading("ams.import", ARRIVAL, 109241.592, ARRIVAL_TIME),
        Reading("ams.power", ARRIVAL - timedelta(seconds=3), 3130.0),
    ]
    assert reader.quarantine == []


@pytest.mark.incident("25-compact-time-batch")
@pytest.mark.parametrize(
    ("keys", "sent", "second"),
    [
        ("format: '%Y%m%d%H%M%S%f'", "20250619145824881", 24.881),
        ("format: '%Y%m%d%H%M%S'", "20250619145824", 24),
        ("format: '%Y/%m/%d %H:%M:%S'", "2025/06/19 14:58:24", 24),
        ("format: '%d.%m.%Y, %H:%M:%S'", "19.06.2025, 14:58:24", 24),
        ("format: '%y%m%d%H%M%SS'", "250619145824S", 24),
        ("unit: ns", "1750316304881000000", 24.881),
        ("format: '%Y.%m.%d %H:%M:%S'", "2025.06.19 14:58:24", 24),
        ("timezone: Asia/Shanghai", "2025-06-19 14:58:24", 24),
    ],
)
def test_a_compact_time_in_a_batch_of_a_gateway(keys: str, sent: str, second: float) -> None:
    """ruoneo/EdgeLogger and dsmrreader/dsmr-reader#412: times written in eight ways."""
    zone = "" if "timezone" in keys else ", timezone: Asia/Shanghai"
    gateway = station_of(f"""
facility: {{id: edge, name: Edge, timezone: Asia/Shanghai}}
devices:
  - id: ahu
    topic: device/power/up/3-3-JC-1F-中控室
    format: json
    records: batch
    device_from: device_id
    known_as: AHU34
    timestamp: {{from: timestamp, {keys}{zone}}}
    channels:
      - {{id: energy, from: metrics.forward, quantity: energy, unit: kWh, kind: counter}}
""")
    record = {"timestamp": sent, "device_id": "AHU34", "metrics": {"forward": 3274.53}}
    gateway.receive("device/power/up/3-3-JC-1F-中控室", {"msgType": "up", "batch": [record]})
    at = datetime(2025, 6, 19, 6, 58, tzinfo=UTC) + timedelta(seconds=second)
    assert gateway.readings == [Reading("ahu.energy", at, 3274.53)]
    assert gateway.quarantine == []
