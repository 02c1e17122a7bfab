"""An edge node of Sparkplug B at a real broker: the simulator's, with a client of its own."""

from __future__ import annotations

import threading
import time
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sensors_sim.sparkplug import EdgeNode, Publication
from tests.patience import until


def now_ms() -> int:
    """The present, as Sparkplug tells it."""
    return round(time.time() * 1000)


class Peer:
    """An edge node on the network; it answers requests for a rebirth."""

    def __init__(self, port: int, node: EdgeNode) -> None:
        self.port = port
        self.node = node
        #: what this client was sent: topic, payload, retained
        self.heard: list[tuple[str, bytes, bool]] = []
        self.rebirths = 0
        #: whether it answers requests
        self.answers = True
        self._turn = threading.Lock()
        self._subscribed = threading.Event()
        self._client: Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.vanish()

    def connect(self, *, born: bool = True) -> None:
        """Open a connection with the will, hear commands and states, and publish the births."""
        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        will = self.node.will(now_ms())
        client.will_set(will.topic, will.payload, qos=1)
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._on_message
        self._subscribed.clear()
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        self._client = client
        until(self._subscribed.is_set, "the edge node hears commands")
        if born:
            self.publish(*self.node.births(now_ms()))

    def publish(self, *publications: Publication) -> None:
        """Publish, in order, as the specification wants it: at 0, not retained."""
        assert self._client is not None
        for publication in publications:
            self._client.publish(publication.topic, publication.payload, qos=0)

    def data(self, device: str, at_ms: int | None = None, **values: float | None) -> Publication:
        """What tells new values; it is not published yet."""
        return self.node.data(device, values, at_ms or now_ms())

    def states(self) -> list[bytes]:
        """What hosts said of themselves."""
        return [payload for topic, payload, _ in self.heard if "/STATE/" in topic]

    def vanish(self) -> None:
        """Let the connection break, so that the broker publishes the will."""
        client, self._client = self._client, None
        if client is not None:
            connection = client.socket()
            if connection is not None:
                connection.close()
            client.loop_stop()

    def _on_connect(
        self,
        client: Client,
        _userdata: Any,
        _flags: ConnectFlags,
        _code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        client.subscribe(
            [
                (f"spBv1.0/{self.node.group}/NCMD/{self.node.edge_node}", 1),
                ("spBv1.0/STATE/+", 1),
            ]
        )

    def _on_message(self, client: Client, _userdata: Any, packet: MQTTMessage) -> None:
        payload = bytes(packet.payload)
        self.heard.append((packet.topic, payload, packet.retain))
        if "/NCMD/" not in packet.topic:
            return
        self.rebirths += 1
        if self.answers:
            for birth in self.node.hear(packet.topic, payload, now_ms()):
                client.publish(birth.topic, birth.payload, qos=0)
