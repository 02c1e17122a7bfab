"""Dead man's switch: as long as alerts would be told, whoever asked for it hears so.

A heartbeat is no row of the outbox: one that could not be told in time is worth nothing later. It
stops when anything between a device and a recipient does: ingest, its session with the broker, the
aggregator, the notifier, the way to the recipient.
"""

from __future__ import annotations

from typing import Any

import psycopg

from services.core.runtime.clock import Clock
from services.core.store.operations.readiness import alerts_arise
from services.notify.message import HEARTBEAT, Message, rfc3339
from services.notify.recipients import Heartbeat, Recipients


class Pulse:
    """Which heartbeats are due; none while alerts could not arise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alerts_arise = False
        self._heartbeats: dict[str, list[Heartbeat]] = {}
        #: when it is told next, by target and facility, on a clock that only rises
        self._next_s: dict[tuple[str, str], float] = {}

    def follow(self, recipients: Recipients) -> None:
        """Take over what the facility files ask for now."""
        self._heartbeats = recipients.heartbeats()

    async def feel(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Ask the database whether readings become alerts."""
        self._alerts_arise = await alerts_arise(connection)

    def targets(self) -> set[str]:
        """Everybody who asked for a heartbeat."""
        return set(self._heartbeats)

    def wanted(self, target: str) -> bool:
        """Whether this one did."""
        return target in self._heartbeats

    def due(self, target: str, now_s: float) -> list[Message]:
        """Heartbeats to be told now, one for each facility."""
        if not self._alerts_arise:
            return []
        return [
            self._message(beat)
            for beat in self._heartbeats.get(target, [])
            if now_s >= self._next_s.get((target, beat.facility), now_s)
        ]

    def told(self, target: str, facility: str, now_s: float) -> None:
        """Remember that one was told."""
        for beat in self._heartbeats.get(target, []):
            if beat.facility == facility:
                self._next_s[target, facility] = now_s + beat.every_s

    def _message(self, beat: Heartbeat) -> Message:
        now = self._clock.now()
        return Message(
            key=f"{beat.facility}/heartbeat/{rfc3339(now)}",
            kind=HEARTBEAT,
            facility=beat.facility,
            body={"message": "alerts are watched and told", "every_s": beat.every_s},
            created_at=now,
        )
