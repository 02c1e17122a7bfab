"""Shelly, second generation: notifications that carry only what changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.ingest.formats.station import ARRIVAL, ARRIVAL_TIME, Reading, Station, station

EVENTS = "shellypro3em-1234567890ab/events/rpc"

EMDATA = (
    '{"src":"shellypro3em-1234567890ab","dst":"aiida/12345678-1234-1234-1234-123456789abc/events",'
    '"method":"NotifyStatus","params":{"ts":1757060280.21,"emdata:0":{"id":0,'
    '"a_total_act_energy":0.06,"a_total_act_ret_energy":0,"b_total_act_energy":0.06,'
    '"b_total_act_ret_energy":0.01,"c_total_act_energy":26289.44,'
    '"c_total_act_ret_energy":131881.85,"total_act":26289.57,"total_act_ret":131881.86}}}'
)
EM = (
    '{"src":"shellypro3em-1234567890ab","dst":"aiida/12345678-1234-1234-1234-123456789abc/events",'
    '"method":"NotifyStatus","params":{"ts":1757059829.08,"em:0":{"id":0,"a_act_power":0,'
    '"a_aprt_power":0,"a_current":0.027,"a_freq":198,"a_pf":1,"a_voltage":0,"b_act_power":0,'
    '"b_aprt_power":0,"b_current":0.027,"b_freq":160.7,"b_pf":1,"b_voltage":0,"c_act_power":-18,'
    '"c_aprt_power":108.7,"c_current":0.476,"c_freq":50,"c_pf":0.55,"c_voltage":228.3,'
    '"n_current":null,"total_act_power":-18.017,"total_aprt_power":108.708,'
    '"total_current":0.531}}}'
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def gen2() -> Station:
    return station("shelly-gen2")


def test_registers_every_minute(gen2: Station) -> None:
    ts = EPOCH + timedelta(microseconds=1757060280_210000)
    assert gen2.receive(EVENTS, EMDATA) == [
        Reading("shellypro3em-house.import", ts, 26289.57),
        Reading("shellypro3em-house.export", ts, 131881.86),
    ]


def test_powers_when_they_move(gen2: Station) -> None:
    ts = EPOCH + timedelta(microseconds=1757059829_080000)
    assert gen2.receive(EVENTS, EM) == [
        Reading("shellypro3em-house.power", ts, -18.017),
        Reading("shellypro3em-house.power-c", ts, -18),
    ]


def test_what_an_overlay_leaves_out_is_no_gap(gen2: Station) -> None:
    payload = '{"method":"NotifyStatus","params":{"ts":1757059830,"em:0":{"c_act_power":5}}}'
    assert [r.channel for r in gen2.receive(EVENTS, payload)] == ["shellypro3em-house.power-c"]


def test_what_is_null_is_a_gap(gen2: Station) -> None:
    payload = '{"method":"NotifyStatus","params":{"ts":1757059830,"em:0":{"c_act_power":null}}}'
    (reading,) = gen2.receive(EVENTS, payload)
    assert (reading.channel, reading.value) == ("shellypro3em-house.power-c", None)


@pytest.mark.parametrize(
    "payload",
    [
        '{"method":"NotifyStatus","params":{"ts":1757059830,"wifi":{"rssi":-60}}}',
        '{"method":"NotifyEvent","params":{"ts":1757059830,"events":[{"component":"em:0"}]}}',
        '{"id":1,"result":{"restart_required":false}}',
    ],
)
def test_other_notifications_are_ignored(gen2: Station, payload: str) -> None:
    assert gen2.receive(EVENTS, payload) == []
    assert gen2.quarantine == []


def test_the_status_topics_tell_no_time(gen2: Station) -> None:
    prefix = "shellypro3em-a0dd6c9ef474/status"
    gen2.receive(f"{prefix}/em:0", '{"id":0,"total_act_power":1203.5}')
    gen2.receive(f"{prefix}/emdata:0", '{"id":0,"total_act":26289.57}')
    assert gen2.readings == [
        Reading("shellypro3em-workshop.power", ARRIVAL, 1203.5, ARRIVAL_TIME),
        Reading("shellypro3em-workshop.import", ARRIVAL, 26289.57, ARRIVAL_TIME),
    ]


def test_a_plug(gen2: Station) -> None:
    payload = (
        '{"method":"NotifyStatus","params":{"ts":1757591520.06,"switch:0":{"id":0,"apower":0,'
        '"aenergy":{"by_minute":[0,0,0],"minute_ts":1757591520,"total":17.25}}}}'
    )
    found = gen2.receive("shellyplusplugs-e465b8/events/rpc", payload)
    assert [(r.channel, r.value) for r in found] == [
        ("shellyplug-fridge.energy", 17.25),
        ("shellyplug-fridge.power", 0),
    ]
