from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.accounting.uncertainty import Part, band
from services.core.facility.file import parse
from services.core.store.answers.answer_states import LiveState, live_states
from services.core.store.answers.source_uncertainty import (
    KnownAccounts,
    SourceAccount,
    source_accounts,
)
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


DERIVED = """
facility: {{id: mill, name: Mill, timezone: UTC}}
devices:
  - id: m
    channels:
      - {{id: main, quantity: energy, unit: kWh, kind: counter, scale: 40, uncertainty: 1}}
      - {{id: hall, quantity: energy, unit: MWh, kind: counter, max_rate: 9, uncertainty: 2}}
      - {{id: rest, quantity: energy, unit: kWh, kind: derived, formula: main - hall{stated}}}
      - {{id: p, quantity: power, unit: kW, kind: gauge, uncertainty: 3}}
      - {{id: share, quantity: fraction, unit: "%", kind: gauge, uncertainty: 4}}
      - {{id: part, quantity: power, unit: kW, kind: derived, formula: 2 * p * (1 - share)}}
factors: [{{id: f, unit: kWh, co2_kg: 0.5, citation: a, uncertainty: 0}}]
sources:
  - {{id: rest, scope: 2, method: activity, input: m.rest, factor: f}}
  - {{id: hall, scope: 2, method: activity, input: m.hall, factor: f}}
  - {{id: part, scope: 2, method: activity, input: m.part, factor: f}}
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


async def read(
    known: KnownAccounts, connection: AsyncConnection, facility: str
) -> dict[str, SourceAccount]:
    """Read accounts as live totals do: by a state that was read before."""
    return await known.read(connection, facility, await state_of(connection, facility))


async def state_of(connection: AsyncConnection, facility: str) -> LiveState:
    raw = (await connection.get_raw_connection()).driver_connection
    assert isinstance(raw, psycopg.AsyncConnection)
    return (await live_states(raw, [facility], alerts_shown_for=timedelta(0)))[facility]


async def test_they_are_read_again_once_the_registry_changed(
    database_url: str, reading: AsyncConnection
) -> None:
    known = KnownAccounts()
    put(database_url, METERED.format(percent=1))
    first = await read(known, reading, "hall")
    assert first == await source_accounts(reading, "hall")
    assert await read(known, reading, "hall") is first
    put(database_url, METERED.format(percent=2))
    second = await read(known, reading, "hall")
    assert [meter.percent for meter in second["hall"].meters] == [2.0]


async def test_those_of_channels_without_an_uncertainty_follow_no_reading(
    database_url: str, reading: AsyncConnection
) -> None:
    silent = re.sub(r", uncertainty: \d", "", STACK)
    formula = silent.replace("inputs: {o2: cems.o2", "inputs: {o2: cems.dry").replace(
        "max_gap: 120}\nsources",
        'max_gap: 120}\n      - {id: dry, quantity: fraction, unit: "%", kind: derived,'
        " formula: o2 / (1 - h2o), uncertainty: 2}\nsources",
    )
    told = []
    for file in (silent, STACK, silent, formula):
        put(database_url, file)
        told.append((await state_of(reading, "works")).bands_follow_readings)
    assert told == [False, True, False, True]


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
        accounts = await read(known, reading, "works")
        percents.append([meter.percent for meter in accounts["stack"].meters])
    plant.close()
    assert percents[0] != percents[1]


@pytest.mark.vector
async def test_the_band_of_a_derived_channel_follows_from_its_channels(
    database_url: str, reading: AsyncConnection
) -> None:
    known = KnownAccounts()
    plant = Plant(database_url, DERIVED.format(stated=""))
    assert (await read(known, reading, "mill"))["rest"].meters == ()
    begin = datetime.now(UTC) - timedelta(hours=3)
    for k in range(3):
        at = begin + k * timedelta(hours=1)
        # 100 kWh an hour in, of them 40 in the hall; 50 kW, of which 20 % are not counted
        plant.store(
            [
                Reading("m.main", at, 7 + 2.5 * k),
                Reading("m.hall", at, 1 + 0.04 * k),
                Reading("m.p", at, 25.0),
                Reading("m.share", at, 20.0),
            ]
        )
    accounts = await read(known, reading, "mill")

    def percent(*sources: tuple[str, float]) -> float:
        day = datetime.now(UTC).date()
        parts = [
            Part(kg=kg, components=accounts[source].components(day, day) or ())
            for source, kg in sources
        ]
        assert all(part.components for part in parts)
        return band(parts).percent or 0.0

    # 100 +- 1 less 40 +- 0.8 are 60 +- 1.2806
    assert percent(("rest", 60.0)) == pytest.approx(100 * math.hypot(1, 0.8) / 60, rel=1e-6)
    # rest and hall are the main meter again: 100 +- 1
    assert percent(("rest", 60.0), ("hall", 40.0)) == pytest.approx(1.0, rel=1e-6)
    # a product: 3 %, and a fourth of 4 %, because 20 % that are wrong by 4 % change 80 % by 1 %
    assert percent(("part", 40.0)) == pytest.approx(math.hypot(3, 1), rel=1e-6)
    put(database_url, DERIVED.format(stated=", uncertainty: 5"))
    accounts = await read(known, reading, "mill")
    assert percent(("rest", 60.0)) == pytest.approx(5.0)
    plant.close()


@pytest.mark.vector
async def test_what_a_formula_of_a_stack_and_its_equation_share_does_not_count_twice(
    database_url: str, reading: AsyncConnection
) -> None:
    # dry CO2 from wet: moisture falls out of F-2, so that 50 % of it change nothing
    text = (
        STACK.replace("inputs: {o2: cems.o2", "inputs: {co2: cems.dry")
        .replace("    diluent: F-14A\n    fuel: natural-gas\n", "")
        .replace(
            "uncertainty: 5}",
            "uncertainty: 50}\n      - {id: dry, quantity: fraction, "
            'unit: "%", kind: derived, formula: o2 / (1 - h2o)}',
        )
    )
    plant = Plant(database_url, text)
    at = datetime.now(UTC) - timedelta(minutes=2)
    plant.store(
        [
            Reading("cems.o2", at, 10.0),
            Reading("cems.flow", at, 1e6),
            Reading("cems.h2o", at, 20.0),
        ]
    )
    accounts = await source_accounts(reading, "works")
    found = band([Part(kg=100.0, components=accounts["stack"].meters)])
    assert found.percent == pytest.approx(math.hypot(3, 4), rel=1e-6)
    plant.close()
