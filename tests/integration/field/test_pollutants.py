"""Pollutants of a stack, from messages to means, masses and what changes them later."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.aggregator.audit import verify
from services.aggregator.audit.findings import Kind
from services.core.facility.errors import ApplyError
from services.core.facility.file import parse
from services.core.store.database.connect import connect, engine
from services.core.store.emissions import final_hours
from services.core.store.operations import calibration_ranges
from services.core.store.operations.retire_facility import retire_facility
from services.core.store.registry.plan import facility_plans
from tests.integration.field.bench import FieldBench

_START = datetime(2026, 3, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)

_FILE = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: cems
    channels:
      - {id: co2, quantity: concentration, unit: g/Nm3, kind: gauge, basis: dry, max_gap: 120}
      - {id: flow, quantity: volume_flow, unit: Nm3/h, kind: gauge, basis: dry, max_gap: 120}
      - {id: o2, quantity: fraction, unit: "%%", kind: gauge, basis: dry, max_gap: 120}
      - {id: nox, quantity: fraction, unit: ppm, kind: gauge, basis: dry, max_gap: 120%s}
      - {id: dust, quantity: concentration, unit: mg/Nm3, kind: gauge, basis: dry, max_gap: 120}
      - {id: load, quantity: power, unit: MW, kind: gauge, max_gap: 120}
sources:
  - id: stack
    scope: 1
    method: stack
    equation: concentration-flow
    inputs: {co2: cems.co2, flow: cems.flow}
    operating: {channel: cems.load, above: 5}
    pollutants:
      - {id: nox, concentration: cems.nox, oxygen: cems.o2, reference_oxygen: 3, averaging: %s}
      - {id: dust, concentration: cems.dust, oxygen: cems.o2, reference_oxygen: 3%s}
"""


_LRV = "{id: l, rule: lrv, value: 5}"


def text(*, channel: str = "", averaging: str = "30min", more: str = "") -> str:
    return _FILE % (channel, averaging, more)


def deliver(
    field: FieldBench, number: int, *, minutes: Any = range(60), **values: float | None
) -> None:
    """Deliver one message in each of the minutes of an hour; a channel of None is left out."""
    start = _START + number * _HOUR
    given = {"co2": 200.0, "flow": 100_000, "o2": 6.0, "nox": 100.0, "dust": 5.0, "load": 50}
    field.deliver(
        [
            (
                "emissions/works/cems/readings",
                json.dumps(
                    {
                        "ts": (start + timedelta(minutes=m)).isoformat(),
                        "values": {
                            name: value
                            for name, value in {**given, **values}.items()
                            if value is not None
                        },
                    }
                ),
            )
            for m in minutes
        ],
        at=start + _HOUR,
    )


def close(field: FieldBench, number: int, minutes: int = 20) -> None:
    """Close all hours before the one given."""
    now = _START + number * _HOUR + timedelta(minutes=minutes)
    field.settle(now)
    field.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    field.connection.execute("UPDATE pollutant_mean SET known_at = known_at - interval '1 minute'")
    field.connection.execute("UPDATE touched SET committed_at = now()")
    field.settle(now + timedelta(minutes=1))


def means(field: FieldBench, pollutant: str) -> list[dict[str, Any]]:
    return field.rows(
        "SELECT * FROM pollutant_mean WHERE pollutant = %s ORDER BY starts", pollutant
    )


