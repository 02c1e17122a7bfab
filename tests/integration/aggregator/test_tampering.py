"""What the owner of the database can do to the ledger, each by itself and several at once.

One database is prepared, as a service would have left it; each tampering is taken back.
"""

# ruff: noqa: S608

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.aggregator.summing import Summing
from services.cli.verified import Verified
from services.cli.verify import verified
from services.core.store.packing.days import day_of
from services.core.store.readings.packing import codec
from services.core.store.readings.packing.columns import ReadingColumns
from services.core.store.readings.packing.days import PACK
from tests.integration.aggregator.plant import Plant, Reading, instant
from tests.services import Postgres

FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: meter
    channels:
      - {id: quarter, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end}
      - {id: energy, quantity: energy, unit: kWh, kind: counter}
      - {id: power, quantity: power, unit: kW, kind: gauge}
  - id: cems
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 120,
         calibration: {references: [0, 18]}}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120}
factors:
  - {id: f, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01, citation: a}
sources:
  - {id: by-interval, scope: 2, method: activity, input: meter.quarter, factor: f}
  - {id: by-counter, scope: 2, method: activity, input: meter.energy, factor: f}
  - id: stack
    scope: 1
    method: stack
    equation: F-11
    inputs: {co2: cems.co2, flow: cems.flow}
    validity: part75
    substitution: part75
"""

START = instant("2026-03-01T00:00:00Z")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)

#: Hours with readings; the last ones show that hours were closed a day later, too.
MEASURED = (0, 1, 2, 3, 4, 5, 30, 31)
RESTATED = 3


@pytest.fixture(scope="module")
def plant(postgres_cluster: Postgres, migrated_template: str) -> Iterator[Plant]:
    """Hours of three sources as they came in and were closed, one of them restated."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url, FILE)
        for table in ("source_revision", "channel_revision"):
            plant.connection.execute(f"UPDATE {table} SET known_at = '2026-01-01'")
        plant.connection.execute("UPDATE factor SET known_from = '2026-01-01'")
        for number in range(MEASURED[-1] + 1):
            if number in MEASURED:
                plant.store(_readings(number))
            plant.tick_as_if(START + (number + 1) * HOUR + 20 * MINUTE)
        plant.store([Reading("meter.quarter", START + RESTATED * HOUR + 45 * MINUTE, 9.0)])
        for minutes in (30, 40):
            plant.tick_as_if(START + (MEASURED[-1] + 1) * HOUR + minutes * MINUTE)
        summing = Summing()
        while summing.step(plant.connection, START + timedelta(days=40)):
            pass
        yield plant
        plant.close()


def _readings(number: int) -> list[Reading]:
    start = START + number * HOUR
    quarters = (15, 30, 60) if number == RESTATED else (15, 30, 45, 60)
    readings = [
        *(Reading("meter.quarter", start + m * MINUTE, 1.0 + m + number) for m in quarters),
        *(Reading("meter.energy", start + m * MINUTE, number * 60.0 + m) for m in range(0, 60, 7)),
    ]
    for m in range(60):
        # no source reads it
        readings.append(Reading("meter.power", start + m * MINUTE, 60.0))
        # a calibration takes a few minutes of the third hour
        in_test = number == 2 and m in (20, 25)
        co2 = {20: 0.01, 25: 17.9}[m] if in_test else 12.0 + number / 10
        readings.append(Reading("cems.co2", start + m * MINUTE, co2, 3 if in_test else 0))
        readings.append(Reading("cems.flow", start + m * MINUTE, 1e6))
    return readings


@dataclass(frozen=True)
class Tampering:
    """What is done to an hour, and the name of the difference that it is."""

    name: str
    kind: str
    #: of the hour ``{h}``, of the source ``{s}``
    statements: tuple[str, ...]
    source: str = "by-interval"
    #: it is of no hour's own: not for combinations
    alone: bool = False
    with_versions: bool = False


