"""What a host application says of itself: its STATE (Sparkplug 3.0, sections 4.1.5 and 5.9). Pure.

Every connection begins with a will that says ``online: false``, and with a birth that says
``online: true`` with the same timestamp; edge nodes that wait for this host store what they measure
while it is offline. A death with a later timestamp ends a connection on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from services.ingest.sparkplug.topics import state_topic

#: Of every certificate (tck-id-host-topic-phid-birth-qos and others).
QOS: Final = 1


class _State(msgspec.Struct):
    online: bool
    timestamp: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """One message on a host's own topic, retained, of quality of service 1."""

    topic: str
    payload: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One connection to one broker."""

    host_id: str
    #: when CONNECT was sent, in milliseconds since the epoch
    connected_ms: int
    #: whether its birth was published
    is_born: bool = False


def will(session: Session) -> Certificate:
    """Return what the broker is to publish when the connection breaks."""
    return _certificate(session.host_id, online=False, timestamp_ms=session.connected_ms)


def birth(session: Session) -> Certificate:
    """Return what is published once every subscription is granted, before anything else."""
    return _certificate(session.host_id, online=True, timestamp_ms=session.connected_ms)


def death(session: Session, now_ms: int) -> Certificate:
    """Return what is published before the connection is ended on purpose.

    Its timestamp is that of the end, and never before that of the birth: clocks are put back.
    """
    return _certificate(
        session.host_id, online=False, timestamp_ms=max(now_ms, session.connected_ms)
    )


def answer(session: Session, topic: str, payload: bytes) -> Certificate | None:
    """Return what is to be published when a message arrives at STATE; None: nothing.

    Somebody says that this host is offline while it is online: the will of an earlier connection of
    its own that breaks only now, or another client.
    """
    if not session.is_born or topic != state_topic(session.host_id):
        return None
    return None if reads_online(payload) else birth(session)


def reads_online(payload: bytes) -> bool:
    """Whether a certificate says that its host is online."""
    try:
        return msgspec.json.decode(payload, type=_State).online
    except msgspec.MsgspecError:
        return False


def _certificate(host_id: str, *, online: bool, timestamp_ms: int) -> Certificate:
    payload = msgspec.json.encode(_State(online=online, timestamp=timestamp_ms))
    return Certificate(topic=state_topic(host_id), payload=payload)
