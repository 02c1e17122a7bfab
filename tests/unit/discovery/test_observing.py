"""What messages of devices that nobody registered say, by payloads that the makers document."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from services.core.facility.discovery import families, home_assistant
from services.core.facility.discovery.learning import Learned
from services.core.facility.discovery.observing import Observed, observe, observe_native
from services.core.facility.discovery.payloads import TimePlace, look
from services.core.facility.discovery.proposals import ProposedChannel, channels, device_id, worth

NOW = datetime.fromisoformat("2026-11-29T21:00:00+00:00").timestamp()

# Shelly's API documentation, "Switch", "EM", "EMData": notifications and statuses
SWITCH_STATUS = {
    "id": 0, "source": "timer", "output": True, "apower": 8.9, "voltage": 237.5, "current": 0.05,
    "aenergy": {"total": 6.532, "by_minute": [45.199, 47.141, 88.397], "minute_ts": 1626935779},
    "temperature": {"tC": 23.5, "tF": 74.4},
}  # fmt: skip
NOTIFICATION = {
    "src": "shellyplus1pm-a8032abe54dc", "dst": "shellyplus1pm-a8032abe54dc/events",
    "method": "NotifyStatus",
    "params": {
        "ts": NOW - 0.4,
        "switch:0": {"id": 0, "apower": 8.9, "aenergy": {"total": 6.532, "minute_ts": NOW - 30}},
    },
}  # fmt: skip
TASMOTA_SENSOR = {
    "Time": "2026-11-29T22:00:00",
    "ENERGY": {
        "TotalStartTime": "2018-08-18T10:57:12", "Total": 11.718, "Yesterday": 2.183,
        "Today": 0.014, "Period": 0, "Power": 7, "ApparentPower": 30, "ReactivePower": 29,
        "Factor": 0.23, "Voltage": 221, "Current": 0.138,
    },
}  # fmt: skip


def seen(topic: str, document: Any) -> Observed:
    observed = observe(topic, json.dumps(document).encode(), NOW)
    assert observed is not None, topic
    return observed


def proposed(observed: Observed, topic: str, *times: float) -> list[ProposedChannel]:
    learned = Learned()
    for sensor in observed.sensors:
        learned.announce(sensor)
    for arrived_s in times or (NOW,):
        learned.take(topic, observed.numbers, arrived_s, time=observed.time, units=observed.units)
    return channels(observed.place.family, learned)


def included(rows: list[ProposedChannel]) -> dict[str, tuple[str, str | None, str]]:
    return {row.id: (row.path, row.unit, row.kind) for row in rows if row.included}


def test_a_shellys_notification_proposes_its_register_and_power_with_the_time_it_tells() -> None:
    topic = "shellyplus1pm-a8032abe54dc/events/rpc"
    observed = seen(topic, NOTIFICATION)
    assert observed.place.family == families.SHELLY_2
    assert observed.place.key == "shelly-gen2:shellyplus1pm-a8032abe54dc"
    assert observed.time == TimePlace(path="params.ts", kind="epoch")
    assert included(proposed(observed, topic)) == {
        "energy": ('params."switch:0".aenergy.total', "Wh", "counter"),
        "power": ('params."switch:0".apower', "W", "gauge"),
    }


def test_a_shellys_status_is_of_the_same_device_and_its_notification_is_preferred() -> None:
    status, events = "garage/plug/status/switch:0", "garage/plug/events/rpc"
    by_status, by_event = seen(status, SWITCH_STATUS), seen(events, NOTIFICATION)
    assert by_status.place.key == by_event.place.key
    learned = Learned()
    for _ in range(3):
        learned.take(status, by_status.numbers, NOW)
    assert {c.topic for c in channels(families.SHELLY_2, learned) if c.included} == {status}
    learned.take(events, by_event.numbers, NOW, time=by_event.time)
    assert {c.topic for c in channels(families.SHELLY_2, learned) if c.included} == {events}


def test_a_three_phase_shelly_proposes_the_total_of_its_phases() -> None:
    topic = "shellypro3em-1234567890ab/events/rpc"
    params = {
        "ts": NOW,
        "em:0": {"id": 0, "a_act_power": 100.1, "total_act_power": 300.3, "a_voltage": 230.1},
        "emdata:0": {"id": 0, "a_total_act_energy": 1.5, "total_act": 4.5, "total_act_ret": 0.1},
    }
    notification = {"src": "shellypro3em-1234567890ab", "method": "NotifyStatus", "params": params}
    rows = proposed(seen(topic, notification), topic)
    assert included(rows) == {
        "import": ('params."emdata:0".total_act', "Wh", "counter"),
        "export": ('params."emdata:0".total_act_ret', "Wh", "counter"),
        "power": ('params."em:0".total_act_power', "W", "gauge"),
    }
    assert [row.id for row in rows if row.is_export] == ["export"]


def test_a_second_switch_has_channels_of_its_own() -> None:
    topic = "shellyplus2pm-x/events/rpc"
    switch = {"apower": 1.0, "aenergy": {"total": 2.0}}
    params = {"ts": NOW, "switch:0": switch, "switch:1": switch}
    rows = proposed(seen(topic, {"src": "x", "params": params}), topic)
    assert set(included(rows)) == {"energy", "power", "energy-1", "power-1"}


@pytest.mark.parametrize(
    ("topic", "value", "channel"),
    [
        ("shellies/shellyem-b1e05a/emeter/0/total", "1523.4", ("import", "Wh", "counter")),
        ("shellies/shellyem-b1e05a/emeter/0/power", "412.5", ("power", "W", "gauge")),
        ("shellies/shellyplug-s-041c9f/relay/0/energy", "120", ("energy", "Wmin", "counter")),
        ("shellies/shellyem-b1e05a/emeter/0/energy", "120", None),
        ("shellies/shellyem-b1e05a/emeter/0/voltage", "230.1", None),
    ],
)
def test_first_generation_shellys_by_their_topics(
    topic: str, value: str, channel: tuple[str, str, str] | None
) -> None:
    observed = observe(topic, value.encode(), NOW)
    assert observed is not None
    (row,) = proposed(observed, topic)
    if channel is None:
        assert not row.included
    else:
        assert (row.id, row.unit, row.kind) == channel
        assert row.included


def test_a_first_generation_shellys_announcement() -> None:
    announcement = {
        "id": "shellyem-b1e05a", "model": "SHEM", "mac": "B1E05A", "ip": "192.168.1.5",
        "new_fw": False, "fw_ver": "20230913-114150/v1.14.0-gcb84623",
    }  # fmt: skip
    observed = seen("shellies/announce", announcement)
    assert observed.place.key == "shelly-gen1:shellies/shellyem-b1e05a"
    assert observed.place.label == "shellyem-b1e05a (SHEM)"
    assert not observed.numbers


def test_tasmota_by_its_sensor_and_its_announcement() -> None:
    observed = seen("tele/pow1/SENSOR", TASMOTA_SENSOR)
    assert observed.time == TimePlace(path="Time", kind="local")
    assert included(proposed(observed, "tele/pow1/SENSOR")) == {
        "energy": ("ENERGY.Total", "kWh", "counter"),
        "power": ("ENERGY.Power", "W", "gauge"),
    }
    # Tasmota, "Home Assistant", "Tasmota integration": tasmota/discovery/{mac}/config
    config = {
        "ip": "192.168.1.9", "dn": "Fridge", "fn": ["Fridge", None], "hn": "pow1-1234",
        "mac": "2462AB123456", "md": "Sonoff POW", "ty": 0, "t": "pow1",
        "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"],
    }  # fmt: skip
    announced = seen("tasmota/discovery/2462AB123456/config", config)
    assert announced.place.key == observed.place.key
    assert announced.place.label == "Fridge"
    assert observe("tele/pow1/STATE", b'{"Uptime": "0T01:02:03", "Heap": 27}', NOW) is None


def test_an_optical_head_at_tasmota_is_proposed_as_what_most_mean() -> None:
    document = {
        "Time": "2026-11-29T22:00:00",
        "E320": {"Total_in": 13542.1, "Total_out": 21.5, "Power_in": 302},
    }
    observed = seen("tele/house/SENSOR", document)
    rows = {row.path: row for row in proposed(observed, "tele/house/SENSOR")}
    total, power = rows["E320.Total_in"], rows["E320.Power_in"]
    assert (total.unit, total.kind, total.included, total.is_sure) == (
        "kWh",
        "counter",
        True,
        False,
    )
    assert (power.unit, power.kind, power.included, power.is_sure) == ("W", "gauge", True, False)
    assert rows["E320.Total_out"].is_export


def test_zigbee2mqtt() -> None:
    document = {
        "current": 0.5, "energy": 12.44, "linkquality": 102, "power": 95, "state": "ON",
        "last_seen": "2026-11-29T21:59:59+01:00", "voltage": 231,
    }  # fmt: skip
    observed = seen("zigbee2mqtt/PS5", document)
    assert observed.place.label == "PS5"
    assert observed.time == TimePlace(path="last_seen", kind="instant")
    assert included(proposed(observed, "zigbee2mqtt/PS5")) == {
        "energy": ("energy", "kWh", "counter"),
        "power": ("power", "W", "gauge"),
    }
    assert observe("zigbee2mqtt/bridge/info", b'{"version": 1}', NOW) is None


def test_home_assistants_announcement_tells_unit_and_kind() -> None:
    # Home Assistant, "MQTT Sensor" and "MQTT", "Discovery examples", keys abbreviated
    config = {
        "~": "meters/wallbox", "stat_t": "~/state", "name": "Energy", "uniq_id": "wb_e",
        "val_tpl": "{{ value_json.session['total'] | float(0) | round(2) }}",
        "unit_of_meas": "kWh", "dev_cla": "energy", "stat_cla": "total_increasing",
        "dev": {"ids": ["wallbox-17"], "name": "Wallbox"},
    }  # fmt: skip
    observed = seen("homeassistant/sensor/wallbox/energy/config", config)
    assert observed.place.label == "Wallbox"
    (sensor,) = observed.sensors
    assert (sensor.topic, sensor.path) == ("meters/wallbox/state", "session.total")
    assert included(proposed(observed, sensor.topic)) == {
        "energy": ("session.total", "kWh", "counter")
    }


def test_home_assistants_announcement_of_a_device_with_all_its_entities() -> None:
    config = {
        "dev": {"ids": "ea334450945afc", "name": "Kitchen"},
        "o": {"name": "bla2mqtt"},
        "state_topic": "sensorBedroom/state",
        "cmps": {
            "power": {
                "p": "sensor", "device_class": "power", "unit_of_measurement": "W",
                "value_template": "{{ value_json.watts }}", "unique_id": "p1",
            },
            "relay": {"p": "switch", "value_template": "{{ value_json.on }}"},
            "sum": {
                "p": "sensor", "unit_of_measurement": "kWh", "unique_id": "s",
                "value_template": "{{ value_json.a + value_json.b }}",
            },
        },
    }  # fmt: skip
    observed = seen("homeassistant/device/0AFFD2/config", config)
    assert [(s.topic, s.path, s.unit) for s in observed.sensors] == [
        ("sensorBedroom/state", "watts", "W")
    ]


def test_what_tonne_announces_itself_is_no_unknown_device() -> None:
    config = {
        "dev": {"ids": ["tonne-linz"]},
        "cmps": {"co2": {"p": "sensor", "state_topic": "emissions/linz/totals",
                         "value_template": "{{ value_json.co2 }}", "unit_of_measurement": "kg"}},
    }  # fmt: skip
    assert (
        observe("homeassistant/device/tonne-linz/config", json.dumps(config).encode(), NOW) is None
    )


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (None, "@"),
        ("{{ value }}", "@"),
        ("{{ value | float }}", "@"),
        ("{{value_json.ENERGY.Total}}", "ENERGY.Total"),
        ("{{ value_json['a b'].c }}", '"a b".c'),
        ("{{ value_json[0].c|int }}", "[0].c"),
        ("{{ value_json.a * 2 }}", None),
        ("{% if value_json.a %}1{% endif %}", None),
        (7, None),
    ],
)
def test_templates(template: object, path: str | None) -> None:
    config = {"state_topic": "x/y", "unit_of_measurement": "W", "value_template": template}
    if template is None:
        del config["value_template"]
    found = home_assistant.sensors("homeassistant/sensor/x/config", config)
    assert [sensor.path for sensor in found] == ([] if path is None else [path])


def test_esphome_and_other_plain_numbers() -> None:
    observed = observe("pv/sensor/total_energy/state", b"123.4", NOW)
    assert observed is not None
    assert observed.place.key == "esphome:pv"
    (row,) = proposed(observed, "pv/sensor/total_energy/state")
    assert (row.id, row.unit, row.is_sure, row.included) == ("total-energy", "kWh", False, True)
    one = observe("hall/meter-7/energy_kwh", b"5.5", NOW)
    other = observe("hall/meter-7/power", b"12", NOW)
    assert one is not None
    assert other is not None
    assert one.place.key == other.place.key == "other:hall/meter-7"


def test_senml_names_its_units() -> None:
    pack = [{"bn": "urn:dev:mac:00:", "n": "power", "u": "W", "v": 412.5}, {"n": "t", "v": 20.1}]
    observed = seen("plant/gw/senml", pack)
    assert observed.place.family == families.SENML
    assert included(proposed(observed, "plant/gw/senml")) == {
        "urn-dev-mac-00-power": ("urn:dev:mac:00:power", "W", "gauge")
    }


@pytest.mark.parametrize("base", [":rn:dev:1/", "urn:>ev:1/", ">rn:dev:1/", ""])
def test_a_record_of_senml_that_no_channel_can_name_is_not_proposed(base: str) -> None:
    pack = [
        {"bn": base, "n": "energy" if base else "", "u": "kWh", "v": 1.5},
        {"bn": "urn:dev:1/", "n": "power", "u": "W", "v": 100},
    ]
    rows = included(proposed(seen("plant/gw/senml", pack), "plant/gw/senml"))
    assert [path for path, _, _ in rows.values()] == ["urn:dev:1/power"]


def test_tonnes_own_format() -> None:
    payload = b'{"ts": 1, "values": {"import": {"v": 12.5, "u": "kWh"}, "power": 4}}'
    observed = observe_native("linz", "meter-9", payload, NOW)
    assert observed is not None
    assert observed.numbers == {"import": 12.5, "power": 4}
    assert observed.units == {"import": "kWh"}


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("$SYS/broker/uptime", b"5"),
        ("emissions/linz/x/readings", b"5"),
        ("spBv1.0/group/NBIRTH/node", b"\x08\x01"),
        ("a/b", b"on"),
        ("a/b", b""),
        ("a/b", b'{"state": "ON"}'),
        ("a/b", b"[" * 100_000),
        ("a/b", b"9" * 20_000),
        ("a/b", b"\xff\xfe"),
        # what no database stores
        ("a/b", b'{"\\u0000": 5}'),
        ("a/b", b'{"\\ud800": 5}'),
        (
            "homeassistant/sensor/x/config",
            b'{"stat_t": "a/b", "unit_of_meas": "W", "name": "\\u0000"}',
        ),
        ("cmnd/x/Power", b"1"),
        ("zigbee2mqtt/x/set", b'{"brightness": 5}'),
        ("a b/c", b"5"),
        ("x" * 300, b"5"),
        ("homeassistant/sensor/x/config", b"5"),
        ("homeassistant/sensor/x/config", b'{"state_topic": 5}'),
        ("shellies/announce", b'{"id": "a/b"}'),
    ],
)
def test_what_is_no_device(topic: str, payload: bytes) -> None:
    assert observe(topic, payload, NOW) is None


@pytest.mark.parametrize("value", ["1e400", "NaN", "true", '"x"', "null"])
def test_what_is_no_number(value: str) -> None:
    assert look(f'{{"a": {value}}}'.encode(), NOW).numbers == {}


def test_a_number_of_unknown_unit_is_a_register_when_it_only_rises() -> None:
    def learned(values: list[float]) -> ProposedChannel:
        course = Learned()
        for i, value in enumerate(values):
            course.take("a/b", {"x": value}, NOW + 60 * i)
        (row,) = channels(families.OTHER, course)
        return row

    rising = learned([1, 2, 3, 4, 5, 6])
    assert (rising.kind, rising.unit, rising.included) == ("counter", None, False)
    assert rising.interval_s == 60
    assert learned([1, 2, 3]).kind == "gauge"
    assert learned([1, 2, 3, 4, 5, 6, 5]).kind == "gauge"


def test_a_register_that_begins_again_is_one_still_and_a_number_that_falls_is_none() -> None:
    def row(values: list[float]) -> ProposedChannel:
        course = Learned()
        for i, value in enumerate(values):
            course.take("m", {"energy_kwh": value}, NOW + i)
        (only,) = channels(families.OTHER, course)
        return only

    begins_again = row([8, 9, 10, 11, 12, 13, 0.1, 1])
    assert (begins_again.kind, begins_again.included) == ("counter", True)
    falls = row([8, 9, 8.5, 9, 8, 9])
    assert (falls.kind, falls.included) == ("gauge", False)


def test_what_is_learned_outlives_the_process() -> None:
    learned = Learned()
    observed = seen("tele/pow1/SENSOR", TASMOTA_SENSOR)
    learned.take("tele/pow1/SENSOR", observed.numbers, NOW, time=observed.time)
    again = Learned.from_json(json.loads(json.dumps(learned.as_json())))
    assert again == learned
    assert worth(families.TASMOTA, again) == 2


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ("shellyplus1pm-a8032abe54dc", "shellyplus1pm-a8032abe54dc"),
        ("Küche / Wallbox 17", "k-che-wallbox-17"),
        ("PowerMeter", "power-meter"),
        ("电表", "other-x"),
        ("-", "other-x"),
    ],
)
def test_ids(label: str, wanted: str) -> None:
    assert device_id(label, "other:x") == wanted
