"""What these tests need of the wire: a publisher, a quick broker, a cable that can be cut."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterable

from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from services.core.runtime.mqtt_client import MqttClient
from tests.patience import PATIENCE_S, until


def publish(
    port: int,
    messages: Iterable[tuple[str, bytes]],
    *,
    qos: int = 1,
    retain: bool = False,
    tls: ssl.SSLContext | None = None,
    properties: Properties | None = None,
) -> None:
    """Publish in order and return when the broker has acknowledged everything.

    ``properties``: of each message, by MQTT 5.
    """
    version = MQTTProtocolVersion.MQTTv311 if properties is None else MQTTProtocolVersion.MQTTv5
    client = MqttClient(CallbackAPIVersion.VERSION2, protocol=version)
    if tls is not None:
        client.tls_set_context(tls)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        for sent in [
            client.publish(t, p, qos=qos, retain=retain, properties=properties) for t, p in messages
        ]:
            sent.wait_for_publish(PATIENCE_S)
            assert sent.is_published()
    finally:
        client.disconnect()
        client.loop_stop()
        client.release()


def publishing(**values: object) -> Properties:
    """Return what MQTT 5 may say of a message, by the names that paho has for it."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def forget_session(port: int, client_id: str, *, tls: ssl.SSLContext | None = None) -> None:
    """Let the broker drop a persistent session and what it holds for it."""
    client = MqttClient(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
    if tls is not None:
        client.tls_set_context(tls)
    client.connect("127.0.0.1", port)
    client.loop_start()
    until(client.is_connected, "the session can be taken over")
    client.disconnect()
    client.loop_stop()
    client.release()


class Cable:
    """A TCP relay to a port of this machine.

    ``cut`` breaks what is connected through it; while ``mute``, nothing goes towards the port.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.mute = False
        #: connections through it so far
        self.connections = 0
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def cut(self) -> None:
        with self._lock:
            broken, self._open = self._open, []
        for end in broken:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open += [near, far]
                self.connections += 1
            for ends in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket, towards_port: bool) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                if not (towards_port and self.mute):
                    other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)
