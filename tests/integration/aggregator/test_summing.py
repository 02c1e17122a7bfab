"""Sums of days and months are stored when they are past and final, and go when an hour changes."""

# ruff: noqa: S608 - constants

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from services.aggregator.summing import Summing
from services.core.store.database.connect import connect
from services.core.store.emissions import (
    factor_restatement,
    hour_closing,
    minutes_and_hours,
    sum_checks,
)
from services.core.store.emissions.factor_restatement import Masses
from services.core.store.emissions.hour_closing import HourVerdict
from services.core.store.emissions.minute_changes import Changes
from services.core.store.schema.figures import FIGURES, MASSES, names
from tests.integration.aggregator.plant import FILE, Plant, apply_text, instant
from tests.services import Postgres, as_login

#: The clocks of Vienna go forward on 2026-03-29: that day has 23 hours.
FIRST = instant("2026-03-20T05:00:00Z")
NOW = instant("2026-05-05T12:00:00Z")
HOUR = timedelta(hours=1)

INDIA = FILE.replace("id: works", "id: mill").replace("Europe/Vienna", "Asia/Kolkata")

#: Of every source from the first one on; each a little otherwise, some hours not there at all.
_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, activity_n, exported_n,
    covered_ms, estimated_ms, version, final, quality, code, reason, known_at, opened_at)
SELECT id, hour, m, 2 * m, m / 2, CASE WHEN n %% 5 > 0 THEN m / 3 END, n %% 4 * 1000, covered,
       (n %% 6 = 0)::int * covered, 1 + n %% 3, true,
       CASE WHEN n %% 11 = 0 THEN 'substituted' WHEN covered = 0 THEN 'missing'
            WHEN covered < 3600000 THEN 'partial' WHEN n %% 6 = 0 THEN 'estimated'
            ELSE 'measured' END,
       CASE WHEN n %% 7 < 3 THEN 'quadrants' END, 'closed', hour, hour
FROM (SELECT s.id, hour, s.id * 131 + k * 17 + k * k %% 101 AS n,
             1000000007::int8 * (k + 1) * s.id %% 99999999977 AS m,
             (ARRAY[3600000, 3600000, 3600000, 60000, 0])[1 + (k * 7 + s.id) %% 5] AS covered
      FROM source s CROSS JOIN generate_series(0, %s - 1) AS k
      CROSS JOIN LATERAL (SELECT %s::timestamptz + k * interval '1 hour' AS hour) h) x
WHERE n %% 29 > 0
"""


@pytest.fixture(scope="module")
def summed(postgres_cluster: Postgres, migrated_template: str) -> Iterator[Plant]:
    """Two facilities, one of which has no whole hours, with seven weeks that are summed."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url)
        apply_text(url, INDIA)
        _store_hours(plant.connection)
        _sum(plant.connection)
        yield plant
        plant.close()


@pytest.fixture
def plant(summed: Plant) -> Iterator[Plant]:
    """The same, and all that is done to it is taken back."""
    with summed.connection.transaction(force_rollback=True):
        yield summed


def _store_hours(connection: psycopg.Connection[Any]) -> None:
    count = int((NOW - FIRST) / HOUR) + 1
    connection.execute(_HOURS, (count, FIRST))
    # what is recent is open
    connection.execute("UPDATE emission_hour SET final = false WHERE hour >= '2026-05-04T03:00Z'")


def _sum(connection: psycopg.Connection[Any], now: datetime = NOW) -> None:
    summing = Summing()
    while summing.step(connection, now):
        pass
    assert summing.notices() == []


def _sums(plant: Plant) -> dict[tuple[str, int, datetime], tuple[Any, ...]]:
    rows = plant.rows(
        "SELECT 'day', * FROM emission_day UNION ALL SELECT 'month', * FROM emission_month"
    )
    return {row[:3]: row[3:] for row in rows}


def _wrong(plant: Plant) -> list[sum_checks.CheckedSum]:
    return [
        entry
        for (source_id,) in plant.rows("SELECT id FROM source")
        for entry in sum_checks.sums_against_hours(plant.connection, source_id, None, None)
        if entry.figures or entry.detail
    ]


def test_days_and_months_are_stored_that_are_past_and_final(plant: Plant) -> None:
    source = plant.sources["by-counter"]
    days = {
        begins: row
        for (span, of, begins), row in _sums(plant).items()
        if (span, of) == ("day", source)
    }
    # from the day of the first hour to the last one before the first open hour
    assert (min(days), max(days)) == (instant("2026-03-19T23:00Z"), instant("2026-05-02T22:00Z"))
    assert len(days) == 45
    ends = days[instant("2026-03-28T23:00Z")][0]
    assert ends == instant("2026-03-29T22:00Z")
    months = {
        begins: row[0]
        for (span, of, begins), row in _sums(plant).items()
        if (span, of) == ("month", source)
    }
    assert months == {
        instant("2026-02-28T23:00Z"): instant("2026-03-31T22:00Z"),
        instant("2026-03-31T22:00Z"): instant("2026-04-30T22:00Z"),
    }
    # of a month that is not over, what is past: of May that is not yet final
    plant.connection.execute(
        "UPDATE emission_hour SET final = true WHERE hour < '2026-05-04T22:00Z'"
    )
    for now, ends in ((NOW, "2026-05-04T22:00Z"), (NOW + 24 * HOUR, "2026-05-04T22:00Z")):
        _sum(plant.connection, now)
        assert plant.rows("SELECT max(ends) FROM emission_month") == [(instant(ends),)]
    plant.connection.execute("UPDATE emission_hour SET final = true")
    _sum(plant.connection, NOW + 24 * HOUR)
    assert plant.rows("SELECT max(ends) FROM emission_month") == [(instant("2026-05-05T22:00Z"),)]
    assert _wrong(plant) == []
    stored = _sums(plant)
    _sum(plant.connection)
    assert _sums(plant) == stored


