"""The port between a broker and the pipeline: receive a batch, commit it, acknowledge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import psycopg

if TYPE_CHECKING:
    from services.core.store.readings.quarantine_reasons import Reason
    from services.ingest.resolve import Directory
    from services.ingest.sources.inbox import Inbox

from services.core.facility.beside import Properties
from services.ingest.sources.receipt import Receipt

#: What a source needs to acknowledge a message; nobody else looks inside.
Token = object


#: Filters that the broker does not grant, with the reason.
Refusals = Mapping[str, str]


class SourceError(RuntimeError):
    """The source cannot go on, and waiting will not help: the process must end with this message.

    A broker that is merely away is not an error: the source waits for it.
    """


class RefusedAtDoor(msgspec.Struct, frozen=True, kw_only=True):
    """Why a door lets a message go to quarantine and nowhere else."""

    reason: Reason
    detail: str
    #: whose it would have been: who takes messages at this topic; empty: nobody's
    topic: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message as the broker delivered it; a struct, because there are many of them."""

    topic: str
    payload: bytes
    #: by ingest
    received_at: datetime
    #: None: nothing to acknowledge (QoS 0)
    token: Token | None
    #: when the broker stored it, where the source knows; the same at each delivery
    stored_at: datetime | None = None
    #: the broker had delivered it before, so parts of it may be stored already
    redelivered: bool = False
    #: when it was sent at the latest, where it was delivered on an earlier connection already
    sent_before: datetime | None = None
    #: it may have lain in the broker for a time that nobody tells
    waited: bool = False
    #: kept by the broker for new subscribers: says nothing about when it was sent
    retained: bool = False
    #: of whom waits to hear what became of each reading; None: nobody does
    receipt: Receipt | None = None
    #: None: its door let it in
    refused: RefusedAtDoor | None = None
    #: who sent it, by an id that a door knows: where nobody takes it, it waits in quarantine for
    #: whoever registers that; None: it is not known, and such a message is ignored
    sender: str | None = None
    #: what MQTT 5 says of it; None: nothing, or it came otherwise
    properties: Properties | None = None

    @property
    def arrived_at(self) -> datetime:
        """When it came, as near to its sender as is known."""
        return self.stored_at or self.sent_before or self.received_at


class MessageSource(Protocol):
    """Delivers every message at least once; a message stays the broker's until it is acked.

    Messages of quality 0 are delivered while a connection is open, and need no ack.

    While nobody calls :meth:`receive` (the database is away), memory stays bounded: the source
    stops reading, and after some seconds gives up its connection, so that the broker keeps the
    backlog instead of delivering the same messages again and again. The next :meth:`receive`
    opens it again.
    """

    max_units: int | None
    """How much of its allowance the filters may take (:mod:`.subscriptions`); None: any."""

    inbox: Inbox
    """What has arrived; another door may put into it what needs no ack."""

    def start(
        self,
        filters: frozenset[str],
        *,
        draining: frozenset[str] = frozenset(),
        needless: frozenset[str] = frozenset(),
        known: bool = False,
    ) -> None:
        """Begin to connect and subscribe; returns at once.

        ``needless`` is what else the broker's session may hold; ``known``: there was one.
        """
        ...

    def subscribe(
        self,
        filters: frozenset[str],
        *,
        draining: frozenset[str] = frozenset(),
        renewed: frozenset[str] = frozenset(),
    ) -> None:
        """Make ``filters`` the whole set of topic filters, now and after every reconnect.

        ``renewed``: those of them that are asked for again though they are there, so that the
        broker sends what it retains at their topics. Of what the broker's session holds beside
        them, ``draining`` is left when what the broker has for it has come; the rest at once. A
        filter that the broker refuses is told by :attr:`refused`, and the others go on.
        """
        ...

    @property
    def refused(self) -> Refusals:
        """Filters of the present set that the broker does not grant."""
        ...

    @property
    def left(self) -> frozenset[str]:
        """Filters that the broker's session surely holds no more."""
        ...

    @property
    def silent(self) -> str:
        """Why what the broker acknowledges does not come, or nothing."""
        ...

    @property
    def trouble(self) -> str:
        """What happened to the session in the last hour that may have cost messages, or nothing."""
        ...

    @property
    def damage(self) -> str:
        """What the broker lost in the last hour of what it held for ingest, or nothing."""
        ...

    def receive(self, *, limit: int, gather_s: float, timeout_s: float) -> list[Message]:
        """Wait up to ``timeout_s`` for a message, then up to ``gather_s`` for more.

        Returns at most ``limit`` messages in order of arrival; none at the time-out.

        :raises SourceError: the source has ended.
        """
        ...

    def ack(self, messages: Sequence[Message]) -> None:
        """Tell the broker that these are durable; call after COMMIT only.

        No other message is ever acknowledged by mistake. Where an acknowledgement belongs to a
        connection, as in MQTT, those of an earlier one are dropped: their broker delivers them
        again anyway.
        """
        ...

    def nudge(self) -> None:
        """Let the :meth:`receive` that waits, or else the next one, return at once.

        Any thread may call it.
        """
        ...

    @property
    def connected(self) -> bool:
        """Whether a session with the broker is open and subscribed."""
        ...

    def close(self) -> None:
        """Send what acks are left and disconnect; the broker keeps the session."""
        ...


class Host(Protocol):
    """Another door without acknowledgements; what it hears, it puts into the source's inbox."""

    def look(self, connection: psycopg.Connection[Any], directory: Directory) -> None:
        """Hear what the registry names, no more and no less; call every second or so."""
        ...

    @property
    def due(self) -> bool:
        """Whether there is something to :meth:`write`."""
        ...

    def write(self, connection: psycopg.Connection[Any]) -> None:
        """Store what has to be remembered, and commit."""
        ...

    def close(self) -> None:
        """Hear nothing more; what was heard is in the inbox on return. May be called again."""
        ...


class Connector(Host, Protocol):
    """One that connects to devices."""

    @property
    def refused(self) -> str:
        """Which devices it does not connect to, with why and what to do; empty: none."""
        ...
