"""What is restated where it lies packed comes to what rows come to, to the microgram."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from services.aggregator.pieces import Pieces
from services.aggregator.summing import Summing
from services.core.store.database.connect import connect
from services.core.store.emissions.hour_packing import candidates, months
from services.core.store.emissions.hour_packing.digest import digest
from services.core.timeline.instants import to_us
from tests.integration.aggregator.plant import (
    FILE,
    Plant,
    Reading,
    apply_text,
    batches,
    instant,
    some_readings,
)
from tests.integration.packed import pack_some_minutes, unpack_all_minutes

START = instant("2026-03-30T18:00:00Z")
HOURS = 40
LATER = START + timedelta(days=5)
FACTOR = FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,")
#: of all that "by-counter" and "by-gauge" have
CONFIGURATION = FACTOR.replace("kind: counter,", "kind: counter, scale: 2,").replace(
    "kind: gauge, max_gap: 120}", "kind: gauge, max_gap: 120, scale: 3}"
)
CHANGED = ("by-counter", "by-gauge")

#: of a part of the hours, another time over
AGAIN = FACTOR.replace("co2_kg: 0.25,", "co2_kg: 0.5,").replace("co2_kg: 0.3,", "co2_kg: 0.31,")

HOUR = "source_id, hour, version, final, quality, code, reason, co2_ug, co2e_ug, market_ug"
MINUTES = "SELECT m::text FROM public.emission_minute m ORDER BY source_id, minute"
#: A minute that was known once, and no longer is, keeps a row of nothing.
KNOWN = MINUTES.replace("ORDER", "WHERE covered_ms > 0 ORDER")
PACKED = "SELECT source_id, day, id, digest FROM packed_minutes ORDER BY 1, 2"


def _readings() -> list[Reading]:
    return some_readings(random.Random(5), START, HOURS)


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    plant.store(_readings())
    plant.tick(LATER)
    yield plant
    plant.close()


def _totals(plant: Plant) -> list[Any]:
    """All that restatements change, but the instants at which they did."""
    return [
        plant.rows(f"SELECT {HOUR}, activity_n FROM {table} ORDER BY 1, 2, 3")  # noqa: S608
        for table in ("emission_hour", "emission_hour_history")
    ] + [plant.totals()["rolling"], plant.rows("SELECT 1 FROM following_minutes WHERE NOT packed")]


def test_minutes_of_packed_days_are_computed_where_they_lie(
    plant: Plant, database_url: str
) -> None:
    """After a new factor, which they only follow; what does not change is not packed anew."""
    plant.connection.execute("UPDATE emission_hour SET final = true")
    with plant.connection.transaction(force_rollback=True):
        apply_text(database_url, FACTOR)
        plant.tick(LATER)
    assert pack_some_minutes(plant.connection, random.Random(1)) > 8
    plant.restart()
    plant.tick(LATER)
    assert plant.rows("SELECT count(*) FROM following_minutes WHERE packed") != [(0,)]
    before = plant.rows(PACKED)
    apply_text(database_url, CONFIGURATION)
    with plant.connection.transaction(force_rollback=True):
        unpack_all_minutes(plant.connection)
        plant.tick(LATER)
        right, minutes = _totals(plant), plant.rows(MINUTES)
    plant.restart()
    plant.tick(LATER)
    assert plant.rows(MINUTES) == []
    after = plant.rows(PACKED)
    assert [row[:2] for row in after] == [row[:2] for row in before]
    ids = {plant.sources[name] for name in CHANGED}
    assert {row[0] for row in set(after) - set(before)} == ids
    assert plant.rows(
        f"SELECT 1 FROM following_minutes WHERE source_id IN {tuple(ids)}"  # noqa: S608
    ) == []  # fmt: skip
    assert _totals(plant) == right
    unpack_all_minutes(plant.connection)
    plant.tick(LATER)
    assert plant.rows(MINUTES) == minutes


def test_no_role_takes_a_minute_out_of_a_packed_day(plant: Plant, database_url: str) -> None:
    pack_some_minutes(plant.connection, random.Random(1))
    replace = """
    SELECT replace_minutes(ARRAY[source_id], ARRAY[day], ARRAY[id + %s], ARRAY[first_minute + %s],
                           ARRAY[last_minute + %s], ARRAY[digest], ARRAY[minutes])
    FROM packed_minutes ORDER BY source_id, day LIMIT 1
    """
    minute = timedelta(minutes=1)
    with connect(database_url, process="test", role="tonne_aggregate", autocommit=True) as role:
        for pack_id, first, last in (
            (1, 0 * minute, 0 * minute),
            (0, minute, 0 * minute),
            (0, 0 * minute, -minute),
            (0, -1440 * minute, 0 * minute),
            (0, 0 * minute, 1440 * minute),
        ):
            with pytest.raises(psycopg.errors.SerializationFailure):
                role.execute(replace, (pack_id, first, last))
        role.execute(replace, (0, 0 * minute, 0 * minute))
    with (
        connect(database_url, process="test", role="tonne_read", autocommit=True) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute(replace, (0, 0 * minute, 0 * minute))


@pytest.mark.parametrize("seed", range(3))
def test_old_days_are_packed_as_they_are_computed(plant: Plant, seed: int) -> None:
    """Whatever comes when, and in pieces of any size, they come to what rows come to."""
    right, minutes = plant.totals(), plant.rows(KNOWN)
    plant.empty()
    rng = random.Random(seed)
    first_day = int(START.timestamp()) // 86_400
    plant.pack_before = first_day + 2
    plant.pieces = Pieces(
        pairs=rng.choice([500, 20_000]), live=60, old=rng.choice([60, 1500, 9000])
    )
    for batch in batches(rng, _readings()):
        plant.store(batch, live=False)
        plant.tick_once(LATER)
    plant.tick(LATER)
    packed = {row[1] for row in plant.rows(PACKED)}
    assert packed == {first_day, first_day + 1}
    unpack_all_minutes(plant.connection)
    assert plant.rows(KNOWN) == minutes
    assert plant.totals() == right


def test_what_comes_later_is_merged_into_days_that_are_packed(plant: Plant) -> None:
    """A day's first reading of a register ends the minutes of the day before."""
    plant.empty()
    first_day = int(START.timestamp()) // 86_400 + 1
    plant.pack_before = first_day + 4
    # a window of a year begins in the third day, which stays rows with the one after it
    for day in range(4):
        begins = datetime.fromtimestamp((first_day + day) * 86_400, UTC)
        plant.store(
            [
                Reading("meter.energy", begins + timedelta(minutes=15 * k), 96.0 * day + k)
                for k in range(96)
            ],
            live=False,
        )
        if day == 1:
            plant.connection.execute(
                "UPDATE rolling_total SET since = %s WHERE span = '365d'",
                (begins + timedelta(days=1, hours=7),),
            )
        # windows are not moved by this
        plant.tick_once(LATER)
        plant.tick_once(LATER)
    source = plant.sources["by-counter"]
    packed = plant.rows("SELECT source_id, day, last_minute FROM packed_minutes ORDER BY day")
    assert packed == [
        (source, day, datetime.fromtimestamp((day + 1) * 86_400 - 60, UTC))
        for day in (first_day, first_day + 1)
    ]
    in_rows = plant.rows("SELECT DISTINCT minute_of(minute) / 1440 FROM public.emission_minute")
    assert {day for (day,) in in_rows} == {first_day + 2, first_day + 3}


