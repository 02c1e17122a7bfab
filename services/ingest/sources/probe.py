"""Whether what the broker acknowledges comes to ingest: a message to itself, now and then.

A broker goes on acknowledging when the stream, the consumer or the session behind a subscription is
gone; a client that hears nothing cannot tell that from devices that say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog
from paho.mqtt.client import Client

from services.ingest.route import RESERVED, ROOT
from services.ingest.sources.source import Message

_log: Final = structlog.get_logger()

TOPIC: Final = f"{ROOT}/{RESERVED}/probe"

#: The account that tonne's own settings give the right to publish there; without it a broker may
#: hang up.
ACCOUNT: Final = "tonne-ingest"

_EVERY_S: Final = 10.0

#: How long it may be under way while nothing else is.
_PATIENCE_S: Final = 5.0

_UNANSWERED: Final = 3

SILENT: Final = (
    "what the broker acknowledges does not come to ingest: its stream, consumer or session is gone;"
    " restart the broker, then ingest, and look who may delete there"
)


class Probe:
    """Asks one connection; times are seconds of a monotonic clock."""

    def __init__(self, client: Client, *, enabled: bool) -> None:
        self._client = client
        self._enabled = enabled
        self._next_at = 0.0
        self._sent_at: float | None = None
        #: whether one came back ever: without that nothing can be said
        self._proven = False
        self._silent = False
        #: connections that ended one after the other while one was waited for
        self._unanswered = 0

    @property
    def under_way(self) -> bool:
        """Whether one is waited for."""
        return self._sent_at is not None

    @property
    def silent(self) -> bool:
        """Whether one did not come back, though nothing was in its way."""
        return self._silent

    def look(self, now: float, *, idle: bool) -> None:
        """Send one when it is time; ``idle``: everything that came was read and is settled."""
        if not self._enabled:
            return
        if self._sent_at is None:
            if now >= self._next_at:
                self._client.publish(TOPIC, b"", qos=1)
                self._sent_at = now
                self._next_at = now + _EVERY_S
        elif not idle:
            # behind a backlog it takes its time
            self._sent_at = now
        elif now - self._sent_at > _PATIENCE_S:
            self._missed(now)

    def heard(self, burst: Iterable[Message]) -> None:
        """Look for it among what has come."""
        if any(message.topic == TOPIC for message in burst):
            if self._silent:
                _log.info("what the broker acknowledges comes again")
            self._sent_at, self._silent, self._proven, self._unanswered = None, False, True, 0

    def lost(self) -> None:
        """Note that the connection has ended."""
        if self._sent_at is not None and self._proven:
            # a broker that cannot store what is published ends the connection of who publishes
            self._unanswered += 1
            if self._unanswered >= _UNANSWERED:
                self._missed(self._next_at)
        self._sent_at = None

    def _missed(self, now: float) -> None:
        self._sent_at = None
        self._next_at = now + _EVERY_S
        if self._proven and not self._silent:
            self._silent = True
            _log.error(SILENT)
