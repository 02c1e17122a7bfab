"""An edge node whose payloads, aliases and sequence numbers are Eclipse Tahu's.

``python -m tests.tahu.node PORT HOST`` connects to a broker and is an edge node with one device,
whose primary host is HOST, as Sparkplug 3.0 wants it: it is born when that host says that it is
online, ends its session when it says that it is not, and stores what it measures until it is back.
It takes orders from its input and tells what it does, each a line of JSON.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from tahutils import (  # type: ignore[import-not-found]  # installed apart from tonne's packages
    MetricDataType,
    SpbModel,
    SpbTopic,
)
from tahutils.parse import (  # type: ignore[import-not-found]  # likewise
    parse_payload_to_metric_dict,
    payload_from_string,
)
from tahutils.tahu import sparkplug_b  # type: ignore[import-not-found]  # likewise

#: The metrics of its device, with their types.
METRICS: Final = {"Power": MetricDataType.Double, "Energy/Import": MetricDataType.UInt64}
_REBIRTH: Final = "Node Control/Rebirth"

Values = dict[str, float]


class Node:
    """An edge node with a connection; one thread does all that it does."""

    def __init__(self, port: int, host: str) -> None:
        self._port = port
        self._state = f"spBv1.0/STATE/{host}"
        self._topic = SpbTopic("Linz", "Gateway.1")
        self._of_device = SpbTopic("Linz", "Gateway.1", "Meter-1")
        self._node = SpbModel({"Load": MetricDataType.Float}, serialize_cast=bytes)
        self._device = SpbModel(METRICS, use_aliases=True, is_device=True, serialize_cast=bytes)
        self._client: Client | None = None
        #: of the host's newest word
        self._state_at = 0
        self._is_born = False
        self._values: Values = {"Power": 5.0, "Energy/Import": 1000}
        #: measured while the host was offline: milliseconds since the epoch, and values
        self._stored: list[tuple[int, Values]] = []
        self._told_ms = 0
        self.orders: queue.Queue[dict[str, Any] | MQTTMessage] = queue.Queue()

    def run(self) -> None:
        """Do what is ordered and what messages ask for, until ordered to end."""
        self._connect()
        while (order := self.orders.get()) != {"end": True}:
            if isinstance(order, MQTTMessage):
                self._heard(order)
            elif "vanish" in order:
                self._vanish()
            elif "connect" in order:
                self._connect()
            elif "lose" in order:
                # the payload has a number, and is never published
                self._device.getDataPayload({**self._values, "Power": -1.0})
            else:
                self._measured(order["measure"])
        self._vanish()

    def _connect(self) -> None:
        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.will_set(self._topic.ndeath, self._node.getDeathPayload(), qos=1)
        client.on_connect = lambda *_: client.subscribe([(self._topic.ncmd, 1), (self._state, 1)])
        client.on_message = lambda _client, _data, message: self.orders.put(message)
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        self._client, self._is_born, self._state_at = client, False, 0

    def _vanish(self) -> None:
        """Break the connection, so that the broker publishes the death."""
        client, self._client, self._is_born = self._client, None, False
        if client is not None and (connection := client.socket()) is not None:
            connection.close()
            client.loop_stop()

    def _heard(self, message: MQTTMessage) -> None:
        if message.topic == self._state:
            self._host_says(json.loads(message.payload))
            return
        metrics = parse_payload_to_metric_dict(payload_from_string(bytes(message.payload)))
        if _REBIRTH in metrics and metrics[_REBIRTH].value:
            _tell("rebirth")
            self._births()

    def _host_says(self, state: dict[str, Any]) -> None:
        # an older word is a retained one of a session before
        if state["timestamp"] < self._state_at:
            return
        self._state_at = state["timestamp"]
        if state["online"] and not self._is_born:
            self._births()
            self._history()
        elif not state["online"] and self._is_born:
            self._publish(self._topic.ndeath, self._node.last_death)
            assert self._client is not None
            self._client.disconnect()
            self._client.loop_stop()
            self._connect()
            _tell("waits")

    def _births(self) -> None:
        own = self._node.getBirthPayload({"Load": 12.5}, timestamp_override=self._now_ms())
        self._publish(self._topic.nbirth, own)
        born = self._device.getBirthPayload(self._values, timestamp_override=self._now_ms())
        self._publish(self._of_device.dbirth, born)
        self._is_born = True
        _tell("born")

    def _history(self) -> None:
        """Send what was stored, at the times at which it was measured."""
        for at_ms, values in self._stored:
            payload = sparkplug_b.getDdataPayload()
            for name, value in values.items():
                metric = sparkplug_b.addHistoricalMetric(
                    payload, None, self._device.metricToAlias(name), METRICS[name], value
                )
                metric.timestamp = at_ms
            self._publish(self._of_device.ddata, payload.SerializeToString())
        self._stored.clear()

    def _measured(self, values: Values) -> None:
        self._values |= values
        if self._is_born:
            data = self._device.getDataPayload(values, timestamp_override=self._now_ms())
            self._publish(self._of_device.ddata, data)
            _tell("sent")
        else:
            self._stored.append((self._now_ms(), values))
            _tell("stored")

    def _now_ms(self) -> int:
        """Return the present; no two messages of a device have one time, and two values."""
        self._told_ms = max(round(time.time() * 1000), self._told_ms + 1)
        return self._told_ms

    def _publish(self, topic: str, payload: bytes) -> None:
        assert self._client is not None
        self._client.publish(topic, payload, qos=0).wait_for_publish(10)


def _tell(event: str) -> None:
    print(json.dumps(event), flush=True)  # noqa: T201 - who started it reads it


def main() -> None:
    """Be an edge node until the input ends."""
    node = Node(int(sys.argv[1]), sys.argv[2])

    def read() -> None:
        for line in sys.stdin:
            node.orders.put(json.loads(line))
        node.orders.put({"end": True})

    threading.Thread(target=read, daemon=True).start()
    node.run()


if __name__ == "__main__":
    main()
