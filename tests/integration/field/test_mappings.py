"""Field cases of foreign JSON, from the message to the total."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.field.bench import FieldBench

pytestmark = [pytest.mark.database, pytest.mark.incident]

_EIGHT = datetime(2026, 6, 1, 8, tzinfo=UTC)
_EIGHT_MS = int(_EIGHT.timestamp() * 1000)
_NOON = _EIGHT + timedelta(hours=4)


def test_calibration_gas_is_no_emission(field: FieldBench) -> None:
    field.apply("""
facility: {id: works, name: Works, timezone: Asia/Shanghai}
devices:
  - id: cems
    topic: cems
    format: json
    timestamp: {from: DataTime, timezone: Asia/Shanghai}
    channels:
      - id: co2
        from: CP.a05001.Rtd
        quality: {from: CP.a05001.Flag, map: {N: good, C: calibration, M: maintenance, D: bad}}
        quantity: fraction
        unit: "%"
        kind: gauge
        basis: wet
        range: [0, 25]
        max_gap: 120
      - id: flow
        from: CP.a00000.Rtd
        quality: {from: CP.a00000.Flag, map: {N: good, C: calibration, M: maintenance, D: bad}}
        quantity: volume_flow
        unit: scf/h
        kind: gauge
        basis: wet
        max_gap: 120
sources:
  - {id: stack, scope: 1, method: stack, equation: F-11, inputs: {co2: cems.co2, flow: cems.flow}}
""")
    # ten minutes of 10 % and a million scf/h, four to six under calibration gas of 18 %
    for minute in range(11):
        calibrated = 4 <= minute < 7
        field.deliver(
            [
                (
                    "cems",
                    json.dumps(
                        {
                            "DataTime": f"2026-06-01T16:{minute:02}:00",
                            "CP": {
                                "a05001": {
                                    "Rtd": "18.0" if calibrated else "10.0",
                                    "Flag": "C" if calibrated else "N",
                                },
                                "a00000": {"Rtd": "1000000", "Flag": "N"},
                            },
                        }
                    ),
                )
            ],
            at=_EIGHT + timedelta(minutes=minute, seconds=5),
        )
    field.settle(_NOON)
    minutes = field.rows(
        "SELECT minute, co2_ug FROM emission_minute WHERE minute < %s ORDER BY 1",
        (_EIGHT + timedelta(minutes=10)),
    )
    kg = [None if row["co2_ug"] is None else row["co2_ug"] / 1e9 for row in minutes]
    # 5.7e-7 x 10 x 1e6 short tons an hour
    a_minute = 5.7 * 907.18474 / 60
    assert sum(each or 0 for each in kg) == pytest.approx(7 * a_minute, rel=1e-6)
    assert field.quarantine() == []


def test_a_bad_reading_is_unknown_and_not_zero(field: FieldBench) -> None:
    field.apply("""
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: kep
    topic: kep
    format: json
    records: values
    timestamp: {from: t, unit: ms}
    quality: {from: q, map: {true: good, false: bad}}
    channels:
      - {id: co2, from: "[@][?id=='CO2'].v | [0]", quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 120}
      - {id: flow, from: "[@][?id=='Flow'].v | [0]", quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120}
sources:
  - {id: stack, scope: 1, method: stack, equation: F-11, inputs: {co2: kep.co2, flow: kep.flow}}
""")  # noqa: E501 - one line a channel
    for minute, good in ((0, True), (1, False), (2, False), (5, True), (6, True)):
        t = _EIGHT_MS + minute * 60_000
        field.deliver(
            [
                (
                    "kep",
                    json.dumps(
                        {
                            "values": [
                                {"id": "CO2", "v": 10.0 if good else 0, "q": good, "t": t},
                                {"id": "Flow", "v": 1_000_000 if good else 0, "q": good, "t": t},
                                {"id": "MSN", "v": "MSN1", "q": True, "t": t},
                            ]
                        }
                    ),
                )
            ],
            at=_EIGHT + timedelta(minutes=minute, seconds=5),
        )
    field.settle(_NOON)
    found = {
        row["minute"]: row["covered_ms"]
        for row in field.rows("SELECT minute, covered_ms FROM emission_minute ORDER BY 1")
    }
    covered = [found.get(_EIGHT + timedelta(minutes=k), 0) for k in range(6)]
    assert covered == [60_000, 0, 0, 0, 0, 60_000]
    assert [quality for _, _, quality in field.readings("kep.co2")] == [0, 2, 2, 0, 0]


def test_a_batch_of_two_readings_for_each_meter_counts_both(field: FieldBench) -> None:
    field.apply("""
facility: {id: fleet, name: Fleet, timezone: Asia/Kolkata}
devices:
  - id: gw
    topic: gw
    format: json
    channels:
      - {id: one, from: "[?macid=='Slave1'].kwh | [0]", timestamp: {from: "[?macid=='Slave1'].ts | [0]"}, quantity: energy, unit: kWh, kind: counter, max_rate: 100}
      - {id: two, from: "[?macid=='Slave2'].kwh | [0]", timestamp: {from: "[?macid=='Slave2'].ts | [0]"}, quantity: energy, unit: kWh, kind: counter, max_rate: 100}
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]
sources:
  - {id: hall-1, scope: 2, method: activity, input: gw.one, factor: f}
  - {id: hall-2, scope: 2, method: activity, input: gw.two, factor: f}
