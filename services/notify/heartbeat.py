"""Dead man's switch: regular messages for as long as alerts can be delivered.

Heartbeats are not in the outbox, as a late one is worthless. They stop when anything between a
device and a recipient stops: ingest, its session with the broker, the aggregator, the notifier, the
channel to the recipient.
"""

from __future__ import annotations

from typing import Any

import psycopg

from services.core.runtime.clock import Clock
from services.core.store.operations.readiness import alerts_arise
from services.notify.message import HEARTBEAT, Message, rfc3339
from services.notify.recipients import Heartbeat, Recipients


class Pulse:
    """The schedule of heartbeats; none is due while no alerts could arise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alerts_arise = False
        self._heartbeats: dict[str, list[Heartbeat]] = {}
        #: when the next one is due, by target and facility, on a monotonic clock
        self._next_s: dict[tuple[str, str], float] = {}

    def update(self, recipients: Recipients) -> None:
        """Take over the heartbeats that facility files ask for now."""
        self._heartbeats = recipients.heartbeats()

    async def check(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Read from the database whether readings can become alerts."""
        self._alerts_arise = await alerts_arise(connection)

    def targets(self) -> set[str]:
        """Return the targets that asked for a heartbeat."""
        return set(self._heartbeats)

    def wanted(self, target: str) -> bool:
        """Return whether a target asked for a heartbeat."""
        return target in self._heartbeats

    def due(self, target: str, now_s: float) -> list[Message]:
        """Return the heartbeats to send now, one for each facility."""
        if not self._alerts_arise:
            return []
        return [
            self._message(beat)
            for beat in self._heartbeats.get(target, [])
            if now_s >= self._next_s.get((target, beat.facility), now_s)
        ]

    def sent(self, target: str, facility: str, now_s: float) -> None:
        """Schedule the next heartbeat after one was sent."""
        for beat in self._heartbeats.get(target, []):
            if beat.facility == facility:
                self._next_s[target, facility] = now_s + beat.every_s

    def _message(self, beat: Heartbeat) -> Message:
        now = self._clock.now()
        return Message(
            key=f"{beat.facility}/heartbeat/{rfc3339(now)}",
            kind=HEARTBEAT,
            facility=beat.facility,
            body={"message": "alerts are watched and delivered", "every_s": beat.every_s},
            created_at=now,
            language=beat.language,
        )
