"""Factors by the hour, from their values to the totals that count by them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.aggregator import follow_factor
from services.aggregator.audit import verify
from services.core.accounting.hourly_factors import HOURLY
from services.core.facility.errors import ApplyError
from services.core.facility.factor_file import read
from services.core.store.answers.explain import FactorUsed, explain_hour
from services.core.store.answers.explain_series import SeriesHour
from services.core.store.answers.facility_queries import FacilityRow
from services.core.store.answers.factor_shares import factor_shares
from services.core.store.computation import minutes_as_known
from services.core.store.database.connect import connect, engine
from services.core.store.emissions import final_hours, recompute_request
from services.core.store.factor_series import names
from services.core.store.factor_series.record import (
    FutureValueError,
    NewValues,
    Recorded,
    record,
)
from services.core.store.factor_series.values import resolved_hours
from services.core.store.registry.import_factors import import_factors
from services.core.store.registry.plan import facility_plans
from services.core.timeline.instants import to_us
from tests.integration.aggregator.plant import Plant, Reading, apply_text, instant
from tests.integration.aggregator.test_closing import close_all
from tests.integration.packed import pack_some_minutes, unpack_all_minutes

HOUR = timedelta(hours=1)
START = instant("2026-03-01T00:00:00Z")
FILE = """
facility: {id: works, name: Works, timezone: Europe/London}
devices:
  - {id: m, channels: [{id: e, quantity: energy, unit: MWh, kind: counter, max_rate: 1000}]}
factors:
  - {id: grid, kind: series, unit: MWh, basis: location, fallback: FALLBACK, citation: operator}
  - {id: national, unit: kWh, co2_kg: 0.9, citation: ministry}
sources:
  - {id: bought, scope: 2, method: activity, input: m.e, factor: grid}
