"""A file of each format by HTTP, through ingest and the aggregator, to its total."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from tests.integration.aggregator.plant import Plant as Totals
from tests.integration.ingest.plant import Plant
from tests.integration.ingest.upload_client import ran, uploaded
from tests.unit.ingest import test_green_button as green
from tests.unit.ingest import test_mscons as edi

METERS = ("xlsx", "parquet", "xml", "edi")
CHANNEL = "{id: hall, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: start}"
FILE = (
    "facility: {id: linz, name: Linz works, timezone: Europe/Vienna}\ndevices:\n"
    + "".join(f"  - {{id: {one}, channels: [{CHANNEL}]}}\n" for one in METERS)
    + "factors: [{id: f, unit: kWh, co2_kg: 0.25, citation: a}]\nsources:\n"
    + "".join(
        f"  - {{id: {one}, scope: 2, method: activity, input: {one}.hall, factor: f}}\n"
        for one in METERS
    )
)
#: A day of Vienna in winter, UTC, and what each quarter of an hour of it used, in kWh.
BEGIN = datetime(2024, 2, 28, 23, tzinfo=UTC)
QUARTERS = [BEGIN + timedelta(minutes=15 * n) for n in range(96)]
KWH = [float(n % 7) for n in range(96)]

SHEET = """
time: {column: Beginn, timezone: Europe/Vienna}
values: [{channel: xlsx.hall, column: Verbrauch, unit: kWh}]
"""


def sheet() -> bytes:
    """A workbook in local time, as people save it."""
    book = Workbook()
    page = book.active
    assert page is not None
    page.append(["Beginn", "Verbrauch"])
    for at, kwh in zip(QUARTERS, KWH, strict=True):
        page.append([(at + timedelta(hours=1)).replace(tzinfo=None), kwh])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"time": QUARTERS, "parquet.hall": KWH}), out)
    return out.getvalue()


def green_button(path: Path) -> bytes:
    readings = [
        (int(at.timestamp()), str(int(kwh * 1000)), "")
        for at, kwh in zip(QUARTERS, KWH, strict=True)
    ]
    parts = green.reading_type("1"), green.meter_reading("a", "1"), green.block("a", *readings)
    return green.feed(path / "usage.xml", *parts).read_bytes()


def mscons(path: Path) -> bytes:
    quarters = [
        segment
        for at, kwh in zip(QUARTERS, KWH, strict=True)
        for segment in edi.quarter(
            f"{at:%Y%m%d%H%M}?+00", f"{at + timedelta(minutes=15):%Y%m%d%H%M}?+00", f"220:{kwh:g}"
        )
    ]
    location = edi.place("DE00014559929E00856996N5139699L01", edi.PROFILE)
    return edi.interchange(path / "day.edi", edi.message("1", *location, *quarters)).read_bytes()


async def test_each_format_comes_to_its_total(
    client: httpx.AsyncClient, plant: Plant, tmp_path: Path
) -> None:
    plant.apply(FILE)
    files = {
        "xlsx": (sheet(), {"table": SHEET}),
        "parquet": (parquet(), {}),
        "xml": (green_button(tmp_path), {"channel": "xml.hall"}),
        "edi": (mscons(tmp_path), {"channel": "edi.hall"}),
    }
    assert tuple(files) == METERS
    for ending, (content, stated) in files.items():
        upload = await uploaded(client, f"Zähler {ending}.{ending}", content)
        state = await ran(client, upload, "take", **stated)
        assert state["state"] == "taken", state
        assert (state["report"]["stored"], state["report"]["refused"]) == (96, {}), ending
    totals = Totals(plant.database, FILE)
    totals.tick(datetime.now(UTC))
    totals.close()
    span = {"from": "2024-02-28T23:00:00Z", "to": "2024-02-29T23:00:00Z", "interval": "1d"}
    rows = (await client.get("/v1/emissions", params=span)).json()
    assert {row["source"]: row["co2_kg"] for row in rows} == dict.fromkeys(
        METERS, pytest.approx(0.25 * sum(KWH))
    )
    assert {row["coverage"] for row in rows} == {1}
