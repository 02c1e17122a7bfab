"""One value of a foreign payload: texts, bytes, cells and units, each by a key of the file."""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.core.facility.file import FacilityFileError
from tests.contract.ingest.formats.station import Station, device_of, station_of

EIGHT = datetime(2026, 6, 1, 8, tzinfo=UTC)
EIGHT_S = int(EIGHT.timestamp())
ENERGY = "id: e, quantity: energy, unit: kWh, kind: counter"
BARE = "id: e, from: v, quantity: energy, kind: counter"
POWER = "id: p, quantity: power, unit: W, kind: gauge"


def device(channel: str, keys: str = "") -> Station:
    return device_of(keys, channel)


def values(station: Station, payload: Any) -> list[float | None]:
    return [reading.value for reading in station.receive("d", payload)]


def refusal(station: Station, payload: Any) -> str:
    assert station.receive("d", payload) == []
    (entry,) = station.quarantine
    assert entry.reason == "bad_value"
    return entry.detail


def mistake(channel: str, keys: str = "") -> str:
    with pytest.raises(FacilityFileError) as caught:
        device(channel, keys)
    return "; ".join(problem.message for problem in caught.value.problems)


# -- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "sent", "value"),
    [
        ("comma", "1.234,5", 1234.5),
        ("comma", "1 234,5", 1234.5),
        ("comma", "1\u202f234\u202f567,5", 1234567.5),
        ("comma", "1'234,5", 1234.5),
        ("point", "1,234.5", 1234.5),
        ("point", "1,234", 1234),
        ("point", "1'234.50", 1234.5),
        ("point", "-12.5", -12.5),
        ("point", 7.5, 7.5),
    ],
)
def test_marks_between_thousands(number: str, sent: Any, value: float) -> None:
    assert values(device(f"{ENERGY}, from: v, number: {number}"), {"v": sent}) == [value]
    if isinstance(sent, str):
        # the payload is the value, with and without quotation marks
        alone = device(f"{ENERGY}, number: {number}")
        assert values(alone, sent) == values(alone, json.dumps(sent)) == [value]


@pytest.mark.parametrize(
    ("number", "sent"),
    [("point", "1,23"), ("point", "1.234,5"), ("comma", "1.234 567"), ("comma", "1,234.5")],
)
def test_marks_that_stand_elsewhere_are_refused(number: str, sent: str) -> None:
    assert "is not a number" in refusal(device(f"{ENERGY}, from: v, number: {number}"), {"v": sent})


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("1,234.5", "say number: point"),
        ("1'234", "say number: point"),
        ("1,234", "number: comma for the channel; if it parts thousands, number: point"),
        ("12.5 kWh", "unit: {suffix: true, default: ...}"),
        ("unavailable", "name it in invalid"),
        ("", 'say invalid: [""]'),
    ],
)
def test_a_text_that_is_no_number_says_which_key_reads_it(sent: str, words: str) -> None:
    assert words in refusal(device(f"{ENERGY}, from: v"), {"v": sent})


SUFFIX = (
    'id: e, quantity: energy, unit: {suffix: true, default: kWh, map: {"度": kWh}}, kind: counter'
)


@pytest.mark.parametrize(
    ("number", "sent", "value"),
    [
        ("", "12.5 kWh", 12.5),
        ("", "12.5MWh", 12500),
        ("", " 1.5e3 Wh\n", 1.5),
        ("", "12.5 度", 12.5),
        # as meters write it by IEC 62056-21
        ("", "004567.123*kWh", 4567.123),
        ("", "12.5*度", 12.5),
        ("", "12.5", 12.5),
        ("", 12.5, 12.5),
        (", number: comma", "1.234,5 kWh", 1234.5),
        (", number: point", "1,234.5 kWh", 1234.5),
        (", invalid: [-9999, n/a]", "-9999 kWh", None),
        (", invalid: [-9999, n/a]", " n/a ", None),
        ("", "NaN", None),
    ],
)
def test_a_unit_behind_the_number(number: str, sent: Any, value: float | None) -> None:
    assert values(device(f"{SUFFIX}, from: v{number}"), {"v": sent}) == [value]
    if isinstance(sent, str):
        assert values(device(f"{SUFFIX}{number}"), sent) == [value]


