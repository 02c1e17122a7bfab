"""SenML packs of the gateway in the example, and what RFC 8428 says of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import cbor2
import pytest

from services.core.timeline.instants import to_us
from tests.contract.ingest.formats.station import (
    ARRIVAL,
    ARRIVAL_TIME,
    Reading,
    Station,
    station,
    station_of,
)

TOPIC = "plant/gateway-1/senml"
METER = "urn:dev:mac:0024befffe804ff1:"
SIX_PM_S = 1795456800
SIX_PM = datetime(2026, 11, 23, 18, tzinfo=UTC)

PACK: list[dict[str, Any]] = [
    {"bn": METER, "bt": SIX_PM_S, "n": "power", "u": "W", "v": 412.5, "s": 3.6e9},
    {"n": "power", "u": "W", "t": 60, "v": 413.5, "s": 3.60036e9},
    {"n": "voltage", "u": "V", "v": 230.1},
    {"n": "door", "vb": True},
    {"n": "gas", "u": "m3", "t": -600, "v": 1234.5},
    {"n": "flue-temperature", "u": "Cel", "v": 131},
]

READINGS = [
    Reading("gateway-1.power", SIX_PM, 0.4125),
    Reading("gateway-1.energy", SIX_PM, 1000.0),
    Reading("gateway-1.power", SIX_PM + timedelta(minutes=1), 0.4135),
    Reading("gateway-1.energy", SIX_PM + timedelta(minutes=1), 1000.1),
    Reading("gateway-1.gas", SIX_PM - timedelta(minutes=10), 1234.5),
    Reading("gateway-1.flue-temperature", SIX_PM, 131.0),
]

_CBOR_LABELS = {
    "bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6,
    "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8,
}  # fmt: skip


def as_json(pack: list[dict[str, Any]]) -> bytes:
    return json.dumps(pack).encode()


def as_cbor(pack: list[dict[str, Any]]) -> bytes:
    return cbor2.dumps([{_CBOR_LABELS.get(k, k): v for k, v in record.items()} for record in pack])


#: RFC 8428, section 5.1.2
RFC_EXAMPLE = (
    b'[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,'
    b'"n":"voltage","u":"V","v":120.1},{"n":"current","t":-5,"v":1.2},'
    b'{"n":"current","t":-4,"v":1.3},{"n":"current","t":-3,"v":1.4},'
    b'{"n":"current","t":-2,"v":1.5},{"n":"current","t":-1,"v":1.6},{"n":"current","v":1.7}]'
)
RFC_METER = """
facility: {id: lab, name: Lab, timezone: UTC}
devices:
  - id: meter
    topic: lab/meter
    format: senml
    channels:
      - {id: voltage, quantity: energy, unit: kWh, kind: gauge}
      - {id: current, from: "urn:dev:ow:10e2073a0108006:current", quantity: power, unit: kW, kind: gauge}
