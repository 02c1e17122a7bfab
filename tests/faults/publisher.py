"""A gateway that publishes a round's messages at QoS 1 and books what is acknowledged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from paho.mqtt.enums import CallbackAPIVersion

from services.core.runtime.mqtt_client import MqttClient
from tests.faults.books import Books, Entry
from tests.faults.facility import TOPICS

_KEEPALIVE_S = 5


@contextmanager
def connected(port: int, client_id: str) -> Iterator[MqttClient]:
    """A client for messages that nobody counts; it connects again when the broker comes back."""
    client = MqttClient(CallbackAPIVersion.VERSION2, client_id=client_id)
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    client.connect("127.0.0.1", port, keepalive=_KEEPALIVE_S)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()
        client.release()


class Publisher:
    """Publishes over a persistent session, so that what was not acknowledged is sent again."""

    def __init__(self, port: int, books: Books) -> None:
        self._books = books
        self._lock = threading.Lock()
        self._unacknowledged: dict[int, Entry] = {}
        #: acknowledged before publish() had said which message that is
        self._acknowledged_early: set[int] = set()
        self._sending: threading.Thread | None = None
        self._client = MqttClient(
            CallbackAPIVersion.VERSION2, client_id="faults-gateway", clean_session=False
        )
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.max_inflight_messages_set(500)
        self._client.on_publish = self._on_puback
        self._client.connect("127.0.0.1", port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    def send(self, facility: str, entries: Sequence[Entry], per_second: float) -> None:
        """Begin to publish ``entries`` at a steady rate, on a thread of its own."""
        self._sending = threading.Thread(
            target=self._send, args=(facility, entries, per_second), daemon=True
        )
        self._sending.start()

    @property
    def done(self) -> bool:
        """Whether everything was sent and acknowledged."""
        with self._lock:
            nothing_left = not self._unacknowledged
        return nothing_left and self._sending is not None and not self._sending.is_alive()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
        self._client.release()

    def _send(self, facility: str, entries: Sequence[Entry], per_second: float) -> None:
        began = time.monotonic()
        for number, entry in enumerate(entries):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            payload = json.dumps({"ts": entry.ts_ms, "values": entry.values})
            # never under the lock: paho holds a lock of its own while it calls _on_puback
            sent = self._client.publish(
                TOPICS.get(entry.device) or f"emissions/{facility}/{entry.device}/readings",
                payload,
                qos=1,
            )
            with self._lock:
                early = sent.mid in self._acknowledged_early
                if early:
                    self._acknowledged_early.remove(sent.mid)
                else:
                    self._unacknowledged[sent.mid] = entry
            if early:
                self._books.acknowledged(entry)

    def _on_puback(
        self, _client: object, _data: object, mid: int, _reason: object, _properties: object
    ) -> None:
        with self._lock:
            entry = self._unacknowledged.pop(mid, None)
            if entry is None:
                self._acknowledged_early.add(mid)
        if entry is not None:
            self._books.acknowledged(entry)
