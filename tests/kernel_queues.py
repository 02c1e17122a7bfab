"""What the system holds of connections to a port of this machine, as Linux tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

_ESTABLISHED: Final = "01"


class Queues(NamedTuple):
    """Bytes of one connection from a server to its client."""

    #: that the client's system has not acknowledged
    sending: int
    #: that the client has not read
    received: int


def queues_of(port: int) -> list[Queues]:
    """Return what the system holds of each open connection to a server's port."""
    sending: dict[tuple[str, str], int] = {}
    received: dict[tuple[str, str], int] = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, state, queues = line.split()[1:5]
        out, unread = (int(part, 16) for part in queues.split(":"))
        if state != _ESTABLISHED:
            continue
        if local.endswith(f":{port:04X}"):
            sending[local, remote] = out
        elif remote.endswith(f":{port:04X}"):
            received[remote, local] = unread
    return [Queues(sending=out, received=received.get(ends, 0)) for ends, out in sending.items()]
