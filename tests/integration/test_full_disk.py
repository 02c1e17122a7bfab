"""A disk that fills up under the local stack: it comes back by itself when there is room."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import psycopg
import pytest

from services.core.runtime.settings import local_database
from tests.local_stack import STACK_PATIENCE_S, Local
from tests.services import server_directory
from tests.small_disk import fill, small_disk

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(7 * STACK_PATIENCE_S)]

_SIZE_MB = 900
_FILE = """
facility: {id: tight, name: Tight, timezone: UTC}
devices:
  - {id: tight-m, channels: [{id: p, quantity: power, unit: kW, kind: gauge}]}
"""


@pytest.fixture
def tight() -> Iterator[Local]:
    """A local stack whose directory is a small disk of its own."""
    with server_directory() as parent:
        parent.chmod(0o755)
        directory = parent / "tonne"
        directory.mkdir()
        with small_disk(directory, _SIZE_MB):
            stack = Local.at(directory)
            yield stack
            stack.call("down")


class Publisher:
    """Publishes a reading every 50 ms at QoS 1, and remembers which were acknowledged."""

    def __init__(self, port: int) -> None:
        self._start = datetime.now(UTC).replace(microsecond=0)
        self._sent: dict[int, datetime] = {}
        self.acknowledged: set[datetime] = set()
        self._ending = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="tight-m")
        self._client.on_publish = self._on_publish
        self._client.reconnect_delay_set(1, 2)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        for k in range(100_000):
            if self._ending.wait(0.05):
                return
            ts = self._start + timedelta(milliseconds=k)
            payload = f'{{"ts": "{ts.isoformat()}", "values": {{"p": {k}}}}}'
            sent = self._client.publish("emissions/tight/tight-m/readings", payload, qos=1)
            self._sent[sent.mid] = ts

    def _on_publish(self, _client: object, _data: object, mid: int, *_: object) -> None:
        if (ts := self._sent.get(mid)) is not None:
            self.acknowledged.add(ts)

    def end(self) -> None:
        self._ending.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()


def test_the_stack_comes_back_when_there_is_room_and_has_lost_nothing(tight: Local) -> None:
    done = tight.call("up")
    assert done.returncode == 0, done.stdout + done.stderr
    file = tight.directory / "tight.yaml"
    file.write_text(_FILE)
    subprocess.run(
        [Path(sys.executable).parent / "tonne", "apply", str(file)],
        env=tight.environment, check=True,
    )  # fmt: skip
    supervisor = int((tight.directory / "supervisord.pid").read_text())
    publisher = Publisher(int(tight.environment["TONNE_MQTT_PORT"]))
    try:
        tight.until(lambda: len(publisher.acknowledged) > 40, "messages are acknowledged")
        filling = fill(tight.directory)
        tight.until(lambda: not tight.ready(), "a full disk shows")
        # every process has tried to write by now, and supervisord to log what became of it
        for _ in range(20):
            fill(tight.directory)
            time.sleep(0.5)
        os.kill(supervisor, 0)
        filling.unlink()
        tight.until(tight.ready, "the stack comes back")
        before = len(publisher.acknowledged)
        tight.until(
            lambda: len(publisher.acknowledged) > before + 40,
            "messages are acknowledged again",
        )
    finally:
        publisher.end()
    os.kill(supervisor, 0)
    url = local_database(
        "tonne", int(tight.environment["TONNE_DB_PORT"]), tight.directory / "logins"
    )

    def missing() -> set[datetime]:
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT ts FROM reading r JOIN channel c ON c.id = r.channel_id"
                " JOIN device d ON d.id = c.device_id WHERE d.slug = 'tight-m'"
            ).fetchall()
        return publisher.acknowledged - {row[0] for row in rows}

    tight.until(lambda: not missing(), "acknowledged readings are stored")
