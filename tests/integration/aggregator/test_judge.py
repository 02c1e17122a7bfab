"""From readings to alerts and messages, in the tick's own transaction."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import psycopg
import pytest

from tests.integration.aggregator.plant import Reading, batches, instant
from tests.integration.aggregator.watch import Watch

T0 = instant("2026-11-20T10:00:00Z")
MINUTE = timedelta(minutes=1)

RATE = """
thresholds:
  - {id: high, source: by-gauge, measure: rate, above: 20, clear_below: 15, for: 2m, severity: critical, message: too much}
notify:
  - {webhook: "https://example.org/hook"}
"""  # noqa: E501

Make = Callable[[str], Watch]


@pytest.fixture
def watch(database_url: str) -> Iterator[Make]:
    made: list[Watch] = []

    def make(limits: str) -> Watch:
        made.append(Watch(database_url, limits, since=T0 - timedelta(hours=1)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_breach_is_told_to_everybody_once_and_its_end_after_it(watch: Make) -> None:
    works = watch(RATE)
    for minute, power in enumerate([50, 150, 150, 150, 80, 70, 70]):
        works.power(T0 + minute * MINUTE, [power])
        works.tick(T0 + minute * MINUTE + timedelta(seconds=30))
    assert works.states("high")[-3:] == [
        ("10:01", "pending"), ("10:03", "firing"), ("10:05", "resolved"),
    ]  # fmt: skip
    slug, state, projected, fired, resolved, value, undone = works.alerts()[0]
    assert (slug, state, projected, undone) == ("high", "resolved", False, False)
    assert (fired, resolved) == (T0 + 3 * MINUTE, T0 + 5 * MINUTE)
    assert value == pytest.approx(30)
    for target in ("mqtt", "webhook https://example.org/hook"):
        assert works.notifications(target) == [("high", "firing"), ("high", "resolved")]
    lanes = works.rows("SELECT DISTINCT lane, count(DISTINCT key) FROM outbox GROUP BY lane")
    assert lanes == [("works/high", 2)]
    body = works.rows("SELECT body FROM outbox WHERE kind = 'firing' LIMIT 1")[0][0]
    ends = works.rows("SELECT body FROM outbox WHERE kind = 'resolved' LIMIT 1")[0][0]
    values = [b[name] for b in (body, ends) for name in ("value", "present_value")]
    assert values == pytest.approx([30, 30, 30, 14])
    assert body["message"] == "too much"
    assert body["limit"] == 20
    assert body["severity"] == "critical"


@pytest.mark.vector
def test_a_limit_is_judged_by_the_value_less_its_confidence_interval(watch: Make) -> None:
    works = watch(
        "thresholds: [{id: co, channel: cems.co2, measure: value, above: 10,"
        " confidence_interval: 20}]"
    )
    works.store([Reading("cems.co2", T0, 11.9)])
    works.tick(T0 + timedelta(seconds=30))
    assert works.alerts() == []
    works.store([Reading("cems.co2", T0 + MINUTE, 12.5)])
    works.tick(T0 + MINUTE + timedelta(seconds=30))
    ((slug, state, *_, value, _),) = works.alerts()
    assert (slug, state, value) == ("co", "firing", pytest.approx(10.5))


def test_every_transition_is_kept_with_what_it_saw(watch: Make) -> None:
    works = watch(RATE)
    for minute, power in enumerate([50, 150, 150, 150]):
        works.power(T0 + minute * MINUTE, [power])
        works.tick(T0 + minute * MINUTE)
    rows = works.rows(
        "SELECT state, value, limit_value, data_version FROM alert_transition"
        " WHERE state IN ('pending', 'firing') ORDER BY at"
    )
    assert [row[:3] for row in rows] == [("pending", 30.0, 20.0), ("firing", 30.0, 20.0)]
    assert rows[0][3] < rows[1][3]


def test_no_data_is_neither_zero_nor_the_end(watch: Make) -> None:
    works = watch(RATE)
    works.power(T0, [150, 150, 150])
    works.tick(T0 + 3 * MINUTE)
    works.tick(T0 + 40 * MINUTE)
    assert works.states("high")[-1] == ("10:19", "firing-no-data")
    assert works.alerts()[0][1] == "no-data"
    works.power(T0 + 41 * MINUTE, [50])
    works.tick(T0 + 41 * MINUTE)
    assert works.notifications() == [("high", "firing"), ("high", "no-data"), ("high", "resolved")]


def test_no_alert_begins_with_a_rate_that_holds_no_more(watch: Make) -> None:
    works = watch(RATE.replace("for: 2m", "for: 5m"))
    works.power(T0, [150])
    for minute in range(30):
        works.tick(T0 + minute * MINUTE + timedelta(seconds=30))
    # a reading of 10:00 holds until 10:02, and a minute until the next one is computed
    assert works.states("high") == [
        ("10:00", "pending"),
        ("10:03", "inactive"),
        ("10:17", "no-data"),
    ]
    assert works.alerts() == []
    # what came late was known all the time
    works.power(T0 + MINUTE, [150] * 6)
    works.tick(T0 + 30 * MINUTE)
    assert works.states("high")[:2] == [("10:00", "pending"), ("10:05", "firing")]


@pytest.mark.parametrize(("every", "last_known"), [(1, 4), (4, 7), (60, 14)])
def test_a_register_tells_a_rate_until_its_next_reading_is_overdue(
    watch: Make, every: int, last_known: int
) -> None:
    works = watch(RATE.replace("by-gauge", "by-counter").replace("for: 2m", "for: 0s"))
    works.store(
        [
            Reading("meter.energy", T0 + i * every * MINUTE, 1000 + i * every * 2.5)
            for i in range(-3, 1)
        ]
    )
    known = []
    for minute in range(20):
        works.tick(T0 + minute * MINUTE + timedelta(seconds=30))
        ((value, state),) = works.rows("SELECT value, state FROM threshold_state")
        if value is not None:
            known.append(minute)
            assert value == pytest.approx(30)
        # until data is too late to come, what was goes on
        assert state == ("firing" if minute < 15 else "firing-no-data")
    assert known == list(range(last_known + 1))


def test_late_data_that_undoes_a_breach_marks_it_and_keeps_it(watch: Make) -> None:
    works = watch(RATE.replace("for: 2m, ", ""))
    works.power(T0, [50, 150, 50])
    works.tick(T0 + 2 * MINUTE)
    assert [row[6] for row in works.alerts()] == [False]
    # readings in between turn the minute's mean
    works.power(T0 + MINUTE + timedelta(seconds=1), [0], every_s=1)
    works.tick(T0 + 10 * MINUTE)
    slug, state, _, fired, _, _, undone = works.alerts()[0]
    assert (slug, state, fired, undone) == ("high", "resolved", T0 + MINUTE, True)
    reason = works.rows("SELECT undone_by FROM alert")[0][0]
    assert "meter.power" in reason
    undone_rows = works.rows("SELECT state FROM alert_transition WHERE undone_at IS NOT NULL")
    assert ("firing",) in undone_rows
    assert works.notifications() == [("high", "firing"), ("high", "resolved")]


def test_late_data_that_shows_a_breach_tells_it_and_its_end(watch: Make) -> None:
    works = watch(RATE)
    works.power(T0, [50])
    works.power(T0 + 9 * MINUTE, [50])
    works.tick(T0 + 9 * MINUTE)
    works.power(T0 + MINUTE, [150, 150, 150, 150, 50])
    works.tick(T0 + 10 * MINUTE)
    assert works.notifications() == [("high", "firing"), ("high", "resolved")]
    firing = works.rows("SELECT body FROM outbox WHERE kind = 'firing' AND target = 'mqtt'")[0][0]
    assert firing["state"] == "firing"
    assert "resolved_at" not in firing
    assert "present_value" not in firing, "of the end, not of the breach"


@pytest.mark.parametrize("table", ["alert_transition", "threshold_state", "alert", "outbox"])
def test_a_tick_that_fails_at_any_step_has_told_nothing_and_is_done_again(
    watch: Make, table: str
) -> None:
    works = watch(RATE.replace("for: 2m, ", ""))
    works.power(T0, [50])
    works.tick(T0)
    works.connection.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'the disk is full'; END $$"
    )
    works.connection.execute(
        f"CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION fail()"
    )
    works.power(T0 + MINUTE, [150])
    with pytest.raises(psycopg.errors.RaiseException, match="the disk is full"):
        works.tick(T0 + MINUTE)
    assert works.alerts() == []
    assert works.notifications() == []
    works.connection.execute(f"DROP TRIGGER fail ON {table}")
    works.tick(T0 + MINUTE)
    assert [row[1] for row in works.alerts()] == ["firing"]
    assert works.notifications() == [("high", "firing")]


def judged_from_the_start(works: Watch) -> None:
    works.connection.execute("UPDATE facility_progress SET judged_to = %s", (T0 - MINUTE,))


def alerts_follow_from_histories(works: Watch) -> None:
    spans: list[tuple[str, datetime, datetime | None]] = []
    running: dict[str, datetime] = {}
    for slug, at, state, _, _ in works.history():
        if state in {"firing", "firing-no-data"}:
            running.setdefault(slug, at)
        elif slug in running:
            spans.append((slug, running.pop(slug), at))
    spans += [(slug, at, None) for slug, at in running.items()]
    stored = [
        (slug, fired, ended) for slug, _, _, fired, ended, _, undone in works.alerts() if not undone
    ]
    assert sorted(stored, key=repr) == sorted(spans, key=repr)


def who_heard_of_a_breach_heard_of_its_end(works: Watch) -> None:
    rows = works.rows(
        "SELECT a.id, a.resolved_at IS NULL, array_agg(o.kind ORDER BY o.id)"
        " FROM alert a LEFT JOIN outbox o ON o.alert_id = a.id AND o.target = 'mqtt' GROUP BY a.id"
    )
    for _, is_open, kinds in rows:
        assert kinds[0] == "firing"
        assert (kinds[-1] == "resolved") == (not is_open)
    lanes = works.rows("SELECT count(*) - count(DISTINCT (target, key)) FROM outbox")
    assert lanes == [(0,)]


ALL = """
thresholds:
  - {id: high, source: by-gauge, measure: rate, above: 60, clear_below: 40, for: 2m}
  - {id: hourly, source: by-gauge, measure: total, window: 1h, above: 45}
  - {id: clock-hour, source: by-gauge, measure: total, window: hour, above: 40, for: 1m}
  - {id: site, measure: rate, above: 100, for: 1m}
  - {id: today, measure: total, window: today, above: 120}
  - {id: co2, channel: cems.co2, measure: value, above: 13}
  - {id: co2-mean, channel: cems.co2, measure: average, window: 15m, below: 10.5, for: 3m}
  - {id: known, source: by-gauge, measure: coverage, window: 1h, below: 0.9}
  - {id: silent, device: cems, measure: silence, above: 300}
  - {id: share, measure: budget, window: month, budget: 400, above: 0.5, projected: false}
