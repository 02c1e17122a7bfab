"""One state of a facility in the forms in which it goes over the wire, each made once."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

#: Fastest: the events of a facility are much alike, and one is compressed at each change.
_LEVEL: Final = 1
_RAW: Final = -15


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Bytes of a stream that any viewer can be sent after any others."""

    #: ready to be sent, as a chunk where the connection has chunks
    sent: Mapping[bool, bytes]
    #: of what it holds, not compressed
    adler: int
    size: int


def frame(data: bytes, *, deflated: bool) -> Frame:
    """Put data into a frame.

    Compressed, it is blocks of a deflate stream that refer to nothing before them and end on a
    whole byte (RFC 1951, 3.2.4: a full flush): so one piece fits into everybody's stream.
    """
    if deflated:
        compressing = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
        wire = compressing.compress(data) + compressing.flush(zlib.Z_FULL_FLUSH)
    else:
        wire = data
    return Frame(
        sent={True: chunk(wire), False: wire},
        adler=zlib.adler32(data) if deflated else 1,
        size=len(data),
    )


def chunk(data: bytes) -> bytes:
    """Return data as a chunk of an HTTP/1.1 answer."""
    return b"%x\r\n%b\r\n" % (len(data), data)


#: Says that the connection lives; by whether the stream is compressed.
KEEPALIVE: Final = {
    deflated: frame(KEEPALIVE_COMMENT, deflated=deflated) for deflated in (False, True)
}


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
    _frames: dict[tuple[int, bool], Frame] = field(default_factory=dict, repr=False, compare=False)

    def frame(self, after: int | None, *, deflated: bool) -> Frame:
        """Return the event, with the alerts before it that changed after a sequence; None: none."""
        first = (
            len(self.alerts)
            if after is None
            else bisect_right(self.alerts, after, key=lambda alert: alert[0])
        )
        known = self._frames.get((first, deflated))
        if known is None:
            missed = [
                format_sse_event(data_str=body.decode(), event="alert", id=str(changed))
                for changed, body in self.alerts[first:]
            ]
            live = format_sse_event(data_str=self.body.decode(), event="live", id=self.id)
            known = frame(b"".join([*missed, live]), deflated=deflated)
            self._frames[first, deflated] = known
        return known
