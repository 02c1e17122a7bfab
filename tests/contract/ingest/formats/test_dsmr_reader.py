"""DSMR-reader: telegrams as JSON with texts for numbers, and one value at each topic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.contract.ingest.formats.station import ARRIVAL, ARRIVAL_TIME, Reading, station

TELEGRAM = (
    '{"id":42,"timestamp":"2026-01-15T21:00:10+01:00","electricity_delivered_1":"5779.835",'
    '"electricity_returned_1":"0.000","electricity_delivered_2":"4123.010",'
    '"electricity_returned_2":"0.100","electricity_currently_delivered":"0.412",'
    '"electricity_currently_returned":"0.000","phase_currently_delivered_l1":"0.412",'
    '"extra_device_timestamp":"2026-01-15T21:00:00+01:00","extra_device_delivered":"981.443",'
    '"phase_voltage_l1":"231.0","phase_power_current_l1":2}'
)


def test_a_telegram_as_json() -> None:
    p1 = station("dsmr-reader-json")
    ts = datetime(2026, 1, 15, 20, 0, 10, tzinfo=UTC)
    assert p1.receive("dsmr/json", TELEGRAM) == [
        Reading("p1-json.import-low", ts, 5779.835),
        Reading("p1-json.import-high", ts, 4123.01),
        Reading("p1-json.export-low", ts, 0.0),
        Reading("p1-json.export-high", ts, 0.1),
        Reading("p1-json.power", ts, 0.412),
        Reading("p1-json.gas", ts - timedelta(seconds=10), 981.443),
    ]
    assert p1.quarantine == []


def test_without_a_gas_meter() -> None:
    p1 = station("dsmr-reader-json")
    payload = TELEGRAM.replace('"981.443"', "null").replace('"2026-01-15T21:00:00+01:00"', "null")
    gas = p1.receive("dsmr/json", payload)[-1]
    assert gas == Reading("p1-json.gas", ARRIVAL, None, ARRIVAL_TIME)


def test_a_telegram_in_split_topics() -> None:
    p1 = station("dsmr-reader-split")
    later = ARRIVAL + timedelta(milliseconds=3)
    p1.receive("dsmr/reading/timestamp", "2026-11-23T18:29:58+00:00")
    p1.receive("dsmr/reading/electricity_delivered_1", "5779.835")
    p1.receive("dsmr/reading/electricity_delivered_2", "4123.010", at=later)
    p1.receive("dsmr/reading/electricity_returned_1", "0.000")
    p1.receive("dsmr/reading/extra_device_delivered", "0981.443", at=later)
    assert p1.readings == [
        Reading("p1-split.import-low", ARRIVAL, 5779.835, ARRIVAL_TIME),
        Reading("p1-split.import-high", later, 4123.01, ARRIVAL_TIME),
        Reading("p1-split.gas", later, 981.443, ARRIVAL_TIME),
    ]
    assert p1.quarantine == []


def test_a_split_topic_that_carries_a_text() -> None:
    p1 = station("dsmr-reader-split")
    assert p1.receive("dsmr/reading/electricity_delivered_1", "None") == []
    assert [(e.reason, e.payload) for e in p1.quarantine] == [("malformed_json", b"None")]
