"""A subscriber that outlives its broker, and the simulator as its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from threading import Lock
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from services.core.runtime.mqtt_client import MqttClient
from tests.patience import PATIENCE_S, until
from tests.services import Nats

SIMULATOR = [sys.executable, "-c", "from sensors_sim.cli import main; main()"]


class LockedNats(Nats):
    """A broker that lets only the user ``meter`` with the password ``right`` in."""

    def command(self) -> list[str]:
        settings = self.directory / "locked.conf"
        settings.write_text(
            f"listen: 127.0.0.1:{self.client_port}\nserver_name: locked\n"
            f'jetstream {{ store_dir: "{self.directory}/store" }}\n'
            f"mqtt {{ listen: 127.0.0.1:{self.port} }}\n"
            'authorization { user: "meter", password: "right" }\n'
        )
        return [*super().command()[:-1], str(settings)]


class Witness:
    """A persistent subscriber written on another MQTT library than the simulator's own."""

    def __init__(self, port: int, topic: str) -> None:
        self._lock = Lock()
        self._messages: list[tuple[str, bytes, bool]] = []
        self._subscribed = False
        self._client = MqttClient(
            CallbackAPIVersion.VERSION2, client_id="witness", clean_session=False
        )
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(topic, qos=1)
        until(lambda: self._subscribed, "the witness is subscribed")

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed = True

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        with self._lock:
            self._messages.append((message.topic, bytes(message.payload), message.retain))

    @property
    def messages(self) -> list[tuple[str, bytes, bool]]:
        with self._lock:
            return list(self._messages)

    def values(self) -> list[tuple[str, str, Any, Any]]:
        """Every value that arrived: device, channel, ts as sent, value."""
        found = []
        for topic, payload, _ in self.messages:
            device = topic.split("/")[2]
            if topic.endswith("/readings"):
                body = json.loads(payload)
                for sample in body if isinstance(body, list) else [body]:
                    found += [
                        (device, channel, sample["ts"], value)
                        for channel, value in sample["values"].items()
                    ]
        return found

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.release()


class Simulator:
    """Starts ``tonne-sim`` as its own process."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*SIMULATOR, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
        )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str], status: int = 0) -> tuple[str, str]:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == status, err
        return out, err

    def run(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        return self.finish(self.start(*arguments), status)
