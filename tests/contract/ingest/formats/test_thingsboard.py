"""The ThingsBoard device API: values with a time, a list of such, or bare values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.ingest.formats.station import ARRIVAL, ARRIVAL_TIME, Reading, Station, station

TOPIC = "boiler-house/v1/devices/me/telemetry"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def board() -> Station:
    return station("thingsboard")


def test_one_object(board: Station) -> None:
    payload = '{"ts":1451649600512,"values":{"energy":42.0,"firmware":"1.2"}}'
    assert board.receive(TOPIC, payload) == [
        Reading("boiler-house.energy", EPOCH + timedelta(milliseconds=1451649600512), 42.0)
    ]


def test_a_list(board: Station) -> None:
    payload = (
        '[{"ts":1451649600512,"values":{"energy":42.0}},'
        '{"ts":1451649601512,"values":{"energy":42.5,"temperature":71}}]'
    )
    first = EPOCH + timedelta(milliseconds=1451649600512)
    assert board.receive(TOPIC, payload) == [
        Reading("boiler-house.energy", first, 42.0),
        Reading("boiler-house.energy", first + timedelta(seconds=1), 42.5),
        Reading("boiler-house.temperature", first + timedelta(seconds=1), 71),
    ]


def test_bare_values_without_a_time(board: Station) -> None:
    assert board.receive(TOPIC, '{"energy":"42.5","temperature":71}') == [
        Reading("boiler-house.energy", ARRIVAL, 42.5, ARRIVAL_TIME),
        Reading("boiler-house.temperature", ARRIVAL, 71, ARRIVAL_TIME),
    ]


def test_one_bad_time_leaves_the_rest_of_the_list(board: Station) -> None:
    payload = (
        '[{"ts":"soon","values":{"energy":42.0}},{"ts":1451649601512,"values":{"energy":42.5}}]'
    )
    assert [r.value for r in board.receive(TOPIC, payload)] == [42.5]
    assert board.reasons() == ["bad_time"]


def test_a_list_of_too_many(board: Station) -> None:
    many = [{"ts": i, "values": {"energy": i}} for i in range(10_001)]
    assert board.receive(TOPIC, many) == []
    assert board.reasons() == ["too_many_values"]


def test_values_are_counted_not_records(board: Station) -> None:
    sent = [{"ts": 1_451_649_600_000 + i, "values": {"energy": i}} for i in range(6000)]
    assert len(board.receive(TOPIC, sent)) == 6000
    assert board.quarantine == []
