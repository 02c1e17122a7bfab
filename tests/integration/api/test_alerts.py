"""Limits, alerts, maintenance and annotations over the API, with the aggregator run by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.operations import keys
from tests.integration.aggregator.plant import FILE, Plant, Reading, instant
from tests.integration.aggregator.watch import Watch
from tests.integration.api.plant import found
from tests.integration.api.server import serving
from tests.integration.api.test_stream import events
from tests.patience import PATIENCE_S
from tests.services import as_login

T0 = instant("2026-11-23T17:50:00Z")
MINUTE = timedelta(minutes=1)

LIMITS = """
thresholds:
  - {id: high, source: by-gauge, measure: rate, above: 20, clear_below: 15, severity: critical, message: too much}
  - {id: co2, channel: cems.co2, measure: value, above: 14}
maintenance:
  - {id: overhaul, from: 2100-11-25T00:00:00Z, to: 2100-11-26T00:00:00Z, reason: yearly}
alert_codes:
  reasons: [{code: valve, text: A valve}, {code: other, text: Other}]
"""  # noqa: E501


@pytest.fixture
def works(database_url: str) -> Iterator[Watch]:
    made = Watch(database_url, LIMITS, since=T0 - timedelta(hours=1))
    yield made
    made.close()


def breach(works: Watch, begins: datetime = T0) -> None:
    works.power(begins, [50])
    works.tick(begins)
    works.power(begins + 2 * MINUTE, [150])
    works.tick(begins + 2 * MINUTE)


async def test_an_alert_is_listed_shown_live_and_acknowledged(
    works: Watch, client: httpx.AsyncClient
) -> None:
    breach(works)
    listed = (await client.get("/v1/alerts", params={"state": "firing"})).json()
    assert [(a["threshold"], a["state"], a["severity"]) for a in listed] == [
        ("high", "firing", "critical")
    ]
    assert listed[0]["fired_at"] == "2026-11-23T17:52:00Z"
    assert (await client.get("/v1/alerts?state=resolved")).json() == []
    live = (await client.get("/v1/live", params={"facility": "works"})).json()
    assert live["alerts"] == listed

    address = f"/v1/alerts/{listed[0]['id']}"
    await client.post(f"{address}/ack", json={"comment": "I look at it"})
    acknowledged = await client.post(f"{address}/ack", json={"comment": "a valve stuck"})
    assert acknowledged.status_code == 200
    shown = (await client.get(address)).json()
    assert shown == acknowledged.json()
    assert shown["acked_by"] == "someone without a key"
    assert [each["comment"] for each in shown["comments"]] == ["I look at it", "a valve stuck"]
    assert [each["state"] for each in shown["transitions"]] == ["firing"]
    assert shown["transitions"][0]["value"] == pytest.approx(30)
    assert (await client.get("/v1/alerts")).json()[0]["comment"] == "a valve stuck"

    works.power(T0 + 4 * MINUTE, [20])
    works.tick(T0 + 4 * MINUTE)
    assert (await client.get("/v1/live", params={"facility": "works"})).json()["alerts"] == []
    then = {"facility": "works", "as_of": "2026-11-23T17:53:00Z"}
    assert [a["state"] for a in (await client.get("/v1/live", params=then)).json()["alerts"]] == [
        "firing"
    ]


async def test_codes_say_why_an_alert_fired_and_what_was_done(
    works: Watch, client: httpx.AsyncClient
) -> None:
    breach(works)
    codes = (await client.get("/v1/alerts/codes", params={"facility": "works"})).json()
    reasons = [row["code"] for row in codes if row["kind"] == "reason"]
    assert reasons == ["valve", "other"]
    assert {"facility": "works", "kind": "reason", "code": "valve", "text": "A valve"} in codes
    assert "load-reduced" in [row["code"] for row in codes if row["kind"] == "action"]

    alert = (await client.get("/v1/alerts")).json()[0]
    assert (alert["reason"], alert["action"]) == (None, None)
    address = f"/v1/alerts/{alert['id']}"
    for said in ({"reason": "other"}, {"comment": "a valve stuck"}, {"action": "load-reduced"}):
        await client.post(f"{address}/ack", json=said)
    shown = (await client.post(f"{address}/ack", json={"reason": "valve"})).json()
    assert (shown["comment"], shown["reason"], shown["action"]) == (
        "a valve stuck",
        "valve",
        "load-reduced",
    )
    assert [c["reason"] for c in shown["comments"]] == ["other", None, None, "valve"]
    listed = (await client.get("/v1/alerts", params={"reason": "valve"})).json()
    assert [row["id"] for row in listed] == [alert["id"]]
    assert (await client.get("/v1/alerts", params={"reason": "other"})).json() == []
    assert (await client.get("/v1/alerts", params={"action": "watched"})).json() == []

    refused = await client.post(f"{address}/ack", json={"comment": "?", "reason": "start-up"})
    assert refused.status_code == 422
    assert refused.json()["detail"] == "reason: works has no code start-up; it has valve, other"
    assert len((await client.get(address)).json()["comments"]) == 4
    entries = (await client.get("/v1/audit", params={"action": "alert.acknowledge"})).json()
    assert entries[0]["after"] == '{"reason": "valve"}'


async def test_thresholds_of_the_api_stand_beside_those_of_the_file(
    works: Watch, client: httpx.AsyncClient
) -> None:
    put = {"source": "stack", "measure": "total", "window": "today", "above": 5000, "for": "5m"}
    answer = await client.put("/v1/thresholds/stack-day", json=put)
    assert answer.json() == {"changes": ["+ threshold stack-day"]}
    assert (await client.put("/v1/thresholds/stack-day", json=put)).json() == {"changes": []}
    rows = {row["id"]: row for row in (await client.get("/v1/thresholds")).json()}
    assert {name: row["origin"] for name, row in rows.items()} == {
        "high": "file", "co2": "file", "stack-day": "api",
    }  # fmt: skip
    assert rows["stack-day"]["for_s"] == 300
    assert rows["stack-day"]["projected"] is True
    # the file is applied again: what is the API's stays
    works.restate(LIMITS)
    assert len((await client.get("/v1/thresholds")).json()) == 3
    refused = await client.put("/v1/thresholds/high", json=put)
    assert refused.status_code == 409
    assert "facility file" in refused.json()["detail"]
    assert (await client.delete("/v1/thresholds/stack-day")).status_code == 200
    assert (await client.delete("/v1/thresholds/stack-day")).status_code == 404


@pytest.mark.usefixtures("works")
async def test_what_get_gives_of_a_threshold_and_a_maintenance_put_takes(
    client: httpx.AsyncClient,
) -> None:
    put = {"source": "stack", "measure": "total", "window": "today", "above": 5000, "for": "1h30m"}
    await client.put("/v1/thresholds/mine", json=put)
    row = next(r for r in (await client.get("/v1/thresholds")).json() if r["id"] == "mine")
    assert (row["facility"], row["for"], row["for_s"]) == ("works", "90m", 5400)
    assert (await client.put("/v1/thresholds/mine", json=row)).json() == {"changes": []}
    # a client that knows the older field alone
    older = {key: value for key, value in row.items() if key != "for"} | {"for_s": 60}
    assert (await client.put("/v1/thresholds/mine", json=older)).json() == {
        "changes": ["~ threshold mine"]
    }
    differing = await client.put("/v1/thresholds/mine", json={**row, "for_s": 60})
    assert differing.status_code == 422
    assert "for: 90m and for_s: 60 differ" in differing.json()["detail"]
    elsewhere = await client.put(
        "/v1/thresholds/mine?facility=works", json={**row, "facility": "x"}
    )
    assert elsewhere.status_code == 422

    span = {"from": "2026-11-25T00:00:00Z", "to": "2026-11-26T00:00:00Z", "reason": "yearly"}
    await client.put("/v1/maintenance/pause", json=span)
    shown = next(r for r in (await client.get("/v1/maintenance")).json() if r["id"] == "pause")
    assert (await client.put("/v1/maintenance/pause", json=shown)).json() == {"changes": []}


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"measure": "rate", "above": 1, "source": "nothing"}, "there is no source 'nothing'"),
    ({"measure": "rate", "above": 1, "window": "1h"}, "it has no window"),
    ({"measure": "value", "above": 1, "channel": "meter.energy"}, "only a gauge"),
    ({"measure": "total", "above": 1, "window": "2h"}, "is one of 1h"),
    ({"measure": "rate", "above": 1, "below": 0}, "either above or below"),
    ({"measure": "rate", "above": 1, "clear_below": 2}, "clear_below lies below above"),
    ({"measure": "silence", "above": 60}, "needs device"),
    ({"measure": "speed", "above": 60}, "measure"),
]


@pytest.mark.usefixtures("works")
async def test_a_stored_threshold_that_cannot_be_read_hides_no_other(
    client: httpx.AsyncClient, database_url: str
) -> None:
    """As an older version, or a hand in the database, may have left it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE threshold SET spec = jsonb_set(spec, '{measure}', '\"phase-of-the-moon\"')"
            " WHERE slug = 'high'"
        )
    answer = await client.get("/v1/thresholds")
    assert answer.status_code == 200
    assert [each["id"] for each in answer.json()] == ["co2"]
    assert (await client.get("/v1/live", params={"facility": "works"})).status_code == 200


