"""Fair queueing: a fixed number of requests at once, shared between the clients.

The database serves a fixed number of requests at once; each client has a queue of its own for the
rest. A free place goes to the client whose turn it is, not to the oldest request: a client that
sends twenty slow requests waits behind itself, and others are answered in between. No single kind
of call takes all places of a client: a script that lists readings leaves room for the dashboard of
the same key.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.api.http.problems import Busy, TooManyRequests


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """How many requests may run, and wait."""

    #: of all
    at_once: int
    #: of one key, or of one address without a key
    at_once_each: int
    #: of one key and one kind of call
    at_once_of_a_kind: int
    #: how many of one key may wait
    waiting_each: int
    #: how long one waits at most, in seconds
    longest_wait_s: float


@dataclass(kw_only=True, slots=True)
class _Queue:
    """What one waits for, by kind of call."""

    kinds: OrderedDict[str, deque[asyncio.Future[None]]] = field(default_factory=OrderedDict)
    length: int = 0


class Turns:
    """Gives places to requests, in turns between the clients."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._free = places.at_once
        self._in_use: Counter[str] = Counter()
        self._held_of_a_kind: Counter[tuple[str, str]] = Counter()
        #: the one at the front is next
        self._queues: OrderedDict[str, _Queue] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Count the requests that wait for a place."""
        return sum(queue.length for queue in self._queues.values())

    @asynccontextmanager
    async def place(self, who: str, kind: str) -> AsyncIterator[None]:
        """Hold a place of ``who`` for a call of ``kind``; wait until one is free.

        :raises TooManyRequests: too many of their requests wait already.
        :raises Busy: no place became free in time.
        """
        await self._take(who, kind)
        try:
            yield
        finally:
            self._give_back(who, kind)

    async def _take(self, who: str, kind: str) -> None:
        queue = self._queues.get(who)
        if self._may(who, kind) and (queue is None or kind not in queue.kinds):
            self._hold(who, kind)
            return
        if queue is None:
            queue = self._queues[who] = _Queue()
        if queue.length >= self._places.waiting_each:
            raise TooManyRequests(
                f"{queue.length} requests of this key or address are already waiting; send fewer at"
                " once.",
                retry_after_s=5,
            )
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.kinds.setdefault(kind, deque()).append(place)
        queue.length += 1
        try:
            async with asyncio.timeout(self._places.longest_wait_s):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                # the place was given in the same moment
                self._give_back(who, kind)
            else:
                self._forget(who, kind, place)
            if isinstance(error, TimeoutError):
                raise Busy(
                    "The requests ahead of this one took too long; try again in a few seconds,"
                    " request shorter time spans, or send fewer requests at once."
                ) from None
            raise

    def _may(self, who: str, kind: str) -> bool:
        return (
            self._free > 0
            and self._in_use[who] < self._places.at_once_each
            and self._held_of_a_kind[who, kind] < self._places.at_once_of_a_kind
        )

    def _hold(self, who: str, kind: str) -> None:
        self._free -= 1
        self._in_use[who] += 1
        self._held_of_a_kind[who, kind] += 1

    def _give_back(self, who: str, kind: str) -> None:
        self._free += 1
        self._in_use[who] -= 1
        if self._in_use[who] <= 0:
            del self._in_use[who]
        self._held_of_a_kind[who, kind] -= 1
        if self._held_of_a_kind[who, kind] <= 0:
            del self._held_of_a_kind[who, kind]
        self._deal()

    def _deal(self) -> None:
        """Give free places to those who wait, one each in turn."""
        given = True
        while given and self._free > 0:
            given = False
            for who in list(self._queues):
                kind = self._next_kind(who)
                if kind is not None:
                    self._serve(who, kind)
                    given = True
                if self._free <= 0:
                    break

    def _next_kind(self, who: str) -> str | None:
        return next((kind for kind in self._queues[who].kinds if self._may(who, kind)), None)

    def _serve(self, who: str, kind: str) -> None:
        queue = self._queues[who]
        place = queue.kinds[kind][0]
        self._forget(who, kind, place)
        if place.cancelled():
            return
        if who in self._queues:
            self._queues.move_to_end(who)
            if kind in queue.kinds:
                queue.kinds.move_to_end(kind)
        self._hold(who, kind)
        place.set_result(None)

    def _forget(self, who: str, kind: str, place: asyncio.Future[None]) -> None:
        queue = self._queues.get(who)
        if queue is None or place not in queue.kinds.get(kind, ()):
            return
        queue.kinds[kind].remove(place)
        queue.length -= 1
        if not queue.kinds[kind]:
            del queue.kinds[kind]
        if not queue.kinds:
            del self._queues[who]