def test_days_that_begin_within_an_hour_have_the_whole_hours_of_them(plant: Plant) -> None:
    rows = plant.rows(
        "SELECT DISTINCT d.begins, d.ends FROM emission_day d JOIN source s ON s.id = d.source_id"
        " JOIN facility f ON f.id = s.facility_id WHERE f.slug = 'mill' ORDER BY 1"
    )
    # midnight in India is at 18:30
    assert rows[1] == (instant("2026-03-20T19:00Z"), instant("2026-03-21T18:00Z"))
    assert len(rows) == 45


def _restate(connection: psycopg.Connection[Any], source: int, hour: datetime) -> None:
    minute = int(hour.timestamp()) // 60
    zeros = {name: np.zeros(1, dtype=np.int64) for name in names(FIGURES)}
    changes = Changes.from_columns(
        {
            "sources": np.array([source]),
            "minutes": np.array([minute + 7]),
            "has_activity": np.array([True]),
            **zeros,
            "co2_ug": np.array([12345]),
        }
    )
    assert minutes_and_hours.change_hours(connection, changes, {source: "a test"}) == 1


def _judge(connection: psycopg.Connection[Any], source: int, hour: datetime) -> None:
    verdict = HourVerdict(
        source_id=source,
        hour=int(hour.timestamp()) // 3600,
        co2_ug=None,
        final=True,
        quality="missing",
        code="other",
    )
    hour_closing.record_verdicts(connection, [verdict], lambda _: "a test")


