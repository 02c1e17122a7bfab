"""An answer's ``ETag`` changes with whatever the answer follows from; else it is answered 304."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection

from services.api.http.answer_cache import AnswerCache
from services.core.runtime.clock import FixedClock
from services.core.store.alerts.threshold_changes import Remark, acknowledge
from services.core.store.database.connect import engine
from services.core.store.operations import keys
from services.core.store.operations.retire_facility import retire_facility
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text, instant
from tests.integration.api.recorded import correct, discard
from tests.integration.api.test_auth import bearer, guarded

__all__ = ["guarded"]

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START = instant("2026-06-02T00:00:00Z")

WATCHED = FILE.replace('unit: "%", kind: gauge', 'unit: "%", uncertainty: 2, kind: gauge').replace(
    "unit: scf/h, kind: gauge", "unit: scf/h, uncertainty: 3, kind: gauge"
) + (
    "thresholds:\n"
    "  - {id: limit, source: by-gauge, measure: total, window: today, above: 1,"
    " severity: warning}\n"
)
ALL = frozenset({"live", "hours", "closed", "reports", "factors", "facilities"})
#: what follows from the totals
TOTALS = frozenset({"live", "hours", "closed", "reports"})
NOTHING: frozenset[str] = frozenset()

PATHS = {
    "live": "/v1/live?facility=works",
    "hours": f"/v1/emissions?from={START:%Y-%m-%d}&interval=1h",
    "closed": f"/v1/emissions?from={START:%Y-%m-%d}&to={START:%Y-%m-%d}T02:00:00Z&interval=1h",
    "reports": "/v1/reports?year=2026",
    "factors": "/v1/factors?limit=3",
    "facilities": "/v1/facilities",
}


@dataclass
class Watcher:
    """Asks for everything after each change, as a client does that keeps what it was sent."""

    client: httpx.AsyncClient
    #: answers that the API keeps, forgotten here: each that is compared is made anew
    answers: AnswerCache
    #: by name, the tag and the body that it stands for
    kept: dict[str, tuple[str, Any]] = field(default_factory=dict)

    async def changed(self) -> set[str]:
        """Return what has another tag; check that no answer that differs was told to be the same.

        Each is asked for with the tag that was kept, and without.
        """
        changed = set()
        for name, path in PATHS.items():
            tag, body = self.kept.get(name, ("", None))
            told = await self.client.get(path, headers={"If-None-Match": tag})
            self.answers.clear()
            answer = await self.client.get(path)
            assert answer.status_code in {200, 410}, answer.text
            now = answer.json()
            if isinstance(now, dict):
                now.pop("as_of", None)
            if told.status_code == 304:
                assert now == body, name
                assert told.content == b""
                assert told.headers["etag"] == tag
            else:
                assert told.headers.get("etag", "-") != tag
                changed.add(name)
                self.kept[name] = (answer.headers.get("etag", "-"), now)
                if answer.status_code == 200:
                    assert answer.headers["cache-control"] == "private, no-cache"
                    assert {"Accept", "Authorization"} <= set(answer.headers["vary"].split(", "))
        return changed


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, WATCHED)
    plant.connection.execute("UPDATE threshold SET in_force_from = %s", (START - HOUR,))
    plant.tick_as_if(START - HOUR)
    yield plant
    plant.close()


async def test_each_kind_of_change_changes_the_tags_of_what_it_changes(
    app: FastAPI, client: httpx.AsyncClient, plant: Plant, clock: FixedClock, database_url: str
) -> None:
    watcher = Watcher(client, app.state.context.answer_cache)
    clock.instant = START + 3 * HOUR

    def tick() -> None:
        plant.tick_as_if(clock.instant)

    def stored(channel: str, after: timedelta, value: float) -> Callable[[], None]:
        return lambda: plant.store([Reading(channel, START + after, value)])

    def done(change: Callable[[Connection], Any]) -> Callable[[], None]:
        def work() -> None:
            bind = engine(database_url, process="test")
            with bind.begin() as connection:
                change(connection)
            bind.dispose()

        return work

    def later() -> None:
        clock.instant += MINUTE

    def acked() -> None:
        ((alert,),) = plant.rows("SELECT id FROM alert WHERE resolved_at IS NULL")
        done(lambda connection: acknowledge(connection, alert, Remark("seen"), by="b"))()

    plant.store([Reading("meter.power", START + 170 * MINUTE + n * MINUTE, 400.0) for n in (0, 1)])
    plant.store([Reading("cems.co2", START + n * MINUTE, 10.0) for n in range(3)])
    plant.store([Reading("cems.flow", START + n * MINUTE, 1e5) for n in range(3)])
    tick()
    assert await watcher.changed() == ALL

    other_factor = WATCHED.replace("co2_kg: 0.2,", "co2_kg: 0.35,")
    changes: list[tuple[str, Callable[[], None], frozenset[str]]] = [
        ("a reading of a stack, from which bands follow", stored("cems.co2", HOUR, 12.0), TOTALS),
        ("and its totals", tick, TOTALS),
        ("a late reading", stored("meter.power", HOUR, 300.0), TOTALS),
        ("and its totals", tick, TOTALS),
        ("a reading corrected", lambda: correct(plant, "meter.power", START + HOUR, 9.0), TOTALS),
        ("and its totals", tick, TOTALS),
        (
            "readings discarded",
            lambda: discard(plant, "meter.power", START + HOUR, START + HOUR + MINUTE),
            TOTALS,
        ),
        ("and its totals", tick, TOTALS),
        ("an alert acknowledged, with a comment", acked, frozenset({"live"})),
        ("another comment", acked, frozenset({"live"})),
        ("a minute", later, TOTALS),
        ("and what it moves", tick, TOTALS),
        ("a factor corrected", lambda: apply_text(database_url, other_factor), ALL),
        ("and what it restates", tick, TOTALS),
        (
            "another name of a source",
            lambda: apply_text(
                database_url, other_factor.replace("{id: by-gauge,", "{id: by-gauge, name: G,")
            ),
            ALL,
        ),
        (
            "a device heard",
            lambda: plant.connection.execute("UPDATE device SET last_seen = now()"),
            frozenset({"facilities"}),
        ),
        (
            "an alert written anew",
            lambda: plant.connection.execute("UPDATE alert SET value = 7"),
            frozenset({"live"}),
        ),
        (
            "the facility retired",
            done(lambda c: retire_facility(c, "works", by="b", reason=None)),
            ALL,
        ),
    ]
    for change, make, expected in changes:
        # a stack's answers also change with the minute of the database
        for _ in range(3):
            if not (same := await watcher.changed()):
                break
        assert not same, f"nothing happened before: {change}"
        make()
        assert await watcher.changed() >= expected, change


async def test_no_answer_about_the_past_and_no_refusal_has_a_tag(
    client: httpx.AsyncClient, plant: Plant, clock: FixedClock
) -> None:
    clock.instant = START + HOUR
    plant.tick_as_if(clock.instant)
    for path in ("/v1/live?facility=works", "/v1/emissions?interval=1h", "/v1/reports?year=2026"):
        then = await client.get(f"{path}&as_of={START:%Y-%m-%d}T00:30:00Z")
        assert then.status_code == 200
        assert "etag" not in then.headers
    refused = await client.get("/v1/emissions?source=nobody", headers={"If-None-Match": "*"})
    assert refused.status_code == 404
    assert "etag" not in refused.headers


async def test_a_key_is_told_of_what_it_sees_only(
    guarded: httpx.AsyncClient, plant: Plant, database_url: str
) -> None:
    apply_text(database_url, WATCHED.replace("id: works,", "id: yard,"))
    one = keys.create(plant.connection, name="one", scopes=["read"], facilities=["works"])
    all_ = keys.create(plant.connection, name="all", scopes=["read"], facilities=None)

    async def tag(key: str, path: str) -> str:
        answer = await guarded.get(path, headers=bearer(key))
        assert answer.status_code == 200
        return answer.headers["etag"]

    for path in (
        "/v1/facilities",
        # the same row, and a next page for one of them
        "/v1/facilities?limit=1",
        "/v1/emissions?from=2026-06-01&to=2026-06-02&interval=1h",
    ):
        tags = [await tag(key, path) for key in (one, all_)]
        assert tags[0] != tags[1]
        told = await guarded.get(path, headers={**bearer(one), "If-None-Match": tags[1]})
        assert told.status_code == 200
        assert (await guarded.get(path, headers={"If-None-Match": tags[1]})).status_code == 401


@pytest.mark.usefixtures("plant")
async def test_who_asks_at_once_shares_one_body(
    client: httpx.AsyncClient, clock: FixedClock
) -> None:
    """The instant of each answer is its own."""
    clock.instant = START + HOUR
    answers = await asyncio.gather(*(client.get("/v1/live?facility=works") for _ in range(5)))
    clock.instant += timedelta(seconds=20)
    later = await client.get("/v1/live?facility=works")
    assert {a.headers["etag"] for a in (*answers, later)} == {later.headers["etag"]}
    assert {a.json()["as_of"] for a in answers} == {"2026-06-02T01:00:00Z"}
    assert later.json()["as_of"] == "2026-06-02T01:00:20Z"


async def test_an_answer_is_made_once_until_what_it_follows_from_changes(
    app: FastAPI, client: httpx.AsyncClient, plant: Plant, clock: FixedClock
) -> None:
    """Whoever asks, in whatever coding, is sent the same bytes."""
    plant.store([Reading("meter.power", START + n * MINUTE, 400.0) for n in range(3)])
    clock.instant = START + 8 * HOUR
    plant.tick_as_if(clock.instant)
    path = f"{PATHS['closed']}&source=by-gauge&limit=1"

    async def ask(coding: str) -> tuple[bytes, httpx.Headers]:
        answer = await client.get(path, headers={"Accept-Encoding": coding})
        assert answer.status_code == 200
        return answer.content, answer.headers

    body, headers = await ask("identity")
    # a change that nothing tells of shows which answers are made anew
    plant.connection.execute("UPDATE emission_hour SET co2_ug = co2_ug + 1000000000")
    for coding in ("gzip", "identity"):
        again, of_again = await ask(coding)
        assert again == body
        assert [of_again[name] for name in ("etag", "link")] == [
            headers[name] for name in ("etag", "link")
        ]
    app.state.context.answer_cache.clear()
    assert (await ask("identity"))[0] != body
    plant.store([Reading("meter.power", START + 3 * MINUTE, 900.0)])
    plant.tick_as_if(clock.instant)
    assert (await ask("identity"))[1]["etag"] != headers["etag"]
