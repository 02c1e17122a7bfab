from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.facility.file import parse
from services.core.store.answers.source_uncertainty import KnownAccounts, source_accounts
from services.core.store.database.connect import async_engine, engine
from services.core.store.registry.apply import apply
from tests.integration.aggregator.plant import Plant, Reading

METERED = """
facility: {{id: hall, name: Hall, timezone: UTC}}
devices:
  - id: meter
    channels:
      - {{id: grid, quantity: power, unit: kW, kind: gauge, max_gap: 3600, uncertainty: {percent}}}
factors:
  - {{id: mix, unit: kWh, co2_kg: 0.4, citation: a}}
sources:
  - {{id: hall, scope: 2, method: activity, input: meter.grid, factor: mix}}
"""

STACK = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: cems
    channels:
      - {id: o2, quantity: fraction, unit: "%", kind: gauge, max_gap: 120, uncertainty: 3}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, max_gap: 120, uncertainty: 4}
      - {id: h2o, quantity: fraction, unit: "%", kind: gauge, max_gap: 120, uncertainty: 5}
sources:
  - id: stack
    scope: 1
    method: stack
    equation: F-2
    diluent: F-14A
    fuel: natural-gas
    inputs: {o2: cems.o2, flow: cems.flow, h2o: cems.h2o}
"""


@pytest.fixture
async def reading(database_url: str) -> AsyncIterator[AsyncConnection]:
    """A connection as the live streams have one."""
    bind = async_engine(database_url, process="api", role="tonne_read")
    async with bind.connect() as opened:
        yield await opened.execution_options(isolation_level="AUTOCOMMIT")
    await bind.dispose()


def put(database_url: str, file: str) -> None:
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        apply(connection, parse(file))
    bind.dispose()


async def test_they_are_read_again_once_the_registry_changed(
    database_url: str, reading: AsyncConnection
) -> None:
    known = KnownAccounts()
    put(database_url, METERED.format(percent=1))
    first = await known.read(reading, "hall")
    assert first == await source_accounts(reading, "hall")
    assert await known.read(reading, "hall") is first
    put(database_url, METERED.format(percent=2))
    second = await known.read(reading, "hall")
    assert [meter.percent for meter in second["hall"].meters] == [2.0]


async def test_those_of_a_stack_follow_its_readings(
    database_url: str, reading: AsyncConnection
) -> None:
    known = KnownAccounts()
    plant = Plant(database_url, STACK)
    percents = []
    for age, o2 in ((timedelta(minutes=2), 3.0), (timedelta(minutes=1), 15.0)):
        at = datetime.now(UTC) - age
        plant.store(
            [
                Reading("cems.o2", at, o2),
                Reading("cems.flow", at, 100_000.0),
                Reading("cems.h2o", at, 10.0),
            ]
        )
        accounts = await known.read(reading, "works")
        percents.append([meter.percent for meter in accounts["stack"].meters])
    plant.close()
    assert percents[0] != percents[1]
