"""A broker that a test may kill and start again, and a subscriber that outlives it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

SIMULATOR = [sys.executable, "-c", "from sensors_sim.cli import main; main()"]
NATS_SERVER = Path(sys.executable).with_name("nats-server")


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
    """Return when the condition holds, or fail the test saying what never came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class KillableNats:
    """One nats-server on fixed ports with a store that survives its process."""

    def __init__(self, directory: Path, extra: str = "") -> None:
        self.port = free_port()
        self._config = directory / "nats.conf"
        self._config.write_text(
            f"listen: 127.0.0.1:{free_port()}\nserver_name: simulated\n"
            f'jetstream {{ store_dir: "{directory}/store" }}\n'
            f"mqtt {{ listen: 127.0.0.1:{self.port} }}\n{extra}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [NATS_SERVER, "-c", self._config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._listens, "nats-server listens")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        except OSError:
            return False
        return True


class Witness:
    """A persistent subscriber written on another MQTT library than the simulator's own."""

    def __init__(self, port: int, topic: str) -> None:
        self._lock = Lock()
        self._messages: list[tuple[str, bytes, bool]] = []
        self._subscribed = False
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="witness", clean_session=False
        )
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(topic, qos=1)
        wait_for(lambda: self._subscribed, "the witness is subscribed")

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
        out, err = process.communicate(timeout=90)
        assert process.returncode == status, err
        return out, err

    def run(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        return self.finish(self.start(*arguments), status)
