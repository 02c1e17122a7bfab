"""A retired facility: what arrived before counts, its hours are closed, its alerts end, no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from services.core.store.database.connect import engine
from services.core.store.emissions import facility_progress
from services.core.store.operations.retire_facility import retire_facility
from services.core.store.registry import read
from tests.integration.aggregator import test_closing as closing
from tests.integration.aggregator.plant import FILE, Plant, Reading, apply_text, instant
from tests.integration.aggregator.watch import Watch

T0 = instant("2026-11-20T10:00:00Z")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

RATE = """
thresholds:
  - {id: high, source: by-gauge, measure: rate, above: 20, severity: critical}
notify:
  - {webhook: "https://example.org/hook"}
"""

Make = Callable[[str], Plant]


def retire(plant: Plant, url: str, at: datetime) -> None:
    """Retire the facility, at an instant of the test's own."""
    bind = engine(url, process="test")
    with bind.begin() as connection:
        retire_facility(connection, "works", by="user anna", reason="kiln sold")
    bind.dispose()
    for table, of in (
        ("facility", "retired_at IS NOT NULL"),
        ("source", "NOT active"),
        ("facility_retirement", "returned_at IS NULL"),
    ):
        plant.connection.execute(
            f"UPDATE {table} SET retired_at = %s WHERE {of}",  # noqa: S608 - names above
            (at,),
        )


def settle(plant: Plant) -> None:
    """Let what changed come to rest, as time does."""
    plant.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '2 minutes'")


@pytest.fixture
def watch(database_url: str) -> Iterator[Callable[[str], Watch]]:
    made: list[Watch] = []

    def make(limits: str) -> Watch:
        made.append(Watch(database_url, limits, since=T0 - HOUR))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def make(database_url: str) -> Iterator[Make]:
    made: list[Plant] = []

    def plant(text: str) -> Plant:
        made.append(Plant(database_url, text))
        return made[-1]

    yield plant
    for each in made:
        each.close()


def test_open_alerts_end_with_a_reason_that_is_told(
    watch: Callable[[str], Watch], database_url: str
) -> None:
    works = watch(RATE)
    works.power(T0, [150, 150, 150])
    works.tick(T0 + 2 * MINUTE)
    assert works.notifications() == [("high", "firing")]
    retire(works, database_url, T0 + 2 * MINUTE + timedelta(seconds=20))
    works.tick(T0 + 3 * MINUTE)
    slug, state, _, _, resolved, _, undone = works.alerts()[0]
    assert (slug, state, resolved, undone) == ("high", "resolved", T0 + 3 * MINUTE, False)
    for target in ("mqtt", "webhook https://example.org/hook"):
        assert works.notifications(target) == [("high", "firing"), ("high", "resolved")]
    body = works.rows("SELECT body FROM outbox WHERE kind = 'resolved' LIMIT 1")[0][0]
    assert body["ended_by"] == "the facility was retired by user anna: kiln sold"
    # nothing watches it: that there are no data raises nothing
    works.tick(T0 + 2 * HOUR)
    assert works.states("high")[-1] == ("10:03", "resolved")
    assert len(works.alerts()) == 1


def test_a_deleted_threshold_ends_its_alert_for_that_reason(
    watch: Callable[[str], Watch], database_url: str
) -> None:
    works = watch(RATE)
    works.power(T0, [150, 150])
    works.tick(T0 + MINUTE)
    apply_text(database_url, FILE + RATE.replace("id: high", "id: other"))
    works.tick(T0 + 2 * MINUTE)
    assert works.rows("SELECT ended_by FROM alert WHERE resolved_at IS NOT NULL") == [
        ("the threshold was deleted",)
    ]


def test_what_arrived_before_counts_and_nothing_is_carried_beyond(
    make: Make, database_url: str
) -> None:
    plant = make(FILE)
    plant.tick(T0)
    # not computed yet, as the facility is retired
    plant.store([Reading("meter.power", T0 + i * MINUTE, 60.0) for i in range(6)])
    retire(plant, database_url, T0 + 5 * MINUTE + timedelta(seconds=30))
    plant.tick(T0 + 6 * MINUTE)
    plant.tick(T0 + 7 * MINUTE)
    minutes = plant.rows(
        "SELECT minute, co2_ug FROM emission_minute m JOIN source s ON s.id = m.source_id"
        " WHERE s.slug = 'by-gauge' AND covered_ms > 0 ORDER BY 1"
    )
    # the last value would hold for two minutes
    assert [m for m, _ in minutes] == [T0 + i * MINUTE for i in range(6)]
    assert sum(ug for _, ug in minutes) == 6 * 60 * 1_000_000_000 * 2 // 600