@pytest.mark.usefixtures("works")
async def test_what_cannot_be_watched_is_refused_in_one_sentence(
    client: httpx.AsyncClient,
) -> None:
    for body, reason in REFUSALS:
        answer = await client.put("/v1/thresholds/new", json=body, params={"facility": "works"})
        assert answer.status_code == 422, body
        assert reason in answer.json()["detail"]


async def test_a_threshold_that_is_taken_out_of_force_resolves_its_alert(
    works: Watch, client: httpx.AsyncClient
) -> None:
    limit = {"source": "by-gauge", "measure": "rate", "above": 25}
    await client.put("/v1/thresholds/mine", json=limit)
    works.backdate()
    breach(works)
    await client.delete("/v1/thresholds/mine")
    works.tick(T0 + 3 * MINUTE)
    mine = (await client.get("/v1/alerts", params={"threshold": "mine"})).json()
    assert [(a["state"], a["resolved_at"]) for a in mine] == [("resolved", "2026-11-23T17:53:00Z")]
    assert [sent for sent in works.notifications() if sent[0] == "mine"] == [
        ("mine", "firing"), ("mine", "resolved"),
    ]  # fmt: skip


async def test_maintenance_silences_says_so_and_tells_what_still_fires_when_it_is_over(
    works: Watch, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    # what is long over by the database's clock is looked at no more
    begins = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=1)
    clock.instant = begins + 10 * MINUTE
    span = {
        "from": (begins + MINUTE).isoformat(),
        "to": (begins + 5 * MINUTE).isoformat(),
        "thresholds": ["high"],
        "reason": "burner service",
    }
    assert (await client.put("/v1/maintenance/burner", json=span)).status_code == 200
    listed = (await client.get("/v1/maintenance")).json()
    assert [(m["id"], m["origin"]) for m in listed] == [("burner", "api"), ("overhaul", "file")]
    breach(works, begins)
    silenced = (await client.get("/v1/alerts")).json()
    assert [(a["state"], a["maintenance"]) for a in silenced] == [("firing", "burner")]
    assert works.notifications() == []
    works.power(begins + 4 * MINUTE, [150, 150, 150])
    works.tick(begins + 6 * MINUTE)
    assert works.notifications() == [("high", "firing")]
    assert (await client.delete("/v1/maintenance/burner")).status_code == 200
    assert (await client.delete("/v1/maintenance/overhaul")).status_code == 409