@pytest.mark.vector
def test_half_hours_and_hours_from_messages(field: FieldBench) -> None:
    field.apply(text())
    deliver(field, 0)
    close(field, 1)
    first, second = means(field, "nox")
    # 100 ppm x 46.0055 / 22.413969545 = 205.2537 mg/Nm3; x (21 - 3) / (21 - 6)
    assert first["dry_mg_m3"] == pytest.approx(205.2537, abs=1e-4)
    assert first["mean_mg_m3"] == pytest.approx(246.3044, abs=1e-4)
    assert (first["factor"], first["minutes"], first["valid"]) == (1.2, 30, True)
    # of half an hour of 100 000 Nm3/h
    assert first["mass_ug"] / 1e9 == pytest.approx(10.26268, abs=1e-5)
    assert first["inputs"] == {"concentration": 100.0, "oxygen": 6.0, "flow": 100_000.0}
    assert (first["starts"], second["starts"]) == (_START, _START + timedelta(minutes=30))
    (dust,) = means(field, "dust")
    assert (dust["mean_mg_m3"], dust["minutes"], dust["mass_ug"]) == (6.0, 60, 500_000_000)
    # nothing of it is CO2
    hour, _ = field.hours("stack")
    assert float(hour["co2_kg"]) == pytest.approx(20_000, rel=1e-6)


def test_means_tell_whether_they_lie_beyond_the_valid_calibration_range(
    field: FieldBench,
) -> None:
    # the range is of the mean at reference oxygen, as the report of the test states it: 120 ppm
    # are 246.3 mg/Nm3 at 2.05 mg/Nm3 a ppm
    function = (
        ", calibration_functions: [{valid_from: 2026-03-01, a: 0, b: 1, valid_range: [0, 121],"
        " citation: QAL2}]"
    )
    field.apply(text(channel=function))
    deliver(field, 0)
    deliver(field, 1, nox=102.0)
    deliver(field, 2, minutes=range(5))
    close(field, 3)
    found = [(mean["valid"], mean["beyond_calibration"]) for mean in means(field, "nox")]
    assert found == [(True, False)] * 2 + [(True, True)] * 2 + [(False, None)] * 2
    assert {mean["beyond_calibration"] for mean in means(field, "dust")} == {None}
    # a range that was wrong is held against the means anew
    field.apply(text(channel=function.replace("121", "130")))
    close(field, 3, 30)
    assert not any(mean["beyond_calibration"] for mean in means(field, "nox"))
    field.apply(text(channel=function))
    close(field, 3, 40)
    now = _START + timedelta(days=8)
    asked = {"facility": None, "now": now, "monitors": 1000}
    # the second of March is a Monday: what was beyond before it belongs to no whole week
    with psycopg.connect(field.url) as connection:
        rows = connection.execute(calibration_ranges.MONITORS, asked).fetchall()
    assert calibration_ranges.sentences(rows, now) == []
    field.connection.execute("UPDATE pollutant_mean SET starts = starts + interval '1 day'")
    with psycopg.connect(field.url) as connection:
        rows = connection.execute(calibration_ranges.MONITORS, asked).fetchall()
    ((code, _, sentence),) = calibration_ranges.sentences(rows, now)
    assert code == "calibration-range"
    assert "cems.nox needs a new calibration" in sentence
    assert "in the week of 2026-03-02 2 of 4 averages lay beyond" in sentence


def test_late_readings_restate_the_means_they_change_and_keep_the_old_ones(
    field: FieldBench,
) -> None:
    field.apply(text())
    for number in range(3):
        deliver(field, number, minutes=range(30))
    close(field, 3)
    assert [row["valid"] for row in means(field, "nox")] == [True, False] * 3
    assert [row["valid"] for row in means(field, "dust")] == [False] * 3
    deliver(field, 1, minutes=range(30, 60), nox=200.0)
    close(field, 3, 40)
    nox = means(field, "nox")
    assert [row["valid"] for row in nox] == [True, False, True, True, True, False]
    assert [row["version"] for row in nox] == [1, 1, 1, 2, 1, 1]
    assert nox[3]["why"].startswith("late readings")
    assert nox[3]["mean_mg_m3"] == pytest.approx(2 * nox[2]["mean_mg_m3"])
    (was,) = field.rows("SELECT * FROM pollutant_mean_history WHERE pollutant = 'nox'")
    assert (was["starts"], was["valid"], was["version"]) == (nox[3]["starts"], False, 1)
    assert was["superseded_at"] > was["known_at"]


