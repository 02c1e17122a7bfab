from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from msgspec.structs import astuple, replace

from services.core.store.registry.read import Channel, Device, Devices, RetiredTopic
from services.core.timeline.instants import to_us
from services.ingest.corrections import ABOVE_RANGE, BAD
from services.ingest.prepare import Prepared, TimeBounds, prepare
from services.ingest.quarantine.reasons import Reason
from services.ingest.resolve import Directory
from services.ingest.sources.source import Message

NOW = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
BOUNDS = TimeBounds(oldest=datetime(2000, 1, 1, tzinfo=UTC), future_tolerance=timedelta(minutes=10))


def channel(
    number: int, device: str, slug: str, *, kind: Literal["gauge", "counter"] = "gauge", **spec: Any
) -> Channel:
    return Channel(
        id=number, facility_id=7, facility="linz", device=device, slug=slug, quantity="energy",
        unit="kWh", kind=kind, spec=spec,
    )  # fmt: skip


def device(number: int, slug: str, topic: str | None = None, wire_format: str = "native") -> Device:
    channels = (
        channel(10 * number, slug, "a"),
        channel(10 * number + 1, slug, "b", range=[0, 9]),
        channel(10 * number + 2, slug, "c", kind="counter"),
        channel(10 * number + 3, slug, "m", invalid=[9999.9, -1, 9999900]),
    )
    return Device(
        id=number, facility_id=7, facility="linz", slug=slug, topic=topic, format=wire_format,
        spec={}, channels={each.slug: each for each in channels},
    )  # fmt: skip


def directory() -> Directory:
    devices = [device(1, "meter"), device(2, "own", "tele/own/SENSOR"), device(3, "odd", None, "x")]
    return Directory(
        Devices(
            revision=1,
            facilities=frozenset({"linz", "graz", "wien"}),
            by_name={(each.facility, each.slug): each for each in devices},
            retired={"wien": NOW},
            retired_topics=(
                RetiredTopic(topic="tele/gone/SENSOR", facility="wien", device="gone"),
                RetiredTopic(topic="tele/own/SENSOR", facility="wien", device="shared"),
            ),
        )
    )


def message(topic: str, payload: str | bytes, *, retained: bool = False) -> Message:
    return Message(
        topic=topic,
        payload=payload.encode() if isinstance(payload, str) else payload,
        received_at=NOW,
        token=1,
        retained=retained,
    )


def prepared(topic: str, payload: str | bytes, *, retained: bool = False) -> Prepared:
    return prepare([message(topic, payload, retained=retained)], directory(), BOUNDS)


READINGS = "emissions/linz/meter/readings"
GOOD = '{"ts": "2026-11-23T18:00:00Z", "values": {"a": 1, "b": {"v": 2000, "u": "Wh"}}}'


def test_a_good_message_becomes_rows_in_the_channels_units() -> None:
    result = prepared(READINGS, GOOD)
    ts_us = to_us(datetime(2026, 11, 23, 18, tzinfo=UTC))
    assert [astuple(row)[:7] for row in result.rows] == [
        (7, 10, ts_us, 1.0, 0, 0, to_us(NOW)),
        (7, 11, ts_us, 2.0, 0, 0, to_us(NOW)),
    ]
    assert [row.channel for row in result.rows] == ["a", "b"]
    assert result.quarantine == []
    assert not result.missed
    assert result.sightings[1].seen_at == NOW


@pytest.mark.parametrize(
    ("topic", "reason", "missed"),
    [
        ("emissions/linz/readings", Reason.BAD_TOPIC, False),
        ("emissions/wels/meter/readings", Reason.UNKNOWN_FACILITY, True),
        ("emissions/linz/metre/readings", Reason.UNKNOWN_DEVICE, True),
        ("emissions/graz/meter/readings", Reason.UNKNOWN_DEVICE, True),
        ("emissions/wien/meter/readings", Reason.RETIRED_FACILITY, True),
        ("tele/gone/SENSOR", Reason.RETIRED_FACILITY, True),
        ("emissions/linz/odd/readings", Reason.UNSUPPORTED_FORMAT, False),
    ],
)
def test_a_message_without_a_way_is_quarantined_whole(
    topic: str, reason: Reason, missed: bool
) -> None:
    result = prepared(topic, GOOD)
    (entry,) = result.quarantine
    assert (entry.reason, entry.topic, entry.payload) == (reason, topic, GOOD.encode())
    assert entry.received_at == NOW
    assert (result.rows, result.missed) == ([], missed)


