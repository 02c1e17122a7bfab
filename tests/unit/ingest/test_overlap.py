"""Old filters are left only after a stretch in which one live connection kept up throughout."""

from __future__ import annotations

from itertools import pairwise

from services.ingest.sources.overlap import Overlap


def lasting(overlap: Overlap, begin: float, seconds: float, *, up: bool, alive: bool) -> bool:
    """Look ten times a second; whether it was over at the end."""
    over = False
    for tick in range(int(seconds * 10) + 1):
        now = begin + tick / 10
        if up:
            overlap.caught_up(now)
        if alive:
            overlap.alive(now)
        over = overlap.over(now)
    return over


def test_it_is_over_after_a_steady_span_and_not_before() -> None:
    overlap = Overlap(60)
    assert not lasting(overlap, 100, 59.8, up=True, alive=True)
    assert lasting(overlap, 159.9, 0.3, up=True, alive=True)


def test_a_reader_that_fell_behind_begins_anew() -> None:
    overlap = Overlap(60)
    lasting(overlap, 100, 50, up=True, alive=True)
    lasting(overlap, 150, 3, up=False, alive=True)
    assert not lasting(overlap, 153, 59, up=True, alive=True)
    assert lasting(overlap, 212, 2, up=True, alive=True)


def test_a_broker_that_is_stopped_and_silent_proves_nothing() -> None:
    overlap = Overlap(60)
    assert not lasting(overlap, 100, 600, up=True, alive=False)


def test_another_connection_begins_anew() -> None:
    overlap = Overlap(60)
    lasting(overlap, 100, 59, up=True, alive=True)
    overlap.restart()
    assert not lasting(overlap, 160, 59, up=True, alive=True)


def test_signs_of_life_are_asked_for_more_often_than_they_go_stale() -> None:
    overlap = Overlap(4)
    asked = [now / 100 for now in range(10_000, 10_400) if overlap.asks(now / 100)]
    assert max(b - a for a, b in pairwise(asked)) < 1.0
