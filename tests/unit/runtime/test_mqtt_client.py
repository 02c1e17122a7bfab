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
