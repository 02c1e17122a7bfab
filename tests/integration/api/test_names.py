"""What people call a source or device is kept and shown; its id stands in where it has no name."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import psycopg

from tests.integration.aggregator.plant import FILE, apply_text

NAMED = FILE.replace("{id: by-gauge,", "{id: by-gauge, name: Kiln 1,").replace(
    "  - id: cems\n", "  - id: cems\n    name: Analyser\n"
)


async def test_names_are_shown_wherever_a_source_or_device_is(
    database_url: str, client: httpx.AsyncClient
) -> None:
    assert NAMED.count("name: ") == FILE.count("name: ") + 2
    apply_text(database_url, NAMED)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE source_revision SET known_at = '2026-11-01'")
    facility = (await client.get("/v1/facilities")).json()[0]
    assert {s["id"]: s["name"] for s in facility["sources"]} == {
        "by-counter": "by-counter", "by-gauge": "Kiln 1", "by-interval": "by-interval",
        "stack": "stack",
    }  # fmt: skip
    assert {d["id"]: d["name"] for d in facility["devices"]} == {
        "cems": "Analyser", "meter": "meter",
    }  # fmt: skip
    for query in ("", "&as_of=2026-11-23"):
        live = (await client.get(f"/v1/live?facility=works{query}")).json()
        names = {s["id"]: s["name"] for s in live["sources"]}
        assert (names["by-gauge"], names["stack"]) == ("Kiln 1", "stack")
    rows = (await client.get("/v1/emissions?facility=works&interval=1d&from=now-1d")).json()
    assert {r["source"]: r["source_name"] for r in rows}["by-gauge"] == "Kiln 1"
    written = await client.get(
        "/v1/emissions?facility=works&interval=1d&from=now-1d", headers={"Accept": "text/csv"}
    )
    assert ",Kiln 1" in written.text


def test_another_name_restates_nothing(database_url: str) -> None:
    apply_text(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
            " SELECT id, %s, 1, 0, now(), 0 FROM channel",
            [datetime(2026, 11, 23, 18, tzinfo=UTC)],
        )
        assert apply_text(database_url, NAMED) == [
            "~ facility works", "~ device cems", "~ source by-gauge",
        ]  # fmt: skip
        assert connection.execute("SELECT reason FROM recompute").fetchall() == []
