"""A piece of work that cannot be done is set aside, with its reason, and all else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from services.aggregator import tick as ticking
from services.aggregator.setbacks import NOBODYS_FAULT
from services.api.routes.operation import _readiness_body
from services.core.runtime import metrics
from services.core.store.database.connect import connect
from services.core.store.emissions import recompute_request, set_aside
from services.core.store.emissions.set_aside import Piece
from services.core.store.operations.readiness import readiness
from services.core.store.registry.plan import facility_plans
from tests.integration.aggregator.looping import loop_over
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant
from tests.integration.aggregator.set_time import SetTime

START = instant("2026-06-15T09:00:00Z")

_TWO = """
facility: {{id: {0}, name: {0}, timezone: UTC}}
devices:
  - id: {0}-m
    channels:
      - {{id: a, quantity: energy, unit: kWh, kind: counter}}
      - {{id: b, quantity: energy, unit: kWh, kind: counter}}
factors: [{{id: f, unit: kWh, co2_kg: 0.25, citation: a}}]
sources:
  - {{id: bad, scope: 2, method: activity, input: {0}-m.a, factor: f}}
  - {{id: good, scope: 2, method: activity, input: {0}-m.b, factor: f}}
"""

#: Makes every change of one source's hours fail, as only a mistake in the program would.
_PLANT = """
CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'planted failure'; END $$;
CREATE TRIGGER planted BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW
WHEN ({condition}) EXECUTE FUNCTION planted();
"""
_PULL = "DROP TRIGGER planted ON {table}; DROP FUNCTION planted()"


class Works:
    """Two facilities and the aggregator's loop, turned by hand on a clock that stands."""

    def __init__(self, url: str) -> None:
        self.url = url
        apply_text(url, _TWO.format("other"))
        self.plant = Plant(url, _TWO.format("works"))
        self.clock = SetTime(START)
        self.connection: psycopg.Connection[Any] = connect(
            url, process="test", role="tonne_aggregate", autocommit=True
        )
        self.loop = loop_over(url, self.clock)
        rows = self.plant.rows(
            "SELECT f.slug || '/' || s.slug, s.id FROM source s"
            " JOIN facility f ON f.id = s.facility_id"
        )
        self.sources: dict[str, int] = dict(rows)
        self.facilities: dict[str, int] = dict(self.plant.rows("SELECT slug, id FROM facility"))

    def close(self) -> None:
        self.connection.close()
        self.plant.close()

    def report(self, minute: int) -> None:
        """A reading of every meter, and the clock moved on to it."""
        ts = START + timedelta(minutes=minute)
        self.clock.instant = ts
        for name, facility_id in self.facilities.items():
            self.plant.facility_id = facility_id
            self.plant.store([Reading(f"{name}-m.{c}", ts, 100.0 + minute) for c in ("a", "b")])

    def settle(self) -> None:
        """Turn until nothing is done any more, however facilities are paced."""
        idle = 0
        for _ in range(500):
            self.loop._paced_until_s.clear()
            idle = 0 if self.loop.run_once(self.connection) else idle + 1
            if idle > 3:
                return
        raise AssertionError("the loop does not come to rest")

    def kg(self, source: str) -> float:
        ((found,),) = self.plant.rows(
            "SELECT coalesce(sum(co2_ug), 0) / 1e9 FROM emission_minute"  # noqa: S608 - a number
            f" WHERE source_id = {self.sources[source]}"
        )
        return float(found)

    def windows(self, source: str) -> list[tuple[Any, ...]]:
        return self.plant.rows(
            "SELECT span, co2_ug FROM rolling_total"  # noqa: S608 - a number
            f" WHERE source_id = {self.sources[source]} ORDER BY 1"
        )

    def aside(self) -> list[tuple[Any, ...]]:
        return self.plant.rows(
            "SELECT f.slug, a.kind, a.name, a.tried FROM set_aside a"
            " JOIN facility f ON f.id = a.facility_id ORDER BY 1, 2, 3"
        )

    def warnings(self) -> list[str]:
        found = asyncio.run(readiness(self.url, stale_after_s=60))
        warnings = _readiness_body(found, self.clock, [])["warnings"]
        assert isinstance(warnings, list)
        return warnings


@pytest.fixture
def works(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Works]:
    # no other aggregator is at work
    monkeypatch.setattr("services.aggregator.loop._LEAVE_S", 0.0)
    made = Works(database_url)
    yield made
    made.close()


def _plant(works: Works, table: str, condition: str) -> None:
    works.plant.connection.execute(_PLANT.format(table=table, condition=condition))


