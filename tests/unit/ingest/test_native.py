from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.timeline.instants import to_us
from services.ingest.decode import native, native_forgiving
from services.ingest.decode.observation import Decoded, Observation, UndecodableError
from services.ingest.quarantine.reasons import Reason

SIX_PM_US = to_us(datetime(2026, 11, 23, 18, tzinfo=UTC))


def decode(payload: str | bytes) -> Decoded:
    return native.decode(payload.encode() if isinstance(payload, str) else payload, 0)


def refusal(payload: str | bytes) -> UndecodableError:
    with pytest.raises(UndecodableError) as caught:
        decode(payload)
    return caught.value


def problems(payload: str) -> list[tuple[Reason, str | None]]:
    return [(problem.reason, problem.channel) for problem in decode(payload).problems]


def test_the_contracts_first_example() -> None:
    decoded = decode(
        '{"ts": "2026-11-23T18:00:00.250Z",'
        ' "values": {"import-energy": 18234.125, "import-power": 412.5}}'
    )
    assert decoded.observations == [
        Observation("import-energy", SIX_PM_US + 250_000, 18234.125, None, 0),
        Observation("import-power", SIX_PM_US + 250_000, 412.5, None, 0),
    ]
    assert decoded.problems == []


def test_the_contracts_second_example() -> None:
    decoded = decode(
        '[{"ts": 1795456800.25, "values":'
        ' {"co2": {"v": 12.5, "u": "%", "q": "good"}, "flow": 101234}},'
        ' {"ts": 1795456860250, "values": {"co2": null}}]'
    )
    assert decoded.observations == [
        Observation("co2", SIX_PM_US + 250_000, 12.5, "%", 0),
        Observation("flow", SIX_PM_US + 250_000, 101234.0, None, 0),
        Observation("co2", SIX_PM_US + 60_250_000, None, None, 0),
    ]
    assert decoded.problems == []


@pytest.mark.parametrize(
    ("ts", "offset_us"),
    [
        ('"2026-11-23T18:00:00Z"', 0),
        ('"2026-11-23T19:00:00+01:00"', 0),
        ('"2026-11-23T18:00:00.123456Z"', 123_456),
        ("1795456800", 0),
        ("1795456800.123456", 123_456),
        ("1795456800123", 123_000),
        ("1795456800123.456", 123_456),
    ],
)
def test_times_are_exact_to_the_microsecond(ts: str, offset_us: int) -> None:
    decoded = decode(f'{{"ts": {ts}, "values": {{"a": 1}}}}')
    assert [o.ts_us - SIX_PM_US for o in decoded.observations] == [offset_us]


@pytest.mark.parametrize(
    ("name", "code"),
    [("good", 0), ("uncertain", 1), ("bad", 2), ("calibration", 3), ("maintenance", 4)],
)
def test_qualities(name: str, code: int) -> None:
    decoded = decode(f'{{"ts": 0, "values": {{"a": {{"v": 1, "q": "{name}"}}}}}}')
    assert [o.quality for o in decoded.observations] == [code]


def test_unknown_keys_are_ignored() -> None:
    decoded = decode('{"ts": 0, "id": [1], "values": {"a": {"v": 1, "x": {}}}}')
    assert [o.value for o in decoded.observations] == [1.0]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", Reason.MALFORMED_JSON),
        ("{", Reason.MALFORMED_JSON),
        ("hello", Reason.MALFORMED_JSON),
        (b"\xff\xfe{}", Reason.MALFORMED_JSON),
        ("[" * 100_000, Reason.MALFORMED_JSON),
        ('{"ts": 0, "values": {"a": ' + "1" * 5000 + "}}", Reason.MALFORMED_JSON),
        (
            json.dumps({"ts": 0, "values": {str(i): i for i in range(10_001)}}),
            Reason.TOO_MANY_VALUES,
        ),
        (
            json.dumps([{"ts": i, "values": {"a": i}} for i in range(10_001)]),
            Reason.TOO_MANY_VALUES,
        ),
        (json.dumps([{}] * 10_001), Reason.TOO_MANY_VALUES),
    ],
)
def test_payloads_of_which_nothing_can_be_used(payload: str | bytes, reason: Reason) -> None:
    assert refusal(payload).reason is reason


def test_ten_thousand_values_are_taken() -> None:
    decoded = decode(json.dumps({"ts": 0, "values": {str(i): i for i in range(10_000)}}))
    assert len(decoded.observations) == 10_000


@pytest.mark.parametrize("payload", ["1", "null", '"text"', "[1]", '{"ts": 0}', '{"values": 1}'])
def test_what_is_not_a_reading_is_named_so(payload: str) -> None:
    assert problems(payload) == [(Reason.NOT_A_READING, None)]


