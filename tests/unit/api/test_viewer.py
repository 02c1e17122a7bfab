from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

import pytest

from services.api.live.events import LiveEvent
from services.api.live.viewer import Viewer


@dataclass
class Line:
    """A connection that writes down what it is sent."""

    is_chunked: bool = True
    is_behind: bool = False
    sent: list[bytes] = field(default_factory=list)
    receiver: object = None

    def stream_to(self, receiver: object) -> None:
        self.receiver = receiver

    def put(self, data: bytes) -> None:
        self.sent.append(data)


def state(sequence: int, *alerts: int) -> LiveEvent:
    return LiveEvent(
        id=f"{sequence}-1",
        body=b'{"sequence":%d}' % sequence,
        sequence=sequence,
        alerts=tuple((changed, b'{"alert":%d}' % changed) for changed in alerts),
    )


def text(sequence: int, *alerts: int) -> bytes:
    missed = [b'event: alert\ndata: {"alert":%d}\nid: %d\n\n' % (a, a) for a in alerts]
    live = b'event: live\ndata: {"sequence":%d}\nid: %d-1\n\n' % (sequence, sequence)
    return b"".join([*missed, live])


def unchunked(sent: list[bytes]) -> bytes:
    return b"".join(re.sub(rb"\A[0-9a-f]+\r\n|\r\n\Z", b"", part) for part in sent)


async def test_all_viewers_are_sent_the_same_bytes() -> None:
    lines = [Line(), Line()]
    event = state(1)
    for line in lines:
        Viewer(line, "linz", deflated=False).see(event)
    assert lines[0].sent[0] is lines[1].sent[0]
    assert lines[0].sent == [b"%x\r\n%b\r\n" % (len(text(1)), text(1))]


@pytest.mark.parametrize("deflated", [False, True])
async def test_a_sign_of_life_is_framed_once_for_all(deflated: bool) -> None:
    lines = [Line(), Line()]
    for line in lines:
        Viewer(line, "linz", deflated=deflated).keep_alive()
    assert lines[0].sent[-1] is lines[1].sent[-1]


async def test_who_is_behind_gets_the_newest_once_he_has_caught_up() -> None:
    line = Line()
    viewer = Viewer(line, "linz", deflated=False, after=0)
    viewer.see(state(1, 1))
    line.is_behind = True
    for sequence in (2, 3, 4):
        viewer.see(state(sequence, 1, 3))
        viewer.keep_alive()
    assert unchunked(line.sent) == text(1, 1)
    line.is_behind = False
    viewer.caught_up()
    viewer.caught_up()
    # with the alerts of all that he missed
    assert unchunked(line.sent) == text(1, 1) + text(4, 3)


@pytest.mark.parametrize("after", [None, 0, 5, 9])
async def test_alerts_of_the_past_come_as_far_as_they_are_wanted(after: int | None) -> None:
    line = Line(is_chunked=False)
    Viewer(line, "linz", deflated=False, after=after).see(state(9, 5, 7, 9))
    wanted = [] if after is None else [changed for changed in (5, 7, 9) if changed > after]
    assert line.sent == [text(9, *wanted)]


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_compressed_pieces_shared_by_all_make_one_whole_stream_each(
    is_chunked: bool,
) -> None:
    early, late = Line(is_chunked=is_chunked), Line(is_chunked=is_chunked)
    first, second, third = state(1), state(2, 2), state(3, 2)
    viewers = [Viewer(early, "linz", deflated=True, after=1)]
    viewers[0].see(first)
    viewers.append(Viewer(late, "linz", deflated=True))
    for event in (second, third):
        for viewer in viewers:
            viewer.see(event)
    viewers[0].keep_alive()
    for viewer in viewers:
        viewer.finish()
    whole = [text(1) + text(2, 2) + text(3) + b": ping\n\n", text(2) + text(3)]
    for line, expected in zip((early, late), whole, strict=True):
        sent = unchunked(line.sent) if is_chunked else b"".join(line.sent)
        # raises where the checksum at the end is not that of what came
        assert zlib.decompress(sent) == expected
        assert line.receiver is None
        # what arrived so far is readable at any time
        part = zlib.decompressobj().decompress(sent[:-6])
        assert part == expected


async def test_a_lost_connection_ends_the_stream() -> None:
    viewer = Viewer(Line(), "linz", deflated=False)
    viewer.lost()
    viewer.end()
    assert viewer.ended.done()
