"""The aggregator packs what is old and settled, a little at a time, and nothing else notices."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.aggregator.packing import Packing
from services.aggregator.retention import Retention
from services.core.runtime.settings import Settings
from services.core.store.database.connect import connect
from services.core.store.emissions import claims
from services.core.store.operations import facility_rows
from services.core.store.packing import walk
from services.core.store.readings import retention, writer
from services.core.store.readings.packing import candidates, days
from services.core.store.readings.writer import ReadingRow
from tests.command import tonne
from tests.integration.aggregator import test_closing as ruled
from tests.integration.aggregator import test_order
from tests.integration.aggregator.plant import Plant, Reading, instant, some_readings
from tests.integration.packed import PackedPlant, pack_some, unpack_all
from tests.services import as_login

START = instant("2026-03-02T00:00:00Z")
NOW = START + timedelta(days=60)


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url)
    plant.store(some_readings(random.Random(1), START, 60))
    plant.tick(NOW)
    plant.connection.execute("UPDATE emission_hour SET final = true")
    plant.connection.execute("UPDATE reading SET received_at = ts")
    yield plant
    plant.close()


def _packer(database_url: str) -> psycopg.Connection[Any]:
    return connect(as_login(database_url, "tonne_aggregate"), process="aggregator", autocommit=True)


def _counts(plant: Plant) -> tuple[int, int]:
    ((rows, packed),) = plant.rows(
        "SELECT (SELECT count(*) FROM reading),"
        " (SELECT coalesce(sum(readings), 0)::int8 FROM packed_readings)"
    )
    return rows, packed


def _all(packing: Packing, connection: psycopg.Connection[Any], now: datetime = NOW) -> None:
    while packing.step(connection, now):
        pass


def test_what_is_old_and_settled_is_packed_and_its_room_given_back(
    plant: Plant, database_url: str
) -> None:
    total, _ = _counts(plant)
    with _packer(database_url) as connection:
        _all(Packing(0), connection)
        assert _counts(plant) == (total, 0)
        # the last day ends after what may be packed
        cut = START + timedelta(days=2)
        _all(Packing(35), connection, cut + timedelta(days=35, hours=23))
        ((young,),) = plant.rows("SELECT count(*) FROM reading WHERE ts >= '2026-03-04T00:00:00Z'")
        assert _counts(plant) == (young, total - young)
        plant.connection.execute(
            "UPDATE emission_hour SET final = false WHERE hour = %s AND source_id = %s",
            (cut + timedelta(hours=1), plant.sources["by-counter"]),
        )
        _all(Packing(35), connection)
        ((waiting,),) = plant.rows("SELECT count(DISTINCT channel_id) FROM reading")
        assert waiting == 1
        plant.connection.execute("UPDATE emission_hour SET final = true")
        packing = Packing(35)
        _all(packing, connection)
        assert _counts(plant) == (0, total)
        assert packing.notices() == []
        plant.connection.execute("VACUUM reading")
        _all(Packing(35), connection)
        ((size,),) = plant.rows("SELECT hypertable_size('reading')")
        assert size < 200_000


def test_a_day_is_left_open_while_readings_come_to_it(plant: Plant, database_url: str) -> None:
    late = START + timedelta(hours=30, seconds=1)
    day = late.replace(hour=0, minute=0, second=0)
    us = int(late.timestamp() * 1e6)
    received_us = int((NOW - timedelta(minutes=30)).timestamp() * 1e6)
    channel = plant.channels["meter.power"]
    with _packer(database_url) as connection:
        _all(Packing(35), connection)
        writer.create_staging(plant.connection)
        with plant.connection.transaction():
            row = ReadingRow(plant.facility_id, channel, us, 7.0, 0, 0, received_us)
            assert writer.write(plant.connection, [row]).stored == 1
        plant.connection.execute("UPDATE reading SET known_at = NULL")
        assert plant.rows("SELECT count(DISTINCT channel_id) FROM reading") == [(1,)]
        plant.tick(NOW)
        plant.connection.execute("UPDATE emission_hour SET final = true")
        _all(Packing(35), connection)
        assert plant.rows("SELECT DISTINCT date_trunc('day', ts, 'UTC') FROM reading") == [(day,)]
        _all(Packing(35), connection, NOW + timedelta(hours=1))
        assert _counts(plant)[0] == 0


def test_a_facility_that_is_needed_is_left_for_later_and_others_are_not_packed_twice(
    plant: Plant, database_url: str
) -> None:
    total, _ = _counts(plant)
    with _packer(database_url) as one, _packer(database_url) as other:
        with plant.connection.transaction():
            claims.lock(plant.connection, plant.facility_id)
            _all(Packing(35), one)
            assert _counts(plant) == (total, 0)
        with plant.connection.transaction():
            days.keep_packers_off(plant.connection, [plant.channels["meter.power"]])
            _all(Packing(35), one)
            assert _counts(plant) == (total, 0)
        walks = [candidates.walk(c, NOW - timedelta(days=40)) for c in (one, other)]
        with one.transaction():
            first = next(walks[0])
            assert walk.take(one, plant.facility_id)
            days.pack(one, first.channel_id, first.day)
            with other.transaction():
                assert next(walks[1]) == first
                assert not walk.take(other, plant.facility_id)
        with other.transaction():
            assert walk.take(other, plant.facility_id)
            assert days.pack(other, first.channel_id, first.day).rows == 0
        for connection in (one, other):
            _all(Packing(35), connection)
    assert _counts(plant) == (0, total)


def test_what_comes_until_a_facility_is_held_leaves_its_days_open(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.connection.execute("UPDATE emission_hour SET known_at = hour, opened_at = hour")
    take = walk.take

    def late(connection: psycopg.Connection[Any], facility_id: int) -> bool:
        plant.connection.execute(
            "INSERT INTO touched (facility_id, channel_ids, minutes, seconds, live)"
            " VALUES (%s, '{}', '{}', '{}', false)", (facility_id,),
        )  # fmt: skip
        return take(connection, facility_id)

    monkeypatch.setattr(walk, "take", late)
    with _packer(database_url) as connection:
        for table in ("reading", "emission_minute", "emission_hour"):
            # a month later, when the month is over
            _all(Packing(35), connection, NOW + timedelta(days=30))
            ((came,),) = plant.rows("SELECT count(*) FROM touched")
            # once: a look before the facility is held says that it waits
            assert came == 1, table
            assert plant.rows(
                "SELECT FROM packed_readings UNION ALL SELECT FROM packed_minutes"
                " UNION ALL SELECT FROM packed_hours"
            ) == []  # fmt: skip
            # then the next kind comes first
            plant.connection.execute(f"TRUNCATE touched, {table}")


@pytest.mark.parametrize("table", ["packed_readings", "packing_horizon", "reading"])
def test_a_batch_that_is_cut_off_has_packed_nothing(
    plant: Plant, database_url: str, table: str
) -> None:
    """The connection is killed between the statements of a batch, at each table that they write."""
    before = plant.rows("SELECT * FROM reading ORDER BY channel_id, ts")
    timing = "AFTER DELETE" if table == "reading" else "AFTER INSERT OR UPDATE"
    plant.connection.execute(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    plant.connection.execute(
        f"CREATE TRIGGER cut {timing} ON {table} FOR EACH ROW EXECUTE FUNCTION cut()"
    )
    with _packer(database_url) as connection, pytest.raises(psycopg.OperationalError):
        _all(Packing(35), connection)
    assert plant.rows("SELECT * FROM reading ORDER BY channel_id, ts") == before
    assert plant.rows("SELECT count(*) FROM packed_readings") == [(0,)]
    plant.connection.execute(f"DROP TRIGGER cut ON {table}")
    with _packer(database_url) as connection:
        _all(Packing(35), connection)
    assert _counts(plant) == (0, len(before))


_RUNS = """
SELECT channel_id, min(day), sum(days)::int, sum(readings)::int, sum(usable)::int, min(first_ts),
       max(last_ts), min(known_from), max(known_to), bool_and(archived)