@pytest.mark.parametrize(
    "ts",
    [
        "",
        '"ts": null,',
        '"ts": true,',
        '"ts": "yesterday",',
        '"ts": "2026-11-23T18:00:00",',
        '"ts": "2026-13-23T18:00:00Z",',
        '"ts": {},',
        '"ts": NaN,',
        '"ts": 1e300,',
        '"ts": -1e300,',
    ],
)
def test_a_time_that_is_none(ts: str) -> None:
    assert problems(f'{{{ts} "values": {{"a": 1}}}}') == [(Reason.BAD_TIME, None)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('"12.5"', Reason.BAD_VALUE),
        ("true", Reason.BAD_VALUE),
        ("[1]", Reason.BAD_VALUE),
        ('{"u": "kWh"}', Reason.BAD_VALUE),
        ('{"v": "1"}', Reason.BAD_VALUE),
        ('{"v": 1, "u": 7}', Reason.BAD_VALUE),
        ('{"v": 1, "q": "perfect"}', Reason.BAD_QUALITY),
        ('{"v": 1, "q": 7}', Reason.BAD_QUALITY),
        ("NaN", Reason.NOT_FINITE),
        ("Infinity", Reason.NOT_FINITE),
        ("-Infinity", Reason.NOT_FINITE),
        ('{"v": NaN}', Reason.NOT_FINITE),
        ("1e999", Reason.NOT_FINITE),
        ("1" + "0" * 400, Reason.NOT_FINITE),
    ],
)
def test_a_bad_value_is_named_and_the_good_ones_beside_it_are_kept(
    value: str, reason: Reason
) -> None:
    decoded = decode(f'{{"ts": 0, "values": {{"good": 1.5, "bad": {value}, "gap": null}}}}')
    assert [(p.reason, p.channel, p.ts_us) for p in decoded.problems] == [(reason, "bad", 0)]
    assert decoded.observations == [
        Observation("good", 0, 1.5, None, 0),
        Observation("gap", 0, None, None, 0),
    ]


def test_a_bad_reading_leaves_the_others_of_the_array() -> None:
    decoded = decode('[{"ts": "never", "values": {"a": 1}}, 7, {"ts": 1, "values": {"a": 2}}]')
    assert [p.reason for p in decoded.problems] == [Reason.BAD_TIME, Reason.NOT_A_READING]
    assert decoded.observations == [Observation("a", 1_000_000, 2.0, None, 0)]


_numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15)
_values = (
    st.none()
    | _numbers
    | st.fixed_dictionaries(
        {"v": st.none() | _numbers},
        optional={
            "u": st.none() | st.text(),
            "q": st.sampled_from(["good", "uncertain", "bad", "calibration", "maintenance"]),
        },
    )
)
_times = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | st.integers(0, 2 * 10**12)
_readings = st.fixed_dictionaries(
    {"ts": _times, "values": st.dictionaries(st.text(), _values, max_size=5)},
    # what stands beside them is learned, and means nothing
    optional={"seq": st.integers(), "note": st.text(), "more": st.lists(st.none() | st.text())},
)


@pytest.mark.thorough
@given(_readings | st.lists(_readings, max_size=4))
def test_the_fast_way_and_the_thorough_way_agree_on_good_payloads(document: Any) -> None:
    payload = json.dumps(document).encode()
    assert native.decode(payload, 0) == native_forgiving.decode(payload, 0)
    assert native.decode(payload, 0).problems == []


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from("vuq"), inner),
    max_leaves=20,
)
_almost = st.fixed_dictionaries({}, optional={"ts": _json, "values": _json | st.lists(_json)})


def _holds(payload: bytes) -> None:
    try:
        decoded = native.decode(payload, 0)
    except UndecodableError:
        return
    for observation in decoded.observations:
        assert observation.value is None or math.isfinite(observation.value)
        assert isinstance(observation.ts_us, int)
    assert all(problem.detail for problem in decoded.problems)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_decoder_raise_anything_but_its_own_error(payload: bytes) -> None:
    _holds(payload)


@pytest.mark.thorough
@given(_json | _almost | st.lists(_almost))
def test_no_json_makes_the_decoder_raise_anything_but_its_own_error(document: Any) -> None:
    _holds(json.dumps(document).encode())


@given(_readings, st.data())
def test_no_damage_to_a_good_payload_makes_the_decoder_raise(document: Any, data: Any) -> None:
    payload = bytearray(json.dumps(document).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    _holds(bytes(payload))
