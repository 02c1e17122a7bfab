from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from services.api.live.events import LiveEvent
from services.api.live.feed import LiveFeed, Pace
from services.api.live.viewer import Viewer


@dataclass
class Line:
    """A connection that takes all that it is sent."""

    is_chunked: bool = True
    is_behind: bool = False
    sent: list[bytes] = field(default_factory=list)

    def stream_to(self, receiver: object) -> None:
        del receiver

    def put(self, data: bytes) -> None:
        self.sent.append(data)


@pytest.mark.parametrize("turns", range(4))
async def test_nothing_is_read_for_those_who_have_left(turns: int) -> None:
    """The last one leaves as totals change, or up to some turns of the loop later."""
    reads: list[str] = []

    async def read(facility: str) -> LiveEvent:
        reads.append(facility)
        return LiveEvent(id=f"{len(reads)}-1", body=b"{}", sequence=len(reads))

    feed = LiveFeed(read, pace=Pace(least_pause_s=0.0))
    viewer = Viewer(Line(), "linz", deflated=False)
    watching = asyncio.create_task(feed.serve(viewer))
    for _ in range(10):
        await asyncio.sleep(0)
    assert reads == ["linz"]
    readers = set(feed._readers)
    assert len(readers) == 1
    feed.changed("linz")
    for _ in range(turns):
        await asyncio.sleep(0)
    viewer.end()
    await watching
    await asyncio.wait(readers, timeout=1.0)
    assert all(task.cancelled() for task in readers)


async def test_a_feed_that_has_ended_reads_nothing() -> None:
    reads: list[str] = []
    reading = asyncio.Event()

    async def read(facility: str) -> LiveEvent:
        reads.append(facility)
        reading.set()
        await asyncio.sleep(60)
        raise AssertionError

    feed = LiveFeed(read)
    watching = asyncio.create_task(feed.serve(Viewer(Line(), "linz", deflated=False)))
    await reading.wait()
    (reader,) = feed._readers
    await feed.end()
    await watching
    assert reader.cancelled()
