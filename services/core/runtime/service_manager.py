"""What systemd is told of this process: that it is ready, and that its main loop turns.

The protocol is that of ``sd_notify(3)``: lines of text, one datagram, to the Unix socket that
``NOTIFY_SOCKET`` names; an ``@`` at its beginning stands for a NUL. Where nobody asked to be told,
nothing is done. It is the loops themselves that call :func:`tell`: a thread of its own would go on
saying yes while the loop hangs.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

#: A loop that turns before it is ready gets more time to become so.
_MORE_TIME_US: Final = 60_000_000


def tell(*, ready: bool, environment: Mapping[str, str] = os.environ) -> None:
    """Say that the main loop has turned once more, and whether the service does its work.

    Being ready is believed once; to say it again does no harm.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    state = "READY=1" if ready else f"EXTEND_TIMEOUT_USEC={_MORE_TIME_US}"
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(1.0)
            connection.sendto(f"WATCHDOG=1\n{state}\n".encode(), address)
    except OSError:
        # a manager that cannot be reached does what it does with a silent process
        return
