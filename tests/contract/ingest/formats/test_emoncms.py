"""Emoncms: the forms of docs/user_guide/postingdata.md."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.contract.ingest.formats.station import ARRIVAL, ARRIVAL_TIME, Reading, Station, station

TX = "emon/emontx"


@pytest.fixture
def emon() -> Station:
    return station("emoncms")


def test_a_value_at_its_own_topic(emon: Station) -> None:
    assert emon.receive("emon/mynode/power1", "100") == [
        Reading("emon-mynode.power", ARRIVAL, 100, ARRIVAL_TIME)
    ]


@pytest.mark.parametrize(
    "payload",
    [
        "10,11,0,0,230.1,12",
        " 10.0, 11, 0, 0, 230.1, +12\n",
        "[10,11,0,0,230.1,12]",
        "010,11,0,0,230.1,12",
    ],
)
def test_numbers_parted_by_commas(emon: Station, payload: str) -> None:
    assert emon.receive("emonhub/rx/10/values", payload) == [
        Reading("emon-node10.power-1", ARRIVAL, 10, ARRIVAL_TIME),
        Reading("emon-node10.power-2", ARRIVAL, 11, ARRIVAL_TIME),
        Reading("emon-node10.energy", ARRIVAL, 12, ARRIVAL_TIME),
    ]


def test_fewer_numbers_than_channels(emon: Station) -> None:
    assert len(emon.receive("emonhub/rx/10/values", "10,11")) == 2


@pytest.mark.parametrize(
    ("time", "ts"),
    [
        (1720080000, datetime(2024, 7, 4, 8, tzinfo=UTC)),
        ("1720080000", datetime(2024, 7, 4, 8, tzinfo=UTC)),
        ("2025-07-04T12:00:00Z", datetime(2025, 7, 4, 12, tzinfo=UTC)),
    ],
)
def test_json_with_a_time(emon: Station, time: Any, ts: datetime) -> None:
    assert emon.receive(TX, {"power": 10, "vrms": 230.1, "time": time}) == [
        Reading("emon-emontx.power", ts, 10)
    ]


def test_json_with_names_and_without_a_time(emon: Station) -> None:
    payload = '{"power":{"name":"ct1","value":10},"vrms":{"value":230.1},"wh":{"value":5012}}'
    assert emon.receive(TX, payload) == [
        Reading("emon-emontx.power", ARRIVAL, 10, ARRIVAL_TIME),
        Reading("emon-emontx.energy", ARRIVAL, 5012, ARRIVAL_TIME),
    ]


@pytest.mark.parametrize("time", ["yesterday", "", True, [], {}])
def test_a_time_that_cannot_be_read_is_refused_and_not_replaced(emon: Station, time: Any) -> None:
    assert emon.receive(TX, {"power": 10, "time": time}) == []
    assert emon.reasons() == ["bad_time"]


@pytest.mark.parametrize("payload", ["10,,12", "10;11", "ten", "0x10", "10,nan", " "])
def test_what_is_neither_json_nor_numbers(emon: Station, payload: str) -> None:
    assert emon.receive("emonhub/rx/10/values", payload) == []
    assert [(e.reason, e.payload) for e in emon.quarantine] == [
        ("malformed_json", payload.encode())
    ]
