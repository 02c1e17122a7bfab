from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.facility.file import parse
from services.core.store.answers import known_facilities
from services.core.store.answers.answer_states import registry_revision
from services.core.store.answers.known_facilities import KnownFacilities
from services.core.store.database.connect import engine
from services.core.store.database.transactions import reading_pool
from services.core.store.registry.apply import apply

FILE = """
facility: {{id: {id}, name: {name}, timezone: UTC}}
devices:
  - id: meter
    channels:
      - {{id: grid, quantity: power, unit: kW, kind: gauge, max_gap: 3600}}
factors:
  - {{id: mix, unit: kWh, co2_kg: 0.4, citation: a}}
sources:
  - {{id: hall, scope: 2, method: activity, input: meter.grid, factor: mix}}
"""


@pytest.fixture
async def reading(database_url: str) -> AsyncIterator[AsyncConnection]:
    pool = reading_pool(database_url, process="api", connections=1)
    async with pool.connect() as opened:
        yield opened
    await pool.dispose()


def put(database_url: str, **named: str) -> None:
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        apply(connection, parse(FILE.format(**named)))
    bind.dispose()


async def names(known: KnownFacilities, reading: AsyncConnection, **asked: Any) -> list[str]:
    return [row.name for row in await known.read(reading, **asked)]


async def test_they_are_read_again_once_the_registry_changed(
    database_url: str, reading: AsyncConnection
) -> None:
    known = KnownFacilities()
    put(database_url, id="mill", name="Mill")
    assert await names(known, reading, only=["mill", "works"]) == ["Mill"]
    put(database_url, id="works", name="Works")
    assert await names(known, reading, only=["works", "mill"]) == ["Mill", "Works"]
    assert await names(known, reading) == ["Mill", "Works"]
    put(database_url, id="mill", name="Mill on the hill")
    assert await names(known, reading, only=["mill"]) == ["Mill on the hill"]
    first = await known.read(reading)
    # of the same registry nothing is read again
    again = await known.read(reading, only=["works", "mill"])
    assert [row is same for row, same in zip(first, again, strict=True)] == [True, True]


async def test_what_was_read_before_a_change_is_not_taken_for_what_is_after_it(
    database_url: str, reading: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownFacilities()
    put(database_url, id="mill", name="Mill")
    before = await registry_revision(reading)
    read = known_facilities.facilities
    is_first = True

    async def delayed(connection: AsyncConnection, **asked: Any) -> Any:
        nonlocal is_first
        rows = await read(connection, **asked)
        if is_first:
            is_first = False
            put(database_url, id="mill", name="Mill on the hill")
            # somebody else asks while this answer is on its way
            assert await names(known, connection) == ["Mill on the hill"]
        return rows

    monkeypatch.setattr(known_facilities, "facilities", delayed)
    assert await names(known, reading, only=["mill"], revision=before) == ["Mill"]
    assert await names(known, reading, only=["mill"]) == ["Mill on the hill"]
