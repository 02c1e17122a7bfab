from __future__ import annotations

import asyncio

import pytest

from services.core.runtime import tasks


async def started(task: asyncio.Task[object]) -> None:
    """Let a new task come to where it first waits."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()


async def test_what_happens_in_time_is_told() -> None:
    event = asyncio.Event()
    assert not await tasks.happens(event, 0.0)
    event.set()
    assert await tasks.happens(event, 0.0)
    waiting = asyncio.create_task(tasks.happens(asyncio.Event(), 0.01))
    assert not await waiting


@pytest.mark.parametrize("turns", range(4))
async def test_who_is_cancelled_as_it_happens_ends(turns: int) -> None:
    """``asyncio.wait_for`` would go on as if nobody had asked, where that is a turn later."""
    event = asyncio.Event()

    async def work() -> None:
        while True:
            event.clear()
            await tasks.happens(event, 60.0)

    working = asyncio.create_task(work())
    await started(working)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait({working}, timeout=1.0)
    assert working.cancelled()


async def test_a_task_that_loses_a_cancellation_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_AGAIN_S", 0.0)
    lost: list[str] = []

    async def work() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if len(lost) == 2:
                    raise
                lost.append("as a library does")

    task = asyncio.create_task(work())
    await started(task)
    await tasks.end(task, None)
    assert task.cancelled()
    assert len(lost) == 2


async def test_what_has_failed_is_ended_without_a_word() -> None:
    async def fail() -> None:
        raise ValueError("its own affair")

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    await tasks.end(task)
    assert isinstance(task.exception(), ValueError)