FROM packed_readings GROUP BY 1 HAVING sum(readings) <= 1500 ORDER BY 1
"""


def test_short_rows_are_joined_when_their_month_is_old(plant: Plant, database_url: str) -> None:
    before = plant.rows("SELECT * FROM reading ORDER BY channel_id, ts")
    apart = "SELECT * FROM packed_readings ORDER BY channel_id, day"
    old = NOW + timedelta(days=10)
    pack_some(plant.connection, random.Random(1))
    plant.connection.execute("UPDATE packed_readings SET archived = channel_id = 1")
    rows, runs = plant.rows(apart), plant.rows(_RUNS)
    assert len(runs) > 1
    with _packer(database_url) as connection:
        _all(Packing(35), connection)
        assert plant.rows(apart) == rows
        plant.connection.execute(
            "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
            " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        )
        plant.connection.execute(
            "CREATE TRIGGER cut AFTER INSERT ON packed_readings FOR EACH ROW EXECUTE FUNCTION cut()"
        )
        with pytest.raises(psycopg.OperationalError):
            _all(Packing(35), connection, old)
    assert plant.rows(apart) == rows
    plant.connection.execute("DROP TRIGGER cut ON packed_readings")
    with _packer(database_url) as connection:
        packing = Packing(35)
        _all(packing, connection, old)
        assert packing.notices() == []
    joined = plant.rows(apart)
    assert len(joined) < len(rows)
    assert plant.rows(_RUNS) == runs
    with _packer(database_url) as connection:
        _all(Packing(35), connection, old)
    assert plant.rows(apart) == joined
    unpack_all(plant.connection)
    assert plant.rows("SELECT * FROM reading ORDER BY channel_id, ts") == before


def test_what_cannot_be_packed_is_told_and_holds_up_nothing(
    plant: Plant, database_url: str
) -> None:
    channel, day = plant.channels["meter.power"], int(START.timestamp()) // 86_400
    with plant.connection.transaction():
        days.pack(plant.connection, channel, day)
    plant.connection.execute("UPDATE packed_readings SET series = 'damaged'")
    plant.store([Reading("meter.power", START + timedelta(hours=1, seconds=1), 5.0)])
    plant.connection.execute("DELETE FROM touched")
    plant.connection.execute("UPDATE reading SET received_at = ts")
    packing = Packing(35)
    with _packer(database_url) as connection:
        _all(packing, connection)
    (notice,) = packing.notices()
    assert notice["code"] == "packing-failed"
    assert f"channel {channel} on 2026-03-02" in notice["detail"]
    assert plant.rows("SELECT count(*) FROM reading") == [(1,)]


def test_where_nothing_can_be_looked_for_totals_go_on_and_it_is_tried_again(
    plant: Plant, database_url: str
) -> None:
    now_s = [0.0]
    packing = Packing(35, monotonic=lambda: now_s[0])
    plant.connection.execute("ALTER TABLE reading_horizon RENAME TO away")
    with _packer(database_url) as connection:
        assert not packing.step(connection, NOW)
        (notice,) = packing.notices()
        assert (notice["code"], "could not be looked for" in notice["detail"]) == (
            "packing-failed", True,
        )  # fmt: skip
        plant.connection.execute("ALTER TABLE away RENAME TO reading_horizon")
        now_s[0] += 599
        assert not packing.step(connection, NOW)
        assert _counts(plant)[1] == 0
        now_s[0] += 2
        # a clock that stands still lets all be packed in one turn
        assert not packing.step(connection, NOW)
    assert packing.notices() == []
    assert _counts(plant)[1] > 0


def test_verify_says_which_packed_day_is_damaged(database_url: str) -> None:
    start = instant("2026-06-01T06:00:00+02:00")
    plant = Plant(database_url)
    plant.store(some_readings(random.Random(3), start, 9))
    ruled.close_all(plant, start + timedelta(hours=12))
    assert pack_some(plant.connection, random.Random(1)) > 0
    url = as_login(database_url, "tonne_aggregate")
    verified = tonne(url, "verify", "--json")
    whole = json.loads(verified.stdout)
    assert (verified.code, whole["differs"]) == (0, [])
    assert whole["checked"] > 20
    channel = plant.channels["meter.power"]
    plant.connection.execute(
        "UPDATE packed_readings SET series = set_byte(series, 30, get_byte(series, 30) # 1)"
        " WHERE channel_id = %s",
        (channel,),
    )
    verified = tonne(url, "verify", "--json")
    differs = json.loads(verified.stdout)["differs"]
    assert verified.code == 1
    assert {(difference["source"], difference["kind"]) for difference in differs} == {
        ("by-gauge", "not computable"),
        ("", "packed"),
    }
    for difference in differs:
        assert (
            f"packed readings of channel {channel} on 2026-06-01 are damaged"
            in (difference["detail"])
        )
    (packed,) = (difference for difference in differs if difference["kind"] == "packed")
    assert packed["detail"].startswith("meter.power: ")
    plant.close()


def test_packed_readings_are_dropped_and_purged_like_rows(plant: Plant, database_url: str) -> None:
    chunk_ends = instant("2026-03-05T00:00:00Z")
    plant.store(some_readings(random.Random(2), chunk_ends, 20))
    total, _ = _counts(plant)
    kept = 2 * 9
    with _packer(database_url) as connection:
        # the next chunk's readings stay
        plant.store([Reading("meter.power", START + timedelta(days=20), 5.0)])
        plant.tick(NOW)
        plant.connection.execute("UPDATE emission_hour SET final = true")
        # a row that lies on both sides of the end of a chunk goes with the second one
        first = int(START.timestamp()) // 86_400
        with connection.transaction():
            for channel in plant.channels.values():
                days.pack_days(connection, channel, first + 1, first + 3)
        across = "SELECT id FROM packed_readings WHERE first_ts < %s AND last_ts >= %s ORDER BY 1"
        runs = connection.execute(across, (chunk_ends, chunk_ends)).fetchall()
        assert len(runs) > 1
        _all(Packing(35), connection)
        dropping = Retention(40)
        for _ in range(8):
            dropping._next_at = 0.0
            dropping.step(connection, NOW)
            if retention.horizon(connection) == chunk_ends:
                assert connection.execute(across, (chunk_ends, chunk_ends)).fetchall() == runs
        assert connection.execute(across, (chunk_ends, chunk_ends)).fetchall() == []
        assert dropping.notices() == []
        assert retention.horizon(connection) is not None
        ((dropped,),) = plant.rows("SELECT sum(readings) FROM dropped_readings")
        rows, packed = _counts(plant)
        assert dropped + rows + packed == total + 1
        ((most,),) = plant.rows(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM reading r, reading_horizon h"
            " WHERE r.ts < h.horizon GROUP BY channel_id) q"
        )
        assert kept <= most <= 2 * kept
        # what is left there stays as it is
        _all(Packing(35), connection)
        assert _counts(plant) == (rows, packed)
    assert facility_rows.DATA["packed_readings"]


@pytest.mark.parametrize(("days_", "right"), [(0, True), (2, False), (3, True), (35, True)])
def test_nothing_young_can_be_asked_to_be_packed(days_: int, right: bool) -> None:
    if right:
        assert Settings(pack_after_days=days_).pack_after_days == days_
    else:
        with pytest.raises(ValueError, match="0 or at least 3"):
            Settings(pack_after_days=days_)
    assert Settings().pack_after_days == 35


@pytest.fixture
def packed(database_url: str) -> Iterator[PackedPlant]:
    plant = PackedPlant(database_url)
    yield plant
    assert plant.packed > 20
    plant.close()


def test_any_order_and_batching_come_to_the_same_over_packed_days(packed: PackedPlant) -> None:
    test_order.test_any_order_batching_and_duplication_gives_the_same_totals(packed, 1)


def test_time_passing_comes_to_the_same_over_packed_days(packed: PackedPlant) -> None:
    test_order.test_live_readings_and_time_passing_give_the_same_totals_as_history(packed)
