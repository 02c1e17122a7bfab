"""Pages of a list, followed by their `Link` headers, are the whole list."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg

from tests.integration.api.plant import found

Connection = psycopg.Connection[Any]


async def followed(client: httpx.AsyncClient, path: str) -> list[list[dict[str, Any]]]:
    pages = []
    response = await client.get(path)
    while True:
        pages.append(response.json())
        if "next" not in response.links:
            return pages
        response = await client.get(response.links["next"]["url"])


async def test_facilities(client: httpx.AsyncClient, connection: Connection) -> None:
    for slug in ("linz", "graz", "wels"):
        found(connection, slug)
    whole = (await client.get("/v1/facilities")).json()
    assert [facility["id"] for facility in whole] == ["graz", "linz", "wels"]
    assert await followed(client, "/v1/facilities?limit=2") == [whole[:2], whole[2:]]
    assert await followed(client, "/v1/facilities?limit=3") == [whole]


async def test_alerts(client: httpx.AsyncClient, connection: Connection) -> None:
    plant = found(connection, "linz")
    row = connection.execute(
        "INSERT INTO threshold (facility_id, slug, spec, origin, version, in_force_from)"
        " VALUES (%s, 'high', %s, 'api', 1, now()) RETURNING id",
        (plant.facility_id, '{"id": "high", "measure": "rate", "above": 1}'),
    ).fetchone()
    assert row is not None
    for _ in range(3):
        connection.execute(
            "INSERT INTO alert (facility_id, threshold_id, threshold_version, state, projected,"
            " started_at, fired_at, limit_value, data_version, told)"
            " VALUES (%s, %s, 1, 'firing', false, now(), now(), 1, 1, false)",
            (plant.facility_id, row[0]),
        )
    pages = await followed(client, "/v1/alerts?facility=linz&state=firing&limit=1")
    assert [len(page) for page in pages] == [1, 1, 1]
    assert [row for page in pages for row in page] == (await client.get("/v1/alerts")).json()
    text = await client.get("/v1/alerts?limit=1", headers={"Accept": "text/csv"})
    assert "cursor=" in text.links["next"]["url"]


async def test_annotations(client: httpx.AsyncClient, connection: Connection) -> None:
    plant = found(connection, "linz")
    # two of one instant, and alike but for their text
    for hour, reason in ((1, "a"), (2, "b"), (2, "c"), (3, "d"), (4, "e")):
        connection.execute(
            "INSERT INTO facility_retirement (facility_id, retired_at, retired_by, reason,"
            " returned_at) VALUES (%s, '2026-11-23'::timestamptz + make_interval(hours => %s), 'x',"
            " %s, '2026-11-24')",
            (plant.facility_id, hour, reason),
        )
    path = "/v1/annotations?from=2026-11-23&to=2026-11-25&kind=facility"
    whole = (await client.get(path)).json()
    assert len(whole) == 5
    assert await followed(client, f"{path}&limit=2") == [whole[:2], whole[2:4], whole[4:]]
    assert await followed(client, f"{path}&limit=5") == [whole]