async def test_the_stream_tells_alerts_as_they_change_and_what_was_missed(
    works: Watch, client: httpx.AsyncClient
) -> None:
    works.power(T0, [50])
    works.tick(T0)
    query = {"facility": "works"}
    async with asyncio.timeout(PATIENCE_S):
        async with client.stream("GET", "/v1/stream", params=query) as response:
            stream = events(response)
            first = await anext(stream)
            assert first["event"] == "live"
            works.power(T0 + 2 * MINUTE, [150])
            await asyncio.to_thread(works.tick, T0 + 2 * MINUTE)
            event = await anext(stream)
            while event["event"] != "alert":
                event = await anext(stream)
            assert json.loads(event["data"])["threshold"] == "high"
            assert event["id"]
        headers = {"Last-Event-ID": first["id"]}
        async with client.stream("GET", "/v1/stream", params=query, headers=headers) as response:
            assert (await anext(events(response)))["event"] == "alert"
        headers = {"Last-Event-ID": event["id"]}
        async with client.stream("GET", "/v1/stream", params=query, headers=headers) as response:
            assert (await anext(events(response)))["event"] == "live"


async def test_annotations_tell_registers_and_calibrations(
    database_url: str, client: httpx.AsyncClient
) -> None:
    epoch = "epochs: [{from: 2026-11-23T12:00:00Z, start: 12.5, reason: replacement}]"
    works = Plant(database_url, FILE.replace("max_rate: 1000", f"max_rate: 1000, {epoch}"))
    works.store(
        [
            Reading("meter.energy", T0 + minute * MINUTE, value)
            for minute, value in ((0, 900.0), (1, 905.0), (2, 3.0), (3, 4.0))
        ]
    )
    works.connection.execute(
        "INSERT INTO calibration_test (channel_id, ended_at, passed, detail)"
        " VALUES (%s, %s, false, '14 %%: 15.2')",
        (works.channels["cems.co2"], T0 + 5 * MINUTE),
    )
    works.close()
    span = {"from": "2026-11-23T00:00:00Z", "to": "2026-11-24T00:00:00Z"}
    rows = (await client.get("/v1/annotations", params=span)).json()
    assert rows == [
        {
            "time": "2026-11-23T12:00:00Z",
            "timeEnd": None,
            "title": "register of meter.energy: replacement",
            "text": "starts at 12.5 kWh",
            "tags": ["register", "works", "meter"],
        },
        {
            "time": "2026-11-23T17:52:00Z",
            "timeEnd": None,
            "title": "register of meter.energy fell",
            "text": "905 -> 3 kWh",
            "tags": ["register", "works", "meter"],
        },
        {
            "time": "2026-11-23T17:55:00Z",
            "timeEnd": None,
            "title": "calibration of cems.co2 failed",
            "text": "14 %: 15.2",
            "tags": ["calibration", "works", "cems"],
        },
    ]
    only = await client.get("/v1/annotations", params={**span, "kind": "calibration"})
    assert only.json() == rows[2:]