def test_its_hours_become_final_and_then_nobody_looks_at_it(make: Make, database_url: str) -> None:
    plant = make(FILE)
    plant.store([Reading("meter.power", T0 + i * MINUTE, 60.0) for i in range(90)])
    plant.tick(T0 + 90 * MINUTE)
    retire(plant, database_url, T0 + 90 * MINUTE)

    def waits(now: datetime) -> bool:
        return bool(facility_progress.waiting(plant.connection, now))

    plant.tick(T0 + 91 * MINUTE)
    assert waits(T0 + 92 * MINUTE)
    settle(plant)
    later = T0 + 4 * HOUR
    plant.tick(later)
    plant.tick(later + MINUTE)
    assert plant.rows("SELECT count(*) FROM emission_hour WHERE NOT final") == [(0,)]
    assert not waits(later + 10 * MINUTE)
    # a correction of its history is still computed
    plant.store([Reading("meter.power", T0 + timedelta(seconds=30), 600.0)])
    assert waits(later + 10 * MINUTE)
    before = plant.rows("SELECT sum(co2_ug) FROM emission_hour")[0][0]
    plant.tick(later + 10 * MINUTE)
    assert plant.rows("SELECT sum(co2_ug) FROM emission_hour")[0][0] > before
    assert plant.rows("SELECT count(*) FROM emission_hour_history") == [(1,)]


def test_hours_under_a_rule_are_closed_by_it_and_the_last_as_measured(
    make: Make, database_url: str
) -> None:
    plant = make(closing.FILE)
    flow = 2.0e6
    plant.store(closing.hour_of(0, 10, flow) + closing.hour_of(1, 10, flow))
    plant.store(closing.hour_of(2, 10, flow, range(40)))
    plant.tick(closing.START + 2 * HOUR + 39 * MINUTE)
    retire(plant, database_url, closing.START + 2 * HOUR + 39 * MINUTE + timedelta(seconds=30))
    for hours in (4, 5, 6):
        settle(plant)
        plant.connection.execute("UPDATE touched SET committed_at = now()")
        plant.tick(closing.START + hours * HOUR)
    found = closing.hours(plant)
    assert [(h, code, final) for h, _, _, code, final in found] == [
        (0, "quadrants", True), (1, "quadrants", True), (2, None, True),
    ]  # fmt: skip
    reported = closing.as_reported_kg("10", int(flow))
    assert found[0][1] == pytest.approx(reported, abs=1e-6)
    # no substitute stands for the minutes after it was retired
    assert found[2][1] == pytest.approx(reported * 40 / 60, rel=0.01)


def test_a_gap_before_the_end_is_not_open_for_ever(make: Make, database_url: str) -> None:
    plant = make(closing.FILE)
    plant.store(closing.hour_of(0, 10, 2.0e6) + closing.hour_of(1, 10, 2.0e6, range(10)))
    plant.tick(closing.START + 2 * HOUR)
    retire(plant, database_url, closing.START + 3 * HOUR + MINUTE)
    for hours in (5, 6, 7):
        settle(plant)
        plant.connection.execute("UPDATE touched SET committed_at = now()")
        plant.tick(closing.START + hours * HOUR)
    assert all(final for *_, final in closing.hours(plant))


def test_it_comes_back_with_its_history_and_is_watched_from_then_on(
    watch: Callable[[str], Watch], database_url: str
) -> None:
    works = watch(RATE)
    works.power(T0, [150, 150])
    works.tick(T0 + MINUTE)
    ids = works.rows("SELECT slug, id FROM source ORDER BY 1")
    history = works.totals()["minutes"]
    retire(works, database_url, T0 + MINUTE + timedelta(seconds=30))
    works.tick(T0 + 3 * MINUTE)
    changes = apply_text(database_url, FILE + RATE)
    assert changes[0].startswith("+ facility works, retired since 2026-11-20T10:01Z")
    in_force_from = works.rows("SELECT in_force_from FROM threshold")[0][0]
    assert in_force_from > T0 + MINUTE
    assert works.rows("SELECT slug, id FROM source ORDER BY 1") == ids
    assert works.rows("SELECT count(*) FROM source WHERE active AND retired_at IS NULL") == [(4,)]
    works.backdate()
    works.restart()
    works.power(T0 + 10 * MINUTE, [150, 150])
    works.tick(T0 + 11 * MINUTE)
    assert works.totals()["minutes"][: len(history)] == history
    assert ("high", "firing") in works.notifications()[-1:]
    revision = read.revision(works.connection)
    assert apply_text(database_url, FILE + RATE) == []
    assert read.revision(works.connection) == revision
