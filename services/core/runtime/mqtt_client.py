"""paho's client, made to leave no socket open: what is left to the garbage collector stays long."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any, Self, cast

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from services.core.runtime.broker_url import BrokerUrl

#: How long a broker may take to answer a connection.
_CONNECT_TIMEOUT_S = 5.0

_READ_BYTES = 1 << 16


class MqttClient(Client):
    """paho, whose connection is closed if no session comes of it."""

    _opening: socket.socket | None = None

    @classmethod
    def for_broker(
        cls,
        url: BrokerUrl,
        *,
        client_id: str,
        tls: ssl.SSLContext | None,
        clean_session: bool = True,
        manual_ack: bool = False,
        # NATS speaks no other
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    ) -> Self:
        """Make a client of the broker at ``url``, with its account; it never reconnects itself."""
        client = cls(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # by MQTT 5 each connection says it
            clean_session=None if version == MQTTProtocolVersion.MQTTv5 else clean_session,
            protocol=version,
            transport=url.transport,
            reconnect_on_failure=False,
            manual_ack=manual_ack,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        if url.transport == "websockets":
            client.ws_set_options(path=url.path)
        if tls is not None:
            client.tls_set_context(tls)
        if url.username is not None:
            client.username_pw_set(url.username, url.password)
        return client

    def loop_stop(self) -> MQTTErrorCode:
        """End the network thread, and wait for it.

        paho's own looks twice at what the thread itself takes away when it ends.
        """
        thread = self._thread
        self._thread_terminate = True
        if thread is None:
            return MQTTErrorCode.MQTT_ERR_INVAL
        if thread is not threading.current_thread():
            thread.join()
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def leave(self, within_s: float) -> None:
        """Disconnect, and close the connection once the broker has heard of it.

        Who closes while anything lies unread resets the connection: the broker may never read the
        word that ends it, and publishes the will.
        """
        connection = self.socket()
        if connection is None:
            return
        # paho closes its own as soon as the word is written
        with socket.socket(fileno=os.dup(connection.fileno())) as remaining:
            self.disconnect()
            self.loop_write()
            until_s = time.monotonic() + within_s
            with suppress(OSError):
                remaining.shutdown(socket.SHUT_WR)
                while (left_s := until_s - time.monotonic()) > 0:
                    remaining.settimeout(left_s)
                    if not remaining.recv(_READ_BYTES):
                        return

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
