"""Tasmota, with payloads of its documentation (Sonoff Pow, Teleinfo, Smart Meter Interface)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.contract.ingest.formats.station import Reading, Station, station

SENSOR = (
    '{"Time":"2018-02-15T17:37:10","ENERGY":{"TotalStartTime":"2018-11-14T18:39:40",'
    '"Total":6.294,"Yesterday":5.340,"Today":0.954,"Period":217,"Power":2635,'
    '"ApparentPower":2650,"ReactivePower":282,"Factor":0.99,"Voltage":227,"Current":11.661}}'
)


@pytest.fixture
def tasmota() -> Station:
    return station("tasmota")


def test_telemetry(tasmota: Station) -> None:
    ts = datetime(2018, 2, 15, 17, 37, 10, tzinfo=UTC)
    assert tasmota.receive("tele/pow1/SENSOR", SENSOR) == [
        Reading("pow1.energy", ts, 6.294),
        Reading("pow1.power", ts, 2635),
    ]
    assert tasmota.quarantine == []


def test_local_time_is_that_of_the_device_in_summer_too(tasmota: Station) -> None:
    payload = '{"Time":"2026-07-01T12:00:00","ENERGY":{"Total":7}}'
    (reading,) = tasmota.receive("tele/pow1/SENSOR", payload)
    assert reading == Reading("pow1.energy", datetime(2026, 7, 1, 11, tzinfo=UTC), 7)


def test_the_answer_to_status_8(tasmota: Station) -> None:
    payload = '{"StatusSNS":{"Time":"2018-11-15T08:54:18","ENERGY":{"Total":6.294,"Power":0}}}'
    assert tasmota.receive("stat/pow2/STATUS8", payload) == [
        Reading("pow2.energy", datetime(2018, 11, 15, 8, 54, 18, tzinfo=UTC), 6.294)
    ]


@pytest.mark.parametrize(
    ("total", "energy"),
    [
        ('"Total":33.736,"TotalTariff":[11.717,16.978]', 33.736),
        ('"Total":[33.736,11.717,16.978]', 33.736),
        ('"Total":0', 0),
    ],
)
def test_two_relays_in_old_and_new_firmware(tasmota: Station, total: str, energy: float) -> None:
    payload = f'{{"Time":"2026-01-10T10:00:00","ENERGY":{{{total},"Power":[120,0]}}}}'
    ts = datetime(2026, 1, 10, 10, tzinfo=UTC)
    assert tasmota.receive("tele/dual1/SENSOR", payload) == [
        Reading("dual1.energy", ts, energy),
        Reading("dual1.power-1", ts, 120),
        Reading("dual1.power-2", ts, 0),
    ]


def test_an_optical_head_on_a_meter(tasmota: Station) -> None:
    payload = (
        '{"Time":"2026-01-10T10:00:00","E320":{"Total_out":12.5,"Total_in":18234.125,'
        '"Power_in":412,"Meter_Number":"0a01484c4b"}}'
    )
    assert [(r.channel, r.value) for r in tasmota.receive("tele/house/SENSOR", payload)] == [
        ("house-meter.import", 18234.125),
        ("house-meter.export", 12.5),
        ("house-meter.power", 412),
    ]


def test_a_clock_that_was_never_set_is_not_believed(tasmota: Station) -> None:
    assert tasmota.receive("tele/pow1/SENSOR", SENSOR.replace("2018-02-15", "1970-01-01")) == []
    assert tasmota.reasons() == ["absurd_time"]


def test_messages_at_the_device_s_other_topics_are_no_business_of_ours(tasmota: Station) -> None:
    assert tasmota.receive("tele/pow1/STATE", '{"Time":"2018-02-15T17:37:10"}') == []
    assert tasmota.receive("tele/pow1/LWT", "Online") == []
    assert tasmota.quarantine == []


def test_half_a_message_is_kept_whole(tasmota: Station) -> None:
    assert tasmota.receive("tele/pow1/SENSOR", SENSOR[:-20]) == []
    (entry,) = tasmota.quarantine
    assert (entry.reason, entry.payload, entry.device) == (
        "malformed_json",
        SENSOR[:-20].encode(),
        "pow1",
    )
