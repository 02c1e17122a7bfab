"""How a connection to a device ends."""

from __future__ import annotations

from services.ingest.connections.endpoints import ConnectedDevice


class ConnectionFailedError(Exception):
    """Nothing can be fetched now; what follows says why, as one clause."""

    #: in metrics
    kind = "lost"


class AwayError(ConnectionFailedError):
    """The connection cannot be made, or ended."""

    kind = "away"


class SilentError(ConnectionFailedError):
    """The connection is open, and no answer comes."""

    kind = "silent"

    def __init__(self, why: str, device: ConnectedDevice | None = None) -> None:
        """``device``: who is silent of those behind the connection; None: all of them."""
        super().__init__(why)
        self.device = device
