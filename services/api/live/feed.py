"""Live streams: one LISTEN connection, one reader for each watched facility, any number of viewers.

A body is built once for each change and shared by all viewers of the facility. A viewer holds no
database connection; a slow one skips to the newest body, because every body is the complete state.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from services.api.http.problems import TooManyStreams
from services.core.runtime.metrics import api_streams

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveEvent:
    """One state of a facility, ready to be sent."""

    #: rises with every change
    id: str
    #: JSON of one line
    body: bytes
    #: of the totals' changes
    sequence: int = 0
    #: alerts that stand or changed lately, with the sequence at which they last did; ascending
    alerts: tuple[tuple[int, bytes], ...] = ()

    def encoded(self) -> bytes:
        """Encode the event in the wire format."""
        return format_sse_event(data_str=self.body.decode(), event="live", id=self.id)

    def alerts_after(self, sequence: int) -> bytes:
        """Encode the alerts that changed later."""
        return b"".join(
            format_sse_event(data_str=body.decode(), event="alert", id=str(changed))
            for changed, body in self.alerts
            if changed > sequence
        )


#: Reads the present state of a facility; None: it is gone.
ReadLive = Callable[[str], Awaitable[LiveEvent | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often a stream speaks and how long it lives; all in seconds."""

    least_pause_s: float = 0.25
    longest_pause_s: float = 15.0
    retry_s: float = 2.0
    life_s: float = 600.0
    max_streams: int = 500


@dataclass(kw_only=True)
class _Watched:
    """One facility that someone watches."""

    viewers: int = 0
    version: int = 0
    newest: LiveEvent | None = None
    encoded: bytes = b""
    gone: bool = False
    #: totals may have changed since they were last read
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    #: replaced with each new body; set: there is a newer one
    renewed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Let every viewer look again."""
        renewed, self.renewed = self.renewed, asyncio.Event()
        renewed.set()


class LiveFeed:
    """Fans the state of facilities out to viewers."""

    def __init__(self, read: ReadLive, *, pace: Pace | None = None) -> None:
        self._read = read
        self._pace = pace or Pace()
        self._watched: dict[str, _Watched] = {}
        self._viewers = 0
        self._closing = False
        #: how many streams each key has open
        self._keys: Counter[int] = Counter()
        self._ended_keys: set[int] = set()

    def changed(self, facility: str) -> None:
        """Take note that the totals of ``facility`` changed; cheap, never blocks."""
        if watched := self._watched.get(facility):
            watched.dirty.set()

    def all_changed(self) -> None:
        """Take note that notifications may have been missed."""
        for watched in self._watched.values():
            watched.dirty.set()

    def close(self) -> None:
        """End every stream now."""
        self._closing = True
        for watched in self._watched.values():
            watched.wake()

    def admit(self) -> None:
        """Check that one more stream may be opened.

        :raises TooManyStreams: the process serves as many as it may.
        """
        if self._closing or self._viewers >= self._pace.max_streams:
            raise TooManyStreams(
                f"At most {self._pace.max_streams} streams may be open; close some, or poll"
                " GET /v1/live."
            )

    def key_ids(self) -> set[int]:
        """Return the keys of the open streams."""
        return set(self._keys)

    def end_keys(self, ended: Collection[int]) -> None:
        """End every stream of these keys, which are no longer valid."""
        ended = self._keys.keys() & set(ended)
        if ended:
            self._ended_keys |= ended
            for watched in self._watched.values():
                watched.wake()

    async def stream(
        self, facility: str, *, after: int | None = None, key_id: int | None = None
    ) -> AsyncIterator[bytes]:
        """Events of ``facility``: the present state at once, then each newer one.

        Alerts that changed come before the state they belong to; ``after``: the sequence that the
        viewer has seen everything of, None: none of the past are wanted. ``key_id``: of the key
        that it was opened with.
        Ends when the facility is gone, the stream's life or its key is over, or the feed is closed.
        """
        watched = self._join(facility)
        if key_id is not None:
            self._keys[key_id] += 1
        ends_at = time.monotonic() + self._pace.life_s
        version = 0
        try:
            while not self._closing and not watched.gone and key_id not in self._ended_keys:
                if watched.version != version:
                    version = watched.version
                    if (newest := watched.newest) is not None:
                        missed = b"" if after is None else newest.alerts_after(after)
                        after = newest.sequence
                        yield missed + watched.encoded
                    continue
                left_s = ends_at - time.monotonic()
                if left_s <= 0 or (watched.task is not None and watched.task.done()):
                    return
                try:
                    await asyncio.wait_for(
                        watched.renewed.wait(), min(left_s, self._pace.longest_pause_s + 1.0)
                    )
                except TimeoutError:
                    yield KEEPALIVE_COMMENT
        finally:
            self._leave(facility, watched)
            if key_id is not None:
                self._keys[key_id] -= 1
                if self._keys[key_id] <= 0:
                    del self._keys[key_id]
                    self._ended_keys.discard(key_id)

    def _join(self, facility: str) -> _Watched:
        watched = self._watched.get(facility)
        if watched is None or watched.task is None or watched.task.done():
            watched = self._watched[facility] = _Watched()
            watched.task = asyncio.create_task(self._keep_reading(facility, watched))
        watched.viewers += 1
        self._viewers += 1
        api_streams.inc()
        return watched

    def _leave(self, facility: str, watched: _Watched) -> None:
        watched.viewers -= 1
        self._viewers -= 1
        api_streams.dec()
        if watched.viewers == 0:
            if watched.task is not None:
                watched.task.cancel()
            if self._watched.get(facility) is watched:
                del self._watched[facility]

    async def _keep_reading(self, facility: str, watched: _Watched) -> None:
        try:
            while not watched.gone:
                watched.dirty.clear()
                event = await self._try_read(facility)
                if event is None:
                    watched.gone = True
                elif event is not _AWAY:
                    watched.newest, watched.encoded = event, event.encoded()
                    watched.version += 1
                watched.wake()
                await asyncio.sleep(self._pace.least_pause_s)
                pause_s = self._pace.retry_s if event is _AWAY else self._until_next_read_s()
                with suppress(TimeoutError):
                    await asyncio.wait_for(watched.dirty.wait(), pause_s)
        finally:
            watched.wake()

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
