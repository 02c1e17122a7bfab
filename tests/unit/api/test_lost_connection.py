"""A client that leaves before his stream begins."""

from __future__ import annotations

import asyncio
import socket

import pytest

from services.api.admission.connections import GuardedProtocol
from services.api.live.viewer import Viewer


class Transport(asyncio.Transport):
    """A connection that is gone, or not."""

    def __init__(self, own: socket.socket, *, closing: bool) -> None:
        super().__init__({"socket": own})
        self._is_closing = closing

    def is_closing(self) -> bool:
        return self._is_closing


@pytest.mark.parametrize("has_left", [True, False])
async def test_a_stream_whose_client_has_left_ends_at_once(has_left: bool) -> None:
    protocol = GuardedProtocol.__new__(GuardedProtocol)
    with socket.socket() as own:
        protocol.transport = Transport(own, closing=has_left)
        viewer = Viewer(protocol, "linz", deflated=False)
        assert viewer.ended.done() == has_left
        viewer.finish()
