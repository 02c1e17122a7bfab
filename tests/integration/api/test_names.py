"""What people call a source or device is kept and shown; its id stands in where it has no name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import psycopg

from tests.integration.aggregator.plant import FILE, Reading, apply_text, instant
from tests.integration.aggregator.watch import Watch

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


THRESHOLDS = """
thresholds:
  - {id: rate, source: by-gauge, measure: rate, above: 20}
  - {id: site, measure: rate, above: 20}
  - {id: co2, channel: cems.co2, measure: value, above: 14}
  - {id: quiet, device: cems, measure: silence, above: 60}
  - {id: day, source: stack, measure: budget, window: month, budget: 1, above: 0.5}
"""

NAMES_AND_UNITS = {
    "rate": ("Kiln 1", None, "kg/h"),
    "site": (None, None, "kg/h"),
    "co2": (None, "Analyser", "%"),
    "quiet": (None, "Analyser", "s"),
    "day": ("stack", None, "ratio"),
}


async def test_alerts_and_their_messages_say_what_is_watched_and_in_which_unit(
    database_url: str, client: httpx.AsyncClient
) -> None:
    begins = instant("2026-11-23T17:50:00Z")
    works = Watch(database_url, THRESHOLDS, since=begins)
    apply_text(database_url, NAMED + THRESHOLDS)
    works.backdate()
    works.power(begins, [150] * 5)
    works.store(
        [
            Reading(channel, begins, value)
            for channel, value in (("cems.co2", 15.0), ("cems.flow", 1e6))
        ]
    )
    works.tick(begins + timedelta(minutes=4))

    def said(rows: list[dict[str, object]], key: str) -> dict[object, tuple[object, ...]]:
        names = ("source_name", "device_name", "unit")
        return {row[key]: tuple(row.get(name) for name in names) for row in rows}

    alerts = (await client.get("/v1/alerts")).json()
    assert said(alerts, "threshold") == NAMES_AND_UNITS
    assert said((await client.get("/v1/thresholds")).json(), "id") == NAMES_AND_UNITS
    live = (await client.get("/v1/live?facility=works")).json()["alerts"]
    assert said(live, "threshold").items() <= NAMES_AND_UNITS.items()
    bodies = [body for (body,) in works.rows("SELECT body FROM outbox WHERE kind = 'firing'")]
    assert said(bodies, "threshold") == NAMES_AND_UNITS
    # another threshold of that id watches another source: the alert keeps the one it fired by
    other = THRESHOLDS.replace("source: by-gauge, measure: rate", "source: stack, measure: rate")
    apply_text(database_url, NAMED + other)
    shown = (await client.get("/v1/alerts?threshold=rate")).json()
    assert said(shown, "threshold") == {"rate": NAMES_AND_UNITS["rate"]}
    # what is out of force resolves under its name
    apply_text(database_url, NAMED)
    works.tick(begins + timedelta(minutes=6))
    bodies = [body for (body,) in works.rows("SELECT body FROM outbox WHERE kind = 'resolved'")]
    assert said(bodies, "threshold")["co2"] == NAMES_AND_UNITS["co2"]
    works.close()


def test_another_name_restates_nothing(database_url: str) -> None:
    apply_text(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
            " SELECT id, %s, 1, 0, now(), 0 FROM channel",
            [datetime(2026, 11, 23, 18, tzinfo=UTC)],
        )
        assert apply_text(database_url, NAMED) == ["~ device cems", "~ source by-gauge"]
        assert connection.execute("SELECT reason FROM recompute").fetchall() == []