def test_a_source_that_fails_is_set_aside_and_all_others_go_on(works: Works) -> None:
    works.report(0)
    works.report(1)
    works.settle()
    bad = works.sources["works/bad"]
    _plant(works, "emission_hour", f"NEW.source_id = {bad}")
    for minute in (2, 3, 4):
        works.report(minute)
        works.settle()
    assert works.kg("works/good") == works.kg("other/good") == works.kg("other/bad") == 1.0
    assert works.kg("works/bad") == 0.25
    assert works.aside() == [("works", "source", "bad", 1)]
    # its totals are unknown, and not those of before
    assert works.windows("works/bad") == []
    (warning,) = works.warnings()
    assert warning.startswith("works/bad is not computed since")
    assert "planted failure" in warning
    assert metrics.aggregator_set_aside._value.get() == 1
    # another aggregator knows it, without having failed itself
    failed = metrics.aggregator_failed_ticks._value.get()
    works.loop = loop_over(works.url, works.clock)
    works.report(5)
    works.settle()
    assert works.kg("works/good") == 1.25
    assert metrics.aggregator_failed_ticks._value.get() == failed


@pytest.mark.parametrize("mended_by", ["file", "recompute", "time"])
def test_it_is_tried_again_and_what_waited_is_computed(works: Works, mended_by: str) -> None:
    bad = works.sources["works/bad"]
    _plant(works, "emission_hour", f"NEW.source_id = {bad}")
    for minute in range(5):
        works.report(minute)
        works.settle()
    works.plant.connection.execute(_PULL.format(table="emission_hour"))
    works.settle()
    assert works.aside() == [("works", "source", "bad", 1)]
    if mended_by == "file":
        apply_text(works.url, _TWO.format("works").replace("name: works", "name: Works"))
    elif mended_by == "recompute":
        minute = int(START.timestamp()) // 60
        recompute_request.submit(
            works.plant.connection,
            [(works.facilities["works"], bad)],
            minute - 60,
            minute,
            "recomputation: by a test",
        )
    else:
        works.plant.connection.execute("UPDATE set_aside SET retry_at = now()")
    works.settle()
    works.clock.instant += timedelta(minutes=1)
    works.settle()
    assert works.aside() == []
    assert works.warnings() == []
    assert works.kg("works/bad") == works.kg("works/good") == 1.0
    assert works.windows("works/bad") == works.windows("works/good")
    assert len(works.windows("works/bad")) == 8


def test_what_fails_again_waits_longer_each_time(works: Works) -> None:
    _plant(works, "emission_hour", f"NEW.source_id = {works.sources['works/bad']}")
    works.report(0)
    works.report(1)
    works.settle()
    waits = []
    for _ in range(3):
        ((wait_s,),) = works.plant.rows(
            "SELECT extract(epoch FROM retry_at - tried_at)::int FROM set_aside"
        )
        waits.append(wait_s)
        works.plant.connection.execute("UPDATE set_aside SET retry_at = now()")
        works.settle()
    assert waits == [60, 120, 240]
    assert works.aside() == [("works", "source", "bad", 4)]


def test_a_facility_that_fails_as_a_whole_is_set_aside_as_a_whole(works: Works) -> None:
    _plant(works, "facility_progress", f"NEW.facility_id = {works.facilities['works']}")
    for minute in range(3):
        works.report(minute)
        works.settle()
    assert works.aside() == [("works", "facility", "", 1)]
    assert works.kg("other/good") == 0.5
    assert works.kg("works/good") == 0
    (warning,) = works.warnings()
    assert warning.startswith("facility works is not computed since")
    works.plant.connection.execute(_PULL.format(table="facility_progress"))
    works.plant.connection.execute("UPDATE set_aside SET retry_at = now()")
    works.settle()
    assert works.aside() == []
    assert works.kg("works/good") == 0.5