"""  # noqa: E501 - one line a channel


@pytest.fixture
def gateway() -> Station:
    return station("senml")


@pytest.mark.parametrize("encode", [as_json, as_cbor])
def test_values_sums_units_and_times(gateway: Station, encode: Any) -> None:
    found = gateway.receive(TOPIC, encode(PACK))
    assert [(r.channel, r.ts, r.time_source) for r in found] == [
        (r.channel, r.ts, r.time_source) for r in READINGS
    ]
    assert [r.value for r in found] == pytest.approx([r.value for r in READINGS], rel=1e-12)
    assert gateway.quarantine == []


@pytest.mark.parametrize("encode", [as_json, as_cbor])
@pytest.mark.parametrize(("time", "ago_s"), [({}, 0), ({"t": 0}, 0), ({"t": -5.5}, 5.5)])
def test_now_is_the_arrival(
    gateway: Station, encode: Any, time: dict[str, float], ago_s: float
) -> None:
    (reading,) = gateway.receive(TOPIC, encode([{"n": "gas", "u": "m3", "v": 7, **time}]))
    expected = ARRIVAL - timedelta(seconds=ago_s)
    assert reading == Reading("gateway-1.gas", expected, 7.0, ARRIVAL_TIME)


def test_a_pack_with_relative_times_that_the_broker_kept_is_of_no_known_time(
    gateway: Station,
) -> None:
    assert gateway.receive(TOPIC, '[{"n":"gas","v":7}]', retained=True) == []
    assert len(gateway.receive(TOPIC, as_json(PACK), retained=True)) == len(READINGS)


def test_decimal_fractions_of_cbor(gateway: Station) -> None:
    pack = [{"n": "gas", "u": "m3", "v": Decimal("1234.5005")}]
    assert [r.value for r in gateway.receive(TOPIC, as_cbor(pack))] == [1234.5005]


def test_base_values_and_base_sums_are_added(gateway: Station) -> None:
    pack = [
        {"bn": METER, "bt": SIX_PM_S, "bu": "kW", "bv": 100, "bs": 3.6e6, "n": "power", "v": 1},
        {"n": "power", "t": 1, "v": 2, "s": 3600},
        {"n": "power", "t": 2, "bv": 0, "bs": 0, "v": 3, "s": 7200},
    ]
    found = gateway.receive(TOPIC, as_json(pack))
    assert [(r.channel.partition(".")[2], r.value) for r in found] == [
        ("power", 101.0),
        ("energy", pytest.approx(1000.0)),
        ("power", 102.0),
        ("energy", pytest.approx(1001.0)),
        ("power", 3.0),
        ("energy", pytest.approx(2.0)),
    ]


def test_a_record_of_base_fields_alone_measures_nothing(gateway: Station) -> None:
    pack = [{"bn": METER, "bv": 5, "bt": SIX_PM_S}, {"n": "power", "u": "kW", "v": 1}]
    assert gateway.receive(TOPIC, as_json(pack)) == [Reading("gateway-1.power", SIX_PM, 6.0)]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"n": "gas", "vs": "many"}, "bad_value"),
        ({"n": "gas", "vb": True}, "bad_value"),
        ({"n": "gas", "v": "7"}, "bad_value"),
        ({"n": "gas", "v": True}, "bad_value"),
        ({"n": "gas", "v": 7, "u": 5}, "bad_value"),
        ({"n": "gas", "v": 7, "u": "kW"}, "unit_not_convertible"),
        ({"n": f"{METER}power", "v": 7, "u": "A", "s": 1}, "unit_not_convertible"),
        ({"n": "gas", "v": 7, "t": "now"}, "bad_time"),
        ({"n": "gas", "v": 7, "t": 1e300}, "bad_time"),
        ({"n": "gas", "v": 7, "t": 1e10}, "absurd_time"),
        ({"n": "gas meter", "v": 7}, "malformed_senml"),
        ({"v": 7}, "malformed_senml"),
        ({"n": 7, "v": 7}, "malformed_senml"),
    ],
)
def test_a_bad_record_leaves_the_others_of_the_pack(
    gateway: Station, record: dict[str, Any], reason: str
) -> None:
    good = {"n": "flue-temperature", "u": "Cel", "v": 131}
    payload = as_json([record, good])
    found = [r.value for r in gateway.receive(TOPIC, payload)]
    # a gap may stand for the refused value, so that the one before does not hold on
    assert [value for value in found if value is not None] == [131.0]
    assert {(e.reason, e.payload) for e in gateway.quarantine} == {(reason, payload)}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b" ", "malformed_json"),
        (b'[{"n":"gas"', "malformed_json"),
        (b'{"n":"gas","v":7}', "malformed_senml"),
        (b"[7]", "malformed_senml"),
        (as_json([{"n": "gas", "v": 7}, {"bn": 7}]), "malformed_senml"),
        (as_json([{"n": "gas", "v": 7}, {"bt": "now"}]), "malformed_senml"),
        (as_json([{"n": "gas", "v": 7, "bver": 11}]), "malformed_senml"),
        (as_json([{"n": "gas", "v": 7, "secret_": 1}]), "malformed_senml"),
        (as_cbor(PACK)[:-3], "malformed_senml"),
        (as_cbor(PACK) + b"\x00", "malformed_senml"),
        (bytes.fromhex("81a10282c49ad9d9f7"), "malformed_senml"),
        (cbor2.dumps([{2: datetime(2026, 1, 1, tzinfo=UTC)}]), "malformed_senml"),
        (b"\x81" * 100_000, "malformed_senml"),
        (b"[" + b"{}," * 10_000 + b"{}]", "too_many_values"),
    ],
)
def test_what_is_no_pack_is_kept_whole(gateway: Station, payload: bytes, reason: str) -> None:
    assert gateway.receive(TOPIC, payload) == []
    assert [(e.reason, e.payload) for e in gateway.quarantine] == [(reason, payload)]


def test_fields_and_records_that_nobody_asked_for_are_ignored(gateway: Station) -> None:
    pack = [{"n": "gas", "v": 7, "ut": 60, "x": {}}, {"n": "voltage", "v": "high"}]
    assert [r.value for r in gateway.receive(TOPIC, as_json(pack))] == [7.0]
    assert gateway.quarantine == []


def test_the_example_of_the_rfc() -> None:
    (meter,) = station_of(RFC_METER).directory.destination("lab/meter").publishers
    decoded = meter.decode(RFC_EXAMPLE, to_us(ARRIVAL))
    assert decoded.problems == []
    assert [(o.channel, o.ts_us, o.value, o.unit) for o in decoded.observations] == [
        ("voltage", 1276020076_001000, 120.1, "V"),
        *[
            ("current", 1276020076_001000 - ago * 1_000_000, value, "A")
            for ago, value in zip((5, 4, 3, 2, 1, 0), (1.2, 1.3, 1.4, 1.5, 1.6, 1.7), strict=True)
        ],
    ]
