"""Columns are written as their cells would be, one by one."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import numpy as np
import pytest

from services.api.http.columns import Instants, Numbers, Table
from services.core.timeline.instants import from_us, rfc3339, to_us


@pytest.mark.parametrize("unit_us", [1, 1000, 1_000_000, 60_000_000])
def test_instants_are_written_to_the_microsecond(unit_us: int) -> None:
    chance = random.Random(unit_us)
    newest_us = to_us(datetime(2100, 1, 1, tzinfo=UTC))
    instants_us = [chance.randrange(-newest_us, newest_us) // unit_us * unit_us for _ in range(500)]
    column = Instants(np.array(instants_us), np.arange(500))
    assert column.texts() == [rfc3339(from_us(us)) for us in instants_us]
    part = column.part(slice(100, 103))
    assert [part.texts()[i] for i in part.index] == [rfc3339(i) for i in column.cells()[100:103]]


def test_what_is_null_stays_null_beside_a_table_without_nulls() -> None:
    whole, holed = np.array([1.0, 2.0]), Numbers(np.array([0.0]), np.array([False]))
    joined = Table.joined([Table({"n": Numbers(whole)}), Table({"n": holed})])
    assert joined.columns["n"].cells() == [1.0, 2.0, None]