def test_an_empty_text_may_mean_that_there_is_no_value() -> None:
    assert values(device(f'{ENERGY}, from: v, invalid: [""]'), {"v": ""}) == [None]


@pytest.mark.parametrize(
    ("sent", "reason"), [("12.5 furlong", "unit_not_convertible"), ("2,5 kWh", "bad_value")]
)
def test_another_unit_or_number_is_refused(sent: str, reason: str) -> None:
    station = device(f"{SUFFIX}, from: v")
    assert values(station, {"v": sent}) == []
    assert station.reasons() == [reason]


# -- bytes ----------------------------------------------------------------------------------------

#: pi in single precision, as the four orders have it
ORDERS = {
    "40490FDB": ("big", "big"),
    "0FDB4049": ("big", "little"),
    "4940DB0F": ("little", "big"),
    "DB0F4940": ("little", "little"),
}


@pytest.mark.vector
@pytest.mark.parametrize(("sent", "orders"), ORDERS.items())
def test_byte_and_word_order_in_each_way_of_writing(sent: str, orders: tuple[str, str]) -> None:
    byte_order, word_order = orders
    content = bytes.fromhex(sent)
    written = {
        "hex": sent.lower(),
        "base64": base64.b64encode(content).decode(),
        "registers": [int(sent[:4], 16), int(sent[4:], 16)],
    }
    for name, payload in written.items():
        order = f"byte_order: {byte_order}, word_order: {word_order}"
        part = f"{{written: {name}, type: float32, {order}}}"
        meter = device(f"{POWER}, from: v, bytes: {part}")
        assert values(meter, {"v": payload}) == [pytest.approx(3.14159274, abs=1e-8)]
        assert meter.quarantine == []


@pytest.mark.vector
@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        ("int16", "FF38", -200),
        ("uint16", "FF38", 65336),
        ("int8", "80", -128),
        ("uint8", "FF", 255),
        ("int32", "FFFFFFFE", -2),
        ("uint32", "00012345", 74565),
        ("int64", "FFFFFFFFFFFFFFFF", -1),
        ("uint64", "0000000100000000", 4294967296),
        ("float64", "4029000000000000", 12.5),
        ("float32", "0x 41 48 00 00", 12.5),
        ("float32", "7FC00000", None),
        ("bcd8", "42", 42),
        ("bcd32", "00123456", 123456),
        ("bcd32", "F0000012", -12),
        ("bcd48", "000123456789", 123456789),
    ],
)
def test_each_type(kind: str, sent: str, value: float | None) -> None:
    meter = device(f"{POWER}, from: v, bytes: {{written: hex, type: {kind}}}")
    assert values(meter, {"v": sent}) == [value]


@pytest.mark.vector
def test_digits_as_m_bus_sends_them_and_what_is_none() -> None:
    """EN 13757-3: the byte that counts least comes first."""
    part = "bytes: {written: hex, type: bcd32, byte_order: little, word_order: little}"
    meter = device(f"{POWER}, from: v, {part}")
    assert values(meter, {"v": "56341200"}) == [123456]
    assert values(meter, {"v": "5A341200"}) == [None]
    assert "is no bcd" in str(meter.quarantine[0].detail)


def test_a_frame_holds_several_values_and_one_that_means_none() -> None:
    frame = struct.pack(">HhI", 65535, -25, 1234567)
    station = station_of("""
facility: {id: field, name: Field, timezone: UTC}
devices:
  - id: d
    topic: d
    format: json
    channels:
      - {id: p, bytes: {written: base64, type: uint16}, invalid: [65535], quantity: power, unit: W, kind: gauge}
      - {id: t, bytes: {written: base64, type: int16, from_byte: 2}, quantity: temperature, unit: degC, kind: gauge}
      - {id: e, bytes: {written: base64, type: uint32, from_byte: 4}, scale: 0.001, quantity: energy, unit: kWh, kind: counter}
""")  # noqa: E501 - one line a channel
    assert values(station, base64.b64encode(frame).decode()) == [None, -25, 1234567]
    # without padding, in the alphabet for addresses
    assert values(station, base64.urlsafe_b64encode(frame).decode().rstrip("=")) == [
        None, -25, 1234567,
    ]  # fmt: skip
    assert station.quarantine == []


