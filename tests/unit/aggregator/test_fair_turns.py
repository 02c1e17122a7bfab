"""Turns by what they cost, on a clock that the test moves."""

from __future__ import annotations

import random

from services.aggregator.fair_turns import FairTurns


def test_one_that_is_always_busy_lets_each_that_comes_go_first() -> None:
    turns, rng = FairTurns(), random.Random(1)
    waits = []
    for _ in range(500):
        # facility 1 always has more, each turn of it takes a second
        coming = sorted(rng.sample(range(2, 40), 3))
        order = turns.order([1, *coming])
        waits.append(order.index(1))
        for one in order:
            turns.spent(one, 1.0 if one == 1 else 0.01)
    assert set(waits[1:]) == {3}


def test_two_that_are_always_busy_get_the_same_time_whatever_a_turn_of_each_costs() -> None:
    turns = FairTurns()
    had = {1: 0.0, 2: 0.0}
    for _ in range(1000):
        one = turns.order([1, 2])[0]
        cost = 1.0 if one == 1 else 0.05
        turns.spent(one, cost)
        had[one] += cost
    assert abs(had[1] - had[2]) <= 1.0


def test_nobody_saves_up_turns_while_it_has_no_work() -> None:
    turns = FairTurns()
    for _ in range(100):
        turns.spent(1, 1.0)
    turns.spent(2, 1.0)
    turns.spent(1, 1.0)
    # 2 was away for a hundred turns and gets no hundred turns of its own for it
    assert turns.order([1, 2])[0] == 2
    turns.spent(2, 1.0)
    turns.spent(2, 1.0)
    assert turns.order([1, 2])[0] == 1