def test_what_takes_too_long_is_done_in_smaller_pieces(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = []
    plan = facility_plans(works.connection)[works.facilities["works"]]

    def tick(connection: Any, of: Any, now: Any, recent: Any, pieces: Any, **_: Any) -> Any:
        if of.id == plan.id:
            ticks.append(pieces.old)
            if pieces.old > 200:
                raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")
        return real(connection, of, now, recent, pieces)

    real = ticking.tick
    monkeypatch.setattr("services.aggregator.loop.tick", tick)
    monkeypatch.setattr("services.aggregator.setbacks._FIRST_PAUSE_S", 0.0)
    for minute in range(3):
        works.report(minute)
    works.settle()
    assert ticks[:3] == [10_000, 1250, 156]
    assert works.kg("works/good") == works.kg("other/good") == 0.5
    assert works.aside() == []


@pytest.mark.parametrize("error", NOBODYS_FAULT)
def test_what_the_database_suffers_from_is_the_fault_of_no_facility(
    works: Works, monkeypatch: pytest.MonkeyPatch, error: type[psycopg.Error]
) -> None:
    is_ill = True

    def tick(*arguments: Any, **options: Any) -> Any:
        if is_ill:
            raise error("could not extend file")
        return real(*arguments, **options)

    real = ticking.tick
    monkeypatch.setattr("services.aggregator.loop.tick", tick)
    monkeypatch.setattr("services.aggregator.setbacks.tick", tick)
    for minute in range(3):
        works.report(minute)
    for _ in range(6):
        with pytest.raises(error):
            works.settle()
    is_ill = False
    works.settle()
    assert works.kg("works/good") == works.kg("other/good") == 0.5
    assert works.aside() == []


def test_a_facility_whose_configuration_cannot_be_used_stops_no_other(works: Works) -> None:
    works.report(0)
    works.report(1)
    works.settle()
    whole = works.plant.rows(
        "UPDATE source s SET spec = s.spec - 'method' FROM facility f"
        " WHERE f.id = s.facility_id AND f.slug = 'works' AND s.slug = 'bad' RETURNING s.slug"
    )
    assert whole == [("bad",)]
    works.plant.connection.execute("UPDATE registry_revision SET revision = revision + 1")
    works.report(2)
    works.settle()
    assert works.kg("other/good") == works.kg("other/bad") == 0.5
    assert works.kg("works/good") == 0.25
    assert works.aside() == [("works", "facility", "", 1)]
    (warning,) = works.warnings()
    assert warning.startswith("facility works is not computed since")
    assert "configuration cannot be used" in warning
    apply_text(works.url, _TWO.format("works").replace("name: works", "name: Works"))
    works.plant.connection.execute(
        'UPDATE source s SET spec = o.spec || \'{"input": "works-m.a"}\' FROM source o'
        " WHERE s.spec ->> 'method' IS NULL AND o.slug = 'bad' AND o.id <> s.id"
    )
    works.plant.connection.execute("UPDATE registry_revision SET revision = revision + 1")
    works.settle()
    works.clock.instant += timedelta(minutes=1)
    works.settle()
    assert works.aside() == []
    assert works.kg("works/good") == works.kg("works/bad") == 0.5


def test_queued_work_that_fails_is_left_to_its_source_and_the_rest_of_the_queue_is_done(
    works: Works,
) -> None:
    for minute in range(3):
        works.report(minute)
    works.settle()
    _plant(works, "emission_hour", f"NEW.source_id = {works.sources['works/bad']}")
    # a new figure is restated hour by hour from the queue, without the readings
    apply_text(works.url, _TWO.format("works").replace("0.25", "0.5"))
    assert works.plant.rows("SELECT DISTINCT step FROM recompute") == [("factor",)]
    works.settle()
    works.clock.instant += timedelta(minutes=1)
    works.settle()
    assert works.aside() == [("works", "source", "bad", 1)]
    assert works.kg("works/good") == 1.0
    assert works.plant.rows("SELECT DISTINCT source_id FROM recompute") == [
        (works.sources["works/bad"],)
    ]
    works.plant.connection.execute(_PULL.format(table="emission_hour"))
    works.plant.connection.execute("UPDATE set_aside SET retry_at = now()")
    works.settle()
    works.clock.instant += timedelta(minutes=1)
    works.settle()
    assert works.aside() == []
    assert works.kg("works/bad") == 1.0
    assert works.plant.rows("SELECT count(*) FROM recompute") == [(0,)]


def test_a_service_sets_aside_whatever_it_works_on(works: Works) -> None:
    piece = Piece(facility_id=works.facilities["works"], kind="recipient", name="desk")
    set_aside.put(works.plant.connection, "notify", piece, "its  address\nis none", 7)
    (found,) = set_aside.of_service(works.plant.connection, "notify", 7)
    assert (found.piece, found.reason, found.due) == (piece, "its address is none", False)
    (again,) = set_aside.of_service(works.plant.connection, "notify", 8)
    assert again.due
    assert set_aside.of_service(works.plant.connection, "aggregator", 7) == []
    assert works.warnings()[0].startswith("works/desk is skipped by notify since")
    set_aside.release(works.plant.connection, "notify", piece)
    assert set_aside.of_service(works.plant.connection, "notify", 7) == []
