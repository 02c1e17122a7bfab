"""Columns say what rows said: every format over random histories, against the slow definition."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import nanoarrow
import psycopg
import pyarrow.parquet as pq
import pytest

from services.aggregator.summing import Summing
from services.api.http.intervals import HOURLY, cut, parse, whole_hours
from services.api.models.emissions import Emission, EmissionGroup
from services.api.models.factor_levels import COLUMNS
from services.api.routes.emission_series import series_of
from services.core.facility.file import parse as parse_file
from services.core.runtime.clock import FixedClock
from services.core.runtime.escapes import csv_text
from services.core.store.answers import summed_periods
from services.core.store.answers.facility_queries import facilities
from services.core.store.answers.source_uncertainty import KnownAccounts
from services.core.store.computation.hours_then import HoursThen, open_hours
from services.core.store.database.connect import engine
from services.core.store.database.transactions import reading, reading_pool
from services.core.store.emissions import hours_as_known
from services.core.store.emissions.hours_as_known import SourceHours
from services.core.store.registry.apply import apply
from services.core.timeline.instants import MINUTE, rfc3339
from tests.integration.api.emission_rows import (
    DAYS_OF_MINUTES,
    HOURS_AS_KNOWN,
    HOURS_IN_FORCE,
    PARTS_OF_HOURS,
    Asked,
    rows,
)
from tests.integration.api.plant import HOUR, at
from tests.services import as_login

Connection = psycopg.Connection[Any]
Rows = list[dict[str, Any]]

ZONES = {"graz": "Europe/Vienna", "pune": "Asia/Kolkata", "howe": "Australia/Lord_Howe"}
#: A change of clocks in Vienna, on Lord Howe, and of the year of factors.
FIRST, LAST = at("2026-03-20T00:00:00Z"), at("2026-04-12T00:00:00Z")
NOW = at("2026-04-11T13:17:40Z")
ARROW = "application/vnd.apache.arrow.stream"


def facility_file(slug: str) -> str:
    """Sources with bands of one and of two causes, without any, and one that exports."""
    channel = {"quantity": "energy", "unit": "kWh", "kind": "counter", "max_rate": 1000}
    source = {"scope": 2, "method": "activity", "factor": "grid"}
    return json.dumps(
        {
            "facility": {"id": slug, "name": slug, "timezone": ZONES[slug]},
            "devices": [
                {
                    "id": "m",
                    "channels": [
                        {"id": "a", **channel, "uncertainty": 2},
                        {"id": "b", **channel},
                        {"id": "c", **channel, "uncertainty": 1.5},
                        {"id": "d", **channel, "direction": "export"},
                    ],
                }
            ],
            "factors": [
                {
                    "id": factor, "unit": "kWh", "co2_kg": kg, "valid_from": since,
                    "citation": "a test", "uncertainty": percent, "data_year": 2024,
                    **({} if until is None else {"valid_to": until}),
                }
                for factor, kg, since, until, percent in (
                    ("grid", 0.25, "2020-01-01", "2026-04-01", 5),
                    ("grid", 0.26, "2026-04-01", None, 7.1),
                    ("other", 0.2, "2020-01-01", None, 3),
                )
            ],
            "sources": [
                {"id": "b2", "input": "m.a", **source},
                {"id": "a1", "input": "m.b", **source, "name": "=Boiler, the \"old\" one"},
                {"id": "c3", "input": "m.c", **source, "factor": "other", "scope": 1},
                {"id": "d4", "input": "m.d", **source},
            ],
        }
    )  # fmt: skip


def history(connection: Connection, chance: random.Random) -> None:
    """Store hours with versions, and minutes, at random; nothing in them fits anything else."""
    sources = connection.execute("SELECT id, slug FROM source ORDER BY id").fetchall()
    hours, versions, minutes = [], [], []
    for source_id, slug in sources:
        # of masses beyond what a float, and a sum beyond what 64 bits hold exactly
        mass = 2**62 if slug == "c3" else 2 ** chance.choice([30, 45, 56])
        hour = FIRST
        while hour < min(LAST, NOW):
            for _ in range(chance.choice([0, 1, 1, 1, 1])):
                hours.append(hour_row(chance, source_id, hour, mass))
                superseded_at = hours[-1][-2]
                if chance.random() < 0.2:
                    known_at = superseded_at - timedelta(hours=chance.randrange(1, 60))
                    before = hour_row(chance, source_id, hour, mass)[:-2]
                    versions.append((*before, known_at, superseded_at))
            if chance.random() < 0.1:
                minutes += minute_rows(chance, source_id, hour, mass // 60)
            hour += HOUR
    amounts = "co2_ug, co2e_ug, market_ug, co2_biogenic_ug, activity_n, exported_n, covered_ms"
    columns = f"source_id, hour, {amounts}, estimated_ms, version, final, quality, code, reason"
    closing = "closing_ms, substituted_ms, closing_ug, closing_biogenic_ug"
    copies = (
        (f"emission_hour ({columns}, known_at, opened_at)", hours),
        (f"emission_hour_history ({columns}, known_at, superseded_at)", versions),
        (f"emission_minute (source_id, minute, {amounts}, estimated_ms, {closing})", minutes),
    )
    for target, stored in copies:
        with connection.cursor().copy(f"COPY {target} FROM STDIN") as copy:
            for row in stored:
                copy.write_row(row)
    connection.execute("UPDATE factor SET successor_expected = '2026-03-01' WHERE slug = 'grid'")
    # what a retired source emitted still counts
    connection.execute(
        "UPDATE source SET active = false, retired_at = %s WHERE slug = 'b2'", (NOW,)
    )


def figures(chance: random.Random, mass: int, length_ms: int) -> list[int | None]:
    return [
        *(chance.choice([0, chance.randrange(mass)]) for _ in range(4)),
        chance.choice([None, 0, chance.randrange(mass)]),
        chance.choice([0, chance.randrange(mass)]),
        covered := chance.choice([0, length_ms, length_ms, chance.randrange(length_ms)]),
        chance.choice([0, 0, covered // 3, covered]),
    ]


def hour_row(chance: random.Random, source_id: int, hour: datetime, mass: int) -> tuple[Any, ...]:
    known_at = hour + timedelta(hours=chance.randrange(1, 100))
    quality = chance.choice(["measured"] * 20 + ["partial", "missing", "substituted", "estimated"])
    return (
        source_id, hour, *figures(chance, mass, 3_600_000), chance.randrange(1, 5),
        mass == 2**45 or chance.random() < 0.97, quality,
        chance.choice([None, "flow:01", "co2:20 flow:01"]), "test", known_at,
        known_at - timedelta(minutes=chance.randrange(3)),
    )  # fmt: skip


def minute_rows(
    chance: random.Random, source_id: int, hour: datetime, mass: int
) -> Iterator[tuple[Any, ...]]:
    for minute in range(0, 60, chance.randrange(1, 20)):
        covered = figures(chance, mass, 60_000)
        closing_ms = chance.choice([0, 0, 60_000 - (covered[6] or 0), -(covered[6] or 0)])
        yield (
            source_id, hour + minute * MINUTE, *covered, closing_ms,
            chance.choice([0, 0, 0, 60_000]), chance.randrange(-mass, mass), 0,
        )  # fmt: skip


@pytest.fixture
def filled(connection: Connection, database_url: str, clock: FixedClock) -> Connection:
    clock.instant = NOW
    bind = engine(database_url, process="test")
    for slug in ZONES:
        with bind.begin() as applying:
            apply(applying, parse_file(facility_file(slug)))
    bind.dispose()
    history(connection, random.Random(20260411))
    return connection


async def expected(
    database_url: str, connection: Connection, interval: str, begins: datetime, ends: datetime,
    *, only: list[str], as_of: datetime | None,
) -> Rows:  # fmt: skip
    now = min(NOW, as_of or NOW)
    pool = reading_pool(as_login(database_url, "tonne_api"), process="api", connections=1)
    async with pool.connect() as reader:
        series = await series_of(
            reader,
            KnownAccounts(),
            await facilities(reader, only=only),
            [],
            begins,
            ends,
            now=now,
            as_of=as_of,
        )
    await pool.dispose()
    answer: Rows = []
    length = parse(interval)
    for part in series:
        zone = part.timezone
        buckets = list(cut(length, begins, min(ends, now), timezone=zone, limit=100_000))
        then: HoursThen | None = None
        statement = HOURS_IN_FORCE
        if length.in_hour:
            statement = PARTS_OF_HOURS
        elif length != HOURLY and not (
            length.of_hours and whole_hours(zone, buckets[0].begins, buckets[-1].ends)
        ):
            statement = DAYS_OF_MINUTES
        elif as_of is not None:
            statement = HOURS_AS_KNOWN
            asked = [
                SourceHours(source_id=s.source.id, first=buckets[0].begins,
                            last=min(buckets[-1].ends, now + MINUTE))
                for s in part.sources
            ]  # fmt: skip
            with reading(database_url, process="test") as same:
                then = open_hours(same, asked, now)
        answer += rows(
            connection, Asked(series=part, buckets=buckets, now=now, then=then), statement
        )
    return sorted(answer, key=lambda row: (row["time"], row["facility"], row["source"]))


def as_csv(answer: Rows) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(Emission.model_fields)
    for row in answer:
        cells = (
            rfc3339(c) if isinstance(c, datetime) else csv_text(c) if isinstance(c, str) else c
            for c in row.values()
        )
        writer.writerow("" if cell is None else cell for cell in cells)
    return text.getvalue()


def differing(shown: Rows, answer: Rows) -> list[tuple[Any, ...]]:
    return [
        (row["time"], row["source"], name, cell, old[name])
        for row, old in zip(shown, answer, strict=True)
        for name, cell in row.items()
        if cell != old[name]
    ]


DAY = timedelta(days=1)
EVERYWHERE = list(ZONES)
CASES = [
    ("1m", FIRST, FIRST + 7 * HOUR, EVERYWHERE, None),
    ("15m", NOW - 3 * DAY, LAST, EVERYWHERE, None),
    ("1h", FIRST, LAST, EVERYWHERE, None),
    ("6h", FIRST, LAST, EVERYWHERE, None),
    ("1d", FIRST, LAST, EVERYWHERE, None),
    ("1w", FIRST, LAST, ["graz"], None),
    ("1mo", FIRST, LAST, EVERYWHERE, None),
    ("1y", FIRST, LAST, EVERYWHERE, None),
    ("90s", NOW - 3 * HOUR, NOW, EVERYWHERE, None),
    ("7h", FIRST, LAST, EVERYWHERE, None),
    ("36h", FIRST, LAST, EVERYWHERE, None),
    ("36h30m", FIRST, LAST, EVERYWHERE, None),
    ("10d", FIRST, LAST, EVERYWHERE, None),
    ("5mo", FIRST, LAST, EVERYWHERE, None),
    ("1h", FIRST, LAST, EVERYWHERE, at("2026-04-03T07:31:12Z")),
    ("36h", FIRST, LAST, ["graz"], at("2026-04-03T07:31:12Z")),
    ("1d", FIRST, LAST, ["graz"], at("2026-04-03T07:31:12Z")),
    ("1mo", FIRST, LAST, ["graz"], at("2026-04-03T07:31:12Z")),
]


async def all_formats_say(
    client: httpx.AsyncClient, answer: Rows, interval: str, begins: datetime, ends: datetime,
    only: list[str], as_of: datetime | None,
) -> None:  # fmt: skip
    parameters = {
        "interval": interval, "from": begins.isoformat(), "to": ends.isoformat(),
        "facility": only, **({} if as_of is None else {"as_of": as_of.isoformat()}),
    }  # fmt: skip
    got = {
        kind: await client.get("/v1/emissions", params=parameters, headers={"Accept": kind})
        for kind in ("application/json", "text/csv", ARROW)
    }
    as_json = json.loads(msgspec.json.encode(answer))
    assert differing(got["application/json"].json(), as_json) == [], interval
    assert got["application/json"].content == msgspec.json.encode(answer), interval
    assert got["text/csv"].text == as_csv(answer), interval
    with nanoarrow.ArrayStream.from_readable(got[ARROW].content) as stream:
        assert differing(stream.read_all().to_pylist(), answer) == [], interval


async def test_every_format_says_to_the_last_digit_what_rows_say(
    client: httpx.AsyncClient, filled: Connection, database_url: str
) -> None:
    seen = set()
    for interval, begins, ends, only, as_of in CASES:
        answer = await expected(
            database_url, filled, interval, begins, ends, only=only, as_of=as_of
        )
        await all_formats_say(client, answer, interval, begins, ends, only, as_of)
        seen |= {row["quality"] for row in answer} | {row["reason"] is None for row in answer}
        seen |= {name for row in answer for name, cell in row.items() if cell is not None}
    # the histories had all that there can be
    assert seen >= {"measured", "partial", "missing", "substituted", "estimated", True, False}
    # nothing here removes, nothing is of scope 3, and no factor is a series
    assert seen | {"removal", "scope3_category", *COLUMNS} >= set(Emission.model_fields)


async def test_stored_sums_change_no_digit(
    client: httpx.AsyncClient, filled: Connection, database_url: str
) -> None:
    assert not Summing(monotonic=lambda: 0.0).step(filled, NOW)
    for table in ("emission_day", "emission_month"):
        assert filled.execute(f"SELECT FROM {table} LIMIT 1").rowcount == 1
    for interval, begins, ends, only, as_of in CASES:
        if as_of is None and parse(interval).mean >= DAY:
            answer = await expected(
                database_url, filled, interval, begins, ends, only=only, as_of=None
            )
            await all_formats_say(client, answer, interval, begins, ends, only, None)


@pytest.mark.usefixtures("filled")
async def test_pages_of_columns_join_without_a_seam(client: httpx.AsyncClient) -> None:
    parameters = {"interval": "1h", "from": FIRST.isoformat(), "to": LAST.isoformat()}
    everything = (await client.get("/v1/emissions", params=parameters)).json()
    pages: Rows = []
    response = await client.get("/v1/emissions", params={**parameters, "limit": 997})
    while True:
        pages += response.json()
        if "next" not in response.links:
            break
        response = await client.get(response.links["next"]["url"])
    assert pages == everything


async def test_groups_are_sums_of_their_sources(
    client: httpx.AsyncClient, filled: Connection, database_url: str
) -> None:
    # what checks another source stands in no sum
    filled.execute("""UPDATE source SET spec = spec || '{"check": "a1"}' WHERE slug = 'd4'""")
    # and in one facility another source counts what the retired one counted
    filled.execute(
        "UPDATE source_input i SET channel_id = j.channel_id"
        " FROM source s, facility f, source o JOIN source_input j ON j.source_id = o.id"
        " WHERE s.id = i.source_id AND s.slug = 'd4' AND o.slug = 'b2'"
        " AND o.facility_id = s.facility_id AND f.id = s.facility_id AND f.slug = 'pune'"
    )
    filled.execute("UPDATE registry_revision SET revision = revision + 1")
    answer = await expected(database_url, filled, "1d", FIRST, LAST, only=EVERYWHERE, as_of=None)
    uncounted = {(row["facility"], row["source"]) for row in answer if not row["counts"]}
    assert uncounted == {*((slug, "a1") for slug in ZONES), ("pune", "b2")}
    span = {"interval": "1d", "from": FIRST.isoformat(), "to": LAST.isoformat()}
    shown = (await client.get("/v1/emissions", params=span)).json()
    assert differing(shown, json.loads(msgspec.json.encode(answer))) == []
    for by in ("facility", "scope"):
        sums: dict[tuple[Any, ...], Rows] = {}
        for row in answer:
            if row["counts"]:
                scope = row["scope"] if by == "scope" else None
                sums.setdefault((row["time"], row["facility"], scope), []).append(row)
        response = await client.get("/v1/emissions", params={**span, "group_by": by})
        groups = response.json()
        assert [(at(g["time"]), g["facility"], g["scope"]) for g in groups] == sorted(sums)
        for group, rows_ in zip(groups, (sums[key] for key in sorted(sums)), strict=True):
            EmissionGroup.model_validate(group)
            known = [row for row in rows_ if row["co2_kg"] is not None]
            assert group["sources"] == len(rows_)
            for mass in ("co2_kg", "co2e_kg", "co2_market_kg", "co2_biogenic_kg"):
                total = sum(row[mass] for row in known) if known else None
                assert group[mass] == (None if total is None else pytest.approx(total, rel=1e-12))
            coverage = sum(row["coverage"] for row in rows_) / len(rows_)
            assert group["coverage"] == pytest.approx(coverage, abs=1.1e-6)
            is_banded = bool(known) and all(row["co2_low_kg"] is not None for row in known)
            assert (group["co2_low_kg"] is not None) == is_banded
            if len(known) == 1 and is_banded:
                assert group["co2_low_kg"] == known[0]["co2_low_kg"]
            assert (group["state"] == "final") == all(r["state"] == "final" for r in rows_)
            stale = sum(row["stale_factor_share"] for row in rows_) / len(rows_)
            assert group["stale_factor_share"] == pytest.approx(stale, abs=1.1e-6)


@pytest.mark.usefixtures("filled")
async def test_a_format_may_be_named_instead(client: httpx.AsyncClient) -> None:
    span = {"interval": "1d", "from": FIRST.isoformat(), "to": LAST.isoformat()}
    answer = (await client.get("/v1/emissions", params=span)).json()
    rows_ = [{**row, "time": at(row["time"])} for row in answer]
    by_name = {
        name: await client.get("/v1/emissions", params={**span, "format": name})
        for name in ("json", "csv", "arrow", "parquet")
    }
    assert by_name["json"].json() == answer
    assert by_name["csv"].headers["content-type"].startswith("text/csv")
    assert (await client.get("/v1/emissions.csv", params=span)).content == by_name["csv"].content
    with nanoarrow.ArrayStream.from_readable(by_name["arrow"].content) as stream:
        assert stream.read_all().to_pylist() == rows_
    assert by_name["parquet"].headers["content-type"] == "application/vnd.apache.parquet"
    assert pq.read_table(io.BytesIO(by_name["parquet"].content)).to_pylist() == rows_
    # the next page has the format of this one
    page = await client.get("/v1/emissions.csv", params={**span, "limit": 10})
    following = await client.get(page.links["next"]["url"])
    assert following.headers["content-type"].startswith("text/csv")
    missing = await client.get("/v1/emissions.xlsx", params=span)
    assert missing.status_code == 404


def test_hours_and_sums_are_read_by_their_index(filled: Connection) -> None:
    # the tables of a test are so small that any other plan would do
    filled.execute("SET enable_seqscan = off")
    parameters = {
        "sources": [1, 2], "first": FIRST, "last": LAST, "minute": NOW, "as_of": NOW,
        "firsts": [FIRST, FIRST], "lasts": [LAST, LAST],
        **hours_as_known.parameters(NOW, {}),
    }  # fmt: skip
    for statement, *keys in (
        (hours_as_known.HOURS_IN_FORCE, "source_id = ANY", "hour >= "),
        (hours_as_known.HOURS_AS_KNOWN, "source_id = ANY", "hour >= "),
        (summed_periods._SUMS.replace("{table}", "emission_day"), "source_id = ", "begins >= "),
        (summed_periods._SUMS.replace("{table}", "emission_month"), "source_id = ", "begins >= "),
    ):
        plan = "\n".join(row[0] for row in filled.execute(f"EXPLAIN {statement}", parameters))
        conditions = [line for line in plan.split("\n") if "Index Cond" in line]
        assert conditions, plan
        assert all(key in line for line in conditions for key in keys), plan
        assert "Seq Scan" not in plan
