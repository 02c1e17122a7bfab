"""Run the copy with the trial figure: minutes to hours, their versions, windows and answers."""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

import services
from services.api.app import create_app
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.schema import migrate
from tests.integration.aggregator.plant import FILE, Plant, apply_text, instant, some_readings
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S

START = instant("2026-06-04T01:10:00+02:00")
NOW = instant("2026-06-04T07:37:30+02:00")
LATER = NOW + timedelta(minutes=1)

_ARROW = "application/vnd.apache.arrow.stream"

#: The sums of minutes beside the hours and windows that have them.
_HOURS = """
SELECT s.slug, h.hour, h.{figure},
       (SELECT sum(m.{figure}) FROM minute_in_force m WHERE m.source_id = h.source_id
        AND m.minute >= h.hour AND m.minute < h.hour + interval '1 hour')
FROM emission_hour h JOIN source s ON s.id = h.source_id
"""
_WINDOWS = """
SELECT s.slug, r.span, r.{figure},
       (SELECT coalesce(sum(m.{figure}), 0) FROM minute_in_force m
        WHERE m.source_id = r.source_id AND m.minute BETWEEN r.since AND r.upto)
FROM rolling_total r JOIN source s ON s.id = r.source_id
"""


def sound(plant: Plant) -> None:
    """Hold the tables against the minutes, and these against half of their CO2 and time."""
    for sql in (_HOURS, _WINDOWS):
        for figure in ("trial_ug", "trial_ms"):
            rows = plant.rows(sql.format(figure=figure))
            assert rows
            for row in rows:
                assert row[2] == row[3], row
    minutes = plant.rows(
        "SELECT s.method, m.co2_ug, m.trial_ug, m.covered_ms - m.estimated_ms, m.trial_ms"
        " FROM minute_in_force m JOIN source s ON s.id = m.source_id WHERE m.covered_ms > 0"
    )
    for method, co2_ug, trial_ug, measured_ms, trial_ms in minutes:
        # a minute is off by less than a microgram, by the rule that rounds it
        assert abs(trial_ug - (co2_ug / 2 if method == "activity" else 0)) <= 1
        assert abs(trial_ms - (measured_ms / 2 if method == "activity" else 0)) <= 1.5
    assert any(trial_ug for _, _, trial_ug, _, _ in minutes)
    assert any(trial_ms for *_, trial_ms in minutes)


async def answers(
    url: str,
) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], str]:
    """Ask for the live totals, now and as known now, and the emissions, as JSON and as CSV."""
    settings = Settings(database_url=SecretStr(url), api_auth="off")
    app = create_app(settings, clock=FixedClock(LATER), health_holds_s=0)
    span = {
        "from": (START - timedelta(hours=1)).isoformat(),
        "to": LATER.isoformat(),
        "interval": "1h",
    }
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        live = await client.get("/v1/live", params={"facility": "works"})
        known = await client.get(
            "/v1/live", params={"facility": "works", "as_of": LATER.isoformat()}
        )
        rows = await client.get("/v1/emissions", params=span)
        lines = await client.get("/v1/emissions", params=span, headers={"Accept": "text/csv"})
        arrow = await client.get("/v1/emissions", params=span, headers={"Accept": _ARROW})
        for answer in (live, known, rows, lines, arrow):
            assert answer.status_code == 200, answer.text
        assert b"co2_trial_kg" in arrow.content
        assert b"share_trial" in arrow.content
        return live.json(), known.json(), rows.json(), lines.text


def main(url: str) -> None:
    """Compute, restate by late readings and by a factor, ask."""
    assert (
        Path(services.__file__).parent / "core/store/schema/migrations/versions/9999_trial_time.py"
    ).exists()
    migrate.upgrade(url)
    plant = Plant(url)
    readings = some_readings(random.Random(1), START, 6)
    plant.store(readings[::2])
    plant.tick(NOW)
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 hour'")
    plant.tick(LATER)
    sound(plant)
    plant.store(readings[1::2])
    plant.tick(LATER)
    sound(plant)
    apply_text(url, FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,"))
    plant.tick(LATER)
    sound(plant)
    ((count, *summed),) = plant.rows(
        "SELECT count(*), sum(trial_ug) > 0, sum(trial_ms) > 0 FROM emission_hour_history"
    )
    assert count > 0
    assert summed == [True, True]

    live, known, rows, lines = asyncio.run(answers(url))
    for source in live["sources"] + known["sources"]:
        total, is_stack = source["totals"]["24h"], source["id"] == "stack"
        half = 0.0 if is_stack else total["co2_kg"] / 2
        assert abs(total["co2_trial_kg"] - half) < 1e-6, source
        shares = total["shares"]
        assert abs(sum(shares.values()) - 1) < 1e-9, source
        assert abs(shares["trial"] - (0.0 if is_stack else shares["measured"])) < 1e-4, source
    assert live["totals"]["24h"]["shares"]["trial"] > 0
    assert any(row["share_trial"] > 0 for row in rows)
    whole = live["totals"]["24h"]["co2_trial_kg"]
    assert whole > 0
    hours = [row["co2_trial_kg"] for row in rows if row["co2_trial_kg"] is not None]
    assert abs(sum(hours) - whole) < 1e-6
    assert "co2_trial_kg" in lines.splitlines()[0]
    plant.close()


if __name__ == "__main__":
    main(sys.argv[1])
