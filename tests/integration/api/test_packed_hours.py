# ruff: noqa: PERF401 - one question after the other, each on a line of its own
"""Answers are the same whichever months of hours are packed; changes come to the same ledger."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import structlog

from services.aggregator.summing import Summing
from services.core.runtime.clock import FixedClock
from services.core.store.database.connect import connect, engine
from services.core.store.emissions import final_hours, hour_history, hour_inputs, registry_checks
from services.core.store.emissions.hour_packing import candidates, months
from services.core.store.operations.retire_facility import _STORED
from services.core.store.packing import opened
from services.core.store.packing.days import DamagedDayError
from services.core.store.registry import recompute_queue
from tests.command import tonne
from tests.integration.aggregator import test_closing as ruled
from tests.integration.aggregator.plant import (
    FILE,
    Plant,
    Reading,
    apply_text,
    instant,
    some_readings,
)
from tests.services import as_login

START = instant("2026-03-30T18:00:00Z")
HOURS = 40
END = START + timedelta(hours=HOURS)
LATER = END + timedelta(hours=3)
RULED = FILE + "    validity: part75\n    substitution: part75\n"
CORRECTED = RULED.replace("co2_kg: 0.2,", "co2_kg: 0.3,")
_SPAN = {"from": "2026-03-30T00:00:00Z", "to": "2026-04-07T00:00:00Z"}


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    """Hours on both sides of a month's end, some restated once and twice."""
    plant = Plant(database_url, RULED)
    plant.connection.execute("SET timezone = 'UTC'")
    plant.store(some_readings(random.Random(5), START, HOURS))
    ruled.close_all(plant, LATER)
    apply_text(database_url, CORRECTED)
    plant.tick(LATER)
    _late(plant, START + timedelta(hours=20))
    yield plant
    plant.close()


def _late(plant: Plant, at: datetime) -> None:
    plant.store([Reading("meter.power", at + timedelta(seconds=k), 900.0) for k in range(3)])
    plant.store([Reading("meter.quarter", at.replace(minute=0) + timedelta(minutes=15), 99.0)])
    plant.tick(LATER)


def _now(plant: Plant) -> str:
    ((now,),) = plant.rows("SELECT clock_timestamp()")
    return str(now.astimezone(UTC).isoformat())


def _rows(plant: Plant) -> list[Any]:
    return [
        plant.rows(f"SELECT h::text FROM public.{table} h ORDER BY source_id, hour, version")  # noqa: S608
        for table in ("emission_hour", "emission_hour_history")
    ]


def _pack(plant: Plant, rng: random.Random, share: float = 1.0) -> int:
    packed = 0
    with plant.connection.transaction():
        for candidate in list(candidates.walk(plant.connection, datetime.now(UTC))):
            if rng.random() < share:
                packed += months.pack(plant.connection, candidate.source_id, candidate.month).rows
    return packed


def _sum(plant: Plant) -> None:
    summing = Summing()
    while summing.step(plant.connection, datetime.now(UTC)):
        pass


def _sums(plant: Plant) -> list[Any]:
    return plant.rows(
        "SELECT s::text FROM emission_day s UNION ALL SELECT s::text FROM emission_month s"
        " ORDER BY 1"
    )


def _unpack(plant: Plant) -> None:
    packed = plant.rows("SELECT source_id, month FROM packed_hours")
    if packed:
        with plant.connection.transaction():
            months.open_months(plant.connection, *(np.array(c) for c in zip(*packed, strict=True)))