"""
LOAD = (10, 12, 8, 15, 20, 5)
GRID = (0.5, 0.3, 0.2, 0.4, 0.6, 0.7)


def hour(instant: datetime) -> int:
    return int(instant.timestamp()) // 3600


def bring(
    url: str,
    kg: Sequence[float],
    *,
    first: datetime = START,
    known_at: datetime | None = None,
    facility: int | None = 1,
    slug: str = "grid",
) -> Recorded:
    bind = engine(url, process="test")
    try:
        with bind.begin() as connection:
            (series,) = names.series(connection, facility, [slug]).values()
            values = NewValues(
                series=series,
                hours=hour(first) + np.arange(len(kg)),
                kg=np.array(kg),
                known_at_us=np.full(len(kg), 0 if known_at is None else to_us(known_at)),
            )
            return record(connection, [values], by="user test")
    finally:
        bind.dispose()


@pytest.fixture
def plant(database_url: str) -> Iterator[Plant]:
    plant = Plant(database_url, FILE.replace("FALLBACK", "[month, year, national]"))
    yield plant
    plant.close()


def metered(plant: Plant) -> datetime:
    """Store six hours of load; return the time after them."""
    index = np.cumsum((0, *LOAD)).tolist()
    plant.store([Reading("m.e", START + i * HOUR, value) for i, value in enumerate(index)])
    return START + 7 * HOUR


def tonnes(plant: Plant) -> list[float]:
    rows = plant.rows("SELECT co2_ug FROM emission_hour ORDER BY hour")
    return [ug / 1e12 for (ug,) in rows][: len(LOAD)]


@pytest.mark.vector
def test_g1_counts_the_load_of_each_hour_by_the_grid_of_that_hour(
    plant: Plant, database_url: str
) -> None:
    now = metered(plant)
    assert bring(database_url, [1000 * t for t in GRID]).added == 6
    plant.tick(now)
    hours = [load * grid for load, grid in zip(LOAD, GRID, strict=True)]
    assert tonnes(plant) == pytest.approx(hours, abs=1e-12)
    assert sum(tonnes(plant)) == pytest.approx(31.7, abs=1e-9)


def test_a_revised_hour_restates_what_used_it_and_nothing_else(
    plant: Plant, database_url: str
) -> None:
    now = metered(plant)
    bring(database_url, [1000 * t for t in GRID])
    close_all(plant, now)
    before = datetime.now(UTC)
    recorded = bring(database_url, [350.0], first=START + 3 * HOUR)
    assert (recorded.added, recorded.revised) == (0, 1)
    plant.tick(now)
    assert tonnes(plant)[3] == pytest.approx(15 * 0.35, abs=1e-12)
    assert sum(tonnes(plant)) == pytest.approx(31.7 - 15 * 0.05, abs=1e-9)
    ledger = plant.rows("SELECT reason FROM emission_hour WHERE version > 1")
    assert [reason for (reason,) in ledger] == [
        "factor version: grid, value of 2026-03-01T03:00Z; brought by user test"
    ]
    (series_id,) = plant.rows("SELECT id FROM factor_series")[0]
    third = np.array([hour(START) + 3])
    then = resolved_hours(plant.connection, {series_id: {()}}, third, as_of=before)
    now_held = resolved_hours(plant.connection, {series_id: {()}}, third)
    assert then[series_id].kg[HOURLY].tolist() == [400.0]
    assert now_held[series_id].kg[HOURLY].tolist() == [350.0]


def test_a_revised_hour_is_restated_before_what_counts_by_its_means(
    plant: Plant, database_url: str
) -> None:
    # an hour of two months before, which counts by the mean of the year so far
    january = START - 59 * 24 * HOUR
    plant.store([Reading("m.e", january + i * HOUR, value) for i, value in enumerate((-10, 0))])
    now = metered(plant)
    bring(database_url, [1000 * t for t in GRID])
    close_all(plant, now)
    bring(database_url, [350.0], first=START + 3 * HOUR)
    revised = "SELECT hour FROM emission_hour WHERE version > 1 AND co2_ug > 0 ORDER BY hour"
    while not plant.rows(revised):
        assert plant.tick_once(now).worked
    assert plant.rows(revised) == [(START + 3 * HOUR,)]
    plant.tick(now)
    assert plant.rows(revised) == [(january,), (START + 3 * HOUR,)]


def test_hours_without_a_value_fall_back_in_the_stated_order(
    plant: Plant, database_url: str
) -> None:
    now = metered(plant)
    plant.tick(now)
    # nothing is known of the series
    assert tonnes(plant) == pytest.approx([load * 0.9 for load in LOAD], abs=1e-12)
    # a year that is over, without its last hours
    bring(database_url, [200.0] * (365 * 24 - 3), first=instant("2025-01-01T00:00:00Z"))
    plant.tick(now)
    assert tonnes(plant) == pytest.approx([load * 0.2 for load in LOAD], abs=1e-12)
    bring(database_url, [100.0, 300.0], first=instant("2026-02-11T00:00:00Z"))
    bring(database_url, [120.0], first=instant("2026-02-10T00:00:00Z"))
    plant.tick(now)
    # the month before, until the month itself is over
    mean = (100 + 300 + 120) / 3000
    assert tonnes(plant) == pytest.approx([load * mean for load in LOAD], abs=1e-12)
    bring(database_url, [500.0], first=START)
    plant.tick(now)
    assert tonnes(plant) == pytest.approx(
        [10 * 0.5, *(load * mean for load in LOAD[1:])], abs=1e-12
    )
    bring(database_url, [700.0], first=instant("2026-04-01T00:00:00Z"))
    plant.tick(now)
    assert tonnes(plant) == pytest.approx([load * 0.5 for load in LOAD], abs=1e-12)
    bring(database_url, [float("nan")], first=START)
    plant.tick(now)
    assert tonnes(plant) == pytest.approx([load * mean for load in LOAD], abs=1e-12)


def test_hours_without_any_fallback_are_unknown_until_a_value_comes(
    plant: Plant, database_url: str
) -> None:
    now = metered(plant)
    apply_text(database_url, FILE.replace("FALLBACK", "[]"))
    plant.tick(now)
    covered = "SELECT sum(covered_ms) FROM emission_hour"
    assert plant.rows(covered) == [(None,)]
    bring(database_url, [400.0], first=START + 3 * HOUR)
    plant.tick(now)
    assert plant.rows(covered) == [(3_600_000,)]
    assert sum(tonnes(plant)) == pytest.approx(15 * 0.4, abs=1e-12)
    bring(database_url, [400.0] * 2000, first=START - 1000 * HOUR)
    plant.tick(now)
    assert tonnes(plant) == pytest.approx([load * 0.4 for load in LOAD], abs=1e-12)


def test_a_corrected_national_factor_restates_the_hours_that_fell_back_to_it(
    plant: Plant, database_url: str
) -> None:
    now = metered(plant)
    plant.tick(now)
    apply_text(
        database_url, FILE.replace("FALLBACK", "[month, year, national]").replace("0.9", "0.8")
    )
    plant.tick(now)
    assert tonnes(plant) == pytest.approx([load * 0.8 for load in LOAD], abs=1e-12)


def test_the_latest_version_of_a_value_holds_whenever_it_comes(
    plant: Plant, database_url: str
) -> None:
    now = metered(plant)
    june, may = instant("2026-06-01T00:00:00Z"), instant("2026-05-01T00:00:00Z")
    bring(database_url, [400.0] * 6, known_at=june)
    late = bring(database_url, [300.0] * 6, known_at=may)
    assert (late.added, late.revised, late.superseded) == (0, 0, 6)
    assert bring(database_url, [300.0] * 6, known_at=may).superseded == 6
    assert bring(database_url, [400.0] * 6).unchanged == 6
    assert plant.rows("SELECT count(*) FROM factor_value") == [(12,)]
    plant.tick(now)
    assert tonnes(plant) == pytest.approx([load * 0.4 for load in LOAD], abs=1e-12)
    with pytest.raises(FutureValueError, match="lies in the future"):
        bring(database_url, [1.0], known_at=datetime.now(UTC) + HOUR)


@pytest.mark.usefixtures("plant")
def test_values_of_what_is_no_series_and_a_series_per_another_unit_are_refused(
    database_url: str,
) -> None:
    with pytest.raises(names.UnknownSeriesError, match="name the facility"):
        bring(database_url, [1.0], facility=None)
    with pytest.raises(ApplyError, match=r"per MWh.*per kWh another id"):
        apply_text(
            database_url,
            FILE.replace("FALLBACK", "[]").replace(
                "kind: series, unit: MWh", "kind: series, unit: kWh"
            ),
        )


def explained(plant: Plant, i: int) -> FactorUsed:
    explanation = explain_hour(
        plant.connection,
        facility="works",
        source="bought",
        hour=START + i * HOUR,
        as_of=datetime.now(UTC) + HOUR,
    )
    assert explanation.factor is not None
    return explanation.factor


def test_an_explanation_says_what_an_hour_counted_by(plant: Plant, database_url: str) -> None:
    plant.tick(metered(plant))
    june = instant("2026-06-01T00:00:00Z")
    assert explained(plant, 3).series == SeriesHour(
        used="national", co2_kg=None, known_at=None, recorded_at=None
    )
    assert explained(plant, 3).applied.co2_kg == 900.0
    bring(database_url, [400.0], first=START + 3 * HOUR, known_at=june)
    with_value, without = explained(plant, 3), explained(plant, 4)
    assert (with_value.applied.co2_kg, without.applied.co2_kg) == (400.0, 400.0)
    assert with_value.series is not None
    assert without.series is not None
    assert (with_value.series.used, with_value.series.known_at) == ("hour", june)
    assert with_value.series.recorded_at is not None
    assert (without.series.used, without.series.co2_kg) == ("month", 400.0)


def verify_all(url: str) -> None:
    """Compute all hours again, as `tonne verify` does."""
    with connect(url, process="test", autocommit=True) as connection:
        (plan,) = facility_plans(connection).values()
        (source,) = final_hours.sources(connection, None)
        first = hour(START)
        checked = verify.step(connection, plan, source, first, first + 5, datetime.now(UTC))
    assert (checked.checked, checked.differences) == (6, ())


def in_force(plant: Plant) -> tuple[list[tuple[object, ...]], list[float]]:
    """Masses of all minutes and hours."""
    with plant.connection.transaction(force_rollback=True):
        unpack_all_minutes(plant.connection)
        minutes = plant.rows("SELECT minute, co2_ug, co2e_ug, activity_n FROM minute_in_force")
        return sorted(minutes), tonnes(plant)


def test_packed_minutes_come_back_and_are_restated_as_rows_are(
    plant: Plant, database_url: str
) -> None:
    now = metered(plant)
    bring(database_url, [1000 * t for t in GRID[:4]])
    close_all(plant, now)
    verify_all(database_url)
    before = in_force(plant)
    assert len({ug for _, ug, _, _ in before[0]}) > 4
    assert pack_some_minutes(plant.connection, random.Random(1)) == 1
    assert in_force(plant) == before
    ((size,),) = plant.rows("SELECT length(minutes) FROM packed_minutes")
    # amounts of a register that rises evenly, and 24 factors for each mass but no mass
    assert size < 1500
    bring(database_url, [350.0, 200.0], first=START + 3 * HOUR)
    with plant.connection.transaction(force_rollback=True):
        unpack_all_minutes(plant.connection)
        plant.tick(now)
        right = in_force(plant)
    plant.restart()
    plant.tick(now)
    assert in_force(plant) == right
    assert right[1] == pytest.approx(
        [5.0, 3.6, 1.6, 5.25, 4.0, 5 * (0.5 + 0.3 + 0.2 + 0.35 + 0.2) / 5], abs=1e-12
    )
    verify_all(database_url)


def test_what_was_known_is_told_by_when_a_value_was_recorded(
    plant: Plant, database_url: str
) -> None:
    now = metered(plant)
    plant.tick(now)
    # readings that arrived as they were sent, not today
    plant.connection.execute("UPDATE reading SET received_at = ts")
    plant.connection.execute("UPDATE factor SET known_from = '2020-01-01'")
    plant.connection.execute("UPDATE source_revision SET known_at = '2020-01-01'")
    plant.connection.execute("UPDATE channel_revision SET known_at = '2020-01-01'")
    bring(database_url, [400.0], first=START + 3 * HOUR, known_at=START)
    plant.tick(now)
    ((recorded_at,),) = plant.rows("SELECT recorded_at FROM factor_value")
    source = minutes_as_known.sources(plant.connection, [plant.sources["bought"]])
    masses = []
    for as_of in (recorded_at - HOUR, recorded_at + timedelta(seconds=1)):
        then = minutes_as_known.minutes(
            plant.connection, source[plant.sources["bought"]], {hour(START) + 3}, as_of
        )
        assert then.computed is not None
        masses.append(then.computed.figures["co2_ug"].sum() / 1e12)
    assert masses == pytest.approx([15 * 0.9, 15 * 0.4], abs=1e-9)


def test_shares_say_what_hours_counted_by(plant: Plant, database_url: str) -> None:
    now = metered(plant)
    february = instant("2026-02-27T00:00:00Z")
    bring(database_url, [100.0, 300.0], first=february)
    bring(database_url, [500.0, 400.0], first=START + 2 * HOUR)
    close_all(plant, now)
    facility = FacilityRow(
        id=plant.facility_id, slug="works", name="Works", timezone="Europe/London", retired_at=None
    )
    with plant.connection.transaction():
        shares = factor_shares(plant.connection, [facility], None, START, START + 6 * HOUR, now=now)
    assert [(s.used, s.hours, s.activity, s.share, s.co2_kg) for s in shares] == [
        ("month", 4, 47.0, pytest.approx(47 / 70), pytest.approx(47 * 200)),
        ("hour", 2, 23.0, pytest.approx(23 / 70), pytest.approx(8 * 500 + 15 * 400)),
    ]
    apply_text(database_url, FILE.replace("FALLBACK", "[national]"))
    plant.tick(now)
    with plant.connection.transaction():
        shares = factor_shares(
            plant.connection, [facility], ["bought"], START, START + 6 * HOUR, now=now
        )
        assert (
            factor_shares(plant.connection, [facility], ["x"], START, START + HOUR, now=now) == []
        )
    assert [(s.used, s.share, s.co2_kg) for s in shares] == [
        ("national", pytest.approx(47 / 70), pytest.approx(47 * 900)),
        ("hour", pytest.approx(23 / 70), pytest.approx(8 * 500 + 15 * 400)),
    ]


def test_days_of_revised_values_follow_as_if_computed_from_readings(
    plant: Plant, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = 50
    # it begins and ends within a day, in the middle of an hour; 7 kWh a minute and a third of one
    begin = START + timedelta(hours=5, minutes=30)
    readings = [Reading("m.e", begin + i * HOUR, 0.42 * i + i % 3 / 3000) for i in range(hours + 1)]
    plant.store(readings)
    bring(database_url, [100.0] * 60)
    now = START + 57 * HOUR
    close_all(plant, now)
    pack_some_minutes(plant.connection, random.Random(1), 0.5)
    assert 0 < plant.rows("SELECT count(*) FROM packed_minutes")[0][0] < 3
    # some hours have a value in common, and one has none
    revised = [200.0 + i // 2 / 7 for i in range(55)]
    bring(database_url, revised)
    with plant.connection.transaction(force_rollback=True):
        unpack_all_minutes(plant.connection)
        first = hour(START) * 60
        source = [(plant.facility_id, plant.sources["bought"])]
        plant.connection.execute("TRUNCATE recompute")
        recompute_request.submit(plant.connection, source, first, first + 57 * 60, "again")
        plant.tick(now)
        right = in_force(plant)
    plant.restart()
    with monkeypatch.context() as patch:
        patch.setattr(follow_factor, "step", lambda *_: False)
        plant.tick(now)
    # a row for each day, but for the one in which hours are not revised
    assert plant.rows(
        "SELECT count(*), count(DISTINCT minute_of(begins) / 1440) FROM following_minutes"
        " WHERE cardinality(co2_kg) > 1"
    ) == [(6, 5)]
    assert in_force(plant) == right
    # one of these hours is revised once more before they follow
    bring(database_url, [77.0], first=START + 20 * HOUR)
    with plant.connection.transaction(force_rollback=True):
        with monkeypatch.context() as patch:
            patch.setattr(follow_factor, "step", lambda *_: False)
            plant.tick(now)
        again = in_force(plant)
    assert [a == b for a, b in zip(again[0], right[0], strict=True)].count(False) == 60
    plant.restart()
    plant.tick(now)
    assert plant.rows("SELECT 1 FROM following_minutes WHERE cardinality(co2_kg) > 1") == []
    assert in_force(plant) == again


def test_a_series_of_every_facility_counts_where_no_own_factor_hides_it(
    database_url: str,
) -> None:
    bind = engine(database_url, process="test")
    declared = "id,kind,unit,co2_kg,fallback,citation\ngrid-gb,series,MWh,,,operator\n"
    with bind.begin() as connection:
        import_factors(connection, read(declared, datetime.now(UTC)), by="user test")
    bind.dispose()
    named = FILE.replace("id: grid,", "id: grid-gb,").replace("factor: grid}", "factor: grid-gb}")
    shared = "\n".join(line for line in named.splitlines() if "id: grid-gb" not in line)
    plant = Plant(database_url, shared)
    try:
        now = metered(plant)
        assert bring(database_url, [300.0] * 6, facility=None, slug="grid-gb").requests == 1
        plant.tick(now)
        assert tonnes(plant) == pytest.approx([load * 0.3 for load in LOAD], abs=1e-12)
        apply_text(database_url, named.replace("FALLBACK", "[national]"))
        assert bring(database_url, [200.0] * 6, facility=None, slug="grid-gb").requests == 0
        plant.tick(now)
        assert tonnes(plant) == pytest.approx([load * 0.9 for load in LOAD], abs=1e-12)
    finally:
        plant.close()
