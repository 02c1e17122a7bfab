"""The load generator's messages: encoded but for the packet id, the time and the number."""

from __future__ import annotations

from dataclasses import dataclass

from sensors_sim.mqtt_packets import PUBLISH, remaining_length

#: A device's messages are numbered from here, so that all of them have one size.
FIRST_NUMBER = 1_000_000
LAST_NUMBER = 9_999_999
_TS_DIGITS = 13


@dataclass(frozen=True, kw_only=True)
class Template:
    """A device's PUBLISH packet, cut where its packet id, time and number go."""

    head: bytes
    body: bytes

    def packet(self, packet_id: int, ts_ms: int, number: int) -> bytes:
        """Return the packet of the device's message ``number``."""
        return self.head + packet_id.to_bytes(2, "big") + self.body % (ts_ms, number)


def template(
    *, topic: str, channels: tuple[str, ...], device_number: int, payload_bytes: int
) -> Template:
    """Return the template of a device: payloads of ``payload_bytes``, or as short as they get.

    The first channel carries the message's number, a register that never stands still; the others
    a power that tells the devices apart. A key that receivers ignore fills the rest.
    """
    first, *others = channels
    power = 100 + device_number % 900
    values = f'"{first}":%d' + "".join(f',"{name}":{power}.5' for name in others)
    frame = f'{{"ts":%d,"values":{{{values}}},"fw":""}}'
    filled = len(frame) - 2 * len("%d") + _TS_DIGITS + len(str(FIRST_NUMBER))
    filler = "v" * max(payload_bytes - filled, 0)
    size = filled + len(filler)
    name = topic.encode()
    head = (
        bytes((PUBLISH << 4 | 0x02,))
        + remaining_length(2 + len(name) + 2 + size)
        + len(name).to_bytes(2, "big")
        + name
    )
    return Template(head=head, body=frame.replace('""', f'"{filler}"').encode())
