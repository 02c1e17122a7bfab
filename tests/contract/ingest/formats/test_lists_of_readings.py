"""Messages that hold many readings: which records are meant, and when each was measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.core.facility.file import FacilityFileError, parse
from tests.contract.ingest.formats.station import (
    ARRIVAL,
    ARRIVAL_TIME,
    Reading,
    Station,
    station_of,
)

EIGHT = datetime(2026, 6, 1, 8, tzinfo=UTC)
EIGHT_S = int(EIGHT.timestamp())
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

ENERGY = "quantity: energy, unit: kWh, kind: counter"
POWER = "quantity: power, unit: W, kind: gauge"
INTERVAL = "quantity: energy, unit: Wh, kind: interval, length: 5m, stamp: end"


def text(keys: str, *channels: str) -> str:
    listed = "".join(f"\n      - {{{each}}}" for each in channels)
    return f"""
facility: {{id: field, name: Field, timezone: UTC}}
devices:
  - id: d
    topic: d
    format: json
    {keys.replace("; ", chr(10) + "    ")}
    channels:{listed}
"""


def readings(station: Station, payload: Any) -> list[tuple[datetime, float | None]]:
    return [(reading.ts, reading.value) for reading in station.receive("d", payload)]


# -- records --------------------------------------------------------------------------------------

BATCH = [
    {"macid": "Slave1", "ts": EIGHT_S, "kwh": "101.5"},
    {"macid": "Slave2", "ts": EIGHT_S, "kwh": "506.0"},
    {"macid": "Slave1", "ts": EIGHT_S + 900, "kwh": "102.0"},
    {"macid": 9, "ts": EIGHT_S + 900, "kwh": "508.0"},
]


@pytest.mark.incident
def test_a_channel_is_read_from_the_records_that_it_names() -> None:
    gateway = station_of(
        text(
            'records: "[]"; timestamp: {from: ts}',
            f"id: slave1, from: kwh, where: {{macid: Slave1}}, {ENERGY}",
            f"id: others, from: kwh, where: {{macid: [Slave2, 9]}}, {ENERGY}",
        )
    )
    taken = [(r.channel, r.ts, r.value) for r in gateway.receive("d", BATCH)]
    assert taken == [
        ("d.slave1", EIGHT, 101.5),
        ("d.others", EIGHT, 506),
        ("d.slave1", EIGHT + 15 * MINUTE, 102),
        ("d.others", EIGHT + 15 * MINUTE, 508),
    ]
    assert gateway.quarantine == []


def test_a_device_takes_its_own_records_of_a_topic() -> None:
    other = """
  - id: e
    topic: d
    format: json
    records: "[]"
    where: {macid: 9}
    timestamp: {from: ts}
    channels: [{id: energy, from: kwh, quantity: energy, unit: kWh, kind: counter}]