def _correct_factor(connection: psycopg.Connection[Any], source: int, hour: datetime) -> None:
    masses = Masses(
        source=np.array([source]),
        minute=np.array([int(hour.timestamp()) // 60]),
        ug={name: np.array([7]) for name in names(MASSES)},
    )
    assert factor_restatement.write_hours(connection, masses, {source: "a test"})[1] == 1


def _reopen(connection: psycopg.Connection[Any], source: int, hour: datetime) -> None:
    # by a clock that is far behind: later hours are opened, too
    hour_closing.reopen(connection, {source: 0.0}, hour + timedelta(minutes=30))


def _sql(statement: str) -> Callable[[psycopg.Connection[Any], int, datetime], None]:
    def run(connection: psycopg.Connection[Any], source: int, hour: datetime) -> None:
        done = connection.execute(statement, {"source": source, "hour": hour})
        assert done.rowcount == 1

    return run


_AT = "WHERE source_id = %(source)s AND hour = %(hour)s"


@pytest.mark.parametrize(
    "change",
    [
        _restate,
        _judge,
        _correct_factor,
        _reopen,
        _sql(f"UPDATE emission_hour SET quality = 'substituted' {_AT}"),
        _sql(f"DELETE FROM emission_hour {_AT}"),
        _sql(f"UPDATE emission_hour SET source_id = 9999 {_AT}"),
        _sql(
            "INSERT INTO emission_hour SELECT (jsonb_populate_record(h, jsonb_build_object("
            f"'hour', hour - interval '10 years'))).* FROM emission_hour h {_AT}"
        ),
    ],
)
def test_whatever_changes_an_hour_removes_its_sums_and_no_other(
    plant: Plant, change: Callable[[psycopg.Connection[Any], int, datetime], None]
) -> None:
    before = _sums(plant)
    source = plant.sources["by-gauge"]
    (hour,) = random.Random(3).choice(
        plant.rows(
            f"SELECT hour FROM emission_hour WHERE source_id = {source} AND final"
            " AND quality <> 'substituted' AND hour > '2026-04-25' ORDER BY 1"
        )
    )
    change(plant.connection, source, hour)
    assert _wrong(plant) == []
    after = _sums(plant)
    gone = before.keys() - after.keys()
    assert after == {key: row for key, row in before.items() if key not in gone}
    assert {of for _, of, _ in gone} <= {source}
    if change is not _reopen:
        # the hour of ten years ago is in no sum
        assert [
            begins <= hour < before["day", of, begins][0]
            for span, of, begins in gone
            if span == "day"
        ] in ([True], [])
        assert all(hour - timedelta(hours=768) < begins for _, _, begins in gone)
    _sum(plant.connection)
    assert _wrong(plant) == []
    if change is not _reopen:
        assert _sums(plant).keys() >= before.keys()


def test_random_changes_leave_no_sum_that_is_not_that_of_its_hours(plant: Plant) -> None:
    rng = random.Random(11)
    for _ in range(12):
        source = rng.choice(list(plant.sources.values()))
        lo, hi = sorted(rng.choices(range(46 * 24), k=2))
        which = (
            f"source_id BETWEEN {source} AND {source + 1} AND hour BETWEEN '{FIRST + lo * HOUR}'"
            f" AND '{FIRST + min(hi, lo + 60) * HOUR}' AND random() < 0.3"
        )
        plant.connection.execute(
            rng.choice(
                [
                    f"UPDATE emission_hour SET co2_ug = co2_ug + 1 WHERE {which}",
                    f"UPDATE emission_hour SET final = NOT final WHERE {which}",
                    f"DELETE FROM emission_hour WHERE {which}",
                    f"UPDATE emission_hour SET activity_n = NULL, version = 9 WHERE {which}",
                ]
            )
        )
        assert _wrong(plant) == []
        if rng.random() < 0.5:
            _sum(plant.connection)
            assert _wrong(plant) == []


def test_another_time_zone_has_other_days(plant: Plant) -> None:
    before = {key for key in _sums(plant) if key[1] in plant.sources.values()}
    plant.connection.execute("UPDATE facility SET timezone = 'Asia/Tokyo' WHERE slug = 'works'")
    kept = _sums(plant).keys()
    assert not kept & before
    assert kept
    _sum(plant.connection)
    assert not _sums(plant).keys() & before
    assert instant("2026-03-31T15:00Z") in {
        begins for span, _, begins in _sums(plant) if span == "month"
    }
    assert _wrong(plant) == []


def test_truncated_hours_have_no_sums(plant: Plant) -> None:
    plant.connection.execute("TRUNCATE emission_hour")
    assert _sums(plant) == {}


def test_what_is_too_great_for_a_column_is_not_summed(plant: Plant) -> None:
    source, day = plant.sources["stack"], instant("2026-04-09T22:00Z")
    plant.connection.execute(
        "UPDATE emission_hour SET market_ug = 9e18"
        " WHERE source_id = %s AND hour >= %s AND hour < %s",
        (source, day, day + 24 * HOUR),
    )
    _sum(plant.connection)
    stored = {begins for span, of, begins in _sums(plant) if (span, of) == ("day", source)}
    assert len(stored) == 44
    assert day not in stored
    assert _wrong(plant) == []


def test_what_waits_to_be_computed_is_summed_afterwards(plant: Plant) -> None:
    source = plant.sources["by-interval"]
    plant.connection.execute(
        "UPDATE emission_hour SET version = version + 1 WHERE source_id = %s", (source,)
    )
    plant.connection.execute(
        "INSERT INTO recompute (facility_id, source_id, from_minute, to_minute, reason, step)"
        " VALUES (%s, %s, minute_of(%s), minute_of(%s), 'a test', 'rest')",
        (plant.facility_id, source, FIRST, NOW),
    )
    _sum(plant.connection)
    assert source not in {of for _, of, _ in _sums(plant)}
    plant.connection.execute("DELETE FROM recompute")
    _sum(plant.connection)
    assert len([of for _, of, _ in _sums(plant) if of == source]) == 45 + 2


def test_a_facility_that_cannot_be_summed_keeps_no_other_from_it(plant: Plant) -> None:
    plant.connection.execute("UPDATE facility SET timezone = 'Nowhere/Land' WHERE slug = 'works'")
    plant.connection.execute("UPDATE emission_hour SET version = version + 1")
    assert _sums(plant) == {}
    summing = Summing()
    while summing.step(plant.connection, NOW):
        pass
    assert {of for _, of, _ in _sums(plant)}.isdisjoint(plant.sources.values())
    assert _sums(plant)
    ((notice),) = summing.notices()
    assert notice["code"] == "summing-failed"


def test_a_writer_who_holds_nothing_is_waited_for_or_waits(database_url: str) -> None:
    plant = Plant(database_url)
    _store_hours(plant.connection)
    change = f"UPDATE emission_hour SET co2_ug = co2_ug + 1 WHERE hour = '{FIRST + 100 * HOUR}'"
    aggregator = as_login(database_url, "tonne_aggregate")
    with connect(aggregator, process="aggregator", autocommit=True) as summer:
        with plant.connection.transaction(force_rollback=True):
            plant.connection.execute(change)
            _sum(summer)
            assert _sums(plant) == {}
        with summer.transaction():
            _sum(summer)
            writer = threading.Thread(target=plant.connection.execute, args=(change,))
            writer.start()
            while not summer.execute(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ).fetchall():
                assert writer.is_alive()
        writer.join()
        assert _wrong(plant) == []
        assert len(_sums(plant)) == (45 + 2 - 2) * len(plant.sources)
        _sum(summer)
        assert len(_sums(plant)) == (45 + 2) * len(plant.sources)
        for table in ("emission_day", "emission_month"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                summer.execute(f"DELETE FROM {table}")
    plant.close()
