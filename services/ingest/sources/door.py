"""The port between who waits for an answer and the pipeline, beside that of brokers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.ingest.sources.source import Message


class Door(Protocol):
    """Brings messages whose senders wait until they are durable.

    Each has a receipt (:mod:`.receipt`). When messages come it nudges the source that the pipeline
    waits for (:meth:`.source.MessageSource.nudge`). What is in hand when the process dies is lost,
    and its sender hears no answer.
    """

    @property
    def is_bulk(self) -> bool:
        """Whether it brings so much history that it has to wait while much is to be written."""
        ...

    def start(self) -> None:
        """Begin to listen; returns at once."""
        ...

    def take(self, limit: int) -> list[Message]:
        """Return messages that wait, ``limit`` at most, in order of arrival; never waits itself."""
        ...

    def ack(self, messages: Sequence[Message]) -> None:
        """Note that these are durable, of which some may be a broker's; call after COMMIT only."""
        ...

    def close(self) -> None:
        """Send what answers are left, and listen no more."""
        ...
