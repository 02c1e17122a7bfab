"""Of all answers together one piece is made in each turn of the event loop."""

from __future__ import annotations

import asyncio

import pytest

from services.api.http.loop_turns import in_turn


async def test_others_have_a_turn_after_each_piece_whoevers_it_is() -> None:
    made: list[int] = []
    in_one_turn: list[int] = []

    async def long_answer(number: int) -> None:
        for _ in range(5):
            await in_turn(lambda: made.append(number))

    async def short_answer() -> None:
        while len(made) < 20:
            before = len(made)
            await asyncio.sleep(0)
            in_one_turn.append(len(made) - before)

    await asyncio.gather(*(long_answer(number) for number in range(4)), short_answer())
    assert max(in_one_turn) == 1
    # nobody's second piece comes before the first one of somebody else
    assert sorted(made[:4]) == [0, 1, 2, 3]


async def test_a_piece_that_fails_holds_nobody_up() -> None:
    def fail() -> None:
        raise ValueError("a damaged row")

    with pytest.raises(ValueError, match="damaged"):
        await in_turn(fail)
    assert await in_turn(lambda: 1) == 1