""")  # noqa: E501 - one line a channel
    start = _EIGHT_MS // 1000
    batches = [
        [("Slave1", 0, "100.0"), ("Slave2", 0, "500.0"), ("Slave9", 0, "1")],
        [("Slave2", 1800, "504.0"), ("Slave1", 1800, "101.0")],
        [("Slave1", 2700, "101.5"), ("Slave2", 2700, "506.0"), ("Slave1", 3600, "102.0"),
         ("Slave2", 3600, "508.0")],
    ]  # fmt: skip
    for batch in batches:
        sent = [{"macid": m, "ts": start + s, "kwh": kwh} for m, s, kwh in batch]
        field.deliver([("gw", json.dumps(sent))], at=_EIGHT + timedelta(hours=1))
    field.settle(_NOON)
    assert field.total("hall-1")[0] == pytest.approx(2)
    assert field.total("hall-2")[0] == pytest.approx(8)
    assert field.quarantine() == []


def test_the_day_of_25_hours_has_25(field: FieldBench) -> None:
    field.apply("""
facility: {id: house, name: House, timezone: Europe/Madrid}
devices:
  - id: cups
    topic: cups
    format: json
    records: data
    timestamp: {from: t, timezone: Europe/Madrid}
    channels: [{id: energy, from: kwh, quantity: energy, unit: kWh, kind: interval, length: 1h, stamp: start}]
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: cups.energy, factor: f, lateness: 3d}]
""")  # noqa: E501 - one line a channel
    clock = [*range(3), *range(2, 24)]
    rows = [
        {"t": f"2026-10-25T{hour:02}:00:00", "kwh": round(1 + k / 100, 2)}
        for k, hour in enumerate(clock)
    ]
    morning = datetime(2026, 10, 26, 8, tzinfo=UTC)
    field.deliver([("cups", json.dumps({"data": rows}))], at=morning)
    field.settle(morning)
    hours = field.hours("grid")
    assert len([hour for hour in hours if hour["activity"]]) == 25
    assert field.total("grid")[0] == pytest.approx(28.0)
    assert field.quarantine() == []


def test_a_unit_that_grows_with_the_figure(field: FieldBench) -> None:
    field.apply("""
facility: {id: roof, name: Roof, timezone: Europe/Amsterdam}
devices:
  - id: inv
    topic: inv
    format: json
    timestamp: {from: dataTimestamp, unit: ms}
    channels:
      - {id: total, from: eTotal, quantity: energy, unit: {from: eTotalStr, default: kWh}, kind: counter, max_rate: 10}
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: inv.total, factor: f}]
""")  # noqa: E501 - one line a channel
    for k, (figure, unit) in enumerate(
        [(999.0, "kWh"), (999.9, "kWh"), (1.0009, "MWh"), (1.0019, "MWh")]
    ):
        sent = {
            "eTotal": figure,
            "eTotalStr": unit,
            "dataTimestamp": str(_EIGHT_MS + k * 1_800_000),
        }
        field.deliver([("inv", json.dumps(sent))], at=_EIGHT + timedelta(hours=k / 2))
    field.settle(_NOON)
    assert field.total("grid")[0] == pytest.approx(2.9)


_WORTH = """
facility: {id: house, name: House, timezone: UTC}
devices:
  - id: rtlamr
    topic: rtlamr
    format: json
    timestamp: {from: Time}
    channels:
      - {id: energy, from: Message.Consumption, quantity: energy, unit: kWh, kind: counter}
  - id: inverter
    topic: inverter
    format: json
    timestamp: {from: ts}
    channels:
      - {id: power, from: active_power, quantity: power, unit: W, kind: gauge, max_gap: 30m, direction: both}
factors: [{id: f, unit: kWh, co2_kg: 0.25, citation: a}]
sources:
  - {id: house, scope: 2, method: activity, input: rtlamr.energy, factor: f}
  - {id: grid, scope: 2, method: activity, input: inverter.power, factor: f}
"""  # noqa: E501 - one line a channel


def test_a_decimal_point_and_a_sign_are_set_right_after_the_fact(field: FieldBench) -> None:
    field.apply(_WORTH)
    field.deliver(
        [
            (
                "rtlamr",
                json.dumps({"Time": f"2026-06-01T08:{t}:00Z", "Message": {"Consumption": v}}),
            )
            for t, v in (("00", 6673907), ("30", 6674007))
        ],
        at=_EIGHT + timedelta(hours=1),
    )
    # what flows in is below zero to this maker
    watts = (-2000, -2000, 3000, 3000, 0)
    field.deliver(
        [
            ("inverter", json.dumps({"ts": (_EIGHT + k * timedelta(minutes=15)).isoformat(),
                                     "active_power": w}))
            for k, w in enumerate(watts)
        ],
        at=_EIGHT + timedelta(hours=1),
    )  # fmt: skip
    field.settle(_NOON)

    def exported() -> float:
        (row,) = field.rows("SELECT sum(exported_n) / 1e9 AS kwh FROM emission_hour")
        return float(row["kwh"])

    assert field.total("house")[0] == pytest.approx(100)
    assert (field.total("grid")[0], exported()) == (pytest.approx(1.5), pytest.approx(1.0))
    field.apply(
        _WORTH.replace(
            "from: Message.Consumption", "from: Message.Consumption, scale: 0.01"
        ).replace("from: active_power", "from: active_power, scale: -1")
    )
    field.settle(_NOON)
    assert field.total("house") == (pytest.approx(1.0), pytest.approx(0.25))
    assert field.total("grid") == (pytest.approx(1.0), pytest.approx(0.25))
    assert exported() == pytest.approx(1.5)
    assert [value for _, value, _ in field.readings("rtlamr.energy")] == [6673907, 6674007]
    assert field.quarantine() == []
