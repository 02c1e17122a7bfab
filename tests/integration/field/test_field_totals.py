"""Field cases whose right total is worked by hand: said with keys, from the message to the kg."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.field.bench import FieldBench

pytestmark = [pytest.mark.database]

_TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
_WH = [0, 0, 1, 1, 2, 4, 4, 5, 5, 7, 7, 9, 9, 10, 11, 11, 12]
_FILE = """
facility: {{id: works, name: Works, timezone: UTC}}
devices:
  - id: d
    topic: d
    format: json
    {time}
    channels: [{{id: c, {channel}}}]
factors: [{{id: supplier, unit: kWh, co2_kg: 0.5, citation: test}}]
sources: [{{id: grid, scope: 2, method: activity, input: d.c, factor: supplier}}]
"""


def _hex(register: str, time: str) -> str:
    return json.dumps({"elecMtr": {"0702": {"00": {"00": register}}}, "time": time})


@pytest.mark.parametrize(
    ("time", "channel", "messages", "total", "refused"),
    [
        pytest.param(
            "timestamp: {from: ts}",
            "from: active_power, direction: both, quantity: power, unit: W, kind: gauge,"
            " max_gap: 30m",
            [
                json.dumps({"ts": f"2026-06-01T{at}:00Z", "active_power": watts})
                for at, watts in (
                    ("08:00", 2000),
                    ("08:15", 2000),
                    ("08:30", -3000),
                    ("08:45", -3000),
                    ("09:00", 0),
                    ("09:10", None),
                )
            ],
            (1.0, 0.5),
            0,
            marks=pytest.mark.incident("01-bidirectional-power"),
        ),
        pytest.param(
            "timestamp: {from: Time, step: 5m, order: newest-first}",
            "from: Message.Intervals, quantity: energy, unit: Wh, kind: interval, length: 5m,"
            " stamp: end",
            [json.dumps({"Time": "2026-06-01T08:00:00Z", "Message": {"Intervals": _WH}})],
            (98, 0.049),
            0,
            marks=pytest.mark.incident("07-idm-interval-array"),
        ),
        pytest.param(
            "",
            "number: comma, quantity: energy, unit: kWh, kind: counter",
            ["2,32", "3,32", "1,002,32", "1.003,32"],
            (1001.0, 500.5),
            1,
            marks=pytest.mark.incident("08-comma-decimal"),
        ),
        pytest.param(
            "timestamp: {from: time, number: hex, unit: s}",
            'from: \'elecMtr."0702"."00"."00"\', number: hex, quantity: energy, unit: Wh,'
            " kind: counter, max_rate: 60000",
            [
                _hex("00000012DF", "6A1D3A00"),
                _hex("00000012E0", "6A1D3A3C"),
                _hex("00000012E5", "6A1D3AB4"),
                _hex("00000012E9", "6A1D3AF0"),
                _hex("0000001300", "6A1D3B2C"),
                _hex("0000001310", "6A1D3B68"),
            ],
            (49, 0.0245),
            0,
            marks=pytest.mark.incident("18-hex-registers"),
        ),
    ],
)
def test_the_total_of_a_field_case(
    field: FieldBench,
    time: str,
    channel: str,
    messages: list[str],
    total: tuple[float, float],
    refused: int,
) -> None:
    field.apply(_FILE.format(time=time, channel=channel))
    for k, payload in enumerate(messages):
        # what says no time comes a minute after the one before
        field.deliver([("d", payload)], at=_TEN + timedelta(minutes=k))
    field.settle(_TEN + timedelta(hours=4))
    assert field.total("grid") == pytest.approx(total)
    assert len(field.quarantine()) == refused


@pytest.mark.incident("17-glow-gas")
def test_a_register_that_shows_all_ones_for_days(field: FieldBench) -> None:
    """megakid/ha_hildebrand_glow_ihd_mqtt#6, #10, #48: 2^48-1 Wh, then the right figure."""
    field.apply("""
facility: {id: house, name: House, timezone: Europe/London}
devices:
  - id: gas
    topic: glow/SENSOR/gasmeter
    format: json
    timestamp: {from: gasmeter.timestamp}
    channels:
      - {id: kwh, from: gasmeter.import.cumulative, quantity: energy, unit: kWh, kind: counter, max_rate: 60}
      - {id: m3, from: gasmeter.import.cumulativevol, quantity: volume, unit: m3, kind: counter, max_rate: 6}
sources:
  - {id: by-kwh, scope: 1, method: activity, input: gas.kwh, factor: natural-gas}
  - {id: by-m3, scope: 1, method: activity, input: gas.m3, factor: natural-gas, calorific_value: 39.3, check: by-kwh}
""")  # noqa: E501 - one line a channel
    ones = 281474976710.655
    for at, kwh, m3 in (
        ("2026-06-29T10:00:00Z", ones, None),
        ("2026-06-29T10:30:00Z", ones, None),
        ("2026-06-30T12:00:00Z", 2702.5, 243.238),
        ("2026-06-30T12:30:00Z", 2708.128, 243.738),
        ("2026-06-30T13:00:00Z", 2713.756, 244.238),
        ("2026-06-30T13:30:00Z", ones, 244.338),
        ("2026-06-30T14:00:00Z", 2714.882, 244.338),
    ):
        volume = {} if m3 is None else {"cumulativevol": m3}
        sent = {"timestamp": at, "import": {"cumulative": kwh, **volume}}
        field.deliver(
            [("glow/SENSOR/gasmeter", json.dumps({"gasmeter": sent}))],
            at=datetime.fromisoformat(at),
        )
    field.settle(datetime(2026, 7, 1, tzinfo=UTC))
    assert field.total("by-kwh")[0] == pytest.approx(12.382)
    assert field.total("by-m3")[0] == pytest.approx(1.1)
    assert field.quarantine() == []
