"""NumPy arrays go to PostgreSQL and come back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows, copy_data, loaded
from services.core.timeline.instants import POSTGRES_EPOCH_US

Connection = psycopg.Connection[Any]

_ALL = PackedRows(
    small="int2", plain="int4", large="int8", real="float8", flag="bool", ts="timestamptz"
)
_INSTANT_US = 1_790_000_000_123_456


def _columns(size: int) -> dict[str, NDArray[Any]]:
    i = np.arange(size)
    return {
        "small": (i % 100 - 50).astype(np.int16),
        "plain": (i * 1000 - 7).astype(np.int32),
        "large": i * 10**12 - 1,
        "real": i / 7 - 1.5,
        "flag": i % 3 == 0,
        "ts": _INSTANT_US + i * 1_000_000,
    }


@pytest.fixture
def stored(database_url: str) -> Iterator[Connection]:
    """A connection with an empty table of all types."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE stored (n serial, small int2, plain int4, large int8,"
            " real float8, flag bool, ts timestamptz)"
        )
        yield connection


def _copy(connection: Connection, columns: dict[str, NDArray[Any]], **null: Any) -> None:
    sent = {**columns, "ts": columns["ts"] - POSTGRES_EPOCH_US}
    sql = "COPY stored (small, plain, large, real, flag, ts) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.write(copy_data(sent, null))


def _same(found: dict[str, NDArray[Any]], wanted: dict[str, NDArray[Any]]) -> None:
    assert list(found) == list(wanted)
    for name, column in wanted.items():
        assert found[name].dtype == column.dtype, name
        assert found[name].tolist() == column.tolist(), name


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_columns_come_back_as_they_were_copied(stored: Connection, size: int) -> None:
    _copy(stored, _columns(size))
    packed = _ALL.sql("small", "plain", "large", "real", "flag", "ts", order_by="n")
    row = stored.execute(f"SELECT {packed} FROM stored", binary=True).fetchone()  # noqa: S608
    assert row is not None
    _same(_ALL.columns(row[0]), _columns(size))


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_columns_come_back_as_they_were_parameters(stored: Connection, size: int) -> None:
    columns = _columns(size)
    found = _ALL.select(
        stored,
        "SELECT small, plain, large, real, flag,"
        " timestamptz 'epoch' + ts * interval '1 microsecond'"
        " FROM unnest(%(small)s, %(plain)s, %(large)s, %(real)s, %(flag)s, %(ts)s)"
        " AS x(small, plain, large, real, flag, ts)",
        columns,
    )
    _same({name: found[name] for name in columns}, columns)


def test_a_row_with_a_null_is_left_out(stored: Connection) -> None:
    absent = np.array([False, True, False])
    _copy(stored, _columns(3), real=absent)
    real = PackedRows(plain="int4", real="float8")
    found = real.select(stored, "SELECT plain, real FROM stored", None)
    assert found["plain"].tolist() == _columns(3)["plain"][~absent].tolist()


def test_a_stored_array_is_loaded(stored: Connection) -> None:
    row = stored.execute(
        "SELECT array_send(ARRAY[3, -1]), array_send(ARRAY[]::int4[]), NULL::bytea", binary=True
    ).fetchone()
    assert row is not None
    assert [loaded(each, ">i4").tolist() for each in row] == [[3, -1], [], []]
