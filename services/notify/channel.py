"""The port to a recipient: what a channel can do, and how it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.core.runtime.escapes import shown
from services.notify.message import Message


class DeliveryError(Exception):
    """A message was not accepted; the text says why, in one sentence, without any secret.

    It may quote the recipient's answer, so control characters are escaped.

    ``only_this``: the recipient works and refused this message alone; others can still be sent.
    ``wait_s``: how long the recipient asked to wait, None if it did not say.
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
    def max_at_once(self) -> int:
        """Return how many messages of different alerts may be in flight at once."""
        ...

    @property
    def repeat_every_s(self) -> float | None:
        """Return how often firing alerts are repeated to one that forgets; None: never."""
        ...

    async def send(self, message: Message) -> None:
        """Send a message; return when the recipient has accepted it.

        :raises DeliveryError: it refused, or did not answer in time.
        """
        ...

    async def repeat(self, messages: Sequence[Message]) -> None:
        """Send the messages of firing alerts again.

        :raises DeliveryError: the recipient did not accept all of them.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
