"""The examples of RFC 8428, decoded to the letter."""

from __future__ import annotations

import pytest

from services.ingest.decode import senml
from services.ingest.decode.observation import Observation

BASE_US = 1_276_020_076_001_000
RECEIVED_US = 1_795_458_600_000_000

#: Section 5.1.2, the second example.
JSON = (
    b'[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,'
    b'"n":"voltage","u":"V","v":120.1},'
    b'{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3},{"n":"current","t":-3,"v":1.4},'
    b'{"n":"current","t":-2,"v":1.5},{"n":"current","t":-1,"v":1.6},{"n":"current","v":1.7}]'
)

#: Section 6: the same as CBOR.
CBOR = bytes.fromhex(
    "87a721781b75726e3a6465763a6f773a31306532303733613031303830303 63a"
    "22fb41d303a15b00106223614120050067766f6c7461676501615602fb405e066666666666"
    "a3006763757272656e74062402fb3ff3333333333333"
    "a3006763757272656e74062302fb3ff4cccccccccccd"
    "a3006763757272656e74062202fb3ff6666666666666"
    "a3006763757272656e74062102f93e00"
    "a3006763757272656e74062002fb3ff999999999999a"
    "a3006763757272656e74060002fb3ffb333333333333".replace(" ", "")
)


@pytest.mark.parametrize("payload", [JSON, CBOR], ids=["json", "cbor"])
def test_multiple_data_points(payload: bytes) -> None:
    channels = [{"id": "u", "from": "urn:dev:ow:10e2073a0108006:voltage"}, {"id": "current"}]
    decoded = senml.decoder({}, channels)(payload, RECEIVED_US)
    assert decoded.problems == []
    assert decoded.observations == [
        Observation("u", BASE_US, 120.1, "V", 0),
        *(
            Observation("current", BASE_US - (5 - i) * 1_000_000, 1.2 + i / 10, "A", 0)
            for i in range(6)
        ),
    ]


def test_a_single_data_point_is_of_now() -> None:
    payload = b'[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]'
    decoded = senml.decoder({}, [{"id": "10e2073a01080063"}])(payload, RECEIVED_US)
    assert decoded.observations == [Observation("10e2073a01080063", RECEIVED_US, 23.1, "Cel", 0, 1)]


def test_a_collection_of_resources_is_told_apart_by_whole_names() -> None:
    payload = (
        b'[{"bn":"2001:db8::2/","bt":1.320078429e+09,"n":"temperature","u":"Cel","v":25.2},'
        b'{"n":"humidity","u":"%RH","v":30},'
        b'{"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3},'
        b'{"n":"humidity","u":"%RH","v":67}]'
    )
    channels = [
        {"id": "one", "from": "2001:db8::1/temperature"},
        {"id": "two", "from": "2001:db8::2/temperature"},
    ]
    decoded = senml.decoder({}, channels)(payload, RECEIVED_US)
    assert [(o.channel, o.value, o.ts_us) for o in decoded.observations] == [
        ("two", 25.2, 1_320_078_429_000_000),
        ("one", 12.3, 1_320_078_429_000_000),
    ]


@pytest.mark.parametrize(
    ("unit", "of_the_sum"), [("W", "J"), ("kW", "kJ"), ("m3/s", "m3"), ("kg/s", "kg"), ("A", "A.s")]
)
def test_a_sum_is_in_the_unit_times_seconds(unit: str, of_the_sum: str) -> None:
    payload = f'[{{"n":"x","u":"{unit}","s":5}}]'.encode()
    (found,) = senml.decoder({}, [{"id": "total", "from": "x#s"}])(payload, 0).observations
    assert (found.value, found.unit) == (5.0, of_the_sum)


def test_without_a_unit_the_channels_own_is_meant_for_value_and_sum() -> None:
    payload = b'[{"n":"x","v":1,"s":5}]'
    channels = [{"id": "x"}, {"id": "total", "from": "x#s"}]
    found = senml.decoder({}, channels)(payload, 0).observations
    assert [(o.channel, o.value, o.unit) for o in found] == [("x", 1.0, None), ("total", 5.0, None)]


@pytest.mark.parametrize(("seconds", "absolute"), [(2**28 - 1, False), (2**28, True)])
def test_where_relative_times_end(seconds: int, absolute: bool) -> None:
    payload = f'[{{"n":"x","v":1,"bt":{seconds}}}]'.encode()
    (found,) = senml.decoder({}, [{"id": "x"}])(payload, 1_000_000).observations
    assert found.ts_us == (seconds if absolute else seconds + 1) * 1_000_000
    assert found.time_source == (0 if absolute else 1)


def test_an_interval_needs_an_absolute_time() -> None:
    decoder = senml.decoder({}, [{"id": "x", "kind": "interval"}])
    decoded = decoder(b'[{"n":"x","v":1,"t":-5},{"n":"x","v":2,"t":1795456800}]', RECEIVED_US)
    assert [o.value for o in decoded.observations] == [2.0]
    assert [p.reason for p in decoded.problems] == ["bad_time"]