async def test_annotations_tell_alerts_gaps_and_factors(
    works: Watch, client: httpx.AsyncClient, clock: FixedClock
) -> None:
    breach(works)
    works.power(T0 + 30 * MINUTE, [50])
    works.tick(T0 + 30 * MINUTE)
    clock.instant = T0 + 31 * MINUTE
    span = {"from": "2026-11-23T00:00:00Z", "to": "2026-11-24T00:00:00Z"}
    rows = (await client.get("/v1/annotations", params=span)).json()
    assert [(row["title"], row["tags"][0]) for row in rows] == [
        ("high", "alert"),
        ("no data of by-gauge", "gap"),
    ]
    assert rows[0]["time"] == "2026-11-23T17:52:00Z"
    assert rows[1]["timeEnd"] == "2026-11-23T18:20:00Z"
    # a gap that lasts has no end and begins after the newest minute; it is in every span that it
    # reaches into
    clock.instant = T0 + 60 * MINUTE
    asked = {"kind": "gap", "from": "2026-11-23T18:40:00Z", "to": "2026-11-23T18:45:00Z"}
    (row,) = (await client.get("/v1/annotations", params=asked)).json()
    assert (row["time"], row["timeEnd"]) == ("2026-11-23T18:21:00Z", None)
    assert (row["title"], row["tags"]) == ("no data of by-gauge", ["gap", "works", "by-gauge"])
    year = {"from": "2025-06-01T00:00:00Z", "to": "2026-06-01T00:00:00Z", "kind": "factor"}
    rows = (await client.get("/v1/annotations", params=year)).json()
    assert [(row["time"], row["title"]) for row in rows] == [("2025-12-31T23:00:00Z", "factor f")]


async def test_a_key_sees_and_changes_no_more_than_it_may(
    works: Watch, database_url: str, connection: psycopg.Connection[Any], clock: FixedClock
) -> None:
    breach(works)
    found(connection, "elsewhere")
    reader = keys.create(connection, name="reader", scopes=["read"])
    other = keys.create(connection, name="other", scopes=["write"], facilities=["elsewhere"])
    app = create_app(
        Settings(database_url=SecretStr(as_login(database_url, "tonne_api"))), clock=clock
    )
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        mine = {"Authorization": f"Bearer {reader}"}
        alert = (await client.get("/v1/alerts", headers=mine)).json()[0]["id"]
        assert (await client.post(f"/v1/alerts/{alert}/ack", headers=mine)).status_code == 403
        theirs = {"Authorization": f"Bearer {other}"}
        assert (await client.get(f"/v1/alerts/{alert}", headers=mine)).status_code == 200
        assert (await client.get(f"/v1/alerts/{alert}", headers=theirs)).status_code == 403
        assert (await client.post(f"/v1/alerts/{alert}/ack", headers=theirs)).status_code == 404
        assert (await client.get("/v1/alerts")).status_code == 401


