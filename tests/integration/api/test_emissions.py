from __future__ import annotations

import csv
import io
import random
from datetime import datetime, timedelta
from typing import Any

import httpx
import nanoarrow
import psycopg
import pytest

from services.api.models.emissions import Emission
from services.core.runtime.clock import FixedClock
from tests.integration.api.plant import FULL, HOUR, MINUTE, at, found, minutes

Connection = psycopg.Connection[Any]

DAY = timedelta(days=1)


async def emissions(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    given = {name.removesuffix("_"): value for name, value in parameters.items()}
    response = await client.get("/v1/emissions", params=given)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()
    for row in rows:
        Emission.model_validate(row)
        assert list(row) == list(Emission.model_fields)
    return rows


async def problem(client: httpx.AsyncClient, **parameters: Any) -> dict[str, Any]:
    given = {name.removesuffix("_"): value for name, value in parameters.items()}
    response = await client.get("/v1/emissions", params=given)
    assert response.status_code in {404, 422}, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    return body


async def test_a_gap_is_a_row_that_says_unknown(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    plant = found(connection, "linz", sources=[("grid", 2, "kWh")])
    start = at("2026-11-23T10:00:00Z")
    minutes(
        connection,
        plant.sources["grid"],
        [(start, 0.0, FULL), (start + 10 * MINUTE, 1.5, FULL), (start + 11 * MINUTE, 0.5, 30_000)],
        activity=4.0,
    )
    rows = await emissions(
        client, facility="linz", interval="5m", from_=start.isoformat(),
        to=(start + 20 * MINUTE).isoformat(),
    )  # fmt: skip
    assert [(r["time"], r["co2_kg"], r["coverage"], r["quality"]) for r in rows] == [
        ("2026-11-23T10:00:00Z", 0.0, 0.2, "partial"),
        ("2026-11-23T10:05:00Z", None, 0.0, "missing"),
        ("2026-11-23T10:10:00Z", 2.0, 0.3, "partial"),
        ("2026-11-23T10:15:00Z", None, 0.0, "missing"),
    ]
    assert [r["activity"] for r in rows] == [4.0, None, 8.0, None]
    assert {r["activity_unit"] for r in rows} == {"kWh"}
    assert {(r["version"], r["state"]) for r in rows} == {(1, "provisional")}


async def test_what_grafana_sends_is_understood(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    plant = found(
        connection,
        "linz",
        timezone="Europe/Vienna",
        sources=[("grid", 2, "kWh"), ("boiler", 1, "kWh"), ("stack", 1, None)],
    )
    start = at("2026-11-23T09:30:00Z")
    for source in plant.sources.values():
        minutes(connection, source, [(start + i * MINUTE, 1.0, FULL) for i in range(60)])
    span = {"from_": start.isoformat(), "to": (start + HOUR).isoformat(), "source": "{grid,stack}"}
    rows = await emissions(client, interval="25m", **span)
    # counted from the facility's midnight, across the hours of UTC
    assert [(r["time"][11:16], r["source"], r["co2_kg"]) for r in rows] == [
        ("09:25", "grid", 20.0), ("09:25", "stack", 20.0),
        ("09:50", "grid", 25.0), ("09:50", "stack", 25.0),
        ("10:15", "grid", 15.0), ("10:15", "stack", 15.0),
    ]  # fmt: skip
    assert await emissions(client, interval="30s", **span) == await emissions(
        client, interval="1m", **span
    )
    left = {"interval": "${__interval}", "max_points": "$__maxDataPoints"}
    assert await emissions(client, **left, **span) == await emissions(client, **span)
    span["source"] = "$__all"
    assert {r["source"] for r in await emissions(client, interval="1h", **span)} == {*plant.sources}
    # between two whole minutes it is the longer
    for given, whole in (("90s", "2m"), ("90000ms", "2m"), ("1d1h", "25h"), ("31536000s", "365d")):
        rows = await emissions(client, interval=given, **span)
        assert rows == await emissions(client, interval=whole, **span)
    for interval, instead in (("1M", "write m or mo"), ("1mo1d", "30d"), ("13mo", "use 1y")):
        assert instead in (await problem(client, interval=interval, **span))["detail"]


async def test_columns_are_chosen_in_every_format(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    plant = found(connection, "linz", sources=[("grid", 2, "kWh")])
    start = at("2026-11-23T10:00:00Z")
    minutes(connection, plant.sources["grid"], [(start, 1.5, FULL)])
    span = {"from": start.isoformat(), "to": (start + HOUR).isoformat(), "interval": "1h"}
    asked = {**span, "fields": "co2_kg,time"}
    rows = (await client.get("/v1/emissions", params=asked)).json()
    assert [list(row.items()) for row in rows] == [
        [("co2_kg", 1.5), ("time", "2026-11-23T10:00:00Z")]
    ]
    text = (await client.get("/v1/emissions.csv", params=asked)).text
    assert text == "co2_kg,time\r\n1.5,2026-11-23T10:00:00Z\r\n"
    arrow = await client.get("/v1/emissions.arrow", params=asked)
    with nanoarrow.ArrayStream.from_readable(arrow.content) as stream:
        assert stream.read_all().to_pylist() == [{"co2_kg": 1.5, "time": start}]
    groups = await client.get(
        "/v1/emissions", params={**span, "group_by": "scope", "fields": "scope,co2_market_kg"}
    )
    assert groups.json() == [{"scope": 2, "co2_market_kg": 1.5}]
    assert "has time, facility" in (await problem(client, fields="kg"))["detail"]


@pytest.mark.parametrize(
    ("timezone", "day", "begins", "hours"),
    [
        ("Europe/Vienna", "2026-03-29", "2026-03-28T23:00:00Z", 23),
        ("Europe/Vienna", "2026-10-25", "2026-10-24T22:00:00Z", 25),
        ("Asia/Kolkata", "2026-03-29", "2026-03-28T18:30:00Z", 24),
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", 25),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", 24.5),
    ],
)
async def test_days_are_local_also_when_the_clocks_change(
    client: httpx.AsyncClient,
    connection: Connection,
    timezone: str,
    day: str,
    begins: str,
    hours: float,
) -> None:
    plant = found(connection, "linz", timezone=timezone)
    start = at(begins)
    length = timedelta(hours=hours)
    minutes(
        connection,
        plant.sources["stack-1"],
        [(start + i * MINUTE, 1.0, FULL) for i in range(-60, int(length / MINUTE) + 60)],
    )
    rows = await emissions(
        client, interval="1d", from_=(start + 6 * HOUR).isoformat(), to=(start + length).isoformat()
    )
    assert len(rows) == 1, day
    assert (at(rows[0]["time"]), rows[0]["co2_kg"], rows[0]["coverage"]) == (
        start, hours * 60, 1.0,
    )  # fmt: skip
    assert rows[0]["version"] == 1


async def test_months_are_local(client: httpx.AsyncClient, connection: Connection) -> None:
    plant = found(connection, "linz", timezone="Europe/Vienna")
    edge = at("2026-02-28T23:00:00Z")
    minutes(
        connection,
        plant.sources["stack-1"],
        [(edge - HOUR, 1.0, FULL), (edge, 2.0, FULL), (at("2026-03-31T21:59:00Z"), 4.0, FULL)],
    )
    rows = await emissions(
        client, interval="1mo", from_="2026-02-10T00:00:00Z", to="2026-03-31T22:00:00Z"
    )
    assert [(r["time"], r["co2_kg"]) for r in rows] == [
        ("2026-01-31T23:00:00Z", 1.0),
        ("2026-02-28T23:00:00Z", 6.0),
    ]


async def test_minutes_hours_days_and_months_add_up_to_the_same(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    plant = found(connection, "linz", timezone="Europe/Vienna")
    start = at("2026-09-30T22:00:00Z")
    minutes(
        connection,
        plant.sources["stack-1"],
        [(start + i * 7 * MINUTE, i / 8, FULL) for i in range(400)],
    )
    sums = set()
    for interval in (
        "1m", "5m", "10m", "15m", "30m", "PT30M", "1h", "90m", "2h", "6h", "1d", "1w", "1mo", "3mo",
        "1y",
    ):  # fmt: skip
        rows = await emissions(
            client, interval=interval, from_=start.isoformat(), to=(start + 31 * DAY).isoformat()
        )
        sums.add(sum(row["co2_kg"] or 0 for row in rows))
    assert sums == {sum(i / 8 for i in range(400))}


@pytest.mark.parametrize(
    ("timezone", "change"),
    [
        ("Europe/Vienna", "2026-03-29T01:00:00Z"),
        ("Europe/Vienna", "2026-10-25T01:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
        ("Asia/Kolkata", "2026-03-31T18:30:00Z"),
    ],
)
async def test_intervals_of_any_length_add_up_to_the_same(
    client: httpx.AsyncClient, connection: Connection, timezone: str, change: str
) -> None:
    plant = found(connection, "linz", timezone=timezone)
    chance = random.Random(change)
    start = at(change) - 2 * DAY
    filled = sorted(chance.sample(range(4 * 24 * 60), 300))
    minutes(
        connection,
        plant.sources["stack-1"],
        [(start + i * MINUTE, chance.randrange(800) / 8, FULL) for i in filled],
    )
    span = {"from_": start.isoformat(), "to": (start + 4 * DAY).isoformat()}
    (whole,) = await emissions(client, interval="1y", **span)
    lengths = [
        *(f"{chance.randrange(30, 600)}s" for _ in range(3)),
        *(f"{chance.randrange(1, 1440)}m" for _ in range(6)),
        *(f"{chance.randrange(1441, 4000)}m" for _ in range(4)),
        *(f"{chance.randrange(1, 100)}h" for _ in range(6)),
        *(f"{chance.randrange(1, 366)}d" for _ in range(3)),
        *(f"{chance.randrange(1, 53)}w" for _ in range(2)),
        *(f"{chance.randrange(1, 13)}mo" for _ in range(3)),
    ]
    for length in lengths:
        rows = await emissions(client, interval=length, **span)
        assert sum(row["co2_kg"] or 0 for row in rows) == whole["co2_kg"], length
        pages, asked = [], {"interval": length, "limit": "7", "from": span["from_"]}
        answer = await client.get("/v1/emissions", params={**asked, "to": span["to"]})
        while "next" in answer.links and len(pages) < 21:
            pages += answer.json()
            answer = await client.get(answer.links["next"]["url"])
        pages += answer.json()
        assert pages == rows[: len(pages)], length


async def test_the_current_interval_counts_what_could_be_known(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock
) -> None:
    plant = found(connection, "linz")
    clock.instant = at("2026-11-23T18:02:20Z")
    hour = at("2026-11-23T18:00:00Z")
    minutes(
        connection, plant.sources["stack-1"], [(hour + i * MINUTE, 1.0, FULL) for i in range(5)]
    )
    rows = await emissions(client, interval="5m", from_=hour.isoformat())
    assert [(r["co2_kg"], r["coverage"]) for r in rows] == [(3.0, 1.0)]
    future = await emissions(client, interval="5m", from_=hour.isoformat(), to="2026-11-23T20:00Z")
    assert len(future) == 1


async def test_a_past_state_can_be_asked_for(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    plant = found(connection, "linz")
    connection.execute(
        "INSERT INTO emission_hour_history (source_id, hour, co2_ug, co2e_ug, market_ug,"
        " covered_ms, version, final, quality, reason, known_at, superseded_at)"
        " VALUES (%s, '2026-11-01T10:00Z', 5000000000, 5000000000, 5000000000, 3600000, 1,"
        " true, 'measured', 'closed',"
        " '2026-11-01T11:15Z', '2026-11-05T00:00Z')",
        (plant.sources["stack-1"],),
    )
    connection.execute(
        "INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms,"
        " version, final, quality, reason, known_at) VALUES (%s, '2026-11-01T10:00Z',"
        " 7000000000, 7000000000, 7000000000, 3600000, 2, false, 'measured', 'late',"
        " '2026-11-05T00:00Z')",
        (plant.sources["stack-1"],),
    )
    for as_of, expected in (
        ("2026-11-01T11:00:00Z", (None, None, "provisional", "missing")),
        ("2026-11-02T00:00:00Z", (5.0, 1, "final", "measured")),
        ("2026-11-05T00:00:00Z", (7.0, 2, "provisional", "measured")),
        (None, (7.0, 2, "provisional", "measured")),
    ):
        rows = await emissions(
            client, interval="1h", from_="2026-11-01T10:00:00Z", to="2026-11-01T11:00:00Z",
            **({"as_of": as_of} if as_of else {}),
        )  # fmt: skip
        got = [(r["co2_kg"], r["version"], r["state"], r["quality"]) for r in rows]
        assert got == [expected], as_of
    refused = await problem(client, interval="5m", as_of="2026-11-02T00:00:00Z")
    assert "1h" in refused["detail"]


async def test_substituted_hours_count_and_make_their_day_substituted(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    plant = found(connection, "linz")
    start = at("2026-11-01T00:00:00Z")
    minutes(
        connection, plant.sources["stack-1"], [(start + i * MINUTE, 1.0, FULL) for i in range(60)]
    )
    connection.execute(
        "INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms,"
        " version, final, quality, reason) VALUES (%s, '2026-11-01T01:00Z', 30000000000,"
        " 30000000000, 30000000000, 0, 1,"
        " true, 'substituted', 'closed')",
        (plant.sources["stack-1"],),
    )
    hours = await emissions(
        client, interval="1h", from_=start.isoformat(), to=(start + 3 * HOUR).isoformat()
    )
    assert [(h["co2_kg"], h["quality"]) for h in hours] == [
        (60.0, "measured"), (30.0, "substituted"), (None, "missing"),
    ]  # fmt: skip
    (day,) = await emissions(
        client, interval="1d", from_=start.isoformat(), to=(start + DAY).isoformat()
    )
    assert (day["co2_kg"], day["quality"], day["state"]) == (90.0, "substituted", "provisional")


async def test_auto_takes_the_finest_interval_that_fits(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    found(connection, "linz")
    for span, limit, expected in (
        (HOUR, 1000, MINUTE),
        (DAY, 1000, 5 * MINUTE),
        (DAY, 100, 15 * MINUTE),
        (30 * DAY, 1000, HOUR),
        (90 * DAY, 1000, DAY),
    ):
        end = at("2026-11-23T00:00:00Z")
        rows = await emissions(
            client, max_points=limit, from_=(end - span).isoformat(), to=end.isoformat()
        )
        assert at(rows[1]["time"]) - at(rows[0]["time"]) == expected
        assert len(rows) <= limit


async def test_csv_has_the_same_rows(client: httpx.AsyncClient, connection: Connection) -> None:
    plant = found(connection, "linz")
    start = at("2026-11-23T10:00:00Z")
    minutes(connection, plant.sources["stack-1"], [(start, 1.25, FULL)])
    parameters = {
        "interval": "1m",
        "from": start.isoformat(),
        "to": (start + 2 * MINUTE).isoformat(),
    }
    response = await client.get("/v1/emissions", params=parameters, headers={"Accept": "text/csv"})
    assert response.headers["content-type"].startswith("text/csv")
    first, second = csv.DictReader(io.StringIO(response.text))
    assert first["time"] == "2026-11-23T10:00:00Z"
    assert float(first["co2_kg"]) == 1.25
    assert (second["co2_kg"], second["coverage"], second["quality"]) == ("", "0.0", "missing")
    assert list(first) == list(Emission.model_fields)
    refused = await client.get("/v1/emissions", params=parameters, headers={"Accept": "image/png"})
    assert refused.status_code == 406


async def test_arrow_has_the_same_rows(client: httpx.AsyncClient, connection: Connection) -> None:
    plant = found(connection, "linz")
    start = at("2026-11-23T10:00:00Z")
    minutes(connection, plant.sources["stack-1"], [(start, 1.25, FULL)])
    arrow = {"Accept": "application/vnd.apache.arrow.stream"}

    async def both(begins: datetime, ends: datetime) -> tuple[list[Any], list[Any]]:
        span = {"interval": "1m", "from": begins.isoformat(), "to": ends.isoformat()}
        as_json = await client.get("/v1/emissions", params=span)
        as_arrow = await client.get("/v1/emissions", params=span, headers=arrow)
        assert as_arrow.headers["content-type"] == arrow["Accept"]
        with nanoarrow.ArrayStream.from_readable(as_arrow.content) as stream:
            return as_json.json(), stream.read_all().to_pylist()

    rows, same = await both(start, start + 2 * MINUTE)
    assert len(rows) == 2
    assert [{**row, "time": at(row["time"])} for row in rows] == same
    # in more than one batch
    rows, same = await both(start - DAY, start + MINUTE)
    assert [(at(row["time"]), row["co2_kg"]) for row in rows] == [
        (row["time"], row["co2_kg"]) for row in same
    ]
    assert len(same) == 1441
    # of what lies ahead there are no rows, but the columns
    assert await both(start + 300 * DAY, start + 301 * DAY) == ([], [])


async def test_filters_and_lists(client: httpx.AsyncClient, connection: Connection) -> None:
    for slug in ("linz", "graz"):
        found(connection, slug, sources=[("a", 1, None), ("b", 1, None), ("c", 2, "kWh")])
    span = {"interval": "1h", "from_": "2026-11-23T10:00:00Z", "to": "2026-11-23T11:00:00Z"}

    async def pairs(**parameters: Any) -> list[tuple[str, str]]:
        rows = await emissions(client, **span, **parameters)
        return [(row["facility"], row["source"]) for row in rows]

    assert len(await pairs()) == 6
    assert await pairs(facility="linz", source="a,c") == [("linz", "a"), ("linz", "c")]
    assert await pairs(facility=["graz", "linz"], source=["b"]) == [("graz", "b"), ("linz", "b")]
    assert (await problem(client, **span, facility="nowhere"))["status"] == 404
    assert (await problem(client, **span, facility="linz", source="z"))["status"] == 404


async def test_pages_join_without_a_seam(client: httpx.AsyncClient, connection: Connection) -> None:
    found(connection, "linz", sources=[("a", 1, None), ("b", 1, None), ("c", 2, "kWh")])
    parameters = {"interval": "1h", "from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z"}
    everything = (await client.get("/v1/emissions", params=parameters)).json()
    pages: list[dict[str, Any]] = []
    response = await client.get("/v1/emissions", params={**parameters, "limit": 7})
    while True:
        pages += response.json()
        if "next" not in response.links:
            break
        response = await client.get(response.links["next"]["url"])
    assert pages == everything
    assert len(pages) == 72


@pytest.mark.parametrize("text", ["1795456800.25", "1795456800250", "2026-11-23T18:00:00.25Z"])
async def test_times_are_written_in_three_ways(
    client: httpx.AsyncClient, connection: Connection, clock: FixedClock, text: str
) -> None:
    found(connection, "linz")
    clock.instant = at("2026-11-24T00:00:00Z")
    rows = await emissions(client, interval="1h", from_=text, to="2026-11-23T19:00:00+00:00")
    assert [row["time"] for row in rows] == ["2026-11-23T18:00:00Z"]


@pytest.mark.parametrize(
    ("parameters", "name", "says"),
    [
        ({"from_": "yesterday"}, "from", "RFC 3339"),
        ({"from_": "2026-11-23T18:00:00"}, "from", "offset"),
        ({"to": "nan"}, "to", "accepted are"),
        ({"interval": "2y"}, "interval", "use 1y"),
        ({"interval": "1M"}, "interval", "write m or mo"),
        ({"max_points": "0"}, "max_points", "'0' is less than 1"),
        ({"frm": "1"}, "frm", "unknown parameter (did you mean from?); this call takes from, to,"),
        ({"from_": "2026-11-23T18:00:00Z", "to": "2026-11-23T18:00:00Z"}, "from", "before"),
        ({"interval": "1m", "from_": "2016-01-01T00:00:00Z"}, "rows", "coarser"),
    ],
)
async def test_a_wrong_parameter_is_named_with_what_is_accepted(
    client: httpx.AsyncClient,
    connection: Connection,
    parameters: dict[str, str],
    name: str,
    says: str,
) -> None:
    found(connection, "linz")
    body = await problem(client, **parameters)
    assert body["status"] == 422
    assert name in body["detail"]
    assert says in body["detail"]
