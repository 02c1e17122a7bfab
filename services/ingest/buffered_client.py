"""paho's client where it has a :class:`.BufferedSocket` to read from."""

from __future__ import annotations

import socket
import ssl
from typing import Any, cast

from paho.mqtt.client import Client

from services.ingest.buffered_socket import BufferedSocket


class BufferedClient(Client):
    """paho over a socket that reads ahead, and is closed if no session comes of it."""

    _opening: socket.socket | None = None

    def _create_socket(self) -> Any:
        try:
            made = super()._create_socket()
        except BaseException:
            # paho leaves a connection open whose WebSocket handshake fails
            if self._opening is not None:
                self._opening.close()
            raise
        finally:
            self._opening = None
        return BufferedSocket(made) if isinstance(made, socket.socket) else made

    def _create_socket_connection(self) -> socket.socket:
        self._opening = super()._create_socket_connection()
        return self._opening

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        context = cast(ssl.SSLContext, self._ssl_context)
        # a handshake that fails inside wrap_socket closes its socket; paho's, made later, does not
        tcp_sock.settimeout(self._connect_timeout)
        self._opening = wrapped = context.wrap_socket(tcp_sock, server_hostname=self._host)
        return wrapped

    @property
    def between_packets(self) -> bool:
        """Whether the next byte begins a packet."""
        return self._in_packet["command"] == 0
