"""Work in the event loop that takes long: one piece of it for each turn of the loop.

Every other request waits while an answer is computed or encoded. So both are done in pieces of some
milliseconds, and of all answers together one piece in each turn: whoever asks for little waits for
one piece, however many ask for much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

Result = TypeVar("Result")

#: By event loop, held while a piece is done and others have their turn.
_working: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


async def in_turn(work: Callable[[], Result]) -> Result:
    """Do a piece of work after those that were asked for before, then let other requests in."""
    async with _working.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        result = work()
        await asyncio.sleep(0)
    return result