@pytest.mark.usefixtures("plant")
def test_no_role_adds_a_packed_day_to_one_of_rows(database_url: str) -> None:
    add = """
    SELECT add_packed_minutes(ARRAY[source_id], ARRAY[%s::int4], ARRAY[min(minute)],
                              ARRAY[max(minute)], ARRAY[''::bytea], ARRAY[''::bytea])
    FROM emission_minute WHERE minute_of(minute) / 1440 = %s GROUP BY source_id LIMIT 1
    """
    day = int(START.timestamp()) // 86_400
    today = int(datetime.now(UTC).timestamp()) // 86_400
    with connect(database_url, process="test", role="tonne_aggregate", autocommit=True) as role:
        for wrong in (day, day - 1):
            with pytest.raises(psycopg.errors.SerializationFailure):
                role.execute(add, (wrong, day))
        with pytest.raises(psycopg.errors.RaiseException, match="two days"):
            role.execute(add, (today - 1, day))


def _sum(plant: Plant) -> list[Any]:
    summing = Summing()
    while summing.step(plant.connection, datetime.now(UTC)):
        pass
    return plant.rows(
        "SELECT s::text FROM emission_day s UNION ALL SELECT s::text FROM emission_month s"
        " ORDER BY 1"
    )


def _pack_hours(plant: Plant) -> None:
    with plant.connection.transaction():
        for candidate in list(candidates.walk(plant.connection, datetime.now(UTC))):
            months.pack(plant.connection, candidate.source_id, candidate.month)