"""


@pytest.mark.parametrize("seed", [1, 6])
def test_any_order_batching_and_restarts_give_the_same_history(watch: Make, seed: int) -> None:
    rng = random.Random(seed)
    works = watch(ALL)
    judged_from_the_start(works)
    end = T0 + 150 * MINUTE
    readings = []
    for channel, low, high, gap in (
        ("meter.power", 0, 500, 60), ("cems.co2", 8, 14, 90), ("cems.flow", 1e5, 2e5, 60),
    ):  # fmt: skip
        ts, level = T0, rng.uniform(low, high)
        while ts < end:
            if rng.random() < 0.1:
                level = rng.uniform(low, high)
            if rng.random() < 0.02:
                ts += timedelta(minutes=rng.choice([3, 20]))
            readings.append(Reading(channel, ts, round(level, 2)))
            ts += timedelta(seconds=gap)
    end = max(reading.ts for reading in readings)
    now = T0
    for batch in batches(rng, readings):
        works.store(batch)
        now = max(now, *(reading.ts for reading in batch))
        works.tick(now)
    works.tick(end)
    piecewise = works.history()
    alerts_follow_from_histories(works)
    who_heard_of_a_breach_heard_of_its_end(works)
    works.empty()
    works.connection.execute(
        "TRUNCATE alert_comment, alert_transition, outbox, alert, threshold_state"
    )
    judged_from_the_start(works)
    works.store(readings)
    works.tick(end)
    assert len(piecewise) > 20
    assert works.history() == piecewise
