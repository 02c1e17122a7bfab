"""The rule of rounding a minute stands in Python; its SQL gives the same to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import services.core.store.database.arrays  # noqa: F401 - arrays as parameters
from services.core.accounting.minute_rounding import (
    MAX_BILLIONTHS,
    billionths,
    holdable,
    multipliable,
)
from services.core.store.schema.minute_mass import minute_mass
from tests.services import Postgres

_STORED = f"""
SELECT {minute_mass("f.kg")} FROM unnest(%s::int8[], %s::float8[], %s::float8[])
    WITH ORDINALITY AS x(at, activity, kg, i)
CROSS JOIN LATERAL (SELECT to_timestamp(x.at * 60) AS minute, x.activity) m
CROSS JOIN LATERAL (SELECT x.kg) f
ORDER BY x.i
""".replace("% 60)", "%% 60)")  # noqa: S608 - the rule

#: kg that a minute can have, with what is least likely to be a whole number of micrograms
_MAX_KG = MAX_BILLIONTHS / 1e9
_PER_UNIT = st.floats(-1000, 1000) | st.sampled_from([0.2, 0.25, 0.2551, 1 / 3, 5e-10, 1e-9])
_AMOUNTS = (
    st.floats(-_MAX_KG / 1000, _MAX_KG / 1000)
    | st.integers(-(10**6), 10**6).map(lambda n: n / 1e9)
    | st.integers(0, 5 * 10**4).map(lambda n: n + 0.5)
)
_MINUTES = st.integers(0, 60 * 24 * 366 * 60)


@pytest.fixture(scope="module")
def connection(postgres_cluster: Postgres) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_cluster.url_of("postgres")) as connection:
        connection.autocommit = True
        yield connection


@given(minutes=st.lists(st.tuples(_MINUTES, _AMOUNTS, _PER_UNIT)))
def test_the_database_rounds_a_minute_as_the_aggregator_does(
    connection: psycopg.Connection[Any], minutes: list[tuple[int, float, float]]
) -> None:
    at = np.array([minute for minute, _, _ in minutes], dtype=np.int64)
    # as they are stored
    activity = multipliable(np.array([amount for _, amount, _ in minutes], dtype=np.float64))
    per_unit = multipliable(np.array([kg for _, _, kg in minutes], dtype=np.float64))
    kg = activity * per_unit
    assert holdable(kg).all()
    rows = connection.execute(_STORED, (at, activity, per_unit), binary=True).fetchall()
    assert [row[0] for row in rows] == billionths(at, np.ones(at.size, bool), kg).tolist()