_AT = "source_id = {s} AND hour = {h}"
_MINUTES = "source_id = {s} AND minute >= {h} AND minute < {h} + interval '1 hour'"
#: One minute has more, another as much less: hours, windows and sums stay.
_MOVED = (
    "UPDATE emission_minute SET {column} = {column} + CASE WHEN minute = {{h}} + interval '20 min'"
    " THEN 1000 ELSE -1000 END WHERE source_id = {{s}}"
    " AND minute IN ({{h}} + interval '20 min', {{h}} + interval '21 min')"
)
_MOVE_CO2 = _MOVED.format(column="co2_ug")
#: Less in a minute, its hour and all windows: only the readings say otherwise.
_CUT = (
    (
        "UPDATE emission_minute SET co2_ug = co2_ug - 1000 WHERE source_id = {s}"
        " AND minute = {h} + interval '20 min'"
    ),
    f"UPDATE emission_hour SET co2_ug = co2_ug - 1000 WHERE {_AT}",
    (
        "UPDATE rolling_total SET co2_ug = co2_ug - 1000 WHERE source_id = {s}"
        " AND {h} + interval '20 min' BETWEEN since AND upto"
    ),
)
_FORGET = (
    f"DELETE FROM emission_minute WHERE {_MINUTES}",
    f"DELETE FROM emission_hour WHERE {_AT}",
)
_QUEUE = (
    "INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason, step,"
    " requested_at) SELECT facility_id, id, minute_of({{h}}), minute_of({{h}}) + 60, 'x',"
    " '{step}', {at} FROM source WHERE id = {{s}}"
)
_TOUCH = (
    "INSERT INTO touched (facility_id, channel_ids, minutes, committed_at)"
    " SELECT s.facility_id, ARRAY[i.channel_id], ARRAY[minute_of({{h}}) + 30], {at}"
    " FROM source s JOIN source_input i ON i.source_id = s.id WHERE s.id = {{s}} LIMIT 1"
)
_NOW, _LONG_AGO = "now()", "now() - interval '3 days'"

