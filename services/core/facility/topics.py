"""Which topics a device can have: tonne's own, and those that every broker carries."""

from __future__ import annotations

import re
from typing import Final

#: MQTT's wildcards, and characters for which mosquitto ends the connection that names them.
_NEVER: Final = re.compile(r"[+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

#: mosquitto ends the connection above 200 levels.
_MAX_LEVELS: Final = 100

_MAX_BYTES: Final = 4000


#: As a level of a topic: any level, for instance the id of a device.
ANY: Final = "+"

#: Brokers keep topics that begin with $ for themselves.
_FETCHED: Final = "$device"

#: Topics of devices in the native format begin with it.
READINGS_ROOT: Final = "emissions"


def readings_topic(facility: str, device: str) -> str:
    """Return the topic of a device's messages in the native format."""
    return f"emissions/{facility}/{device}/readings"


def fetched_topic(facility: str, device: str) -> str:
    """Return where it is handed over what ingest fetches from a device; no broker carries it."""
    return f"{_FETCHED}/{facility}/{device}"


def is_fetched(topic: str) -> bool:
    """Whether a topic is one of those."""
    return topic.startswith(f"{_FETCHED}/")


def uncarried(topic: str) -> str:
    """Why no device can be heard at this topic; empty if it can.

    What a broker would take for something else must not reach its settings or its subscriptions:
    to NATS a level that is ``*`` or ``>`` is a wildcard, and topics with ``$`` are requests to it.
    """
    if topic.startswith("$"):
        return "what begins with $ is the broker's own"
    if not topic or _NEVER.search(topic):
        return "it holds characters that brokers refuse in a topic"
    if topic != topic.strip():
        return "a broker's settings know no space at the beginning or end"
    if not {"*", ">"}.isdisjoint(topic.split("/")):
        return "NATS takes a level that is * or > for a wildcard"
    if topic.count("/") >= _MAX_LEVELS or len(topic.encode()) > _MAX_BYTES:
        return f"it has more than {_MAX_LEVELS} levels or {_MAX_BYTES} bytes"
    return ""


def unheard(topic: str) -> str:
    """Why ingest could not hear messages at a topic, of which levels may be ``+``; else empty."""
    levels = topic.split("/")
    return uncarried("/".join("x" if level == ANY else level for level in levels))


def beyond_nats(topic: str) -> bool:
    """Whether NATS, the broker that tonne ships with, ends a connection that publishes there."""
    return " " in topic