async def _answers(client: httpx.AsyncClient, *, as_of: list[str]) -> dict[str, str]:
    """Everything that the API says of hours."""
    asked: list[tuple[str, dict[str, Any]]] = []
    for known in (None, *as_of):
        then = {} if known is None else {"as_of": known}
        for interval in ("15m", "1h", "1d", "1mo")[known is not None :]:
            asked.append(("emissions", {**_SPAN, "interval": interval, **then}))
        for hours in (3, 30):
            hour = (START + timedelta(hours=hours)).isoformat()
            for source in ("by-gauge", "stack"):
                asked.append(("explain", {"source": source, "hour": hour, **then}))
        asked.append(("reports", {"year": 2026, **then}))
        asked.append(("restatements", {**_SPAN, **then}))
        if known:
            asked.append(("live", then))
    asked.append(("annotations", _SPAN))
    answers = {}
    for call, parameters in asked:
        key = {"facility": "works", **parameters}
        response = await client.get(f"/v1/{call}", params=key)
        assert response.status_code == 200, response.text
        answers[f"{call} {key}"] = response.text
    pages, url = [], "/v1/restatements?facility=works&limit=7"
    while url:
        response = await client.get(url)
        pages += response.json()
        url = response.links.get("next", {}).get("url", "")
    assert len(pages) > 30
    return {**answers, "pages": json.dumps(pages)}


def _others(plant: Plant, url: str) -> list[Any]:
    """What commands and the aggregator are told."""
    sources = sorted(plant.sources.values())
    first, last = int(START.timestamp()) // 3600 - 2, int(END.timestamp()) // 3600 + 2
    told: list[Any] = [tonne(as_login(url, "tonne_aggregate"), "verify", "--json").stdout]
    # the command's log goes where it wrote
    structlog.reset_defaults()
    with plant.connection.transaction():
        for source in sources:
            told.append(final_hours.bounds(plant.connection, source, None, None))
            told.append(final_hours.stored(plant.connection, source, first, last))
            told.append(final_hours.superseded(plant.connection, source, first, last))
        told.append(hour_inputs.recorded_bounds(plant.connection, {plant.sources["stack"]: "co2"}))
        told.append(registry_checks.nobodys_hours(plant.connection))
    bind = engine(url, process="test")
    with bind.connect() as connection:
        told.append(tuple(connection.execute(_STORED, {"facility": plant.facility_id}).one()))
        told.append([recompute_queue._of_hours(connection, source) for source in sources])
    bind.dispose()
    return told


async def test_every_answer_is_the_same_whatever_is_packed(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock, database_url: str
) -> None:
    known = [_now(plant)]
    _late(plant, START + timedelta(hours=36))
    known.append(_now(plant))
    plant.connection.execute("UPDATE emission_hour SET final = true")
    clock.instant = datetime.now(UTC) + timedelta(hours=1)
    _sum(plant)
    sums = _sums(plant)
    assert len(sums) > 5
    rows, expected = _rows(plant), await _answers(client, as_of=known)
    others = _others(plant, database_url)
    for seed, share in ((1, 0.5), (2, 1.0)):
        assert _pack(plant, random.Random(seed), share) > 100
        for asked, answer in (await _answers(client, as_of=known)).items():
            assert answer == expected[asked], asked
        for told, right in zip(_others(plant, database_url), others, strict=True):
            assert told == right
        if share == 1:
            assert _rows(plant) == [[], []]
            # packing is no change, and sums can be made of what is packed
            assert _sums(plant) == sums
            plant.connection.execute("TRUNCATE emission_day, emission_month")
            _sum(plant)
        _unpack(plant)
        assert _rows(plant) == rows
        assert _sums(plant) == sums


def _ledger(plant: Plant) -> list[Any]:
    _unpack(plant)
    columns = "version, co2_ug, co2e_ug, activity_n, covered_ms, final, quality, code, reason"
    return [
        plant.rows(f"SELECT source_id, hour, {columns} FROM {table} ORDER BY 1, 2, 3")  # noqa: S608
        for table in ("emission_hour", "emission_hour_history")
    ] + [plant.totals()]


