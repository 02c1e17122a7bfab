"""What dates the ledger while the database's clock is not believed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import psycopg
import pytest

from services.core.runtime.steady_time import SteadyTime
from services.core.store.database import database_time
from services.core.store.emissions import hour_closing, minute_history
from services.core.store.emissions.hour_packing import months
from services.core.store.emissions.packing import days
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text, instant
from tests.integration.packed import pack_some_minutes, unpack_all_minutes
from tests.services import as_login

pytestmark = pytest.mark.database

NOW = instant("2026-06-15T09:30:00Z")
JUNE = 2026 * 12 + 5
HOUR = timedelta(hours=1)
SOON = timedelta(seconds=5)


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, FILE)
    yield plant
    plant.close()


def believe(connection: psycopg.Connection[Any], jump: timedelta) -> None:
    """Let an aggregator that runs say that the database's clock jumped by so much."""
    connection.execute(
        "INSERT INTO process_progress (process, instance, started_at, progressed_at, state)"
        " VALUES ('aggregator', 'a', now(), now(), %s)"
        " ON CONFLICT (process, instance) DO UPDATE SET state = excluded.state",
        (json.dumps({"clock_jump_s": jump.total_seconds()}),),
    )


@pytest.mark.parametrize("ahead", [timedelta(hours=2), -HOUR, timedelta(seconds=-60)])
def test_a_clock_that_jumped_does_not_date_the_ledger(plant: Plant, ahead: timedelta) -> None:
    connection = plant.connection
    with connection.transaction():
        ((now,),) = plant.rows("SELECT now()")
        believed = now - ahead
        connection.execute("SELECT set_config('tonne.now', %s, true)", (str(believed.timestamp()),))
        assert plant.rows("SELECT known_now()") == [(believed,)]
    # a clock that goes on evenly dates it itself, statement by statement
    for believed_s in ("", str(datetime.now(UTC).timestamp())):
        with connection.transaction():
            connection.execute("SELECT set_config('tonne.now', %s, true)", (believed_s,))
            ((same,),) = plant.rows("SELECT known_now() = statement_timestamp()")
            assert same


def test_it_costs_a_large_change_of_hours_nothing(plant: Plant) -> None:
    plan = plant.rows("EXPLAIN (VERBOSE) SELECT known_now() FROM generate_series(1, 9)")
    assert not any("known_now" in line for (line,) in plan)


def test_what_is_configured_is_dated_by_the_time_that_processes_go_by(
    plant: Plant, database_url: str
) -> None:
    plant.connection.execute("UPDATE factor SET known_from = known_from - %s", (24 * HOUR,))
    plant.connection.execute("UPDATE channel_revision SET known_at = known_at - %s", (24 * HOUR,))
    believe(plant.connection, timedelta(hours=2))
    before = datetime.now(UTC) - timedelta(hours=2)
    changed = FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,").replace("max_gap: 120", "max_gap: 60")
    assert apply_text(database_url, changed)
    dates = plant.connection.execute(
        "SELECT known_to FROM factor WHERE facility_id IS NOT NULL AND known_to IS NOT NULL"
        " UNION ALL SELECT known_from FROM factor WHERE facility_id IS NOT NULL AND co2_kg = 0.3"
        " UNION ALL SELECT max(known_at) FROM channel_revision WHERE channel_id = %s",
        (plant.channels["meter.power"],),
    ).fetchall()
    # one instant
    assert (len(dates), len(set(dates))) == (3, 1)
    assert before <= dates[0][0] <= before + 12 * SOON
    # and by the database's clock again when it is right
    believe(plant.connection, timedelta())
    apply_text(database_url, FILE.replace("co2_kg: 0.2,", "co2_kg: 0.4,"))
    ((since,),) = plant.rows("SELECT known_from FROM factor WHERE co2_kg = 0.4")
    assert since > before + HOUR


