"""The notebooks of ``deploy/notebooks``, run cell by cell against the API."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.api.plant import FULL, HOUR, MINUTE, at, found, minutes

_NOTEBOOKS = Path(__file__).parents[3] / "deploy" / "notebooks"
_TODAY = at("2026-11-23T00:00:00Z")
_DAY = 24 * HOUR


@pytest.fixture
def stored(connection: psycopg.Connection[Any]) -> None:
    """A day of one source, 2 kg a minute, beside another of which nothing is known."""
    plant = found(connection, "linz", sources=[("grid", 2, "kWh"), ("silent", 1, None)])
    minutes(
        connection,
        plant.sources["grid"],
        [(_TODAY - _DAY + i * MINUTE, 2.0, FULL) for i in range(24 * 60)],
        activity=4.0,
    )


async def _run(name: str, address: httpx.URL, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a notebook's code; return its names."""
    monkeypatch.setenv("TONNE_URL", str(address).rstrip("/"))
    notebook = json.loads((_NOTEBOOKS / name).read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        assert not cell.get("outputs"), "what a notebook showed somewhere else is not committed"
        if cell["cell_type"] == "code":
            code = compile("".join(cell["source"]), f"{name}:{cell['id']}", "exec")
            await asyncio.to_thread(exec, code, names)
    return names


@pytest.mark.usefixtures("stored")
async def test_pandas_tells_what_the_api_tells(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = await _run("pandas.ipynb", client.base_url, monkeypatch)
    assert names["days"]["co2_kg"].dropna().tolist() == [2 * 24 * 60]
    by_source = names["by_source"]["co2_kg"]
    assert by_source["linz", "grid"] == 2 * 24 * 60
    assert math.isnan(by_source["linz", "silent"])
    assert names["typical"].empty
    assert 0 < names["shares"].loc["linz", "share_measured"] < 1 / 30


@pytest.mark.usefixtures("stored")
async def test_polars_tells_what_the_api_tells(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = await _run("polars.ipynb", client.base_url, monkeypatch)
    assert names["months"]["co2_kg"].drop_nulls().to_list() == [2 * 24 * 60]
    assert names["by_source"].select("source", "co2_kg").rows() == [
        ("grid", 2 * 24 * 60),
        ("silent", None),
    ]
    assert names["outstanding"].is_empty()
    assert names["shares"]["share_missing"].max() == 1