def test_changes_open_just_their_months_and_come_to_the_same_ledger(
    plant: Plant, database_url: str
) -> None:
    plant.connection.execute("UPDATE emission_hour SET final = true")
    apply_text(database_url, RULED.replace("co2_kg: 0.25,", "co2_kg: 0.5,"))
    with plant.connection.transaction(force_rollback=True):
        plant.tick(LATER)
        _late(plant, START + timedelta(hours=10))
        right = _ledger(plant)
    plant.restart()
    _pack(plant, random.Random(1))
    before = set(plant.rows("SELECT id, source_id, month FROM packed_hours"))
    plant.tick(LATER)
    _pack(plant, random.Random(1))
    packed = set(plant.rows("SELECT id, source_id, month FROM packed_hours"))
    assert len(packed) == len(before)
    assert not packed & {row for row in before if row[1] == plant.sources["by-counter"]}
    _late(plant, START + timedelta(hours=10))
    opened_months = packed - set(plant.rows("SELECT id, source_id, month FROM packed_hours"))
    assert {(source, month) for _, source, month in opened_months} == {
        (plant.sources["by-gauge"], 2026 * 12 + 2)
    }
    assert _ledger(plant) == right


def test_only_what_is_settled_is_packed_and_no_role_can_change_it(
    plant: Plant, database_url: str
) -> None:
    now = datetime.now(UTC)
    url = as_login(database_url, "tonne_aggregate")
    with connect(url, process="aggregator", autocommit=True) as connection:
        some = list(candidates.walk(connection, now))
        assert {candidate.month for candidate in some} == {2026 * 12 + k for k in (2, 3)}
        assert not list(candidates.walk(connection, instant("2026-03-31T00:00:00Z")))
        plant.connection.execute("UPDATE emission_hour SET final = true")
        assert not any(c.settled(connection, now - timedelta(hours=1)) for c in some)
        later = now + timedelta(hours=1)
        for candidate in some:
            settled = candidate.settled(connection, later)
            assert settled is not None
            assert settled.pack().rows > 0
        plant.connection.execute("UPDATE emission_hour SET final = false WHERE hour < %s", (END,))
        ((source, month, pack_id),) = plant.rows(
            "SELECT source_id, month, id FROM packed_hours ORDER BY id LIMIT 1"
        )
        for wrong in (
            "DELETE FROM packed_hours",
            "UPDATE packed_hours SET hours = 1",
            "DELETE FROM emission_hour",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(wrong)
        with opened.snapshot(connection):
            hour_history.open_span(connection, [source], months.begin(month), END)
            hour = connection.execute("SELECT count(*) FROM emission_hour").fetchone()
        assert hour is not None
        with connection.transaction():
            months.open_months(connection, np.array([source]), np.array([month]))
        plant.connection.execute("UPDATE emission_hour SET final = true, co2_ug = co2_ug + 1")
        row = connection.execute(
            months._STORED,
            {"source": source, "begins": months.begin(month), "ends": months.begin(month + 1)},
        ).fetchone()
        assert row is not None
        plant.connection.execute("UPDATE emission_hour SET co2_ug = co2_ug - 1")
        with pytest.raises(psycopg.errors.SerializationFailure, match="changed while"):
            connection.execute(months._PACK, (source, month, b"", b"", row[-1]))
    assert pack_id


def test_a_damaged_month_is_named_and_holds_up_no_other(plant: Plant) -> None:
    plant.connection.execute("UPDATE emission_hour SET final = true")
    _pack(plant, random.Random(1))
    source, month = plant.sources["by-gauge"], 2026 * 12 + 2
    plant.connection.execute(
        "UPDATE packed_hours SET in_force = set_byte(in_force, 30, get_byte(in_force, 30) # 1)"
        " WHERE source_id = %s AND month = %s", (source, month),
    )  # fmt: skip
    why = f"hours of source {source} of the month on 2026-03-01 are damaged"
    with pytest.raises(DamagedDayError, match=why), opened.snapshot(plant.connection):
        hour_history.open_span(plant.connection, [source], START, END)
    with opened.snapshot(plant.connection):
        hour_history.open_span(plant.connection, [plant.sources["by-counter"]], START, END)
        assert plant.rows("SELECT count(*) FROM emission_hour")[0][0] > 30
