"""Minutes are written and told apart from those before as a loop over them would do it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
import pytest

from services.core.store.database.connect import connect
from services.core.store.emissions import minutes_and_hours, window_changes
from services.core.store.emissions.live_minutes import LiveMinutes
from services.core.store.emissions.minute_changes import Changes, SourceMinutes
from services.core.store.schema.figures import COMPUTED, FIGURES, IN_HOURS, IN_WINDOWS, names

#: The last hour of a chunk of minutes and the first of the next one.
FIRST = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) // 60 // (28 * 1440) * 28 * 1440 - 60
MINUTES = 120
SOURCES = (3, 4, 9)

Row = tuple[int | float | None, ...]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url, process="test", autocommit=True) as connection:
        yield connection


def _part(rng: random.Random) -> SourceMinutes:
    """A few ranges of minutes of some sources; figures mostly repeat, so that rows stay equal."""
    pairs = sorted(
        {
            (source, FIRST + minute)
            for source in rng.sample(SOURCES, rng.randint(1, len(SOURCES)))
            for begin in [rng.randrange(MINUTES)]
            for minute in range(begin, min(MINUTES, begin + rng.choice([1, 2, 30])))
        },
        key=lambda _: rng.random(),
    )
    known = np.array([rng.random() < 0.8 for _ in pairs])
    figures = {
        figure.name: np.array([rng.choice([0, 0, 1, 60_000]) for _ in pairs]) * known
        for figure in COMPUTED
    }
    figures["covered_ms"] = 60_000 * known
    return SourceMinutes(
        source_ids=np.array([source for source, _ in pairs]),
        minutes=np.array([minute for _, minute in pairs]),
        figures=figures,
        activity=None
        if rng.random() < 0.2
        else np.array([rng.choice([0.0, 0.5]) for _ in pairs]) * known,
        beyond=np.array([rng.random() < 0.1 for _ in pairs]),
    )


def _rows(part: SourceMinutes) -> dict[tuple[int, int], Row]:
    """By source and minute: the figures and the amount, as a row has them."""
    rows: dict[tuple[int, int], Row] = {}
    for i in range(part.minutes.size):
        has_activity = part.activity is not None and not part.beyond[i]
        rows[int(part.source_ids[i]), int(part.minutes[i])] = (
            *(
                int(part.figures[figure.name][i]) if has_activity or not figure.nullable else None
                for figure in COMPUTED
            ),
            float(part.activity[i]) if has_activity and part.activity is not None else None,
        )
    return rows


def test_random_minutes_with_and_without_memory(connection: psycopg.Connection[Any]) -> None:
    rng = random.Random(11)
    table: dict[tuple[int, int], Row] = {}
    covered = names(COMPUTED).index("covered_ms")
    live = LiveMinutes()
    for _ in range(60):
        live.begin(FIRST + 90)
        if rng.random() < 0.2:
            live.forget()
        part = _part(rng)
        remembered = live if rng.random() < 0.7 else None
        if remembered is None:
            live.forget()
        changes = minutes_and_hours.record(connection, [part], remembered).columns
        expected = {}
        for key, row in _rows(part).items():
            before = table.get(key)
            if row != before and (before is not None or row[covered]):
                table[key] = row
                expected[key] = (
                    row[names(COMPUTED).index("activity_n")] is not None,
                    *(
                        (new or 0) - ((before[i] if before else 0) or 0)
                        for i, new in enumerate(row[:-1])
                    ),
                )
        assert {
            (source, minute): change
            for source, minute, *change in zip(
                changes["sources"].tolist(),
                changes["minutes"].tolist(),
                changes["has_activity"].tolist(),
                *(changes[name].tolist() for name in names(COMPUTED)),
                strict=True,
            )
        } == {key: list(change) for key, change in expected.items()}
        stored = connection.execute(
            "SELECT source_id, minute_of(minute), "  # noqa: S608 - constants
            + ", ".join((*names(COMPUTED), "activity"))
            + " FROM emission_minute"
        ).fetchall()
        assert {row[:2]: row[2:] for row in stored} == table


def _changes(rng: random.Random, count: int) -> Changes:
    def column(choices: list[int]) -> Any:
        return np.array([rng.choice(choices) for _ in range(count)], dtype=np.int64)

    return Changes.from_columns(
        {
            "sources": column(list(SOURCES)),
            "minutes": column(list(range(FIRST, FIRST + 9 * 60))),
            "has_activity": np.array([rng.random() < 0.5 for _ in range(count)]),
            **{
                figure.name: column([-7, 0, 5, 60_000 if figure.unit == "ms" else 10**15])
                for figure in FIGURES
            },
        }
    )


def test_changes_by_hour() -> None:
    changes = _changes(random.Random(5), 400)
    columns = changes.by_hour().columns
    hours = [(s, m // 60 * 60) for s, m in zip(*_keys(changes), strict=True)]
    assert list(zip(columns["sources"].tolist(), columns["minutes"].tolist(), strict=True)) == (
        sorted(set(hours))
    )
    has_activity = changes.columns["has_activity"].tolist()
    for figure in FIGURES:
        sums = dict.fromkeys(sorted(set(hours)), 0)
        for i, (hour, value) in enumerate(
            zip(hours, changes.columns[figure.name].tolist(), strict=True)
        ):
            sums[hour] += value * (has_activity[i] or not figure.nullable)
        assert columns[figure.name].tolist() == list(sums.values())
    nothing = Changes.none()
    assert not len(nothing.by_hour())
    assert not nothing.any_of(IN_HOURS).any()


def _keys(changes: Changes) -> tuple[list[int], list[int]]:
    return changes.columns["sources"].tolist(), changes.columns["minutes"].tolist()


def test_windows_change_by_what_stands_in_them(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whole hours as minute by minute, with windows that begin and end anywhere."""
    rng = random.Random(8)
    windows = {
        (source, span): sorted(rng.sample(range(FIRST - 60, FIRST + 10 * 60), 2))
        for source in SOURCES
        for span in ("1h", "24h", "7d", "today")
    }
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO rolling_total (source_id, span, since, upto, "  # noqa: S608 - constants
            + ", ".join(names(IN_WINDOWS))
            + ") VALUES (%s, %s, minute_start(%s), minute_start(%s), "
            + ", ".join(["100"] * len(IN_WINDOWS))
            + ")",
            [(*key, *window) for key, window in windows.items()],
        )
    changes = _changes(rng, 600)
    newest = FIRST + 8 * 60 + 20
    monkeypatch.setattr(window_changes, "_FEW", 20)
    window_changes.change(connection, changes, newest)

    for name in names(IN_WINDOWS):
        rows = connection.execute(
            f"SELECT source_id, span, {name}::int8 FROM rolling_total"  # noqa: S608 - constants
        )
        assert {row[:2]: row[2] for row in rows} == {
            (source, span): 100
            + sum(
                value
                for s, minute, value in zip(
                    *_keys(changes), changes.columns[name].tolist(), strict=True
                )
                if s == source and first <= minute <= min(last, newest)
            )
            for (source, span), (first, last) in windows.items()
        }
