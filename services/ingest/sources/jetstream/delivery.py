"""A message as JetStream delivers it, and what acknowledges it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from nats.aio.msg import Msg

from services.ingest.sources.jetstream.subjects import MESSAGES, topic
from services.ingest.sources.source import Message

#: Parts of the reply subject $JS.ACK.<stream>.<consumer>.<delivered>.<sequence>..<time ns>.<left>;
#: where NATS has a domain or several accounts, two more stand before the stream.
_SHORT: Final = 9
_DELIVERED: Final = 4
_TIME_NS: Final = 7
_LONGER_BY: Final = 2


@dataclass(frozen=True, slots=True)
class DeliveryToken:
    """Acknowledges one message, on any connection, as long as its stream was not made anew."""

    era: datetime | None
    reply: str


def message(delivered: Msg, *, received_at: datetime, era: datetime | None) -> Message:
    """Return the MQTT message that lay in the stream."""
    # nats-py's own metadata takes ten times as long
    parts = delivered.reply.split(".", _TIME_NS + _LONGER_BY + 1)
    more = 0 if len(parts) == _SHORT else _LONGER_BY
    return Message(
        topic=topic(delivered.subject[len(MESSAGES) :]),
        payload=delivered.data,
        received_at=received_at,
        stored_at=datetime.fromtimestamp(int(parts[_TIME_NS + more]) / 1e9, UTC),
        token=DeliveryToken(era, delivered.reply),
        redelivered=parts[_DELIVERED + more] != "1",
    )
