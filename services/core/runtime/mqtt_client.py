"""paho's client, made to leave no socket open: what is left to the garbage collector stays long."""

from __future__ import annotations

import socket
import ssl
from typing import Any, cast

from paho.mqtt.client import Client


class MqttClient(Client):
    """paho, whose connection is closed if no session comes of it."""

    _opening: socket.socket | None = None

    def release(self) -> None:
        """Close what disconnecting and stopping have left open; the last call of all."""
        self._reset_sockets()

    def _create_socket(self) -> Any:
        try:
            return super()._create_socket()
        except BaseException:
            # paho leaves a connection open whose WebSocket handshake fails
            if self._opening is not None:
                self._opening.close()
            raise
        finally:
            self._opening = None

    def _create_socket_connection(self) -> socket.socket:
        self._opening = super()._create_socket_connection()
        return self._opening

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        context = cast(ssl.SSLContext, self._ssl_context)
        # a handshake that fails inside wrap_socket closes its socket; paho's, made later, does not
        tcp_sock.settimeout(self._connect_timeout)
        self._opening = wrapped = context.wrap_socket(tcp_sock, server_hostname=self._host)
        return wrapped