TAMPERINGS = (
    Tampering("CO2 moved between minutes", "minutes", (_MOVE_CO2,)),
    Tampering("CO2 moved between minutes of a register", "minutes", (_MOVE_CO2,), "by-counter"),
    Tampering("CO2 moved between minutes under a rule", "minutes", (_MOVE_CO2,), "stack"),
    Tampering("amount moved", "minutes", (_MOVED.format(column="activity_n"),)),
    Tampering("time moved", "minutes", (_MOVED.format(column="covered_ms"),)),
    Tampering("less, and said to wait", "waiting",
              (*_CUT, _QUEUE.format(step="readings", at=_NOW))),
    Tampering("less, and said to be left over", "waiting",
              (*_CUT, _QUEUE.format(step="rest", at=_NOW))),
    Tampering("less, and said to have new readings", "waiting", (*_CUT, _TOUCH.format(at=_NOW))),
    Tampering("less, and said to wait for long", "waiting",
              (*_CUT, _QUEUE.format(step="rest", at=_LONG_AGO))),
    Tampering("less, and said to have had readings for long", "waiting",
              (*_CUT, _TOUCH.format(at=_LONG_AGO))),
    Tampering("less, and said to wait from a time to come", "waiting",
              (*_CUT, _QUEUE.format(step="readings", at="now() + interval '1 day'"))),
    Tampering("forgotten", "missing", _FORGET),
    Tampering("forgotten, and said to wait", "missing",
              (*_FORGET, _QUEUE.format(step="rest", at=_NOW))),
    Tampering("known before its readings", "dates",
              (("UPDATE emission_hour SET known_at = {h} + interval '20 min',"
               f" opened_at = {{h}} + interval '16 min' WHERE {_AT}"),)),
    Tampering("known days later", "dates",
              ((f"UPDATE emission_hour SET known_at = timestamptz '{START}' + interval '60 hours'"
               f" WHERE {_AT}"),)),
    Tampering("known in the future", "dates",
              (f"UPDATE emission_hour SET known_at = now() + interval '1 hour' WHERE {_AT}",)),
    Tampering("input known in the future", "dates",
              (("UPDATE source_hour_input SET known_at = now() + interval '1 hour'"
               f" WHERE {_AT} AND role = 'co2'"),), "stack"),
    Tampering("known before anything of it was", "versions",
              (f"UPDATE emission_hour SET known_at = opened_at - interval '1 s' WHERE {_AT}",)),
    Tampering("opened", "open",
              (f"UPDATE emission_hour SET final = false, code = NULL WHERE {_AT}",)),
    Tampering("opened, and said to wait for long", "open",
              (f"UPDATE emission_hour SET final = false, code = NULL WHERE {_AT}",
               _QUEUE.format(step="rest", at=_LONG_AGO))),
    Tampering("quality", "judgement",
              (f"UPDATE emission_hour SET quality = 'substituted' WHERE {_AT}",)),
    Tampering("code", "judgement", (f"UPDATE emission_hour SET code = 'quadrants' WHERE {_AT}",)),
    Tampering("hour deleted", "missing", (f"DELETE FROM emission_hour WHERE {_AT}",)),
    Tampering("minute deleted", "minutes",
              ((f"DELETE FROM emission_minute WHERE {_MINUTES} AND minute = {{h}}"
               " + interval '20 min'"),)),
    Tampering("closing share", "minutes",
              (("UPDATE emission_minute SET closing_ug = 5 WHERE source_id = {s}"
               " AND minute = {h} + interval '20 min'"),)),
    Tampering("substituted time", "minutes",
              (("UPDATE emission_minute SET substituted_ms = 60000 WHERE source_id = {s}"
               " AND minute = {h} + interval '20 min'"),)),
    Tampering("a hole in versions", "versions",
              (f"UPDATE emission_hour SET version = 5 WHERE {_AT}",)),
    Tampering("input of an equation", "judgement",
              (f"UPDATE source_hour_input SET value = value / 2 WHERE {_AT} AND role = 'co2'",),
              "stack"),
    Tampering("replaced version", "version",
              (f"UPDATE emission_hour_history SET co2_ug = co2_ug + 5 WHERE {_AT}",),
              alone=True, with_versions=True),
    Tampering("version that ended before it began", "versions",
              (("UPDATE emission_hour_history SET superseded_at = known_at - interval '1 s'"
               f" WHERE {_AT}"),), alone=True),
    Tampering("history deleted", "versions",
              (f"DELETE FROM emission_hour_history WHERE {_AT}",), alone=True),
    Tampering("to-date total", "window",
              (("UPDATE rolling_total SET co2_ug = co2_ug / 2 WHERE source_id = {s}"
               " AND span = 'year'"),), alone=True),
    Tampering("window deleted", "window",
              ("DELETE FROM rolling_total WHERE source_id = {s} AND span = '24h'",), alone=True),
    Tampering("calibration said to have failed", "calibration",
              ("UPDATE calibration_test SET passed = NOT passed",), "stack", alone=True),
    Tampering("calibration deleted", "calibration",
              ("DELETE FROM calibration_test",), "stack", alone=True),
    Tampering("sum of a day", "sum",
              (("UPDATE emission_day SET co2_ug = co2_ug - 1 WHERE source_id = {s}"
               " AND {h} >= begins AND {h} < ends"),), alone=True),
    Tampering("version of a month's sum", "sum",
              ("UPDATE emission_month SET version = 1 WHERE source_id = {s}",), alone=True),
    Tampering("sum of a day that laps over another", "sum",
              (("UPDATE emission_day SET ends = ends + interval '1 hour' WHERE source_id = {s}"
               " AND begins <= {h} AND ends > {h}"),), alone=True),
    Tampering("hour changed behind its sums", "sum",
              ("ALTER TABLE emission_hour DISABLE TRIGGER sums_follow_updates",
               f"UPDATE emission_hour SET co2_ug = co2_ug - 1000 WHERE {_AT}"), alone=True),
    Tampering("hour opened behind its sums", "sum",
              ("ALTER TABLE emission_hour DISABLE TRIGGER sums_follow_updates",
               f"UPDATE emission_hour SET final = false WHERE {_AT}"), alone=True),
    Tampering("source said to be retired", "retired",
              ("UPDATE source SET active = false, retired_at = {h} WHERE id = {s}",), alone=True),
    Tampering("source said to be retired, and not in the file", "retired",
              (("UPDATE source SET active = false, retired_at = {h} - interval '3 hours'"
               " WHERE id = {s}"),
               "UPDATE facility SET document = document #- '{{sources,0}}'"), alone=True),
    Tampering("source said to be retired, not since when", "retired",
              ("UPDATE source SET active = false WHERE id = {s}",), alone=True),
    Tampering("facility said to be retired", "retired",
              ("UPDATE facility SET retired_at = {h}",
               "UPDATE source SET active = false, retired_at = {h}"), alone=True),
    Tampering("facility said to be deleted", "purge",
              (("INSERT INTO facility_purge (facility, name, retired_at, begun_by, reason)"
               " VALUES ('works', 'Works', now(), 'a', 'b')"),), "", alone=True),
    Tampering("hours given to nobody", "missing",
              (f"UPDATE emission_hour SET source_id = 999 WHERE {_AT}",), "", alone=True),
    Tampering("opened, with ticks that say they left hours", "open",
              (f"UPDATE emission_hour SET final = false WHERE {_AT}",
               ("UPDATE facility_progress SET hours_wait = true,"
               " changed_at = now() - interval '2 days'")), alone=True),
)  # fmt: skip