def test_a_factor_is_replaced_whatever_the_clock_says(plant: Plant, database_url: str) -> None:
    # it was stated a moment ago, which is two hours to come by what is believed
    believe(plant.connection, timedelta(hours=2))
    assert apply_text(database_url, FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,"))
    assert plant.rows(
        "SELECT count(*), count(DISTINCT o.known_to = n.known_from) FROM factor o JOIN factor n"
        " ON o.known_to = n.known_from WHERE n.co2_kg = 0.3"
    ) == [(1, 1)]


def test_a_configuration_follows_what_a_clock_that_was_ahead_dated(
    plant: Plant, database_url: str
) -> None:
    # it was believed, and is put right: nobody says that it jumped
    ahead = {"factor": "known_from", "channel_revision": "known_at"}
    for table, name in ahead.items():
        plant.connection.execute(f"UPDATE {table} SET {name} = {name} + '3 h'")  # noqa: S608
    changed = FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,").replace("max_gap: 120", "max_gap: 60")
    assert apply_text(database_url, changed)
    assert plant.rows(
        "SELECT count(*), count(DISTINCT o.known_to = n.known_from) FROM factor o JOIN factor n"
        " ON o.known_to = n.known_from WHERE n.co2_kg = 0.3"
    ) == [(1, 1)]
    newest = plant.rows(
        "SELECT r.spec ->> 'max_gap' FROM channel_revision r JOIN channel c ON c.id = r.channel_id"
        " WHERE c.slug = 'power' ORDER BY known_at DESC"
    )
    assert len(newest) == 2
    assert newest[0] != newest[1]
    assert plant.rows("SELECT spec ->> 'max_gap' FROM channel WHERE slug = 'power'")[0] == newest[0]
    # what waits to be computed does so since now
    assert plant.rows("SELECT FROM recompute WHERE requested_at > now()") == []


def test_who_states_no_time_goes_by_what_running_processes_say(plant: Plant) -> None:
    present = "SELECT extract(epoch FROM now() - known_now())::float8"
    for ahead in (timedelta(hours=3), timedelta(hours=-3), timedelta()):
        believe(plant.connection, ahead)
        assert plant.rows(present)[0][0] == pytest.approx(ahead.total_seconds(), abs=1)
    believe(plant.connection, timedelta(hours=3))
    # one that hangs, or is gone, says nothing
    plant.connection.execute("UPDATE process_progress SET progressed_at = now() - interval '1 min'")
    assert plant.rows(present)[0][0] == pytest.approx(0, abs=1)


async def test_who_begins_while_it_jumped_believes_what_the_others_do(
    plant: Plant, database_url: str
) -> None:
    believe(plant.connection, timedelta(hours=3))
    ingest, api = SteadyTime(), SteadyTime()
    database_time.look(plant.connection, ingest)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await database_time.look_async(connection, api)
    for clock in (ingest, api):
        assert clock.is_frozen
        assert abs(clock.now() - (datetime.now(UTC) - timedelta(hours=3))) < 12 * SOON


def test_a_version_never_begins_before_the_one_it_replaces(plant: Plant) -> None:
    plant.store([Reading("meter.energy", NOW - HOUR * k, 100.0 - k) for k in range(4)])
    plant.tick(NOW)
    plant.connection.execute(
        "UPDATE emission_hour SET final = true, known_at = now() + %s", (HOUR,)
    )
    plant.store([Reading("meter.energy", NOW - HOUR * 1.5, 98.9)])
    plant.tick(NOW)
    versions = plant.rows(
        "SELECT p.known_at, p.superseded_at, h.known_at FROM emission_hour_history p"
        " JOIN emission_hour h USING (source_id, hour)"
    )
    assert versions
    assert all(known <= end == begin for known, end, begin in versions)


def _pack(plant: Plant) -> None:
    """Pack all minutes and hours of June, whatever the time."""
    packed = [pack_some_minutes(plant.connection, random.Random(1))]
    with plant.connection.transaction():
        packed += [months.pack(plant.connection, s, JUNE).rows for s in plant.sources.values()]
    assert packed[0]
    assert any(packed[1:])


@pytest.mark.parametrize("packed", [False, True], ids=["rows", "packed"])
def test_what_was_known_in_the_future_is_known_now(
    plant: Plant, database_url: str, packed: bool
) -> None:
    plant.store([Reading("meter.energy", NOW - HOUR * k, 100.0 - k) for k in range(4)])
    plant.tick(NOW)
    plant.connection.execute(
        "UPDATE emission_hour SET final = true, known_at = now() + %s", (HOUR,)
    )
    plant.store([Reading("meter.energy", NOW - HOUR * 1.5, 98.9)])
    plant.tick(NOW)
    if packed:
        _pack(plant)
    sources = list(plant.sources.values())
    with psycopg.connect(as_login(database_url, "tonne_aggregate"), autocommit=True) as aggregate:
        assert hour_closing.redate(aggregate, sources)
        assert hour_closing.redate(aggregate, sources) == 0
    assert plant.rows("SELECT count(*) FROM emission_hour") > [(0,)]
    assert plant.rows(
        "SELECT count(*) FROM emission_hour_history p JOIN emission_hour h USING (source_id, hour)"
        " WHERE p.superseded_at <> h.known_at OR h.known_at > now()"
    ) == [(0,)]


def test_what_a_clock_that_was_ahead_packed_is_rows_again(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.store([Reading("meter.energy", NOW - HOUR * k, 200.0 - k) for k in range(100)])
    plant.tick(NOW)
    plant.connection.execute("UPDATE emission_hour SET final = true")

    def put_right() -> list[Any]:
        """An hour and a half ago is now, and readings go on to come."""
        at = NOW - HOUR * 1.5
        # the clock of the process is right again, too
        for module in (days, months, minute_history):
            monkeypatch.setattr(module, "time", SimpleNamespace(time=at.timestamp))
        plant.restart()
        plant.tick(at)
        plant.store([Reading("meter.energy", at - HOUR * 0.25, 198.6)])
        plant.tick(at + HOUR)
        packed = plant.rows("SELECT FROM packed_minutes UNION ALL SELECT FROM packed_hours")
        monkeypatch.undo()
        unpack_all_minutes(plant.connection)
        with plant.connection.transaction():
            for source in plant.sources.values():
                months.open_months(plant.connection, np.array([source]), np.array([JUNE]))
        return [
            packed != [],
            plant.rows("SELECT source_id, hour, co2_ug, covered_ms, final, version, code"
                       " FROM emission_hour ORDER BY 1, 2"),
            plant.rows("SELECT * FROM emission_minute ORDER BY source_id, minute"),
            plant.rows("SELECT * FROM rolling_total ORDER BY source_id, span"),
        ]  # fmt: skip

    with plant.connection.transaction(force_rollback=True):
        _, *expected = put_right()
    _pack(plant)
    days_are_packed, *told = put_right()
    assert told == expected
    # those of days that are old by the right time stay packed
    assert days_are_packed


#: A mean of a pollutant and what entered an hour, each known an hour from now, and what each was
#: before.
_OF_POLLUTANTS = """
WITH dated AS (SELECT now() AS present, date_trunc('hour', now()) AS hour),
m AS (
    INSERT INTO pollutant_mean (source_id, pollutant, starts, minutes, valid, verdict, reason,
        covered_ms, operating_ms, inputs, unit, mass_reason, version, why, known_at, final)
    SELECT %(source)s, 'nox', hour, 60, true, '', '', 0, 0, '{}', '', '', 2, '',
           present + '1 h', true FROM dated
), mh AS (
    INSERT INTO pollutant_mean_history (source_id, pollutant, starts, minutes, valid, verdict,
        reason, covered_ms, operating_ms, inputs, unit, mass_reason, version, why, known_at,
        superseded_at)
    SELECT %(source)s, 'nox', hour, 60, true, '', '', 0, 0, '{}', '', '', 1, '',
           present - '1 h'::interval, present + '1 h' FROM dated
), i AS (
    INSERT INTO source_hour_input (source_id, role, hour, covered_ms, operating_ms, valid, verdict,
        verdict_reason, code, reason, known_at)
    SELECT %(source)s, 'co2', hour, 0, 0, true, '', '', '', '', present + '1 h' FROM dated
)
INSERT INTO source_hour_input_history (source_id, role, hour, covered_ms, operating_ms, valid,
    verdict, verdict_reason, code, reason, known_at, superseded_at)
SELECT %(source)s, 'co2', hour, 0, 0, true, '', '', '', '', present - '1 h'::interval,
       present + '1 h' FROM dated
"""


def test_pollutants_and_inputs_known_in_the_future_are_known_now(
    plant: Plant, database_url: str
) -> None:
    (source, *_) = plant.sources.values()
    plant.connection.execute(_OF_POLLUTANTS, {"source": source})
    with psycopg.connect(as_login(database_url, "tonne_aggregate"), autocommit=True) as aggregate:
        redate = "SELECT redate_hours(%s)"
        assert aggregate.execute(redate, ([source],)).fetchall() == [(2,)]
        assert aggregate.execute(redate, ([source],)).fetchall() == [(0,)]
    met = "p.superseded_at = n.known_at AND n.known_at <= now()"
    assert plant.rows(
        f"SELECT {met} FROM pollutant_mean_history p JOIN pollutant_mean n USING (starts)"  # noqa: S608
        f" UNION ALL SELECT {met} FROM source_hour_input_history p"
        " JOIN source_hour_input n USING (hour)"
    ) == [(True,), (True,)]
