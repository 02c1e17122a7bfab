"""Asking the durable consumer for as many messages as there is room for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from services.ingest.sources.jetstream.burst import Burst
from services.ingest.sources.jetstream.delivery import message

#: How long one request stands, and how much later it counts as lost.
_ASK_S: Final = 10.0
_ASK_GRACE_S: Final = 5.0

#: NATS says so often that a request still stands, and one of which nothing is heard for twice as
#: long is lost: with the leader of the consumer, or because this server is cut off from the others.
_HEARTBEAT_S: Final = 2.0
_SILENT_S: Final = 2.5 * _HEARTBEAT_S

_HEARTBEAT: Final = "100"

#: Bytes that one request may bring, beside a largest message.
_ASK_BYTES: Final = 8 << 20

_MAX_ASKED: Final = 5000

#: Ends of a request that are no trouble: status, or its description.
_ENDED: Final = frozenset(
    {"404", "408", "Message Size Exceeds MaxBytes", "Batch Completed", "Leadership Change"}
)


class Pull:
    """The pull requests of one connection.

    nats-py's ``fetch`` does the same one request after the other, at three times the CPU.
    """

    def __init__(
        self,
        client: Client,
        *,
        ask_at: str,
        era: datetime | None,
        burst: Burst,
        on_ended: Callable[[str], None],
    ) -> None:
        """``ask_at``: subject for requests; ``on_ended`` is told what is wrong, or nothing."""
        self._client = client
        self._ask_at = ask_at
        self._era = era
        self._burst = burst
        self._on_ended = on_ended
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        #: messages that NATS was asked for and has not sent, and until when it may
        self._asked = 0
        self._asked_until = 0.0
        #: when NATS was last heard of, or asked after it had nothing to answer
        self._heard_at = 0.0
        #: messages so far
        self.heard = 0

    async def start(self) -> None:
        """Listen for answers.

        :raises nats.errors.Error: the connection is lost.
        """
        self._subscription = await self._client.subscribe(self._inbox, cb=self._on_answer)

    async def stop(self) -> None:
        """Take no more answers.

        :raises nats.errors.Error: the connection is lost.
        """
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def ask(self, room: int) -> None:
        """Ask for up to ``room`` messages in all, those included that were asked for already.

        :raises nats.errors.Error: the connection is lost.
        """
        now = asyncio.get_running_loop().time()
        if now > self._asked_until:
            self._asked = 0
        if not self._asked:
            self._heard_at = now
        elif now - self._heard_at > _SILENT_S:
            self._on_ended("NATS says nothing of a request for messages")
            return
        more = min(room - self._asked, _MAX_ASKED)
        # half of what may be under way has come
        if more > 0 and more >= self._asked:
            request = {
                "batch": more,
                "expires": int(_ASK_S * 1e9),
                "idle_heartbeat": int(_HEARTBEAT_S * 1e9),
                "max_bytes": _ASK_BYTES + self._client.max_payload,
            }
            self._asked += more
            self._asked_until = now + _ASK_S + _ASK_GRACE_S
            await self._client.publish(
                self._ask_at, json.dumps(request).encode(), reply=self._inbox
            )

    async def _on_answer(self, answer: Msg) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if answer.subject == self._inbox:
            self._on_status(answer.headers or {})
            return
        self._asked = max(0, self._asked - 1)
        self.heard += 1
        arrival = self._burst.arrival()
        self._burst.add(message(answer, received_at=arrival, era=self._era))

    def _on_status(self, headers: dict[str, str]) -> None:
        """Note that a request has ended: time over, bytes enough, or something is wrong."""
        if headers.get("Status") == _HEARTBEAT:
            return
        unserved = headers.get("Nats-Pending-Messages")
        self._asked = 0 if unserved is None else max(0, self._asked - int(unserved))
        status, description = headers.get("Status", ""), headers.get("Description", "")
        fine = status in _ENDED or description in _ENDED
        self._on_ended("" if fine else f"NATS ended the request: {status} {description}")