@pytest.mark.parametrize(
    ("part", "sent", "words"),
    [
        ("{written: base64, type: float32}", "QUg=", "has no 4 bytes for float32 from byte 0 on"),
        ("{written: hex, type: int16, from_byte: 3}", "00112233", "from byte 3 on"),
        ("{written: base64, type: int16}", "$$", "is not bytes written as base64"),
        ("{written: hex, type: int16}", "12G4", "is not bytes written as hex"),
        ("{written: hex, type: int16}", 12, "12 is not bytes written as hex"),
        ("{written: registers, type: int16}", [65536], "whole numbers from 0 to 65535"),
        ("{written: registers, type: int16}", "12", "whole numbers from 0 to 65535"),
        ("{written: registers, type: int16}", [], "has no 2 bytes"),
    ],
)
def test_what_is_no_such_bytes_is_refused(part: str, sent: Any, words: str) -> None:
    assert words in refusal(device(f"{ENERGY}, from: v, bytes: {part}"), {"v": sent})


def test_bytes_of_no_value_are_a_gap() -> None:
    meter = device(
        f"{POWER}, from: v, bytes: {{written: hex, type: int16}}, invalid: [unavailable]"
    )
    assert values(meter, {"v": None}) == values(meter, {"v": "unavailable"}) == [None]
    assert values(meter, {}) == []


# -- cells ----------------------------------------------------------------------------------------

LOGGER = 'delimiter: ";"\n    timestamp: {from: "@", cell: 1, unit: s}'


def test_a_line_of_cells() -> None:
    logger = device(f"{ENERGY}, cell: 3, number: comma", LOGGER)
    (reading,) = logger.receive("d", f'{EIGHT_S};"hall; left";1.234,5')
    assert (reading.ts, reading.value) == (EIGHT, 1234.5)


def test_each_line_is_a_reading_and_an_empty_cell_a_gap() -> None:
    logger = device(f"{ENERGY}, cell: 2", LOGGER)
    sent = f"{EIGHT_S};1.5\r\n{EIGHT_S + 60};\r\n\r\n{EIGHT_S + 120}\r\n{EIGHT_S + 180};3.5\r\n"
    assert [(r.ts, r.value) for r in logger.receive("d", sent)] == [
        (EIGHT, 1.5),
        (EIGHT + timedelta(minutes=1), None),
        (EIGHT + timedelta(minutes=3), 3.5),
    ]
    assert logger.quarantine == []


def test_a_text_of_cells_within_json_with_unit_and_quality() -> None:
    gateway = device(
        "id: e, from: line, cell: 2, quantity: energy, kind: counter,"
        " unit: {from: line, cell: 3, default: kWh},"
        " quality: {from: line, cell: 4, map: {ok: good, no: bad}}",
        "timestamp: {from: line, cell: 1}",
    )
    sent = [f"{EIGHT_S}, 1.5, MWh, ok", f"{EIGHT_S + 60}, 2.5, kWh, no"]
    assert values(gateway, {"line": sent[0]}) == [1500]
    assert gateway.qualities("d", {"line": "\n".join(sent)}) == [0, 2]
    assert gateway.quarantine == []
    assert gateway.receive("d", {"line": 5}) == []
    assert set(gateway.reasons()) <= {"bad_mapping", "bad_time"}


def test_a_long_text_costs_what_a_message_may_and_no_more() -> None:
    logger = device(f"{ENERGY}, from: v, cell: 2")
    assert logger.receive("d", {"v": "1," * 40_000}) == []
    assert logger.reasons() == ["bad_mapping"]
    assert "it has at most 65536" in logger.quarantine[0].detail


METERS = """
facility: {{id: works, name: Works, timezone: Europe/Vienna}}
devices:
  - id: a
    topic: d
    format: json
    delimiter: ";"
    timestamp: {{from: "@", cell: 1, unit: s}}
    {first}
    channels: [{{id: e, cell: 3, quantity: energy, unit: kWh, kind: counter}}]
  - id: b
    topic: d
    format: json
    delimiter: ";"
    timestamp: {{from: "@", cell: 1, unit: s}}
    {second}
    channels:
      - {{id: e, cell: 3, where: {{cell.4: in}}, quantity: energy, unit: kWh, kind: counter}}
      - {{id: x, cell: 3, where: {{cell.4: [out, o]}}, quantity: energy, unit: kWh, kind: counter}}
"""
AT = f"{EIGHT_S};"
LINES = (
    f"{AT}m1;1.5\r\n\r\n{AT}m2;2.5;in\r\n{AT}m2;3.5;out;more\r\n{AT}m3;9\r\n"
    f'{EIGHT_S + 60}; "m1" ; 4.5\n{EIGHT_S + 60}\n{EIGHT_S + 60};m2;5.5;o\n'
)