def test_a_device_at_its_own_topic_and_at_the_native_one() -> None:
    for topic in ("tele/own/SENSOR", "emissions/linz/own/readings"):
        assert [row.channel_id for row in prepared(topic, GOOD).rows] == [20, 21]


@pytest.mark.parametrize("topic", ["tele/own/STATE", "emissions/linz/alerts/limit"])
def test_what_is_not_for_ingest_leaves_no_trace(topic: str) -> None:
    assert prepared(topic, "{") == Prepared()


def test_a_message_of_one_mebibyte_is_not_decoded() -> None:
    exactly = GOOD.encode() + b" " * ((1 << 20) - len(GOOD))
    result = prepared(READINGS, exactly)
    assert [(e.reason, e.payload) for e in result.quarantine] == [(Reason.TOO_LARGE, exactly)]
    assert len(prepared(READINGS, exactly[:-1]).rows) == 2


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ('"1"', Reason.BAD_VALUE),
        ("NaN", Reason.NOT_FINITE),
        ('{"v": 1, "u": "m3"}', Reason.UNIT_NOT_CONVERTIBLE),
        ("10", Reason.OUT_OF_RANGE),
    ],
)
def test_a_bad_value_is_quarantined_and_the_good_one_beside_it_stored(
    sent: str, reason: Reason
) -> None:
    result = prepared(READINGS, f'{{"ts": 1795456800, "values": {{"a": 1, "b": {sent}}}}}')
    # that of the gauge is a gap: what it held before, it holds no longer
    gap = (11, None, ABOVE_RANGE if reason is Reason.OUT_OF_RANGE else BAD)
    rows = [(row.channel_id, row.value, row.quality) for row in result.rows]
    assert sorted(rows) == [(10, 1.0, 0), gap]
    assert [r.for_refused for r in result.rows] == [r.value is None for r in result.rows]
    (entry,) = result.quarantine
    assert (entry.reason, entry.facility, entry.device, entry.channel) == (
        reason,
        "linz",
        "meter",
        "b",
    )
    assert entry.ts == datetime(2026, 11, 23, 18, tzinfo=UTC)


def test_a_refused_value_ends_no_hold_where_nothing_holds_or_no_time_is_known() -> None:
    counter = '{"ts": 1795456800, "values": {"c": {"v": 1, "u": "m3"}, "zz": 1}}'
    assert prepared(READINGS, counter).rows == []
    untimed = '{"ts": "soon", "values": {"b": 10}}'
    assert prepared(READINGS, untimed).rows == []
    absurd = '{"ts": 0, "values": {"b": 10}}'
    assert prepared(READINGS, absurd).rows == []
    broken = '{"ts": 0, "values": {"b": "x"}}'
    assert prepared(READINGS, broken).rows == []


@pytest.mark.parametrize(
    "sent",
    ["3.4028235e38", "-3.4028234663852886e38", "1.7976931348623157e308", "9999.9", "9999.900390625",
     "-1", '{"v": 9999900, "u": "Wh", "q": "uncertain"}'],
)  # fmt: skip
def test_a_number_that_means_no_value_is_a_gap(sent: str) -> None:
    result = prepared(READINGS, f'{{"ts": 1795456800, "values": {{"m": {sent}}}}}')
    assert [(row.value, row.quality) for row in result.rows] == [(None, 2)]
    assert result.quarantine == []


@pytest.mark.parametrize("sent", ["3.3e38", "9999.8", "0"])
def test_a_number_beside_it_is_a_value(sent: str) -> None:
    result = prepared(READINGS, f'{{"ts": 1795456800, "values": {{"m": {sent}}}}}')
    assert [(row.value, row.quality) for row in result.rows] == [(float(sent), 0)]


@pytest.mark.parametrize("ts", ["0", '"1970-01-01T00:00:00Z"', '"2106-02-07T06:28:15Z"', "1e13"])
def test_times_that_only_a_wrong_clock_says(ts: str) -> None:
    result = prepared(READINGS, f'{{"ts": {ts}, "values": {{"a": 1}}}}')
    assert result.rows == []
    assert [entry.reason for entry in result.quarantine] == [Reason.ABSURD_TIME]


