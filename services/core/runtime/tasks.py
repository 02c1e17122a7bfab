"""Waiting for an event and ending tasks of asyncio, without what ``asyncio.wait_for`` gets wrong.

In Python 3.11, ``asyncio.wait_for`` loses a cancellation that comes in the moment in which what it
waits for happens (CPython issue 86296), and the task goes on as if nobody had asked it to end. No
code of ours uses it; libraries that do so are the reason why :func:`cancel` asks again.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

#: How long a task may take to end before it is asked again.
_AGAIN_S: Final = 1.0


async def happens(event: asyncio.Event, within_s: float) -> bool:
    """Wait until ``event`` is set, at most ``within_s``; return whether it is."""
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return event.is_set()


def cancel(task: asyncio.Future[Any]) -> None:
    """Cancel a task of the running loop, again each second until it has ended."""
    if not task.done():
        task.cancel()
        asyncio.get_running_loop().call_later(_AGAIN_S, cancel, task)


async def end(*tasks: asyncio.Future[Any] | None) -> None:
    """Cancel tasks and wait until all of them have ended, however they do; None is no task."""
    started = [task for task in tasks if task is not None]
    for task in started:
        cancel(task)
    await asyncio.gather(*started, return_exceptions=True)
