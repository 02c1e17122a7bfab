"""One statement for all who ask at once.

Who asks while a statement is under way waits for the next one, with all the others who do: what he
is told was read after he asked, and many who ask cost as much as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

from services.core.runtime import tasks

State = TypeVar("State")


class Together(Generic[State]):
    """Reads what is asked for meanwhile, by name, one batch at a time."""

    def __init__(self, read: Callable[[Collection[str]], Awaitable[Mapping[str, State]]]) -> None:
        self._read = read
        #: what the next statement is to tell, by name
        self._asked: dict[str, asyncio.Future[State | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def state(self, name: str) -> State | None:
        """Return what a name has, read from now on; None: it has nothing."""
        answer = self._asked.get(name)
        if answer is None:
            answer = self._asked[name] = asyncio.get_running_loop().create_future()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_on())
        # who hangs up leaves the others what they asked for
        return await asyncio.shield(answer)

    async def end(self) -> None:
        """End the reading, when nobody waits for it any more."""
        await tasks.end(self._reading)

    async def _read_on(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                states = await self._read(asked)
            except Exception as error:  # noqa: BLE001 - each who asked is told
                for answer in asked.values():
                    answer.set_exception(error)
                    # nobody may wait for it any more, which is no fault that a log should tell
                    answer.exception()
            else:
                for name, answer in asked.items():
                    answer.set_result(states.get(name))