@pytest.mark.parametrize("alone_after", [timedelta(0), timedelta(days=400)])
def test_the_oldest_reading_is_a_bound_however_recent_it_is(alone_after: timedelta) -> None:
    bounds = TimeBounds(
        oldest=NOW - timedelta(days=1), future_tolerance=timedelta(0), alone_after=alone_after
    )
    before = (NOW - timedelta(days=1, seconds=1)).isoformat()
    sent = message(READINGS, f'{{"ts": "{before}", "values": {{"a": 1}}}}')
    result = prepare([sent], directory(), bounds)
    assert (result.rows, result.old) == ([], [])
    assert [entry.reason for entry in result.quarantine] == [Reason.ABSURD_TIME]


def test_the_future_is_believed_as_far_as_the_tolerance() -> None:
    latest = NOW + timedelta(minutes=10)
    payload = '{{"ts": "{}", "values": {{"a": 1}}}}'
    assert len(prepared(READINGS, payload.format(latest.isoformat())).rows) == 1
    beyond = latest + timedelta(microseconds=1)
    assert prepared(READINGS, payload.format(beyond.isoformat())).rows == []


def test_problems_of_one_kind_share_one_entry_so_that_the_bytes_are_kept_once() -> None:
    values = ", ".join(f'"x{i}": {i}' for i in range(1000))
    result = prepared(READINGS, f'{{"ts": 1795456800, "values": {{"a": 1, {values}}}}}')
    assert len(result.rows) == 1
    (entry,) = result.quarantine
    assert entry.reason is Reason.UNKNOWN_CHANNEL
    assert "x0: " in entry.detail
    assert "and 990 more" in entry.detail
    assert entry.channel is None


def test_status_tells_who_is_there() -> None:
    status = "emissions/linz/meter/status"
    online = prepared(status, "online").sightings[1]
    assert (online.online, online.seen_at) == (True, NOW)
    offline = prepared(status, "offline").sightings[1]
    assert (offline.online, offline.seen_at) == (False, None)
    retained = prepared(status, "online", retained=True).sightings[1]
    assert (retained.online, retained.seen_at) == (True, None)
    assert [e.reason for e in prepared(status, "asleep").quarantine] == [Reason.BAD_STATUS]


def test_the_last_word_of_a_batch_counts() -> None:
    status = "emissions/linz/meter/status"
    batch = [message(status, "offline"), message(status, "online"), message(READINGS, GOOD)]
    sighting = prepare(batch, directory(), BOUNDS).sightings[1]
    assert (sighting.online, sighting.seen_at) == (True, NOW)


def test_of_two_statuses_the_later_one_counts_in_whichever_order_they_come() -> None:
    status = "emissions/linz/meter/status"
    earlier = replace(message(status, "offline"), stored_at=NOW - timedelta(seconds=2))
    later = replace(message(status, "online"), stored_at=NOW - timedelta(seconds=1))
    for batch in ([earlier, later], [later, earlier]):
        sighting = prepare(batch, directory(), BOUNDS).sightings[1]
        assert (sighting.online, sighting.said_at, sighting.seen_at) == (
            True,
            later.stored_at,
            later.stored_at,
        )


def test_where_the_broker_knows_the_arrival_it_is_that_and_not_the_delivery() -> None:
    stored_at = NOW - timedelta(minutes=25)
    held = prepare([replace(message(READINGS, GOOD), stored_at=stored_at)], directory(), BOUNDS)
    assert held.sightings[1].seen_at == stored_at
    # when it came into the database is another matter
    assert {row.received_us for row in held.rows} == {to_us(NOW)}
    bad = prepare([replace(message(READINGS, "{"), stored_at=stored_at)], directory(), BOUNDS)
    assert [entry.received_at for entry in bad.quarantine] == [stored_at]


@pytest.mark.parametrize("topic", [READINGS, "emissions/linz/meter/status", "emissions/nowhere"])
def test_an_empty_payload_takes_back_what_was_retained_and_says_nothing(topic: str) -> None:
    assert prepared(topic, b"") == Prepared()
