"""One who watches: what he has seen, and the connection that he is written to."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from services.api.admission.connections import Receiver
from services.api.live.credentials import Credential
from services.api.live.events import KEEPALIVE, Frame, LiveEvent, chunk

#: A zlib stream (RFC 1950) begins so, and ends with an empty last block and a checksum.
_BEGIN: Final = b"\x78\x01"
_END: Final = b"\x03\x00"
_ADLER_BASE: Final = 65521


class Wire(Protocol):
    """A connection whose answer has begun and goes on without the application."""

    @property
    def is_chunked(self) -> bool:
        """Whether the answer is sent in chunks."""

    @property
    def is_behind(self) -> bool:
        """Whether the client has not yet taken up what it was sent."""

    def stream_to(self, receiver: Receiver | None) -> None:
        """Tell a receiver of the connection from now on; None: nobody any more."""

    def put(self, data: bytes) -> None:
        """Send bytes; what the system does not take at once waits."""


class Viewer:
    """One stream of a facility.

    ``after``: the sequence that he has seen everything of, None: no alerts of the past are wanted.
    ``credential``: what the stream was opened with.
    """

    __slots__ = (
        "_adler",
        "_after",
        "_deflated",
        "_missed",
        "_wire",
        "credential",
        "ended",
        "facility",
    )

    def __init__(
        self,
        wire: Wire,
        facility: str,
        *,
        deflated: bool,
        after: int | None = None,
        credential: Credential | None = None,
    ) -> None:
        self.facility = facility
        self.credential = credential
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wire = wire
        self._after = after
        self._deflated = deflated
        #: the newest state that he was not sent, being behind
        self._missed: LiveEvent | None = None
        #: both sums of Adler's checksum, of all that he was sent
        self._adler = (1, 0)
        wire.stream_to(self)
        if deflated:
            wire.put(chunk(_BEGIN) if wire.is_chunked else _BEGIN)

    def see(self, event: LiveEvent) -> None:
        """Send him a state, at once or when he has taken up the one before."""
        if self._wire.is_behind:
            self._missed = event
            return
        self._missed = None
        self._put(event.frame(self._after, deflated=self._deflated))
        self._after = event.sequence

    def keep_alive(self) -> None:
        """Tell him that the connection lives, unless he is behind."""
        if not self._wire.is_behind:
            self._put(KEEPALIVE[self._deflated])

    def end(self) -> None:
        """End his stream."""
        if not self.ended.done():
            self.ended.set_result(None)

    def finish(self) -> None:
        """Send what ends the stream's bytes, and leave the connection."""
        if self._deflated and not self._wire.is_behind:
            low, high = self._adler
            last = _END + (high << 16 | low).to_bytes(4, "big")
            self._wire.put(chunk(last) if self._wire.is_chunked else last)
        self._wire.stream_to(None)

    def caught_up(self) -> None:
        """Send him what he missed."""
        if self._missed is not None:
            self.see(self._missed)

    def lost(self) -> None:
        """End: nobody listens."""
        self.end()

    def _put(self, part: Frame) -> None:
        self._wire.put(part.sent[self._wire.is_chunked])
        if self._deflated:
            # as zlib's adler32_combine
            low, high = self._adler
            low_part, high_part = part.adler & 0xFFFF, part.adler >> 16
            self._adler = (
                (low + low_part - 1) % _ADLER_BASE,
                (high + high_part + part.size * (low - 1)) % _ADLER_BASE,
            )
