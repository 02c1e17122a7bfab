"""A data logger that speaks HJ 212 by TCP: the simulator's, with a socket."""

from __future__ import annotations

import socket
import time
from typing import Self

from sensors_sim.hj212 import DataLogger
from tests.patience import PATIENCE_S


class Line:
    """A connection of a data logger to its host."""

    def __init__(self, port: int, logger: DataLogger) -> None:
        self.logger = logger
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        logger.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def resend(self) -> None:
        """Send all that the host has not answered."""
        self.send(b"".join(self.logger.unanswered.values()))

    def hear(self, *, until_answers: int) -> None:
        """Hear the host until it has given so many answers altogether."""
        while len(self.logger.answers) < until_answers:
            assert self.turn(), f"the host gave {len(self.logger.answers)} answers and left"

    def turn(self, timeout_s: float = PATIENCE_S) -> bool:
        """Hear what the host sends next; whether it is still there."""
        self._socket.settimeout(timeout_s)
        data = self._socket.recv(65_536)
        self.logger.hear(data)
        return bool(data)

    @property
    def is_ended(self) -> bool:
        """Whether the host ends the connection, in the time that tests wait."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if not self.turn():
                    return True
            except ConnectionError:
                return True
        return False
