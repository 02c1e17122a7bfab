"""Messages that arrive together are handed over together: each time costs the inbox's lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from services.core.runtime.clock import Clock
from services.ingest.sources.source import Message


class Burst:
    """Gathers what nats-py brings without a pause; on the event loop alone."""

    def __init__(self, deliver: Callable[[list[Message]], None], clock: Clock) -> None:
        self._clock = clock
        self._deliver = deliver
        self._gathered: list[Message] = []
        self._arrival = self._clock.now()

    def arrival(self) -> datetime:
        """When the burst that is under way began to arrive."""
        if not self._gathered:
            self._arrival = self._clock.now()
            # when all that has come was gathered
            asyncio.get_running_loop().call_soon(self._hand_over)
        return self._arrival

    def add(self, message: Message) -> None:
        """Gather one message, which :meth:`arrival` has timed."""
        self._gathered.append(message)

    def take_back(self) -> list[Message]:
        """Return what was not handed over, and now will not be."""
        gathered, self._gathered = self._gathered, []
        return gathered

    def _hand_over(self) -> None:
        gathered = self.take_back()
        if gathered:
            self._deliver(gathered)