def test_no_service_erases_what_was_judged(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE tonne_aggregate")
        for table in ("alert", "alert_transition", "threshold_revision"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - named above


BUDGETED = """
thresholds:
  - {id: high, source: by-gauge, measure: rate, above: 20, clear_below: 15}
  - {id: co2, channel: cems.co2, measure: value, above: 14}
  - {id: year, source: by-gauge, measure: budget, window: year, budget: 10, above: 0.01}
"""


async def test_an_alert_has_its_present_value_until_it_is_over(
    works: Watch, client: httpx.AsyncClient
) -> None:
    async def present() -> dict[str, float | None]:
        listed = (await client.get("/v1/alerts", params={"state": "{firing,no-data}"})).json()
        assert all(alert["present_at"] is not None for alert in listed)
        return {alert["threshold"]: alert["present_value"] for alert in listed}

    works.restate(BUDGETED)
    breach(works)
    works.store([Reading("cems.co2", T0 + 2 * MINUTE, 14.5)])
    works.tick(T0 + 2 * MINUTE)
    before = await present()
    assert before == {"high": pytest.approx(30), "co2": 14.5, "year": pytest.approx(0.1, rel=0.2)}
    # what it was when it fired stays; nothing but values changes
    works.power(T0 + 3 * MINUTE, [200])
    works.store([Reading("cems.co2", T0 + 3 * MINUTE, 15.5)])
    works.tick(T0 + 3 * MINUTE)
    now = await present()
    assert (now["high"], now["co2"]) == (pytest.approx(40), 15.5)
    assert now["year"] > before["year"]
    (co2,) = (await client.get("/v1/alerts", params={"threshold": "co2"})).json()
    assert (co2["value"], co2["present_at"]) == (14.5, "2026-11-23T17:53:00Z")

    # its reading holds for two minutes, and a minute until the next one is computed
    works.tick(T0 + 5 * MINUTE)
    (high,) = (await client.get("/v1/alerts", params={"threshold": "high"})).json()
    assert (high["present_at"], high["present_value"]) == ("2026-11-23T17:54:00Z", now["high"])
    # then nothing is known beside the limit; the alert goes on
    works.tick(T0 + 8 * MINUTE)
    listed = (await client.get("/v1/alerts", params={"threshold": "{high,year}"})).json()
    assert {a["threshold"]: (a["state"], a["present_at"]) for a in listed} == {
        "high": ("firing", "2026-11-23T17:58:00Z"),
        "year": ("firing", "2026-11-23T17:58:00Z"),
    }
    assert (await present())["high"] is None

    # long after the last reading nothing is known; of a total, what is known stays
    works.tick(T0 + 40 * MINUTE)
    silent = await present()
    assert (silent["high"], silent["co2"]) == (None, None)
    assert silent["year"] >= now["year"]

    works.power(T0 + 41 * MINUTE, [20])
    works.tick(T0 + 41 * MINUTE)
    (high,) = (await client.get("/v1/alerts", params={"threshold": "high"})).json()
    assert (high["state"], high["present_value"]) == ("resolved", None)


async def test_the_course_of_an_alert_is_what_was_compared_with_its_limit(
    works: Watch, client: httpx.AsyncClient
) -> None:
    works.power(T0 - 90 * MINUTE, [50] * 33)
    breach(works)
    (alert,) = (await client.get("/v1/alerts")).json()
    rows = (await client.get("/v1/alerts/courses", params={"alert": alert["id"]})).json()
    assert {row["alert"] for row in rows} == {alert["id"]}
    assert {row["interval_s"] for row in rows} == {60}
    # from an hour before the breach to now, minute by minute
    assert (rows[0]["time"], rows[-1]["time"]) == ("2026-11-23T16:52:00Z", "2026-11-23T17:52:00Z")
    at = {row["time"][11:16]: row for row in rows}
    assert at["16:52"]["value"] == pytest.approx(10)
    assert at["17:52"]["value"] == pytest.approx(30) == alert["value"]
    assert at["17:52"]["low"] == at["17:52"]["high"] == at["17:52"]["value"]
    # a reading holds for two minutes, and a minute until the next one is computed
    assert at["16:54"]["value"] == pytest.approx(10)
    for minute in ("16:55", "17:40"):
        gap = at[minute]
        assert (gap["value"], gap["low"], gap["high"], gap["share_missing"]) == (
            None,
            None,
            None,
            1,
        )
        assert gap["is_incomplete"] is True
    assert [row["is_substituted"] for row in rows] == [False] * len(rows)

    fewer = {"alert": alert["id"], "from": "2026-11-23T16:00:00Z", "max_points": 10}
    steps = (await client.get("/v1/alerts/courses", params=fewer)).json()
    assert {row["interval_s"] for row in steps} == {900}
    assert steps[-1]["time"] == "2026-11-23T17:45:00Z"
    assert steps[-1]["low"] < steps[-1]["high"] == pytest.approx(30)

    works.restate(LIMITS.replace("above: 20", "above: 21"))
    assert (await client.get("/v1/alerts/courses", params={"alert": alert["id"]})).json() == rows
    works.restate(LIMITS.replace("source: by-gauge, measure: rate", "measure: rate"))
    assert (await client.get("/v1/alerts/courses", params={"alert": alert["id"]})).json() == []
    unknown = await client.get("/v1/alerts/courses", params={"alert": 4711})
    assert (unknown.status_code, unknown.json()["title"]) == (404, "Not found")
