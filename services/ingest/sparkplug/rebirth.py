"""The command that lets an edge node publish its births again. Pure.

Sparkplug 3.0, section 5.14.
"""

from __future__ import annotations

from typing import Final

from services.ingest.decode.sparkplug_payload import Payload
from services.ingest.sparkplug.topics import Address, Verb

#: Never by an alias: it must be understood before any birth is.
NAME: Final = "Node Control/Rebirth"

_BOOLEAN: Final = 11


def rebirth(group: str, edge_node: str, now_ms: int) -> tuple[str, bytes]:
    """Return the topic and the payload of a request, at quality of service 0, not retained."""
    message = Payload(timestamp=now_ms)
    message.metrics.add(name=NAME, timestamp=now_ms, datatype=_BOOLEAN, boolean_value=True)
    topic = Address(group=group, verb=Verb.NCMD, edge_node=edge_node).topic
    return topic, message.SerializeToString()
