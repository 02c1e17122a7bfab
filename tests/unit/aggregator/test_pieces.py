"""Parting what fits into a tick from what does not."""

from __future__ import annotations

import random

import numpy as np
import pytest

from services.aggregator.pieces import Pieces, split
from services.core.store.computation.ranges import Ranges
from services.core.timeline.intervals import Interval

_LIVE_FROM = 600_000
_HOUR = 60


def _random(rng: random.Random) -> Ranges:
    found: dict[int, list[Interval]] = {}
    for _ in range(rng.randint(0, 30)):
        first = rng.randint(_LIVE_FROM - 20_000, _LIVE_FROM + 1500)
        last = first + rng.choice([0, 1, 59, 600, 9000])
        found.setdefault(rng.randint(1, 6), []).append(Interval.through(first, last))
    return Ranges.from_intervals(found).union()[0]


def _minutes(ranges: Ranges) -> list[tuple[int, int]]:
    minutes, row = ranges.minutes()
    return sorted(zip(ranges.ids[row].tolist(), minutes.tolist(), strict=True))


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(30))
def test_each_minute_is_now_or_later_whole_hours_the_newest_first(seed: int) -> None:
    rng = random.Random(seed)
    ranges = _random(rng)
    pieces = Pieces(live=rng.choice([60, 500, 100_000]), old=rng.choice([60, 700, 5000]))
    parted = split(ranges, pieces, _LIVE_FROM)
    now, later = _minutes(parted.now), _minutes(parted.later)
    # what lies between two ranges of a source that are close together may come with them
    assert set(_minutes(ranges)) <= {*now, *later}
    assert len(set(now)) == len(now)
    old = [minute for _, minute in now if minute < _LIVE_FROM]
    assert len(now) - len(old) <= pieces.live + _HOUR
    assert len(old) <= pieces.old + _HOUR
    assert len(old) <= parted.old_minutes
    hours = {(source, minute // 60) for source, minute in now}
    assert not hours & {(source, minute // 60) for source, minute in later}
    if later:
        assert now
        newest_later = (
            max(m for _, m in later if m < _LIVE_FROM)
            if any(m < _LIVE_FROM for _, m in later)
            else 0
        )
        assert not old or min(old) // 60 >= newest_later // 60


def test_everything_gets_its_turn_piece_by_piece() -> None:
    ranges = Ranges.from_intervals(
        {1: [Interval.through(0, 13_700_000)], 2: [Interval.through(_LIVE_FROM, _LIVE_FROM + 30)]}
    )
    pieces, steps, total = Pieces(live=100_000, old=40_000), 0, 0
    while len(ranges):
        parted = split(ranges, pieces, 13_700_000 - 1440)
        total += int((parted.now.lasts - parted.now.firsts + 1).sum())
        ranges, steps = parted.later, steps + 1
    assert total == 13_700_001 + 31
    assert steps == pytest.approx(13_700_000 / 40_000, rel=0.01)


def test_what_is_live_and_fits_is_left_as_it_is() -> None:
    ranges = Ranges.from_intervals(
        {n: [Interval.through(_LIVE_FROM, _LIVE_FROM + 9)] for n in range(1000)}
    )
    parted = split(ranges, Pieces(), _LIVE_FROM)
    assert parted.now is ranges
    assert not len(parted.later)


def test_older_minutes_wait_while_more_is_touched_than_was_claimed() -> None:
    ranges = Ranges.from_intervals({1: [Interval.through(_LIVE_FROM - 5000, _LIVE_FROM + 9)]})
    parted = split(ranges, Pieces(), _LIVE_FROM, live_only=True)
    assert _minutes(parted.now) == [(1, _LIVE_FROM + k) for k in range(10)]
    assert parted.later.lasts.tolist() == [_LIVE_FROM - 1]


def test_pieces_become_smaller_where_a_tick_takes_long_and_larger_where_it_does_not() -> None:
    pieces = Pieces()
    assert pieces.after(5.0, 8000).old == 4000
    assert pieces.after(0.1, pieces.old).old == 2 * pieces.old
    # a tick that is slow for another reason says nothing of older minutes
    assert pieces.after(5.0, 0) == pieces
    for _ in range(20):
        pieces = pieces.after(9.0, pieces.old)
    assert pieces.old == 60
    smallest = Pieces().smaller(9)
    assert np.array_equal([smallest.pairs, smallest.live, smallest.old], [4, 60, 60])
