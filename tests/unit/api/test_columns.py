"""Columns are written as their cells would be, one by one."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from services.api.http import json_rows
from services.api.http.columns import Cells, Instants, Numbers, Table, Words
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


@pytest.mark.parametrize("seed", range(30))
def test_json_of_columns_is_that_of_rows_one_by_one(seed: int) -> None:
    chance = np.random.default_rng(seed)
    size = int(chance.integers(1, 40))

    def index(choices: int) -> NDArray[np.int64]:
        return chance.integers(-1, choices, size) % choices

    def numbers() -> Numbers:
        kinds = [chance.normal(size=size), chance.integers(0, 2, size), chance.random(size) < 0.5]
        known: list[NDArray[np.bool_] | None] = [
            None,
            chance.random(size) < 0.5,
            chance.random(size) < 0.0,
        ]
        return Numbers(kinds[chance.integers(3)], known[chance.integers(3)])

    instants, same = Instants(np.array([0, 60_000_000, 61_000_001]), index(3)), index(4)
    columns = [
        instants,
        Words(["a,b", 'say "\u00e9"', None, "d"], same),
        Words(["e", "f", "g", "h"], same),
        Words(["alike", "alike", "unused"], index(2)),
        Words([*"nobody chooses most of these words, or none", None], np.full(size, -1)),
        (mass := numbers()),
        Numbers(mass.values.copy(), mass.known),
        numbers(),
        Numbers(np.repeat([1.5, 2.5], size)[size // 2 : size // 2 + size]),
        Cells([{"n": n} for n in range(size)]),
    ]
    named = [(str(i), columns[i]) for i in chance.permutation(len(columns))]
    names, cells = zip(
        *((name, column.cells()) for name, column in named[seed % 10 :]), strict=True
    )
    rows = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
    table = Table(dict(named[seed % 10 :]))
    for at_a_time in (7, 100):
        assert b"".join(json_rows.parts(table, at_a_time)) == msgspec.json.encode(rows)


def test_json_of_no_rows_is_an_empty_list() -> None:
    assert list(json_rows.parts(Table({"n": Cells([])}), 10)) == [b"[]"]
