"""Limits on connections, before a request has arrived and after.

uvicorn closes a connection that is idle between two requests. This module adds what it lacks: a
limit on connections, a time limit for the headers and one for the body of a request, and one for a
client that does not read its answer. See ``deploy/docs/adr`` on budgets.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.api.admission.budgets import network_of
from services.api.http.every_answer import PROTECTION
from services.api.http.problems import (
    HeadTooLarge,
    Malformed,
    Problem,
    RequestTimeout,
    TooManyConnections,
)
from services.core.runtime.metrics import api_connections

#: Name of the connection among a request's extensions: streams write to it past the application,
#: which has sent the head of the answer, because each message through it costs more than the bytes.
WIRE: Final = "tonne.wire"

#: What the system may hold of a stream that its client does not read; Linux takes twice as much.
#: Measured with 50 such clients and events of 65 KB (``tests/bench/unread_streams.py``): each cost
#: the process 56 to 61 KB, an event that waits, and the system 256 KB, until it was cut after 6.5
#: s. Left to itself Linux took 3.9 MB of each and held them after the cut too: memory that is no
#: process's, and events that are old when they are read.
STREAM_BUFFER_BYTES: Final = 128 << 10
#: A connection that is closed is reset, and what was not sent yet is forgotten.
_AT_ONCE: Final = struct.pack("ii", 1, 0)


class Receiver(Protocol):
    """Who is told of a connection that a stream is written to."""

    def caught_up(self) -> None:
        """Take note that the client has taken up all that it was sent."""

    def lost(self) -> None:
        """Take note that the connection is gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionLimits:
    """The limits of one server; times in seconds."""

    limit: int
    max_of_an_address: int
    head_within_s: float
    body_within_s: float
    stall_s: float
    #: the same, of a stream
    stream_stall_s: float = 5.0
    #: whether an address is that of a proxy, which serves many clients
    is_proxy: Callable[[str], bool] = field(default=lambda _address: False)


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 with limits; :func:`guarded` sets those of one server."""

    limits: ConnectionLimits
    open_by_address: Counter[str]

    #: who is told of the connection while a stream is written to it
    _receiver: Receiver | None = None
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _address = ""
    _is_counted = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for the headers of a request."""
        super().connection_made(transport)
        # whatever the system does not take at once counts as unread; by TLS a limit of 0 bytes is
        # reached by none
        is_tls = transport.get_extra_info("sslcontext") is not None
        transport.set_write_buffer_limits(high=1 if is_tls else 0, low=0)
        self._address = network_of(self.client[0]) if self.client else ""
        self.open_by_address[self._address] += 1
        self._is_counted = True
        api_connections.inc()
        of_this = self.open_by_address[self._address]
        is_proxy = self.client is not None and self.limits.is_proxy(self.client[0])
        if self.open_by_address.total() > self.limits.limit:
            self._refuse(TooManyConnections("The API has reached its limit of open connections."))
        elif of_this > self.limits.max_of_an_address and not is_proxy:
            self._refuse(
                TooManyConnections(
                    f"This address has {self.limits.max_of_an_address} connections open; close"
                    " some, or reuse one for several requests."
                )
            )
        else:
            self._expect(self.limits.head_within_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        if self._is_counted:
            self._is_counted = False
            api_connections.dec()
            self.open_by_address[self._address] -= 1
            if self.open_by_address[self._address] <= 0:
                del self.open_by_address[self._address]
        self._expect(None)
        self._end_stall()
        super().connection_lost(exc)
        if self._receiver is not None:
            self._receiver.lost()

    # -- a stream's side of it, see :class:`services.api.live.viewer.Wire` ----------------------

    @property
    def is_chunked(self) -> bool:
        """Whether the answer is sent in chunks."""
        return self.scope["http_version"] == "1.1"

    @property
    def is_behind(self) -> bool:
        """Whether the client has not yet taken up what it was sent."""
        return self.flow.write_paused

    def stream_to(self, receiver: Receiver | None) -> None:
        """Tell a receiver of the connection from now on; None: nobody any more."""
        self._receiver = receiver
        if receiver is None:
            return
        if self.transport.is_closing():
            # the client left before anybody could be told
            receiver.lost()
            return
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER_BYTES
        )

    def put(self, data: bytes) -> None:
        """Send bytes of an answer that has begun; what the system does not take at once waits."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and check what is still missing of the request."""
        before = self.conn.their_state
        super().data_received(data)
        self._offer_wire()
        self._look(before)

    def on_response_complete(self) -> None:
        """Check whether the next request has begun to arrive."""
        before = self.conn.their_state
        super().on_response_complete()
        self._offer_wire()
        if self.conn.their_state is not h11.IDLE or self.conn.trailing_data[0]:
            self._look(before)

    def _offer_wire(self) -> None:
        """Let the application, which begins later, write past itself; see :data:`WIRE`."""
        scope: Any = self.scope
        if scope is not None:
            scope.setdefault("extensions", {})[WIRE] = self

    def _look(self, before: Any) -> None:
        """Set the time limit of what is still missing; ``before``: what was missing."""
        now = self.conn.their_state
        if self.transport.is_closing():
            self._expect(None)
            return
        if now is h11.IDLE:
            # the first bytes of a head: from here on it has its time, however it trickles
            if before is not h11.IDLE or self._deadline is None:
                self._expect(self.limits.head_within_s)
        elif now is h11.SEND_BODY:
            if before is not h11.SEND_BODY:
                self._expect(self.limits.body_within_s)
        else:
            self._expect(None)

    def pause_writing(self) -> None:
        """Start the time limit of a client that does not read."""
        super().pause_writing()
        self._end_stall()
        # of a stream it holds up nothing but itself, and the next state comes soon
        stall_s = self.limits.stall_s if self._receiver is None else self.limits.stream_stall_s
        self._stalled = self.loop.call_later(min(stall_s, self.limits.stall_s), self._cut)

    def resume_writing(self) -> None:
        """End the time limit: the client reads on."""
        super().resume_writing()
        self._end_stall()
        if self._receiver is not None:
            self._receiver.caught_up()

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem where the request is not HTTP or its headers are too long."""
        too_large = self.conn.trailing_data[0] and len(self.conn.trailing_data[0]) > (
            self.config.h11_max_incomplete_event_size or 0
        )
        if too_large:
            self._refuse(
                HeadTooLarge(
                    "The request line and headers exceed"
                    f" {self.config.h11_max_incomplete_event_size} bytes; shorten the address, or"
                    " raise TONNE_API_HEADER_BYTES."
                )
            )
        else:
            self._refuse(Malformed(f"{msg} Send HTTP/1.1."))

    def _expect(self, within_s: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if within_s is not None:
            self._deadline = self.loop.call_later(within_s, self._too_late)

    def _too_late(self) -> None:
        self._deadline = None
        part = "headers" if self.conn.their_state is h11.IDLE else "body"
        self._refuse(RequestTimeout(f"The request's {part} did not arrive in time."))

    def _refuse(self, problem: Problem) -> None:
        """Answer, if no answer has begun, and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            body = json.dumps(problem.body()).encode()
            headers: list[tuple[bytes, bytes]] = [
                (b"content-type", b"application/problem+json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                *PROTECTION,
                *((name.encode(), value.encode()) for name, value in problem.headers.items()),
            ]
            for event in (
                h11.Response(status_code=problem.status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _cut(self) -> None:
        self._stalled = None
        # without this the system goes on offering what is unread, for minutes, and holds it as long
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE
        )
        self.transport.abort()

    def _end_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def guarded(limits: ConnectionLimits) -> type[GuardedProtocol]:
    """Build the protocol of one server, with its limits and its own count."""
    members: dict[str, Any] = {"limits": limits, "open_by_address": Counter()}
    return type("GuardedProtocol", (GuardedProtocol,), members)
