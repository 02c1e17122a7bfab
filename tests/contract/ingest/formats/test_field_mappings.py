"""Mappings as people write them for gateways and readers, with payloads in the shape of theirs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.ingest.formats.station import ARRIVAL, Station, device_of

EIGHT = datetime(2026, 6, 1, 8, tzinfo=UTC)
EIGHT_S = int(EIGHT.timestamp())


ENERGY = "id: e, quantity: energy, unit: kWh, kind: counter"
TIMED = "timestamp: {from: t}"


def values(station: Station, payload: Any) -> list[float | None]:
    return [reading.value for reading in station.receive("d", payload)]


def detail(station: Station) -> str:
    (entry,) = station.quarantine
    return entry.detail


# -- lists ----------------------------------------------------------------------------------------

BATCH = [
    {"macid": "Slave1", "ts": EIGHT_S, "kwh": "101.5"},
    {"macid": "Slave2", "ts": EIGHT_S, "kwh": "506.0"},
    {"macid": "Slave1", "ts": EIGHT_S + 900, "kwh": "102.0"},
    {"macid": "Slave2", "ts": EIGHT_S + 900, "kwh": "508.0"},
]


@pytest.mark.incident
@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("[?macid=='Slave1'].kwh | [0]", "[?macid=='Slave1'].ts | [0]"),
        ("[?macid=='Slave1'] | [0].kwh", "[?macid=='Slave1'] | [0].ts"),
        ("([?macid=='Slave1'])[0].kwh", "[?macid=='Slave1'].ts"),
        ("[?macid=='Slave1'].kwh", "[?macid=='Slave1'].ts | [-1]"),
        ("to_number([?macid=='Slave1'].kwh | [0])", "[] | [?macid=='Slave1'].ts | [0]"),
    ],
)
def test_an_expression_that_names_a_meter_takes_each_of_its_readings(value: str, time: str) -> None:
    gateway = device_of("", f'{ENERGY}, from: "{value}", timestamp: {{from: "{time}"}}')
    assert [(r.ts, r.value) for r in gateway.receive("d", BATCH)] == [
        (EIGHT, 101.5),
        (EIGHT + timedelta(minutes=15), 102.0),
    ]
    assert [(r.ts, r.value) for r in gateway.receive("d", BATCH[:2])] == [(EIGHT, 101.5)]
    assert gateway.receive("d", BATCH[1:2]) == []
    assert gateway.quarantine == []


def test_what_one_of_several_lacks_does_not_shift_the_others() -> None:
    gateway = device_of(
        "", f"{ENERGY}, from: \"[?m=='x'].kwh | [0]\", timestamp: {{from: \"[?m=='x'].ts | [0]\"}}"
    )
    sent = [{"m": "x", "ts": EIGHT_S}, {"m": "x", "ts": EIGHT_S + 60, "kwh": 5}]
    assert [(r.ts, r.value) for r in gateway.receive("d", sent)] == [
        (EIGHT + timedelta(minutes=1), 5)
    ]
    sent = [{"m": "x", "ts": EIGHT_S, "kwh": 4}, {"m": "x", "kwh": 5}]
    assert values(gateway, sent) == [4]
    assert gateway.reasons() == ["bad_time"]


def test_a_list_of_values_beside_a_list_of_times() -> None:
    logger = device_of("timestamp: {from: times}", f"{ENERGY}, from: kwh")
    sent = {"times": [EIGHT_S, EIGHT_S + 60, EIGHT_S + 120], "kwh": [1, None, 3]}
    assert values(logger, sent) == [1, None, 3]
    assert values(logger, {"times": [], "kwh": []}) == []
    assert logger.quarantine == []


@pytest.mark.parametrize(
    ("keys", "channel", "sent", "words"),
    [
        (TIMED, "from: kwh", {"t": EIGHT_S, "kwh": [1, 2]}, "a list of 2 values"),
        ("", "from: kwh", {"kwh": [1, 2]}, "a list of 2 values"),
        (TIMED, "from: \"l[?m=='x'].kwh | [0]\"",
         {"t": EIGHT_S, "l": [{"m": "x", "kwh": 1}, {"m": "x", "kwh": 2}]}, "a list of 2 values"),
        (TIMED, "from: kwh", {"t": [EIGHT_S], "kwh": [1, 2]}, "a list of 2 values and one of 1"),
        (TIMED, "from: kwh", {"t": [EIGHT_S, EIGHT_S + 1], "kwh": 1}, "a list of 2 times"),
        (TIMED, "from: \"max([l[?m=='x'].kwh | [0], `0`])\"",
         {"t": EIGHT_S, "l": [{"m": "x", "kwh": 1}, {"m": "x", "kwh": 2}]}, "a list of 2"),
        (TIMED, "from: \"l[?m=='x'].kwh || other\"",
         {"t": EIGHT_S, "l": [{"m": "x", "kwh": 1}, {"m": "x", "kwh": 2}]}, "a list of 2 values"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_told_apart_is_refused_with_that_word(
    keys: str, channel: str, sent: Any, words: str
) -> None:
    refused = device_of(keys, f"{ENERGY}, {channel}")
    assert refused.receive("d", sent) == []
    assert words in detail(refused)


def test_the_first_of_a_list_can_be_meant() -> None:
    first = device_of(TIMED, f'{ENERGY}, from: "l[*].kwh | [:1] | [0]"')
    assert values(first, {"t": EIGHT_S, "l": [{"kwh": 1}, {"kwh": 2}]}) == [1]
    assert first.quarantine == []


def test_records_that_a_filter_picks_are_all_taken() -> None:
    gateway = device_of(
        "records: \"[?m=='x'] | [0]\"\n    timestamp: {from: ts}", f"{ENERGY}, from: kwh"
    )
    sent = [{"m": "x", "ts": EIGHT_S, "kwh": 1}, {"m": "x", "ts": EIGHT_S + 60, "kwh": 2}]
    assert values(gateway, sent) == [1, 2]


def test_an_interval_array_with_one_time_is_refused_once() -> None:
    idm = device_of(
        "timestamp: {from: Time}",
        "id: e, from: Message.Intervals, quantity: energy, unit: Wh, kind: interval, length: 5m,"
        " stamp: end",
    )
    sent = {"Time": "2026-06-01T08:00:00Z", "Message": {"Intervals": [0, 0, 1, 1, 2]}}
    assert idm.receive("d", sent) == []
    assert detail(idm).count("a list of 5 values") == 1


def test_a_function_of_what_is_not_there_says_nothing() -> None:
    shelly = device_of(
        "timestamp: {from: ts}",
        f'{ENERGY}, from: "sum([em.a, em.b])"',
        'id: p, quantity: power, unit: W, kind: gauge, from: "abs(em.p)"',
    )
    assert values(shelly, {"ts": EIGHT_S, "other": 1}) == []
    assert values(shelly, {"ts": EIGHT_S, "em": {"a": 1}}) == []
    assert values(shelly, {"ts": EIGHT_S, "em": {"a": 1, "b": 2, "p": -3}}) == [3, 3]
    assert shelly.quarantine == []
    assert values(shelly, {"ts": EIGHT_S, "em": {"a": "x", "b": 2}}) == []
    assert shelly.reasons() == ["bad_mapping"]


# -- quality --------------------------------------------------------------------------------------

STATUS = (
    "quality: {from: Flag, map: {N: good, C: calibration, M: maintenance, D: bad, E: uncertain}}"
)
LETTERS = {"N": 0, "E": 1, "D": 2, "C": 3, "M": 4}


def qualities(station: Station, *payloads: Any) -> list[int]:
    return [quality for payload in payloads for quality in station.qualities("d", payload)]


@pytest.mark.parametrize(("letter", "quality"), LETTERS.items())
def test_each_word_of_the_map(letter: str, quality: int) -> None:
    cems = device_of(f"{TIMED}\n    {STATUS}", f"{ENERGY}, from: v")
    assert qualities(cems, {"t": EIGHT_S, "v": 1, "Flag": letter}) == [quality]
    assert qualities(cems, {"t": EIGHT_S, "v": 1, "Flag": f" {letter} "}) == [quality]
    assert qualities(cems, {"t": EIGHT_S, "v": 1}) == [0]


@pytest.mark.parametrize(
    ("said", "quality"),
    [(True, 0), (False, 2), ("True", 0), ("false", 2), (192, 0), (192.0, 0), ("192", 0), (0, 2),
     (-1, 2), (0.5, 1)],
)  # fmt: skip
def test_booleans_and_numbers_are_words_too(said: Any, quality: int) -> None:
    words = "{true: good, false: bad, 192: good, '0': bad, -1: bad, 0.5: uncertain}"
    opc = device_of(f"{TIMED}\n    quality: {{from: q, map: {words}}}", f"{ENERGY}, from: v")
    assert qualities(opc, {"t": EIGHT_S, "v": 1, "q": said}) == [quality]


def test_a_word_that_nobody_explained_is_refused_unless_there_is_a_default() -> None:
    sent = {"t": EIGHT_S, "v": 1, "Flag": "X"}
    strict = device_of(f"{TIMED}\n    {STATUS}", f"{ENERGY}, from: v")
    assert qualities(strict, sent) == []
    assert strict.reasons() == ["bad_quality"]
    assert '"X" is not in quality.map' in detail(strict)
    lenient = device_of(
        f"{TIMED}\n    quality: {{from: Flag, map: {{N: good}}, default: uncertain}}",
        f"{ENERGY}, from: v",
    )
    assert qualities(lenient, sent, {"t": EIGHT_S, "v": 1}, {**sent, "Flag": "N"}) == [1, 1, 0]


def test_the_channels_own_quality_goes_before_the_devices() -> None:
    both = device_of(
        f"{TIMED}\n    quality: {{from: q, map: {{ok: good, no: bad}}}}",
        f"{ENERGY}, from: v, quality: {{from: w, map: {{no: good, ok: bad}}}}",
        "id: p, quantity: power, unit: W, kind: gauge, from: v",
    )
    assert qualities(both, {"t": EIGHT_S, "v": 1, "q": "ok", "w": "ok"}) == [2, 0]


def test_a_bad_value_may_be_no_number_at_all() -> None:
    cems = device_of(f"{TIMED}\n    {STATUS}", f"{ENERGY}, from: v")
    for nothing in ("----", "NaN", None):
        assert values(cems, {"t": EIGHT_S, "v": nothing, "Flag": "D"}) == [None]
    assert cems.quarantine == []
    assert values(cems, {"t": EIGHT_S, "v": "----", "Flag": "N"}) == []
    assert cems.reasons() == ["bad_value"]


def test_each_of_a_list_has_its_own_quality() -> None:
    kepware = device_of(
        "timestamp: {from: \"values[?id=='a'].t\"}\n"
        "    quality: {from: \"values[?id=='a'].q\", map: {true: good, false: bad}}",
        f"{ENERGY}, from: \"values[?id=='a'].v | [0]\"",
    )
    sent = [{"id": "a", "t": EIGHT_S + i, "v": i, "q": i != 1} for i in range(3)]
    assert qualities(kepware, {"values": sent}) == [0, 2, 0]


# -- numbers and units ----------------------------------------------------------------------------


@pytest.mark.incident
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("00000012E9", "number: hex"),
        ("0000001300", "number: decimal or number: hex"),
        ("00000012DF", "number: hex"),
        ("12E9", "number: hex"),
        ("2,32", "number: comma"),
        ("1.234,5", "number: comma"),
        ("1.2 kWh", "'kWh' stands behind it"),
        ("1.2kWh", "'kWh' stands behind it"),
        ("17 %", "'%' stands behind it"),
    ],
)
def test_a_text_that_is_no_plain_number_says_what_to_do(sent: str, words: str) -> None:
    meter = device_of("", f"{ENERGY}, from: v")
    assert values(meter, {"v": sent}) == []
    assert meter.reasons() == ["bad_value"]
    assert words in detail(meter)


@pytest.mark.parametrize(
    ("kind", "sent", "value"),
    [
        ("hex", "00000012E9", 4841), ("hex", "0000001300", 4864), ("hex", "0x1f", 31),
        ("decimal", "0000001300", 1300), ("decimal", "12E3", 12000), ("decimal", 7, 7),
        ("comma", "2,32", 2.32), ("comma", "1.234,5", 1234.5), ("comma", "1.234.567", 1234567),
        ("comma", 2.5, 2.5),
    ],
)  # fmt: skip
def test_the_channel_can_say_how_texts_are_read(kind: str, sent: Any, value: float) -> None:
    meter = device_of("", f"{ENERGY}, from: v, number: {kind}")
    assert values(meter, {"v": sent}) == [value]


@pytest.mark.parametrize(
    ("kind", "sent"), [("hex", 4841), ("hex", "12G"), ("comma", "2.32"), ("comma", "1,002,32")]
)
def test_what_is_not_of_that_kind_is_refused(kind: str, sent: Any) -> None:
    meter = device_of("", f"{ENERGY}, from: v, number: {kind}")
    assert values(meter, {"v": sent}) == []
    assert meter.reasons() == ["bad_value"]


def test_a_bare_payload_with_a_decimal_comma() -> None:
    plain = device_of("", ENERGY)
    assert plain.receive("d", "2,32") == []
    assert "a list of 2 values" in detail(plain)
    assert "number: comma" in detail(plain)
    assert values(device_of("", f"{ENERGY}, number: comma"), "2,32") == [2.32]
    assert values(device_of("", f"{ENERGY}, number: hex"), "10") == [16]


@pytest.mark.incident
def test_a_unit_that_changes_in_the_payload() -> None:
    solis = device_of(
        "timestamp: {from: t, unit: ms}",
        "id: e, quantity: energy, unit: {from: u, map: {MWH: MWh}, default: kWh}, kind: counter,"
        " from: v",
    )
    sent = [("kWh", 999.9), ("MWh", 1.0009), ("MWH", 1.0019), (None, 1002.5), ("Wh", 1_003_000)]
    found = [values(solis, {"t": 1_780_300_800_000, "v": v, "u": u}) for u, v in sent]
    assert [each for (each,) in found] == pytest.approx([999.9, 1000.9, 1001.9, 1002.5, 1003.0])
    assert values(solis, {"t": 1_780_300_800_000, "v": 1, "u": "furlong"}) == []
    assert solis.reasons() == ["unit_not_convertible"]


# -- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("format: '%Y%m%d%H%M%S'", "20250619145824"),
        ("format: '%Y%m%d%H%M%S'", 20250619145824),
        ("format: '%Y%m%d%H%M%S%f'", "20250619145824000"),
        ("format: '%Y/%m/%d %H:%M:%S'", "2025/06/19 14:58:24"),
        ("format: '%d.%m.%Y, %H:%M:%S'", "19.06.2025, 14:58:24"),
        ("format: '%y%m%d%H%M%S'", "250619145824"),
        ("format: ['%Y%m%d%H%M%S%f', '%Y%m%d%H%M%S']", "20250619145824"),
        ("format: ['%Y%m%d%H%M%S', '%d.%m.%Y %H:%M:%S']", "19.06.2025 14:58:24"),
        ("unit: us", 1750316304000000),
        ("unit: ns", "1750316304000000000"),
        ("number: hex", "6853B510"),
    ],
)
def test_each_way_of_writing_a_time_can_be_said(rule: str, said: Any) -> None:
    logger = device_of(
        f"timestamp: {{from: t, timezone: Asia/Shanghai, {rule}}}", f"{ENERGY}, from: v"
    )
    (reading,) = logger.receive("d", {"t": said, "v": 1})
    assert reading.ts == datetime(2025, 6, 19, 6, 58, 24, tzinfo=UTC)


def test_a_device_may_write_times_in_several_ways() -> None:
    gateway = device_of(
        "records: batch\n    timestamp: {from: timestamp, timezone: Asia/Shanghai, format:"
        " ['%Y%m%d%H%M%S%f', '%Y%m%d%H%M%S', '%Y/%m/%d %H:%M:%S', '%d.%m.%Y', '%y%m%d%H%M%SS',"
        " '%y%m%d%H%M%S']}",
        f"{ENERGY}, from: v",
    )
    ways = {
        "20250619145824881": (6, 58, 24, 881_000),
        "20250619145824": (6, 58, 24, 0),
        "2025/06/19 14:58:24": (6, 58, 24, 0),
        "250619145824S": (6, 58, 24, 0),
        # twelve digits are none of the forms of fourteen
        "250619145824": (6, 58, 24, 0),
    }
    records = [{"timestamp": written, "v": number} for number, written in enumerate(ways)]
    taken = gateway.receive("d", {"batch": [*records, {"timestamp": "19.06.2025", "v": 9}]})
    assert [reading.ts for reading in taken[:-1]] == [
        datetime(2025, 6, 19, *clock, tzinfo=UTC) for clock in ways.values()
    ]
    assert taken[-1].ts == datetime(2025, 6, 18, 16, tzinfo=UTC)
    assert gateway.receive("d", {"batch": [{"timestamp": "19-06-2025", "v": 1}]}) == []
    assert "it is not of the form %Y%m%d%H%M%S%f or %Y%m%d%H%M%S or" in detail(gateway)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (20250619145824, "YYYYMMDDhhmmss;"),
        ("20250619145824", "'%Y%m%d%H%M%S'"),
        ("20250619145824881", "YYYYMMDDhhmmssSSS"),
        (202506191458, "YYYYMMDDhhmm;"),
        ("180119100000", "YYMMDDhhmmss"),
        (20250619, "YYYYMMDD;"),
        ("1750316304881000000", "unit: ns"),
        (1750316304881000, "unit: us"),
    ],
)
def test_a_number_that_only_looks_like_an_epoch_says_what_to_do(said: Any, words: str) -> None:
    logger = device_of("timestamp: {from: t, timezone: Asia/Shanghai}", f"{ENERGY}, from: v")
    assert logger.receive("d", {"t": said, "v": 1}) == []
    assert logger.reasons() == ["bad_time"]
    assert words in detail(logger)


def test_the_native_format_refuses_them_too() -> None:
    native = device_of(TIMED, f"{ENERGY}, from: v")
    topic = "emissions/field/d/readings"
    assert native.receive(topic, '{"ts": 20250619145824, "values": {"e": 1}}') == []
    assert native.reasons() == ["bad_time"]
    assert "YYYYMMDDhhmmss" in detail(native)


def test_a_clock_that_is_not_set_can_be_mapped_to_the_arrival() -> None:
    ams = device_of("timestamp: {from: '[t][?@ > `0`] | [0]'}", f"{ENERGY}, from: v")
    for said, ts in ((0, ARRIVAL), (EIGHT_S, EIGHT)):
        (reading,) = ams.receive("d", {"t": said, "v": 1})
        assert reading.ts == ts


# -- the hour that comes twice --------------------------------------------------------------------

MADRID = "records: data\n    timestamp: {from: t, timezone: Europe/Madrid}"
HOURLY = "id: e, from: kwh, quantity: energy, unit: kWh, kind: interval, length: 1h, stamp: start"
#: 2026-10-25T00:00 in Madrid, a day of 25 hours
MIDNIGHT = datetime(2026, 10, 24, 22, tzinfo=UTC)


def local_hours() -> list[str]:
    day = [f"2026-10-25T{hour:02}:00:00" for hour in range(24)]
    return [*day[:3], *day[2:]]


@pytest.mark.incident
@pytest.mark.parametrize("descending", [False, True])
def test_a_day_of_25_hours_in_one_message(descending: bool) -> None:
    datadis = device_of(MADRID, HOURLY)
    rows = [{"t": t, "kwh": k} for k, t in enumerate(local_hours())]
    found = datadis.receive(
        "d", {"data": rows[::-1] if descending else rows}, at=MIDNIGHT + timedelta(hours=34)
    )
    assert sorted((r.ts, r.value) for r in found) == [
        (MIDNIGHT + timedelta(hours=k), k) for k in range(25)
    ]


def test_quarters_that_go_back() -> None:
    datadis = device_of(MADRID, HOURLY)
    passes = [f"2026-10-25T02:{minute:02}:00" for minute in (0, 15, 30, 45)] * 2
    rows = [{"t": t, "kwh": k} for k, t in enumerate(["2026-10-25T01:45:00", *passes])]
    found = datadis.receive("d", {"data": rows}, at=MIDNIGHT + timedelta(hours=34))
    first = MIDNIGHT + timedelta(hours=1, minutes=45)
    assert [r.ts for r in found] == [first + k * timedelta(minutes=15) for k in range(9)]


def test_meters_of_one_message_do_not_mix_their_hours() -> None:
    two = device_of(
        MADRID,
        HOURLY.replace("from: kwh", "from: a"),
        HOURLY.replace("id: e", "id: f").replace("from: kwh", "from: b"),
    )
    # one record for each meter and hour: the time repeats for each
    rows = [{"t": t, key: k} for k, t in enumerate(local_hours()) for key in ("a", "b")]
    found = two.receive("d", {"data": rows}, at=MIDNIGHT + timedelta(hours=34))
    for channel in ("d.e", "d.f"):
        times = [r.ts for r in found if r.channel == channel]
        assert times == [MIDNIGHT + timedelta(hours=k) for k in range(25)]


def test_a_value_that_is_refused_keeps_its_place_in_the_row() -> None:
    datadis = device_of(MADRID, HOURLY)
    rows = [{"t": t, "kwh": "?" if k == 2 else k} for k, t in enumerate(local_hours())]
    found = datadis.receive("d", {"data": rows}, at=MIDNIGHT + timedelta(hours=34))
    assert (MIDNIGHT + timedelta(hours=3), 3) in [(r.ts, r.value) for r in found]
    assert MIDNIGHT + timedelta(hours=2) not in [r.ts for r in found]


@pytest.mark.parametrize(("arrival_hour", "hour"), [(2, 2), (3, 3)])
def test_a_single_message_in_that_hour_is_resolved_by_its_arrival(
    arrival_hour: int, hour: int
) -> None:
    datadis = device_of(MADRID, HOURLY)
    rows = [{"t": "2026-10-25T02:00:00", "kwh": 1}]
    at = MIDNIGHT + timedelta(hours=arrival_hour, minutes=1)
    (reading,) = datadis.receive("d", {"data": rows}, at=at)
    assert reading.ts == MIDNIGHT + timedelta(hours=hour)


def test_two_in_a_row_are_not_put_after_their_arrival() -> None:
    datadis = device_of(MADRID, HOURLY)
    rows = [{"t": f"2026-10-25T02:{m}:00", "kwh": 1} for m in ("30", "00")]
    at = MIDNIGHT + timedelta(hours=3, seconds=5)
    found = datadis.receive("d", {"data": rows}, at=at)
    assert [r.ts - MIDNIGHT for r in found] == [timedelta(hours=2.5), timedelta(hours=3)]


def test_the_same_values_on_any_other_day_are_repeated() -> None:
    datadis = device_of(MADRID, HOURLY)
    rows = [{"t": "2026-10-26T02:00:00", "kwh": 1}] * 2
    found = datadis.receive("d", json.dumps({"data": rows}), at=MIDNIGHT + timedelta(hours=58))
    assert len({r.ts for r in found}) == 1