"""
    own = text(
        'records: "[]"; where: {macid: Slave1, "type(kwh)": string}; timestamp: {from: ts}',
        f"id: energy, from: kwh, {ENERGY}",
    )
    taken = [(r.channel, r.value) for r in station_of(own + other).receive("d", BATCH)]
    assert taken == [("d.energy", 101.5), ("d.energy", 102), ("e.energy", 508)]


def test_a_whole_message_can_be_of_no_interest() -> None:
    meter = station_of(text("where: {type: [IDM, 7]}", f"id: e, from: v, {ENERGY}"))
    assert [v for _, v in readings(meter, {"type": "IDM", "v": 1})] == [1]
    assert [v for _, v in readings(meter, {"type": 7.0, "v": 2})] == [2]
    assert readings(meter, {"type": "SCM", "v": 3}) == readings(meter, {"v": 3}) == []
    assert meter.quarantine == []


def test_arrays_side_by_side_are_records() -> None:
    gateway = station_of(
        text(
            "columns: {id: names, v: values, t: time}; timestamp: {from: t}",
            f"id: a, from: v, where: {{id: A}}, {ENERGY}",
            f"id: b, from: v, where: {{id: B}}, {POWER}",
        )
    )
    sent = {"time": EIGHT_S, "names": ["A", "x", "B"], "values": [1, 2, 3]}
    assert readings(gateway, sent) == [(EIGHT, 1), (EIGHT, 3)]
    assert readings(gateway, {"time": EIGHT_S, "names": [], "values": []}) == []
    assert gateway.quarantine == []
    assert readings(gateway, {**sent, "values": [1, 2]}) == []
    assert "not of one length: id has 3, v has 2" in gateway.quarantine[0].detail


def test_rows_under_titles_are_records() -> None:
    table = station_of(
        text(
            "records: series[].values[]; columns: series[0].columns; timestamp: {from: time}",
            f"id: e, from: kwh, {ENERGY}",
        )
    )
    series = {"columns": ["time", "kwh"], "values": [[EIGHT_S, 1], [EIGHT_S + 60, None]]}
    assert readings(table, {"series": [series]}) == [(EIGHT, 1), (EIGHT + MINUTE, None)]
    assert readings(table, {"series": [{**series, "values": [[EIGHT_S]]}]}) == []
    assert "names 2 places, and there is a row of 1" in table.quarantine[0].detail


# -- times ----------------------------------------------------------------------------------------


@pytest.mark.incident
def test_intervals_of_a_list_are_timed_by_their_places() -> None:
    meter = station_of(
        text(
            "timestamp: {from: Time, step: 5m, order: newest-first}",
            f"id: e, from: Message.DifferentialConsumptionIntervals, {INTERVAL}",
        )
    )
    amounts = [0, 0, 1, 1, 2, 4, 4, 5, 5, 7, 7, 9, 9, 10, 11, 11, 12]
    message = {"DifferentialConsumptionIntervals": amounts}
    taken = readings(meter, {"Time": "2026-06-01T08:00:00Z", "Message": message})
    assert taken == [(EIGHT - 5 * i * MINUTE, amount) for i, amount in enumerate(amounts)]
    assert readings(meter, {"Message": message}) == []
    assert [entry.reason for entry in meter.quarantine] == ["bad_time"]


@pytest.mark.parametrize(
    ("rule", "hours"),
    [
        ("", [0, 1, 2]),
        (", place: last", [-2, -1, 0]),
        (", order: newest-first", [0, -1, -2]),
        (", order: newest-first, place: last", [2, 1, 0]),
    ],
)
@pytest.mark.parametrize("as_records", [False, True])
def test_which_value_the_time_is_of(rule: str, hours: list[int], as_records: bool) -> None:
    keys = f"timestamp: {{from: t, stands_in: message, step: 1h{rule}}}"
    keys, sent = (f"records: l; {keys}", "v") if as_records else (keys, '"l[].v"')
    logger = station_of(text(keys, f"id: e, from: {sent}, {ENERGY}"))
    payload = {"t": EIGHT_S, "l": [{"v": 1}, {"v": 2}, {"v": 3}]}
    times = [ts for ts, _ in readings(logger, payload)]
    assert times == [EIGHT + hour * HOUR for hour in hours]


def test_local_places_go_through_the_hour_that_comes_twice() -> None:
    keys = "timestamp: {from: t, timezone: Europe/Vienna, step: 1h}"
    logger = station_of(text(keys, f"id: e, from: l, {ENERGY}"))
    begin = datetime(2026, 10, 24, 22, tzinfo=UTC)
    taken = readings(logger, {"t": "2026-10-25T00:00:00", "l": [0, 1, 2, 3, 4, 5]})
    assert taken == [(begin + i * HOUR, i) for i in range(6)]


def test_records_can_share_the_time_of_their_message() -> None:
    batch = station_of(
        text(
            "records: metrics; timestamp: {from: timestamp, stands_in: message}",
            f"id: e, from: value, where: {{name: energy}}, {ENERGY}",
        )
    )
    metrics = [{"name": "energy", "value": 5, "timestamp": 1}, {"name": "x", "value": 6}]
    assert readings(batch, {"timestamp": EIGHT_S, "metrics": metrics}) == [(EIGHT, 5)]


@pytest.mark.incident
@pytest.mark.parametrize("unset", [0, "0", 0.0, "1970-01-01 00:00:00", ""])
def test_a_time_that_means_none_is_the_arrival(unset: Any) -> None:
    reader = station_of(
        text(
            'timestamp: {from: t, invalid: [0, "1970-01-01 00:00:00", ""]}',
            f"id: import, from: tPI, {ENERGY}",
        )
    )
    assert reader.receive("d", {"t": unset, "tPI": 109241.592}) == [
        Reading("d.import", ARRIVAL, 109241.592, ARRIVAL_TIME)
    ]
    assert readings(reader, {"t": EIGHT_S, "tPI": 109242}) == [(EIGHT, 109242)]
    assert reader.quarantine == []


def test_an_amount_is_not_timed_by_such_an_arrival() -> None:
    meter = station_of(text("timestamp: {from: t, invalid: [0]}", f"id: e, from: v, {INTERVAL}"))
    assert readings(meter, {"t": 0, "v": 1}) == []
    assert [entry.reason for entry in meter.quarantine] == ["bad_time"]


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "channel", "words"),
    [
        ("timestamp: {from: t, order: newest-first}", "from: v", "which needs step"),
        ("timestamp: {from: t, place: last}", "from: v", "which needs step"),
        ("timestamp: {from: t, step: 0}", "from: v", "seconds or a text such as 90s"),
        ("columns: names", "from: v", "say records: where the rows stand"),
        ("columns: {a: 'x['}", "from: v", "is not JMESPath"),
        ("where: {'x[': 1}", "from: v", "is not JMESPath"),
        ("", "from: v, where: {'x[': 1}", "is not JMESPath"),
        ("", "from: v, where: {}", "where"),
    ],
)
def test_what_a_file_cannot_mean_is_told(keys: str, channel: str, words: str) -> None:
    with pytest.raises(FacilityFileError) as caught:
        parse(text(keys, f"id: e, {channel}, {ENERGY}"))
    assert words in str(caught.value.problems[0])
