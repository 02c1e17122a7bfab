"""What acknowledges a message of MQTT."""

from __future__ import annotations

import msgspec


class PacketToken(msgspec.Struct, frozen=True, gc=False):
    """Acknowledges one message, on the connection that delivered it."""

    generation: int
    packet_id: int
