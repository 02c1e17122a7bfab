"""The port to a recipient: what a way of telling must be able to do, and how it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.core.runtime.escapes import shown
from services.notify.message import Message


class DeliveryError(Exception):
    """A message was not taken; the text says why, in one sentence, without any secret.

    What a receiver answered may be in it, so control characters are written out.

    ``only_this`` says that the recipient works and refused this message alone: others go on.
    ``wait_s`` is how long the recipient asked to be left alone, None if it did not say.
    """

    def __init__(
        self, reason: str, *, only_this: bool = False, wait_s: float | None = None
    ) -> None:
        super().__init__(shown(reason))
        self.only_this = only_this
        self.wait_s = wait_s


class Channel(Protocol):
    """One recipient, reached over one kind of transport. Every call ends within a deadline."""

    @property
    def most_at_once(self) -> int:
        """How many messages of different alerts may be on their way at once."""
        ...

    @property
    def repeat_every_s(self) -> float | None:
        """How often what still fires is told again to one that forgets; None: never."""
        ...

    async def send(self, message: Message) -> None:
        """Tell it. Returns when the recipient has taken it over.

        :raises DeliveryError: it did not, or did not say so in time.
        """
        ...

    async def repeat(self, messages: Sequence[Message]) -> None:
        """Tell again what still fires.

        :raises DeliveryError: the recipient did not take all of it.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