def test_history_that_comes_in_later_is_formed_once_it_is_there(field: FieldBench) -> None:
    field.apply(text())
    deliver(field, 10)
    close(field, 11)
    assert [row["starts"].hour for row in means(field, "dust")] == [10]
    for number in (5, 4):
        deliver(field, number, dust=7.5)
        field.settle(_START + 11 * _HOUR + timedelta(minutes=30))
    # the last value of hour 5 is held into hour 6
    waiting = [row for row in means(field, "nox") if not row["final"]]
    assert [row["starts"].hour for row in waiting] == [4, 5, 6]
    close(field, 11, 35)
    dust = means(field, "dust")
    assert [row["starts"].hour for row in dust] == list(range(4, 11))
    assert [row["mean_mg_m3"] for row in dust] == [9.0, 9.0, *[None] * 4, 6.0]
    assert {(row["version"], row["final"]) for row in dust} == {(1, True)}


def test_what_waits_is_formed_though_the_file_gives_its_pollutant_another_name(
    field: FieldBench,
) -> None:
    field.apply(text())
    deliver(field, 10)
    close(field, 11)
    deliver(field, 5)
    field.settle(_START + 11 * _HOUR + timedelta(minutes=30))
    assert {row["pollutant"] for row in means(field, "nox") if not row["final"]} == {"nox"}
    field.apply(text().replace("{id: nox, conc", "{id: no2, substance: nox, conc"))
    close(field, 11, 40)
    assert field.rows("SELECT * FROM pollutant_mean WHERE NOT final") == []
    assert {row["starts"].hour for row in means(field, "no2")} == set(range(5, 11))
    # the last value is held into an hour that has no reading, and `close` dates it before there
    # was any configuration: verify says so
    close(field, 12, 50)
    with connect(field.url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        (of,) = final_hours.sources(connection, None)
        first = int(_START.timestamp()) // 3600
        found = verify.step(connection, plan, of, first, first + 12, datetime.now(UTC))
    assert Kind.DATES in {difference.kind for difference in found.differences}


def test_nothing_is_missing_of_the_time_before_a_monitor_was_there(field: FieldBench) -> None:
    field.apply(text())
    for number in range(5):
        deliver(field, number, dust=5.0 if number == 4 else None)
    close(field, 5)
    assert [m["starts"].hour for m in means(field, "dust")] == [4]
    assert {m["starts"].hour for m in means(field, "nox")} == set(range(5))
    # a reading that arrives late says that it was there, and what it did not measure is missing
    deliver(field, 1, minutes=[30])
    close(field, 5, 40)
    dust = [(m["starts"].hour, m["valid"]) for m in means(field, "dust")]
    assert dust == [(1, False), (2, False), (3, False), (4, True)]
    # what retention drops was measured all the same
    field.connection.execute(
        "INSERT INTO channel_horizon SELECT id, %s FROM channel WHERE slug = 'dust'", (_START,)
    )
    field.apply(text(averaging="1h"))
    close(field, 5, 50)
    assert [m["starts"].hour for m in means(field, "dust")] == list(range(5))
    with connect(field.url, process="test", autocommit=True) as connection_:
        (plan,) = facility_plans(connection_).values()
        (of,) = final_hours.sources(connection_, None)
        first = int(_START.timestamp()) // 3600
        found = verify.step(connection_, plan, of, first, first + 5, datetime.now(UTC))
    assert Kind.POLLUTANT not in {difference.kind for difference in found.differences}


def test_nothing_is_missing_of_the_time_in_which_a_facility_was_retired(field: FieldBench) -> None:
    field.apply(text())
    deliver(field, 0)
    close(field, 1)
    bind = engine(field.url, process="test")
    with bind.begin() as connection:
        retire_facility(connection, "works", by="user anna", reason="overhaul")
    bind.dispose()
    field.apply(text())
    field.connection.execute(
        "UPDATE facility_retirement SET retired_at = %s, returned_at = %s",
        (_START + _HOUR, _START + 5 * _HOUR + timedelta(minutes=59)),
    )
    deliver(field, 6)
    close(field, 7)
    # the first hour is the one that it was retired in
    formed = [(0, True), (1, False), (5, False), (6, True)]
    assert [(m["starts"].hour, m["valid"]) for m in means(field, "dust")] == formed
    # what arrives later of that time is measured, and so has a mean
    deliver(field, 3)
    close(field, 8)
    assert [m["starts"].hour for m in means(field, "dust")] == [0, 1, 3, 5, 6, 7]
    with connect(field.url, process="test", autocommit=True) as connection_:
        (plan,) = facility_plans(connection_).values()
        (of,) = final_hours.sources(connection_, None)
        first = int(_START.timestamp()) // 3600
        found = verify.step(connection_, plan, of, first, first + 8, datetime.now(UTC))
    assert Kind.POLLUTANT not in {difference.kind for difference in found.differences}


def test_nothing_is_missing_of_the_time_in_which_the_file_did_not_name_a_source(
    field: FieldBench,
) -> None:
    field.apply(text())
    deliver(field, 0)
    close(field, 1)
    whole = text()
    assert field.apply(whole[: whole.index("sources:")]) == ["- source stack"]
    assert field.apply(whole) == ["~ source stack"]
    field.connection.execute(
        "UPDATE source_absence SET retired_at = %s, returned_at = %s",
        (_START + _HOUR, _START + 5 * _HOUR + timedelta(minutes=59)),
    )
    deliver(field, 6)
    close(field, 7)
    # the hours in which it went and came back are its own in part
    formed = [(0, True), (1, False), (5, False), (6, True)]
    assert [(m["starts"].hour, m["valid"]) for m in means(field, "dust")] == formed


def test_means_that_a_clock_ahead_formed_too_early_wait_again(field: FieldBench) -> None:
    field.apply(text())
    deliver(field, 0)
    close(field, 4)
    assert [m["starts"].hour for m in means(field, "dust") if m["final"]] == list(range(4))
    field.settle(_START + _HOUR + timedelta(minutes=20))
    assert [m["starts"].hour for m in means(field, "dust") if m["final"]] == [0]
    deliver(field, 1)
    close(field, 2)
    formed = [(m["starts"].hour, m["valid"], m["version"]) for m in means(field, "dust")]
    assert formed[:2] == [(0, True, 1), (1, True, 1)]
    assert field.rows("SELECT * FROM pollutant_mean_history") == []


def test_a_changed_file_forms_the_means_again_and_changed_limits_do_not(
    field: FieldBench,
) -> None:
    field.apply(text())
    deliver(field, 0)
    close(field, 1)
    limits = ", confidence_interval: 30, limits: [{id: d, rule: lrv, value: 10}]"
    assert field.apply(text(more=limits)) == ["~ source stack"]
    assert field.rows("SELECT * FROM recompute") == []
    # the averaging interval and the reference change; half-hours go, and are kept
    field.apply(text(averaging="1h").replace("reference_oxygen: 3,", "reference_oxygen: 11,"))
    close(field, 1, 40)
    (nox,) = means(field, "nox")
    assert (nox["minutes"], nox["version"], nox["factor"]) == (60, 2, 10 / 15)
    assert "pollutants" in nox["why"]
    kept = field.rows("SELECT * FROM pollutant_mean_history ORDER BY starts")
    assert [(row["pollutant"], row["minutes"]) for row in kept] == [("nox", 30), ("nox", 30)]
    assert [row["version"] for row in means(field, "dust")] == [1]


def test_a_reading_above_full_scale_never_makes_a_mean_smaller(field: FieldBench) -> None:
    field.apply(text(channel=", full_scale: 500, range: [0, 500]", averaging="1h"))
    deliver(field, 0, nox=600.0)
    # what is beyond twice the scale is refused: it was at least the full scale
    deliver(field, 1, nox=900.0)
    deliver(field, 2, nox=5000.0)
    close(field, 3)
    shown = [row["inputs"].get("concentration") for row in means(field, "nox")]
    assert shown[:2] == [600.0, 900.0]
    assert [row["valid"] for row in means(field, "nox")] == [True, True, False]


def test_a_unit_that_stands_still_emits_nothing_and_is_judged_by_nothing(
    field: FieldBench,
) -> None:
    field.apply(text(averaging="1h"))
    deliver(field, 0, load=0)
    deliver(field, 1)
    close(field, 2)
    still, runs = means(field, "nox")
    assert (still["verdict"], still["mean_mg_m3"], still["mass_ug"]) == ("not-operating", None, 0)
    assert runs["valid"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("unit: ppm, kind: gauge, basis: dry", "unit: ppm, kind: gauge"), "give it basis"),
        (("id: nox, concentration", "id: smell, concentration"), "has no molar mass here"),
        (("id: nox, concentration", "id: noxx, concentration"), "nox"),
        (("oxygen: cems.o2, reference_oxygen: 3, averaging", "reference_oxygen: 3, averaging"),
         "needs an oxygen channel: name oxygen"),
        (("unit: ppm, kind: gauge, basis: dry", "unit: ppm, kind: gauge, basis: wet"),
         "wet gas needs its moisture: name moisture"),
        (("unit: mg/Nm3", "unit: mg/m3"), "write mg/Nm3 if the monitor itself corrects"),
        (("concentration: cems.nox", "concentration: cems.no"), "there is no channel 'cems.no'"),
        (("concentration: cems.nox", "concentration: cems.load"), "a concentration is a fraction"),
        (("averaging: 30min", "averaging: 30min, limits: [{id: l, rule: lrv, value: 5}]"),
         "set averaging: 1h"),
        (("averaging: 30min", "limits: [{id: l, rule: ied_waste, value: 5}]"),
         "rule: ied_waste needs half_hourly_a or half_hourly_b"),
        (("averaging: 30min", "averaging: 30min, validity: hj75"), "45 minutes of an hour"),
        (("averaging: 30min", f"limits: [{_LRV}, {_LRV}]"),
         "two versions of limit 'l' hold at the same time"),
        (("id: dust, concentration", "id: nox, concentration"), "have the same id"),
        (("averaging: 30min", "limits: [{id: l, rule: stated, value: 5}]"),
         "rule: stated needs conditions, such as"),
        (("averaging: 30min", "limits: [{id: l, rule: lrv, value: 5, conditions: [{means: day}]}]"),
         "rule: lrv has its own conditions: leave conditions out"),
        (("averaging: 30min", "limits: [{id: l, rule: lrv, value: 5, valid_from: 2026-02-30}]"),
         "line 20: not YAML: 2026-02-30 is no date or time that there is"),
        (("kind: gauge, basis: dry, max_gap: 120}",
          "kind: gauge, basis: dry, scale: [{from: 2026-03-01T25:00:00Z, value: 2}]}"),
         "not YAML: 2026-03-01T25:00:00Z is no date or time that there is"),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_refused_with_the_way_out(
    change: tuple[str, str], says: str
) -> None:
    assert change[0] in text()
    with pytest.raises((ApplyError, ValueError), match=says):
        parse(text().replace(*change))


def test_a_derived_flow_gives_the_mass(field: FieldBench) -> None:
    # two ducts of 30 000 and 70 000 Nm3/h
    ducts = ("flow, quantity: volume_flow, unit: Nm3/h, kind: gauge, basis: dry, max_gap: 120}"
             "\n      - {id: duct, quantity: volume_flow, unit: Nm3/h, kind: gauge, max_gap: 120}"
             "\n      - {id: both, quantity: volume_flow, unit: Nm3/h, kind: derived, basis: dry,"
             " sum: [flow, duct]}")  # fmt: skip
    before = "flow, quantity: volume_flow, unit: Nm3/h, kind: gauge, basis: dry, max_gap: 120}"
    derived = (
        text(averaging="1h").replace(before, ducts).replace("flow: cems.flow", "flow: cems.both")
    )
    field.apply(derived)
    deliver(field, 0, flow=30_000, duct=70_000)
    close(field, 1)
    (dust,) = means(field, "dust")
    assert (dust["inputs"]["flow"], dust["mass_ug"]) == (100_000, 500_000_000)
