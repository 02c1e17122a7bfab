"""paho's client where it has a :class:`.BufferedSocket` to read from."""

from __future__ import annotations

import socket
from typing import Any

from paho.mqtt.enums import MQTTProtocolVersion

from services.core.runtime.mqtt_client import MqttClient
from services.ingest.sources.mqtt.buffered_socket import BufferedSocket


class BufferedClient(MqttClient):
    """paho over a socket that reads ahead."""

    def speak(self, version: MQTTProtocolVersion) -> None:
        """Use this version from the next connection on."""
        self._protocol = version

    def _create_socket(self) -> Any:
        made = super()._create_socket()
        return BufferedSocket(made) if isinstance(made, socket.socket) else made

    @property
    def between_packets(self) -> bool:
        """Whether the next byte begins a packet."""
        return self._in_packet["command"] == 0