@pytest.mark.parametrize(
    ("first", "second", "unknown"),
    [
        ("where: {cell.2: m1}", "where: {cell.2: [m2, m4]}", []),
        (
            "known_as: m1\n    device_from: cell.2",
            "known_as: m2\n    device_from: cell.2",
            ["m3"],
        ),
    ],
    ids=["where", "device_from"],
)
def test_lines_of_several_meters_are_told_apart_by_a_cell(
    first: str, second: str, unknown: list[str]
) -> None:
    loggers = station_of(METERS.format(first=first, second=second))
    received = loggers.receive("d", LINES)
    assert sorted((r.channel, (r.ts - EIGHT).seconds, r.value) for r in received) == [
        ("a.e", 0, 1.5), ("a.e", 60, 4.5), ("b.e", 0, 2.5), ("b.x", 0, 3.5), ("b.x", 60, 5.5),
    ]  # fmt: skip
    named = {known_as for entry in loggers.quarantine for known_as in entry.unknown_ids or ()}
    assert set(unknown) <= named
    # a text that is longer than a message's cells may be is refused, and nothing of it is taken
    assert loggers.receive("d", LINES * 700) == []


def test_lines_within_json_are_records_where_a_channel_chooses_among_them() -> None:
    gateway = device(
        f"{ENERGY}, cell: 2, where: {{cell.3: '1.8.0'}}",
        "records: lines\n    timestamp: {from: '@', cell: 1, unit: s}",
    )
    sent = {"lines": [f"{EIGHT_S},1.5,1.8.0\n{EIGHT_S},7,2.8.0", f"{EIGHT_S + 60},2.5,1.8.0", 5]}
    assert values(gateway, sent) == [1.5, 2.5]


# -- what a file may say --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "keys", "words"),
    [
        (f"{ENERGY}, from: v, number: hex, bytes: {{written: hex, type: int16}}", "",
         "number reads text, and bytes says how the number is packed"),
        (f"{SUFFIX}, from: v, number: hex", "", "say from, where the unit stands"),
        (f"{SUFFIX}, from: v, bytes: {{written: hex, type: int16}}", "", "say from, where"),
        (f"{ENERGY}, from: v, cell: 1, bytes: {{written: registers, type: int16}}", "",
         "registers are an array: remove one of the two"),
        (f"{ENERGY}, from: v, cell: 0", "", "is less than 1"),
        (f"{ENERGY}, from: v", 'delimiter: ";"', "no cell is named"),
        (f"{ENERGY}, from: v, where: {{cell.0: m1}}", "", "counted from 1"),
        (ENERGY, "known_as: m1\n    device_from: cell.0", "they are counted from 1"),
        (f"{ENERGY}, from: cell.2", "", "elsewhere cell is a key, such as cell: 2"),
        (f"{ENERGY}, from: v, cell: 1", "delimiter: tab", "one character"),
        (f"{ENERGY}, from: v, cell: 1", 'delimiter: "."', "one character"),
        (f"{BARE}, unit: {{suffix: true}}", "", "needs default"),
        (f"{BARE}, unit: {{from: u, suffix: true, default: kWh}}", "", "says either from"),
        (f"{ENERGY}, from: v, bytes: {{written: base65, type: int16}}", "", "base64"),
    ],
)  # fmt: skip
def test_keys_that_do_not_go_together_say_what_to_do(channel: str, keys: str, words: str) -> None:
    assert words in mistake(channel, keys)


@pytest.mark.parametrize("key", ["cell: 1", "bytes: {written: hex, type: int16}"])
def test_the_native_format_has_none_of_them(key: str) -> None:
    with pytest.raises(FacilityFileError, match="maps a foreign payload"):
        station_of(f"""
facility: {{id: f, name: F, timezone: UTC}}
devices: [{{id: d, channels: [{{{ENERGY}, {key}}}]}}]
""")
