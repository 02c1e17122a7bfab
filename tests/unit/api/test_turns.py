from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from services.api.admission.turns import Places, Turns
from services.api.http.problems import Busy, TooManyRequests


def turns(**given: float) -> Turns:
    places = {
        "at_once": 4, "at_once_each": 3, "at_once_of_a_kind": 2, "waiting_each": 50,
        "longest_wait_s": 30.0,
    }  # fmt: skip
    return Turns(Places(**{**places, **given}))  # type: ignore[arg-type]


class Calls:
    """Calls that hold their places until they are let go."""

    def __init__(self, shared: Turns) -> None:
        self._turns = shared
        self.began: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def send(self, name: str, who: str, kind: str = "readings") -> None:
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, who, kind))
        await settle()

    async def _hold(self, name: str, who: str, kind: str) -> None:
        async with self._turns.place(who, kind):
            self.began.append(name)
            await self._ends[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await settle()

    async def end_all(self) -> None:
        await self.end(*self._ends)
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def calls(**given: float) -> AsyncIterator[tuple[Turns, Calls]]:
    shared = turns(**given)
    made = Calls(shared)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(made.end_all)
        yield shared, made
    assert (shared.waiting, shared._free, shared._in_use) == (0, 4, {})


async def test_who_asks_for_much_waits_behind_themselves() -> None:
    async with calls() as (shared, made):
        for number in range(24):
            await made.send(f"a{number}", "a")
        assert made.began == ["a0", "a1"]
        assert shared.waiting == 22
        await made.send("b0", "b")
        await made.send("b1", "b")
        assert made.began[2:] == ["b0", "b1"]


async def test_places_that_become_free_go_round() -> None:
    async with calls(at_once_each=4, at_once_of_a_kind=4) as (_, made):
        for number in range(10):
            await made.send(f"a{number}", "a")
        for number in range(3):
            await made.send(f"b{number}", "b")
        await made.send("c0", "c")
        assert made.began == ["a0", "a1", "a2", "a3"]
        await made.end("a0", "a1", "a2", "a3")
        assert made.began[4:] == ["a4", "b0", "c0", "a5"]
        await made.end("a4", "b0")
        assert made.began[8:] == ["b1", "a6"]


async def test_one_kind_of_call_leaves_the_same_key_its_place_for_others() -> None:
    async with calls() as (_, made):
        for number in range(5):
            await made.send(f"a{number}", "a")
        await made.send("live", "a", "live")
        await made.send("live2", "a", "live")
        assert made.began == ["a0", "a1", "live"]
        await made.end("live")
        assert made.began[3:] == ["live2"]


async def test_who_goes_away_leaves_the_queue_and_gives_the_place_back() -> None:
    async with calls() as (shared, made):
        for number in range(4):
            await made.send(f"a{number}", "a")
        made.tasks["a2"].cancel()
        made.tasks["a0"].cancel()
        await settle()
        assert made.began == ["a0", "a1", "a3"]
        assert shared.waiting == 0


async def test_one_that_is_cancelled_as_it_is_its_turn_passes_it_on() -> None:
    async with calls() as (_, made):
        for number in range(4):
            await made.send(f"a{number}", "a")
        made._ends["a0"].set()
        made.tasks["a2"].cancel()
        await settle()
        assert made.began == ["a0", "a1", "a3"]


async def test_a_queue_has_an_end_and_a_wait_too() -> None:
    async with calls(waiting_each=1) as (shared, made):
        for number in range(3):
            await made.send(f"a{number}", "a")
        with pytest.raises(TooManyRequests) as refused:
            await shared.place("a", "readings").__aenter__()
        assert refused.value.headers["Retry-After"] == "5"
        async with shared.place("b", "readings"):
            pass
    async with calls(longest_wait_s=0.01) as (shared, made):
        for number in range(2):
            await made.send(f"a{number}", "a")
        with pytest.raises(Busy):
            await shared.place("a", "readings").__aenter__()
        assert shared.waiting == 0
