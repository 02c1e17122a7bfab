"""What an MQTT broker kept while nobody listened: which messages may be of it, and how old.

MQTT does not say when a message was published. What can be known is this:

- one that is delivered again was sent before the connection began, unless it is still in hand: then
  it is the same one;
- one that comes before the broker falls silent for the first time may have waited in it, if the
  broker had kept a session.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from services.ingest.sources.mqtt.packet_token import PacketToken
from services.ingest.sources.source import Message

#: A broker that has more to deliver does not pause for so long ...
_PAUSE_S: Final = 0.1
#: ... unless it waits for acknowledgements: none is set to allow so few messages on their way.
_FEW: Final = 10

#: The backlog begins within this time after the connection, if there is one.
_BEGINS_WITHIN_S: Final = 1.0


class Backlog:
    """What one connection delivers; on the network thread alone."""

    def __init__(self, *, connected_at: datetime, session_present: bool) -> None:
        """``session_present``: the broker had a session, in which messages may lie."""
        self._connected_at = connected_at
        self._draining = session_present
        self._paused_from = time.monotonic() + _BEGINS_WITHIN_S
        self._in_hand: set[int] = set()

    @property
    def in_hand(self) -> int:
        """How many messages are delivered and not acknowledged."""
        return len(self._in_hand)

    def delivered(self, burst: Sequence[Message]) -> list[Message]:
        """Return what was read at once, each message with what is known of its age."""
        if self._draining:
            now = time.monotonic()
            self._draining = now < self._paused_from or len(self._in_hand) >= _FEW
            self._paused_from = now + _PAUSE_S
        if self._draining or any(message.redelivered for message in burst):
            burst = [self._aged(message) for message in burst if not self._is_in_hand(message)]
        self._in_hand.update([m.token.packet_id for m in burst if isinstance(m.token, PacketToken)])
        return list(burst)

    def acked(self, packet_ids: Iterable[int]) -> None:
        """Note that these are no longer in hand."""
        self._in_hand.difference_update(packet_ids)

    def _is_in_hand(self, message: Message) -> bool:
        token = message.token
        return (
            message.redelivered
            and isinstance(token, PacketToken)
            and token.packet_id in self._in_hand
        )

    def _aged(self, message: Message) -> Message:
        if message.redelivered:
            return replace(message, waited=True, sent_before=self._connected_at)
        return replace(message, waited=True) if self._draining else message
