"""What thresholds are judged by, against sums that are made the long way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from services.core.accounting.alerting.measures.values import Values
from services.core.store.alerts.values.read import values
from services.core.store.registry.plan import facility_plans
from services.core.timeline.windows import ROLLING_MINUTES, fixed_bounds
from tests.integration.aggregator.plant import instant, some_readings
from tests.integration.aggregator.watch import Watch

ZONE = ZoneInfo("Europe/Vienna")
#: across a midnight, a new month and a new year of Vienna
T0 = instant("2025-12-31T20:40:00Z")
HOURS = 5
WINDOWS = ("1h", "24h", "7d", "30d", "365d", "hour", "today", "month", "year")

LIMITS = "thresholds:\n" + "\n".join(
    f"  - {{id: {measure}-{of.partition(':')[0] or 'site'}-{window}, {of and of + ', '}"
    f"measure: {measure}, window: {window}, above: 1}}"
    for measure in ("total", "coverage")
    for of in ("source: by-gauge", "scope: 2", "")
    for window in WINDOWS
)


@pytest.fixture(scope="module")
def rng() -> random.Random:
    return random.Random(5)


@pytest.fixture
def works(database_url: str, rng: random.Random) -> Iterator[Watch]:
    made = Watch(database_url, LIMITS, since=T0)
    made.store(some_readings(rng, T0, HOURS))
    made.tick(T0 + timedelta(hours=HOURS))
    yield made
    made.close()


def judged(works: Watch, first: int, last: int) -> Values:
    plan = facility_plans(works.connection)[works.facility_id]
    chosen = range(len(plan.watch.thresholds))
    return values(works.connection, plan.id, plan.watch, chosen, first, last)


Sum = Callable[[int, int], float]


def by_hand(works: Watch, column: str, sources: set[str]) -> Sum:
    """Sums of a column of the stored minutes, both ends included."""
    rows = works.rows(
        # names above and in the tests
        f"SELECT extract(epoch FROM minute)::int8 / 60, sum({column})::float8"  # noqa: S608
        f" FROM emission_minute m JOIN source s ON s.id = m.source_id"
        f" WHERE s.slug IN ({', '.join(map(repr, sources))}) GROUP BY 1 ORDER BY 1"
    )
    minutes = np.array([row[0] for row in rows])
    sums = np.concatenate(([0.0], np.cumsum([row[1] for row in rows])))

    def between(first: int, last: int) -> float:
        a, b = np.searchsorted(minutes, [first, last + 1])
        return float(sums[b] - sums[a])

    return between


def test_totals_and_coverage_are_the_sums_of_their_minutes(works: Watch) -> None:
    for back in (0, 2, 45, 200):
        totals_and_coverage(works, back)


def test_windows_that_ended_long_ago_are_the_sums_of_their_minutes_too(works: Watch) -> None:
    # for those of an hour, and of the calendar, what is stored of now is too far away to be moved
    totals_and_coverage(works, 70, ago=150)


def totals_and_coverage(works: Watch, back: int, *, ago: int = 0) -> None:
    last = int((T0 + timedelta(hours=HOURS)).timestamp()) // 60 - ago
    first = last - back
    found = judged(works, first, last)
    plan = facility_plans(works.connection)[works.facility_id]
    slug = {number: name for name, number in works.sources.items()}
    for row, threshold in enumerate(plan.watch.thresholds):
        spec = threshold.spec
        sources = {slug[number] for number in threshold.sources}
        column = "co2_ug + closing_ug" if spec.measure == "total" else "covered_ms"
        total = by_hand(works, column, sources)
        assert spec.window is not None
        for i, minute in enumerate(range(first, last + 1)):
            # what covers a minute is told two minutes later
            at = minute if spec.measure == "total" else minute - 2
            length = ROLLING_MINUTES.get(spec.window)
            begins = fixed_bounds(spec.window, at, ZONE)[0] if length is None else at - length + 1
            expected = total(begins, at) / 1e9
            if spec.measure == "coverage":
                expected = total(begins, at) / (60_000 * (at - begins + 1) * len(sources))
            assert found.value[row, i] == pytest.approx(expected, rel=1e-9), (spec.id, minute)


def test_a_budget_is_projected_at_the_rate_of_the_last_day(works: Watch) -> None:
    works.restate(
        "thresholds:\n"
        "  - {id: share, source: by-gauge, measure: budget, window: month, budget: 500,"
        " above: 0.5}\n"
    )
    last = int((T0 + timedelta(hours=HOURS)).timestamp()) // 60
    found = judged(works, last, last)
    sources = {"by-gauge"}
    kg = by_hand(works, "co2_ug + closing_ug", sources)
    rise = sum(
        by_hand(works, "co2_ug + closing_ug", {each})(last - 1439, last)
        / 1e9
        / (by_hand(works, "covered_ms", {each})(last - 1439, last) / 60_000)
        for each in sources
    )
    begins, ends = fixed_bounds("month", last, ZONE)
    so_far = kg(begins, last) / 1e9
    assert found.value[0, 0] == pytest.approx(so_far / 500)
    assert found.ends[0, 0] == pytest.approx((so_far + rise * (ends - 1 - last)) / 500)
    works.tick(T0 + timedelta(hours=HOURS, minutes=1))
    state, projected, crosses, room = works.rows(
        "SELECT a.state, a.projected, a.crosses_at, a.room"
        " FROM alert a JOIN threshold t ON t.id = a.threshold_id WHERE t.slug = 'share'"
    )[0]
    assert (state, projected) == ("firing", True)
    assert room == pytest.approx(0.5 - so_far / 500, abs=0.01)
    left = (0.5 * 500 - so_far) / rise
    expected = datetime.fromtimestamp(last * 60, UTC) + timedelta(minutes=left)
    assert abs(crosses - expected) < timedelta(minutes=5)
    body = works.rows("SELECT body FROM outbox WHERE lane = 'works/share'")[0][0]
    assert body["projected"] is True
    assert body["crosses_at"].endswith("Z")


def test_silence_counts_from_the_newest_reading_of_any_channel(works: Watch) -> None:
    works.restate("thresholds:\n  - {id: quiet, device: cems, measure: silence, above: 600}\n")
    newest = works.rows(
        "SELECT extract(epoch FROM max(ts))::int8 / 60 FROM reading r"
        " JOIN channel c ON c.id = r.channel_id JOIN device d ON d.id = c.device_id"
        " WHERE d.slug = 'cems'"
    )[0][0]
    found = judged(works, newest - 1, newest + 30)
    assert found.value[0, -1] == 1800
    assert found.value[0, 1] == 0


def test_quarantine_counts_what_came_in_the_window_and_waits(works: Watch) -> None:
    works.restate(
        "thresholds:\n"
        "  - {id: all, measure: quarantine, window: 15m, above: 10}\n"
        "  - {id: of-cems, device: cems, measure: quarantine, window: 1h, above: 10}\n"
    )
    at = T0 + timedelta(hours=HOURS)
    for minutes_ago, device, state in (
        (1, "cems", "open"), (2, "meter", "open"), (3, "cems", "accepted"), (30, "cems", "open"),
    ):  # fmt: skip
        works.connection.execute(
            "INSERT INTO quarantine (received_at, reason, detail, topic, payload, facility, device,"
            " state) VALUES (%s, 'range', '', '', '', 'works', %s, %s)",
            (at - timedelta(minutes=minutes_ago), device, state),
        )
    last = int(at.timestamp()) // 60
    assert judged(works, last, last).value[:, 0].tolist() == [2, 2]


def test_a_year_is_compared_with_what_the_path_of_its_scope_allows(works: Watch) -> None:
    works.restate(
        "pathway:\n"
        "  - {scope: 2, figure: co2, base: {year: 2024, tonnes: 1}, policy: contraction,"
        " rate: 10}\n"
        "thresholds:\n"
        "  - {id: path, scope: 2, measure: pathway, window: year, above: 0.5}\n"
    )
    last = int((T0 + timedelta(hours=HOURS)).timestamp()) // 60
    new_year = fixed_bounds("year", last, ZONE)[0]
    found = judged(works, new_year - 1, last)
    sources = {"by-counter", "by-gauge", "by-interval"}
    total = by_hand(works, "co2_ug + closing_ug", sources)
    # 900 kg are allowed in 2025 and 800 in 2026
    old = total(new_year - 365 * 1440, new_year - 1) / 1e9
    assert found.value[0, 0] == pytest.approx(old / 900)
    assert found.value[0, -1] == pytest.approx(total(new_year, last) / 1e9 / 800)
    assert found.ends[0, -1] > found.value[0, -1]
    # without a base year nothing is allowed or forbidden
    works.connection.execute("UPDATE pathway_revision SET spec = spec #- '{0,base,tonnes}'")
    assert np.isnan(judged(works, last, last).value).all()