def _open_hours(plant: Plant) -> None:
    rows = plant.rows("SELECT source_id, month FROM packed_hours")
    sources, numbers = np.array(rows, dtype=np.int64).T
    with plant.connection.transaction():
        assert months.open_months(plant.connection, sources, numbers) == len(rows)


def _ledger_is_unbroken(plant: Plant) -> None:
    assert plant.rows(
        "SELECT h.source_id, h.hour FROM emission_hour h LEFT JOIN emission_hour_history p"
        " ON (p.source_id, p.hour, p.version) = (h.source_id, h.hour, h.version - 1)"
        " WHERE h.version > 1 AND p.superseded_at IS DISTINCT FROM h.known_at"
    ) == []  # fmt: skip
    rows = plant.rows(
        "SELECT source_id, month, in_force, superseded, digest, hours, versions, known_from,"
        " known_to FROM packed_hours"
    )
    for source_id, month, in_force, superseded, stored, hours, versions, *known in rows:
        both = [months.unpacked(source_id, month, bytes(b)) for b in (in_force, superseded)]
        assert digest(*both) == bytes(stored)
        assert [len(part) for part in both] == [hours, versions]
        assert [to_us(at) for at in known] == [both[0].known_us.min(), both[0].known_us.max()]


def test_hours_of_packed_months_have_a_new_factor_where_they_lie(
    plant: Plant, database_url: str
) -> None:
    """Figures, versions, sums and windows are those of rows; months of other sources stay."""
    plant.connection.execute("UPDATE emission_hour SET final = true")
    # an hour without an amount, and a text that is there once
    plant.connection.execute(
        "UPDATE emission_hour SET activity_n = NULL, reason = 'a — b' WHERE hour ="
        " (SELECT min(hour) FROM emission_hour WHERE covered_ms > 0)"
    )
    before = _sum(plant)
    apply_text(database_url, FACTOR)
    with plant.connection.transaction(force_rollback=True):
        plant.tick(LATER)
        once, sums = _totals(plant), _sum(plant)
    assert sums != before
    plant.restart()
    _pack_hours(plant)
    _ledger_is_unbroken(plant)
    packed = set(plant.rows("SELECT source_id, month, id FROM packed_hours"))
    plant.tick(LATER)
    assert plant.rows("SELECT count(*) FROM public.emission_hour") == [(0,)]
    # what changed has no sum until it is summed again
    assert set(plant.rows("SELECT DISTINCT source_id FROM emission_day")) == {
        (plant.sources["stack"],)
    }
    changed = set(plant.rows("SELECT source_id, month, id FROM packed_hours")) - packed
    assert {row[0] for row in changed} == set(plant.sources.values()) - {plant.sources["stack"]}
    _ledger_is_unbroken(plant)
    assert _sum(plant) == sums
    with plant.connection.transaction(force_rollback=True):
        _open_hours(plant)
        assert _totals(plant) == once
        _ledger_is_unbroken(plant)
    apply_text(database_url, AGAIN)
    with plant.connection.transaction(force_rollback=True):
        _open_hours(plant)
        plant.tick(LATER)
        twice, sums = _totals(plant), _sum(plant)
    plant.restart()
    plant.tick(LATER)
    assert _sum(plant) == sums
    _ledger_is_unbroken(plant)
    _open_hours(plant)
    assert _totals(plant) == twice
    assert max(row[2] for row in twice[0]) == 3


def test_no_role_takes_a_version_out_of_a_packed_month(plant: Plant, database_url: str) -> None:
    plant.connection.execute("UPDATE emission_hour SET final = true")
    _pack_hours(plant)
    replace = """
    SELECT replace_hours(ARRAY[source_id], ARRAY[month], ARRAY[id + %s], ARRAY[known_from],
                         ARRAY[known_to - %s * interval '1 year'], ARRAY[versions + %s],
                         ARRAY[digest], ARRAY[in_force], ARRAY[superseded])
    FROM packed_hours ORDER BY source_id, month LIMIT 1
    """
    with connect(database_url, process="test", role="tonne_aggregate", autocommit=True) as role:
        for wrong in ((1, 0, 1), (0, 0, 0), (0, 0, -1), (0, 0, 9999), (0, 1, 1)):
            with pytest.raises(psycopg.errors.SerializationFailure):
                role.execute(replace, wrong)
        role.execute(replace, (0, 0, 1))
    with (
        connect(database_url, process="test", role="tonne_read", autocommit=True) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute(replace, (0, 0, 1))