def _check(plant: Plant, chosen: Sequence[tuple[Tampering, int]]) -> Verified:
    """Do all of it, verify, and take it back."""
    with plant.connection.transaction(force_rollback=True):
        for tampering, number in chosen:
            names = {
                "h": f"timestamptz '{START + number * HOUR}'",
                "s": plant.sources.get(tampering.source, 0) or plant.sources["by-interval"],
            }
            for statement in tampering.statements:
                done = plant.connection.execute(statement.format(**names))
                assert done.rowcount >= 1 or statement.startswith("ALTER"), statement
        return verified(
            plant.connection, with_versions=any(tampering.with_versions for tampering, _ in chosen)
        )


def _named(result: Verified) -> set[tuple[str, str, datetime | None]]:
    return {(entry.source, entry.kind, entry.hour) for entry in result.listed}


def test_nothing_is_named_where_nothing_was_done(plant: Plant) -> None:
    result = verified(plant.connection, with_versions=True)
    assert result.listed == []
    finals = plant.rows("SELECT count(*) FROM emission_hour WHERE final")[0][0]
    assert (result.checked, result.waiting, result.unknown) == (finals, 0, 0)
    replaced = plant.rows("SELECT count(*) FROM emission_hour_history")[0][0]
    # a value of the register after the gap restated the hour before it
    assert (result.versions, replaced, result.windows) == (2, 2, 24)
    # of two days and a month; of the stack hours are not final yet
    assert result.sums == 2 * 3
    # the readings of hours after it took nothing of the calibration away
    ((detail,),) = plant.rows("SELECT detail FROM calibration_test WHERE passed")
    assert detail.count("reference") == 2


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name)
def test_each_tampering_is_named(plant: Plant, tampering: Tampering) -> None:
    number = RESTATED if tampering.alone else 1
    result = _check(plant, [(tampering, number)])
    assert (tampering.source, tampering.kind) in {(s, k) for s, k, _ in _named(result)}
    if not tampering.alone:
        # of what nobody touched nothing is said
        assert {(s, h) for s, _, h in _named(result) if h} == {
            (tampering.source, START + number * HOUR)
        }


@pytest.mark.parametrize("seed", range(6))
def test_several_at_once_are_all_named(plant: Plant, seed: int) -> None:
    rng = random.Random(seed)
    # a version that is gone, or said to come late, would speak for others too
    several = [t for t in TAMPERINGS if not t.alone and t.name != "known days later"]
    hours = rng.sample([n for n in MEASURED if n not in (RESTATED, *MEASURED[-2:])], 3)
    chosen = list(zip(rng.sample(several, 3), hours, strict=True))
    named = _named(_check(plant, chosen))
    for tampering, number in chosen:
        assert (tampering.source, tampering.kind, START + number * HOUR) in named, tampering.name


def _packed(plant: Plant, name: str = "meter.quarter", **others: Any) -> list[tuple[str, str]]:
    """Pack a day of a channel as the aggregator's login may, with other readings, and verify."""
    channel, day = plant.channels[name], day_of(int(START.timestamp() * 1e6))
    with plant.connection.transaction(force_rollback=True):
        plant.connection.execute("SET LOCAL ROLE tonne_aggregate")
        ((_, _, sent),) = plant.connection.execute(
            "SELECT day, days, sent FROM take_readings(%s, %s, %s, 'infinity')",
            (channel, day, day),
            binary=True,
        ).fetchall()
        readings = replace(ReadingColumns.received(sent), **others)
        series, arrival = codec.pack(readings)
        plant.connection.execute(PACK, (channel, [day], [series], [arrival]), binary=True)
        plant.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        result = verified(plant.connection, with_versions=False)
    return [(str(entry.kind), entry.source) for entry in result.listed]


def test_who_may_pack_puts_no_other_readings_in_the_place_of_those_taken(plant: Plant) -> None:
    assert _packed(plant) == []
    count = sum(number < 24 for number in MEASURED) * 4
    # they count as before, and nothing but their digest tells; it tells once, whoever reads them
    assert _packed(plant, time_source=np.ones(count, dtype=np.int64)) == [("packed", "")]
    assert ("packed", "") in _packed(plant, value=np.full(count, 1.0))


def test_nor_in_the_place_of_those_that_no_source_reads(plant: Plant) -> None:
    count = sum(number < 24 for number in MEASURED) * 60
    assert _packed(plant, "meter.power") == []
    assert _packed(plant, "meter.power", value=np.full(count, 1.0)) == [("packed", "")]
