"""A client that uploads files in parts, and lets ingest read them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from services.api.models.imports import ImportState
from services.core.store.operations import keys
from tests.integration.ingest.plant import Plant
from tests.patience import pauses

IMPORTS = "/v1/facilities/linz/imports"
BEGIN = datetime(2024, 3, 1, tzinfo=UTC)


def key(plant: Plant, scopes: str, facilities: Sequence[str] | None = ("linz",)) -> str:
    """A key with some scopes, such as ``read,write``."""
    with psycopg.connect(plant.database) as connection:
        return keys.create(
            connection, name="engineer", scopes=scopes.split(","), facilities=facilities
        )


def history(number: int, *, facility: str = "linz") -> bytes:
    rows = "".join(
        f"{(BEGIN + timedelta(minutes=n)).isoformat()},{facility},{n}.5\n" for n in range(number)
    )
    return f"time,facility,meter-grid.import-power\n{rows}".encode()


async def begun(client: httpx.AsyncClient, name: str, size: int, **more: str) -> dict[str, Any]:
    answer = await client.post(IMPORTS, json={"name": name, "bytes": size, **more})
    assert answer.status_code == 201, answer.text
    state = answer.json()
    assert answer.headers["Location"] == f"{IMPORTS}/{state['id']}"
    return dict(state)


async def part(
    client: httpx.AsyncClient, upload: str, offset: int, content: bytes
) -> httpx.Response:
    return await client.put(
        f"{IMPORTS}/{upload}/content", params={"offset": offset}, content=content
    )


async def uploaded(client: httpx.AsyncClient, name: str, content: bytes, **more: str) -> str:
    """Send a whole file; returns its id."""
    upload = str((await begun(client, name, len(content), **more))["id"])
    for offset in range(0, len(content), 150_000):
        answer = await part(client, upload, offset, content[offset : offset + 150_000])
        assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "received"
    return upload


async def ran(client: httpx.AsyncClient, upload: str, what: str, **stated: str) -> dict[str, Any]:
    """Let a run come to its end; returns what the import is then."""
    answer = await client.post(f"{IMPORTS}/{upload}/{what}", json=stated)
    assert answer.status_code == 202, answer.text
    return await over(client, upload)


async def over(client: httpx.AsyncClient, upload: str) -> dict[str, Any]:
    # each look takes time from the run that is waited for
    return await state_of(
        client,
        upload,
        lambda state: state["state"] not in {"checking", "taking"},
        longest_pause_s=0.5,
    )


async def state_of(
    client: httpx.AsyncClient,
    upload: str,
    is_enough: Callable[[dict[str, Any]], bool],
    *,
    longest_pause_s: float = 0.05,
) -> dict[str, Any]:
    """Wait until an import is as it should be, which may be so for a moment alone."""
    for pause_s in pauses(longest_s=longest_pause_s):
        answer = await client.get(f"{IMPORTS}/{upload}")
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = ImportState.model_validate(answer.json()).model_dump(mode="json")
        if is_enough(state):
            return state
        await asyncio.sleep(pause_s)
    pytest.fail(f"the import never came to be as it should: {state}")


def number(plant: Plant) -> int:
    """Readings that are stored."""
    (row,) = plant.rows(
        "SELECT (SELECT count(*) FROM reading WHERE value IS NOT NULL)"
        " + (SELECT coalesce(sum(readings), 0) FROM packed_readings) AS number"
    )
    return int(row["number"])
