"""The smart meter adapter of Oesterreichs Energie: a time for each OBIS code."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.contract.ingest.formats.station import Reading, Station, station

TOPIC = "sma/90296857"


@pytest.fixture
def adapter() -> Station:
    return station("oesterreichs-energie")


def test_a_register_beside_a_code_that_nobody_knows(adapter: Station) -> None:
    payload = (
        '{"1-0:1.8.0":{"value":83622,"time":1698218800},"UNKNOWN-OBIS-CODE":{"value":0,"time":0},'
        '"api_version":"v1","name":"90296857","sma_time":83854.3}'
    )
    assert adapter.receive(TOPIC, payload) == [
        Reading("sma-90296857.import", datetime(2023, 10, 25, 7, 26, 40, tzinfo=UTC), 83622)
    ]
    assert adapter.quarantine == []


def test_a_power_alone(adapter: Station) -> None:
    payload = (
        '{"1-0:1.7.0":{"value":152,"time":1698915600},"api_version":"v1","name":"",'
        '"sma_time":2370.6}'
    )
    assert adapter.receive(TOPIC, payload) == [
        Reading("sma-90296857.power", datetime(2023, 11, 2, 9, tzinfo=UTC), 152)
    ]


def test_each_code_has_its_own_time_and_zero_is_none(adapter: Station) -> None:
    payload = (
        '{"1-0:1.8.0":{"value":83622,"time":1698218800},"1-0:2.8.0":{"value":7,"time":0},'
        '"1-0:1.7.0":{"value":152,"time":1698218801}}'
    )
    found = adapter.receive(TOPIC, payload)
    assert [(r.channel.partition(".")[2], r.ts.second) for r in found] == [
        ("import", 40),
        ("power", 41),
    ]
    assert [(e.reason, e.channel) for e in adapter.quarantine] == [("absurd_time", "export")]
