from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Literal

import pytest
from paho.mqtt.client import WebsocketConnectionError
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from services.core.runtime.mqtt_client import MqttClient
from tests.patience import PATIENCE_S, until


class _Refusal:
    """Answers one connection with something else than was asked for, and hears it end."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._refuse)
        self._thread.start()

    def _refuse(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(10.0)
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
            try:
                while connection.recv(1 << 16):
                    continue
            except TimeoutError:
                return
            except ConnectionResetError:
                pass
            self.ended.set()

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


@pytest.fixture
def refusal() -> Iterator[_Refusal]:
    made = _Refusal()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("transport", "secured"), [("websockets", False), ("websockets", True), ("tcp", True)]
)
def test_a_connection_of_which_no_session_comes_is_closed(
    refusal: _Refusal, transport: Literal["tcp", "websockets"], secured: bool
) -> None:
    client = MqttClient(CallbackAPIVersion.VERSION2, transport=transport)
    if secured:
        client.tls_set_context(ssl.create_default_context())
    # the failure is kept: with it would live what it leaves open
    with pytest.raises((WebsocketConnectionError, ssl.SSLError)) as failure:
        client.connect("127.0.0.1", refusal.port)
    assert refusal.ended.wait(5.0), failure


def test_a_network_thread_that_ends_while_it_is_stopped_is_no_error() -> None:
    ended = threading.Thread(target=lambda: None)
    ended.start()

    class Ending(MqttClient):
        """Whose thread takes itself away as soon as somebody has looked at it."""

        looks = 0

        @property
        def _thread(self) -> threading.Thread | None:
            self.looks += 1
            return ended if self.looks == 1 else None

        @_thread.setter
        def _thread(self, _thread: threading.Thread | None) -> None:
            self.looks = 0

    client = Ending(CallbackAPIVersion.VERSION2)
    client.looks = 0
    assert client.loop_stop() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert client.loop_stop() == MQTTErrorCode.MQTT_ERR_INVAL


class _Broker:
    """Takes one connection, sends more than is read, and hears how it ends."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard = bytearray()
        self.is_reset = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(60.0)
            connection.recv(1 << 16)
            # accepted, and a message of quality 0 again and again
            connection.sendall(b"\x20\x02\x00\x00" + b"\x30\x04\x00\x01ax" * 1000)
            try:
                while data := connection.recv(1 << 16):
                    self.heard += data
            except ConnectionResetError:
                self.is_reset = True

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


def test_who_leaves_is_heard_by_the_broker_though_it_has_not_read_all_that_came() -> None:
    broker = _Broker()
    client = MqttClient(CallbackAPIVersion.VERSION2, client_id="one")
    client.connect("127.0.0.1", broker.port)

    def is_connected() -> bool:
        assert client.loop(0.1) == MQTTErrorCode.MQTT_ERR_SUCCESS
        return client.is_connected()

    until(is_connected, "it is connected")
    client.leave(PATIENCE_S)
    broker.close()
    assert (bytes(broker.heard), broker.is_reset) == (b"\xe0\x00", False)
    # who has left is gone
    client.leave(PATIENCE_S)
    client.release()
