"""What is in the archive alone is said to be by whoever needs it; nothing is computed wrong."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import structlog
from pydantic import SecretStr

from services.aggregator.retention import Retention
from services.api.app import create_app
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.computation import computable_ranges
from services.core.store.emissions import recompute_request
from services.core.store.readings import retention, writer
from services.core.store.readings.archive import missing
from services.core.store.readings.archive.spans import FIRST_DAY
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.readings.writer import Correction, ReadingRow
from services.core.store.registry.plan import facility_plans
from services.core.timeline.instants import DAY, EPOCH, HOUR, to_us
from tests.command import tonne
from tests.integration.aggregator.plant import Plant, instant
from tests.integration.api.server import serving
from tests.integration.archive.conftest import Run, packed_rows
from tests.patience import PATIENCE_S
from tests.services import as_login

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("folder")]

NOW = instant("2026-04-03T01:00:00Z")
FEBRUARY, MARCH = instant("2026-02-27T22:30:00Z"), instant("2026-03-20T10:30:00Z")
KEPT = instant("2026-04-01T02:30:00Z")


@pytest.fixture
def away(plant: Plant, run: Run) -> Plant:
    """The plant with February and March in the archive alone."""
    assert run("archive").code == 0
    assert run("archive", "remove", "--before", "2026-04", "--yes").code == 0
    writer.create_staging(plant.connection)
    return plant


def _row(plant: Plant, ts: datetime, value: float) -> ReadingRow:
    return ReadingRow(
        facility_id=plant.facility_id,
        channel_id=plant.channels["meter.power"],
        ts_us=to_us(ts),
        value=value,
        quality=0,
        time_source=0,
        received_us=to_us(datetime.now(UTC)),
    )


def _written(plant: Plant, *rows: ReadingRow) -> writer.Written:
    with plant.connection.transaction():
        return writer.write(plant.connection, list(rows))


def test_a_late_reading_waits_until_what_it_changes_is_back(away: Plant, run: Run) -> None:
    totals, packed = away.totals(), packed_rows(away)
    rows = [
        _row(away, when, 5.0)
        for when in (FEBRUARY, FEBRUARY - 300 * DAY, MARCH + DAY, KEPT - DAY - HOUR, KEPT)
    ]
    written = _written(away, *rows)
    assert (written.archived, written.stored, written.too_late) == ([0, 1, 2, 3], 1, [])
    away.tick(NOW)
    changed = away.totals()
    assert changed != totals
    assert packed_rows(away) != packed
    for month in ("2026-02", "2026-03"):
        assert run("archive", "restore", "works", month).code == 0
    assert _written(away, *rows).stored == 4
    away.tick(NOW)
    assert away.totals() != changed
    away.connection.execute("UPDATE emission_hour SET final = true")
    verified = json.loads(
        tonne(
            as_login(_url(away), "tonne_aggregate"),
            "verify", "--json", "--from", "2026-03-19", "--to", "2026-04-02",
        ).stdout
    )  # fmt: skip
    assert (verified["differ"], verified["unknown"]) == (0, 0), verified["differs"][:3]


def _url(plant: Plant) -> str:
    info = plant.connection.info
    return f"postgresql://{info.user}@{info.host}:{info.port}/{info.dbname}"


def test_nobody_changes_what_only_the_archive_has(away: Plant, run: Run) -> None:
    restore = "tonne archive restore works 2026-02"
    with pytest.raises(ArchivedDayError, match=restore), away.connection.transaction():
        writer.correct(
            away.connection,
            [Correction(row=_row(away, FEBRUARY, 1.0), quarantine_id=1)],
            by="user test",
            note=None,
            reason="corrected",
        )
    refused = run(
        "readings", "discard", "--device", "works/meter", "--channel", "power", "--yes",
        "--reason", "test", "--from", "2026-02-27", "--to", "2026-02-28",
    )  # fmt: skip
    assert refused.code == 1
    assert restore in refused.stderr
    listed = run("readings", "list", "--device", "works/meter", "--channel", "power")
    assert "meter.power on 2026-02-26 are in the archive alone" in listed.stderr


async def test_whoever_asks_is_told_how_it_comes_back(away: Plant) -> None:
    # they were open half an hour ago, by what had arrived then
    away.connection.execute("UPDATE emission_hour SET opened_at = now() - interval '52 minutes'")
    settings = Settings(database_url=SecretStr(as_login(_url(away), "tonne_api")), api_auth="off")
    app = create_app(settings, clock=FixedClock(datetime.now(UTC)), health_holds_s=0)
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):

        async def asked(path: str, **query: str) -> httpx.Response:
            return await client.get(path, params={"facility": "works", **query})

        span = {"from": "2026-03-20T09:00:00Z", "to": "2026-03-20T12:00:00Z"}
        for path, query in (
            ("/v1/readings", {"device": "meter", **span}),
            ("/v1/explain", {"source": "by-gauge", "hour": "2026-03-20T10:00:00Z"}),
        ):
            answer = await asked(path, **query)
            assert answer.status_code == 409, answer.text
            problem = answer.json()
            assert problem["type"] == "urn:tonne:problem:archived"
            assert "on 2026-03-20 are in the archive alone" in problem["detail"]
            assert "`tonne archive restore works 2026-03`" in problem["detail"]
        # totals stay
        rows = (await asked("/v1/emissions", interval="1h", **span)).json()
        assert {row["co2_kg"] is None for row in rows if row["source"] == "by-gauge"} == {False}
        # what was known of an hour that was open then takes its readings
        then = (datetime.now(UTC) - timedelta(minutes=45)).isoformat()
        rows = (await asked("/v1/emissions", interval="1h", as_of=then, **span)).json()
        reasons = {row["reason"] for row in rows}
        assert any("`tonne archive restore works 2026-03`" in (r or "") for r in reasons), reasons
        kept = {"from": "2026-04-01T02:00:00Z", "to": "2026-04-01T03:00:00Z"}
        assert (await asked("/v1/readings", device="meter", **kept)).json()


def test_nothing_is_computed_from_a_part_of_its_readings(away: Plant) -> None:
    totals = away.totals()
    first, end = (int(instant(day).timestamp()) // 60 for day in ("2026-02-25", "2026-04-03"))
    source = away.sources["by-counter"]
    recompute_request.submit(
        away.connection, [(away.facility_id, source)], first, end, "recomputation (test)"
    )
    away.tick(NOW)
    assert away.rows("SELECT count(*) FROM recompute") == [(0,)]
    assert away.rows("SELECT count(*) FROM set_aside") == [(0,)]
    assert away.totals() == totals
    url = as_login(_url(away), "tonne_aggregate")
    said = tonne(
        url, "recompute", "--facility", "works", "--from", "2026-03-20", "--to", "2026-03-21",
        "--dry-run",
    )  # fmt: skip
    assert "tonne archive restore works 2026-03" in said.stdout
    assert "hours that would change: 0" in said.stdout
    verified = json.loads(tonne(url, "verify", "--json", "--from", "2026-03-19").stdout)
    assert (verified["differ"], verified["unknown"] > 0, verified["checked"] > 0) == (0, True, True)


def test_ticks_of_what_is_live_do_not_ask_for_it(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(missing, "uncomputed", lambda _, since: asked.append(since) or {})
    plan = facility_plans(plant.connection)[plant.facility_id]
    source_id, hour = plant.sources["by-gauge"], int(time.time()) // 3600
    for ago, questions in ((20, []), (28, [(hour - 28) * 60])):
        hours = {source_id: {hour - ago}}
        assert computable_ranges.hours(plant.connection, plan, hours) == hours
        assert asked == questions


@pytest.mark.parametrize(("horizon", "is_between"), [(None, True), ("2026-02-25T00:00Z", False)])
def test_rows_from_before_all_that_is_packed_keep_what_lies_beside_them(
    horizon: str | None, is_between: bool, plant: Plant, run: Run
) -> None:
    channel_id = plant.channels["meter.power"]
    plant.connection.execute(
        "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
        " VALUES (%s, '2026-02-20T10:00Z', 1, 0, now(), 0)",
        (channel_id,),
    )
    if horizon:
        plant.connection.execute("INSERT INTO reading_horizon VALUES (1, %s)", (horizon,))
    assert run("archive").code == 0
    assert run("archive", "remove", "--before", "2026-04", "--yes").code == 0
    first_day = plant.connection.execute(
        "SELECT min(first_day) FROM archived_span WHERE channel_id = %s", (channel_id,)
    ).fetchone()
    packed = (instant("2026-02-26T00:00:00Z") - EPOCH) // DAY
    assert first_day == (packed if is_between else FIRST_DAY,)


def test_removal_waits_for_what_is_to_be_computed(plant: Plant, run: Run) -> None:
    run("archive")
    plant.connection.execute(
        "UPDATE emission_hour SET final = false WHERE hour = '2026-03-20T10:00Z'"
    )
    waits = run("archive", "remove", "--before", "2026-04", "--yes")
    assert "run the same command again" in waits.stdout
    assert plant.rows("SELECT count(*) FROM packed_readings WHERE series IS NULL") == [(0,)]
    plant.connection.execute("UPDATE emission_hour SET final = true")
    assert "run the same" not in run("archive", "remove", "--before", "2026-04", "--yes").stdout
    ((gone,),) = plant.rows("SELECT count(*) FROM packed_readings WHERE series IS NULL")
    assert gone > 20


def test_retention_drops_what_is_archived_and_nothing_else(plant: Plant, run: Run) -> None:
    kept_until = NOW + 60 * DAY

    def dropped() -> int:
        structlog.reset_defaults()
        dropping = Retention(40, archived_only=True)
        for _ in range(8):
            dropping._next_at = 0.0
            dropping.step(plant.connection, kept_until)
        codes = [notice["code"] for notice in dropping.notices()]
        assert codes in ([], ["retention-waits"])
        ((count,),) = plant.rows("SELECT coalesce(sum(readings), 0)::int FROM dropped_readings")
        assert (count == 0) == (codes == ["retention-waits"])
        return int(count)

    assert dropped() == 0
    assert retention.horizon(plant.connection) is None
    run("archive")
    assert run("archive", "remove", "--before", "2026-04", "--yes").code == 0
    # days that left and days that did not
    assert dropped() > 2000
    assert retention.horizon(plant.connection) is not None
    listed = json.loads(run("archive", "list", "--json").stdout)
    assert [file["month"] for file in listed] == ["2026-02", "2026-03", "2026-04"]
