"""Live streams: one LISTEN connection, one reader for each watched facility, any number of viewers.

A body is built once for each change, put into the form in which it goes over the wire once, and
written to the connection of each viewer, one after the other, by the task that read it. A viewer
holds no database connection, no timer of his own pace and no bytes of his own: one who is behind is
sent nothing until he has taken up what he was sent, then the newest, because every body is the
complete state. Who takes up nothing is cut.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import structlog

from services.api.http.problems import TooManyStreams
from services.api.live.credentials import Credential
from services.api.live.events import LiveEvent
from services.api.live.viewer import Viewer
from services.core.runtime import tasks
from services.core.runtime.metrics import api_streams

log = structlog.get_logger()

#: Reads the present state of a facility; None: it is gone.
ReadLive = Callable[[str], Awaitable[LiveEvent | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often a stream speaks and how long it lives; all in seconds."""

    least_pause_s: float = 0.25
    longest_pause_s: float = 15.0
    retry_s: float = 2.0
    #: at most; each stream ends a little earlier, so that not all clients come back at once
    life_s: float = 600.0
    max_streams: int = 10_000


@dataclass(kw_only=True)
class _Watched:
    """One facility that someone watches."""

    viewers: set[Viewer] = field(default_factory=set)
    newest: LiveEvent | None = None
    #: when its viewers were last written to
    spoke_s: float = 0.0
    #: totals may have changed since they were last read
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def end(self) -> None:
        """End the streams of all its viewers."""
        for viewer in self.viewers:
            viewer.end()


#: Connections that are written to before others get their turn.
_AT_ONCE = 250


class LiveFeed:
    """Fans the state of facilities out to viewers."""

    def __init__(self, read: ReadLive, *, pace: Pace | None = None) -> None:
        self._read = read
        self._pace = pace or Pace()
        self._watched: dict[str, _Watched] = {}
        #: what reads for those who watch, also for a moment after the last of them left
        self._readers: set[asyncio.Task[None]] = set()
        self._viewers = 0
        self._closing = False
        #: how many streams each key has open
        self._keys: Counter[Credential] = Counter()

    def changed(self, facility: str) -> None:
        """Take note that the totals of ``facility`` changed; cheap, never blocks."""
        if watched := self._watched.get(facility):
            watched.dirty.set()

    def all_changed(self) -> None:
        """Take note that notifications may have been missed."""
        for watched in self._watched.values():
            watched.dirty.set()

    async def end(self) -> None:
        """End every stream and what reads for them, which could open a connection again."""
        self.close()
        await tasks.end(*self._readers)

    def close(self) -> None:
        """End every stream now."""
        self._closing = True
        for watched in self._watched.values():
            watched.end()

    def admit(self) -> None:
        """Check that one more stream may be opened.

        :raises TooManyStreams: the process serves as many as it may.
        """
        if self._closing or self._viewers >= self._pace.max_streams:
            raise TooManyStreams(
                f"At most {self._pace.max_streams} streams may be open; close some, or poll"
                " GET /v1/live."
            )

    def credentials(self) -> set[Credential]:
        """Return the keys of the open streams."""
        return set(self._keys)

    def end_credentials(self, ended: Collection[Credential]) -> None:
        """End every stream of these keys, which are no longer valid."""
        keys = self._keys.keys() & set(ended)
        for watched in self._watched.values() if keys else ():
            for viewer in watched.viewers:
                if viewer.credential in keys:
                    viewer.end()

    async def serve(self, viewer: Viewer) -> None:
        """Send a viewer the present state at once, then each newer one.

        Returns when the facility is gone, the stream's life or its key is over, the viewer has
        left, or the feed is closed.
        """
        watched = self._join(viewer)
        life_s = self._pace.life_s * random.uniform(0.9, 1.0)  # noqa: S311 - no secret
        ending = asyncio.get_running_loop().call_later(life_s, viewer.end)
        try:
            if self._closing:
                return
            if watched.newest is not None:
                viewer.see(watched.newest)
            await viewer.ended
        finally:
            ending.cancel()
            self._leave(viewer, watched)
            viewer.finish()

    def _join(self, viewer: Viewer) -> _Watched:
        watched = self._watched.get(viewer.facility)
        if watched is None or watched.task is None or watched.task.done():
            watched = self._watched[viewer.facility] = _Watched()
            watched.task = asyncio.create_task(self._keep_reading(viewer.facility, watched))
            self._readers.add(watched.task)
            watched.task.add_done_callback(self._readers.discard)
        watched.viewers.add(viewer)
        self._viewers += 1
        if viewer.credential is not None:
            self._keys[viewer.credential] += 1
        api_streams.inc()
        return watched

    def _leave(self, viewer: Viewer, watched: _Watched) -> None:
        watched.viewers.discard(viewer)
        self._viewers -= 1
        api_streams.dec()
        if viewer.credential is not None:
            self._keys[viewer.credential] -= 1
            if self._keys[viewer.credential] <= 0:
                del self._keys[viewer.credential]
        if not watched.viewers:
            if watched.task is not None:
                tasks.cancel(watched.task)
            if self._watched.get(viewer.facility) is watched:
                del self._watched[viewer.facility]

    async def _keep_reading(self, facility: str, watched: _Watched) -> None:
        try:
            while True:
                watched.dirty.clear()
                event = await self._try_read(facility)
                if event is None:
                    return
                if event is not _AWAY:
                    watched.newest = event
                    await self._tell(watched, event)
                elif time.monotonic() - watched.spoke_s > self._pace.longest_pause_s:
                    await self._tell(watched, None)
                await asyncio.sleep(self._pace.least_pause_s)
                pause_s = self._pace.retry_s if event is _AWAY else self._until_next_read_s()
                await tasks.happens(watched.dirty, pause_s)
        finally:
            watched.end()

    async def _tell(self, watched: _Watched, event: LiveEvent | None) -> None:
        """Write an event to all viewers; None: that the connection lives."""
        watched.spoke_s = time.monotonic()
        for number, viewer in enumerate(list(watched.viewers), start=1):
            if event is None:
                viewer.keep_alive()
            else:
                viewer.see(event)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _try_read(self, facility: str) -> LiveEvent | None:
        try:
            return await self._read(facility)
        except FeedAwayError as error:
            log.warning("live_read_failed", facility=facility, error=str(error))
            return _AWAY

    def _until_next_read_s(self) -> float:
        """Totals change as a minute begins, data or none."""
        to_minute_s = 60.0 - time.time() % 60.0
        return min(self._pace.longest_pause_s, to_minute_s + 0.05)


class FeedAwayError(RuntimeError):
    """The state cannot be read now; it can be tried again (recoverable)."""


#: Stands for a state that could not be read.
_AWAY = LiveEvent(id="", body=b"")
