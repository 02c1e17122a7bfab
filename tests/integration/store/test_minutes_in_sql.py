"""PostgreSQL puts the expressions of ``minute_start`` and ``minute_of`` in their place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.core.timeline.instants import from_us, to_minute

_START = datetime(2026, 1, 5, tzinfo=UTC)
_FIRST = to_minute(_START)
_DAYS = 60

Connection = psycopg.Connection[Any]


@pytest.fixture
def chunks(database_url: str) -> Iterator[Connection]:
    """Readings in many chunks, and minutes in several."""
    with psycopg.connect(database_url, options="-c TimeZone=UTC") as connection:
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, time_source, received_at)"
            " SELECT 1, %s + make_interval(hours => h), h, 0, 0, now()"
            " FROM generate_series(0, %s) AS h",
            (_START, _DAYS * 24),
        )
        (number,) = connection.execute(
            "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'"
        ).fetchone() or (0,)
        assert number > 5
        yield connection
        connection.rollback()


def _plan(connection: Connection, sql: str, parameters: Any = None) -> str:
    rows = connection.execute(f"EXPLAIN (VERBOSE, COSTS OFF) {sql}", parameters).fetchall()
    return "\n".join(row[0] for row in rows)


def _literal(minute: int) -> str:
    return f"timestamptz '{from_us(minute * 60_000_000).isoformat()}'"


def test_a_constant_leaves_the_same_chunks_out_as_the_instant_itself(chunks: Connection) -> None:
    select = "SELECT value FROM reading WHERE channel_id = 1 AND ts >= {} AND ts < {}"
    first, end = _FIRST + 20 * 1440, _FIRST + 21 * 1440
    plan = _plan(chunks, select.format(f"minute_start({first})", f"minute_start({end})"))
    assert plan == _plan(chunks, select.format(_literal(first), _literal(end)))
    assert plan.count("Scan using") == 1
    assert "minute_start" not in plan


def test_a_parameter_leaves_the_same_chunks_out(chunks: Connection) -> None:
    select = "SELECT value FROM reading WHERE channel_id = 1 AND ts >= {} AND ts < {}"
    first, end = _FIRST + 20 * 1440, _FIRST + 21 * 1440
    sql = select.format("minute_start(%s)", "minute_start(60 * %s)")
    plan = _plan(chunks, sql, (first, end // 60))
    assert plan.count("Scan using") == 1


def test_a_prepared_statement_leaves_chunks_out_when_it_is_run(chunks: Connection) -> None:
    chunks.execute("SET plan_cache_mode = force_generic_plan")
    chunks.execute(
        "PREPARE between_minutes (bigint, bigint) AS SELECT value FROM reading"
        " WHERE channel_id = 1 AND ts >= minute_start($1) AND ts < minute_start($2)"
    )
    plan = _plan(chunks, f"EXECUTE between_minutes ({_FIRST}, {_FIRST + 1440})")
    assert "Chunks excluded during startup" in plan
    assert "minute_start" not in plan


def test_each_row_of_a_join_looks_its_minutes_up_in_the_index(chunks: Connection) -> None:
    select = (
        "SELECT r.ts FROM unnest(ARRAY[1, 1], ARRAY[{0}, {1}]::bigint[]) AS x(channel_id, first)"
        " CROSS JOIN LATERAL (SELECT ts FROM reading WHERE channel_id = x.channel_id"
        " AND ts >= {2} AND ts < {3} OFFSET 0) r"
    )
    first, later = _FIRST, _FIRST + 30 * 1440
    plan = _plan(
        chunks, select.format(first, later, "minute_start(x.first)", "minute_start(x.first + 60)")
    )
    written_out = select.format(
        first,
        later,
        "to_timestamp(x.first * 60::float8)",
        "to_timestamp((x.first + 60) * 60::float8)",
    )
    assert "Index Cond" in plan
    assert "minute_start" not in plan
    assert plan == _plan(chunks, written_out)


def test_the_minute_of_an_instant_is_put_in_its_place_too(chunks: Connection) -> None:
    plan = _plan(chunks, "SELECT minute_of(ts) FROM reading WHERE channel_id = 1")
    assert "date_part" in plan
    assert "minute_of" not in plan


@pytest.mark.parametrize(
    "instant",
    [
        _START,
        _START + timedelta(seconds=59, microseconds=999_999),
        _START - timedelta(microseconds=1),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
    ids=str,
)
def test_a_minute_is_the_same_in_sql_as_in_the_code(database_url: str, instant: datetime) -> None:
    with psycopg.connect(database_url, options="-c TimeZone=America/St_Johns") as connection:
        row = connection.execute(
            "SELECT minute_of(%s), minute_start(minute_of(%s))", (instant, instant)
        ).fetchone()
    minute = to_minute(instant)
    assert row == (minute, from_us(minute * 60_000_000))


def test_nothing_gives_nothing(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT minute_of(NULL), minute_start(NULL)").fetchone()
    assert row == (None, None)
