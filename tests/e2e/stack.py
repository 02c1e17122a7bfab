"""All of tonne as an operator runs it: four services as processes, a broker, a database.

Any of them can be killed and started again. None outlives the test run, whatever happens to it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families

from services.core.runtime.mqtt_client import MqttClient
from tests.command import tonne
from tests.forked import Forked
from tests.patience import PATIENCE_S, until
from tests.services import Server, free_port, server_directory

ROOT = Path(__file__).parents[2]
DEMO = tuple(sorted((ROOT / "deploy" / "demo").glob("*.yaml")))

_PROGRAMS = Path(sys.executable).parent

#: A session with the broker, subscribed: a broker keeps messages only for sessions that exist.
_LISTENS = """
SELECT count(*) FROM process_progress WHERE process = 'ingest' AND instance LIKE %s
AND state->>'broker' = 'connected' AND progressed_at > now() - interval '5 seconds'
"""
_TURNS = """
SELECT count(*) FROM process_progress WHERE process IN ('aggregator', 'notify')
AND instance LIKE %s AND progressed_at > now() - interval '5 seconds'
"""
_WAITING = "SELECT (SELECT count(*) FROM touched) + (SELECT count(*) FROM recompute)"


class Service(Server):
    """One of tonne's processes; ``port`` is the API's, or that of the metrics."""

    def __init__(
        self, directory: Path, word: str, settings: Mapping[str, str], ready: Callable[[int], bool]
    ) -> None:
        """Prepare ``tonne WORD``; ``ready`` is asked with the process id."""
        directory.mkdir()
        super().__init__(directory)
        self._word = word
        self._settings = settings
        self._ready = ready

    def command(self) -> list[str]:
        return ["setpriv", "--pdeathsig", "KILL", "--", str(_PROGRAMS / "tonne"), self._word]

    def environment(self) -> dict[str, str]:
        setting = {
            "ingest": "INGEST_METRICS_PORT",
            "aggregate": "AGGREGATOR_METRICS_PORT",
            "notify": "NOTIFY_METRICS_PORT",
        }
        port = setting.get(self._word, "API_PORT")
        return {**self._settings, f"TONNE_{port}": str(self.port)}

    def answers(self) -> bool:
        return self._ready(self.pid)

    def metric(self, name: str, **labels: str) -> float:
        """Present value of one of the process's metrics; 0 if it was never counted."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=PATIENCE_S).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


class ForkedService(Service):
    """The same, forked from a process that has loaded it."""

    def launched(self, log: int) -> Forked:
        return Forked([self._word], environment={**os.environ, **self.environment()}, stdout=log)


class Stack:
    """The services over a migrated database and a broker, all demo facilities applied."""

    def __init__(self, directory: Path, *, database_url: str, mqtt_url: str) -> None:
        self.database_url = database_url
        self.mqtt_url = mqtt_url
        self.directory = directory
        #: where stations connect by HJ 212
        self.hj212_port = free_port()
        self._settings = {
            "TONNE_DATABASE_URL": database_url,
            "TONNE_MQTT_URL": mqtt_url,
            "TONNE_API_AUTH": "off",
            "TONNE_WEBHOOK_PRIVATE": "allow",
            "TONNE_READINGS_SOCKET": str(directory / "readings.sock"),
            "TONNE_HJ212_PORT": str(self.hj212_port),
        }
        self.ingest = self._service("ingest", lambda pid: self._progresses(_LISTENS, pid))
        self.aggregator = self._service("aggregate", lambda pid: self._progresses(_TURNS, pid))
        self.notifier = self._service("notify", lambda pid: self._progresses(_TURNS, pid))
        self.api = self._service("api", lambda _pid: self.try_get("/healthz") is not None)
        self.services = (self.ingest, self.aggregator, self.notifier, self.api)
        self._client = httpx.Client(base_url=self.url, timeout=PATIENCE_S)
        self._simulators: list[subprocess.Popen[str]] = []

    def _service(self, word: str, ready: Callable[[int], bool]) -> Service:
        return ForkedService(self.directory / word, word, self._settings, ready)

    @property
    def url(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self.api.port}"

    # -- start and end ------------------------------------------------------------------------

    def start(self) -> None:
        """Apply the demo facilities, start the services and wait until they are ready."""
        self.apply(*DEMO)
        with ThreadPoolExecutor(len(self.services)) as starters:
            for started in [starters.submit(service.start) for service in self.services]:
                started.result()
        until(self.ready, "/readyz says ready")

    def end(self) -> None:
        """Kill whatever still runs."""
        for simulator in self._simulators:
            simulator.kill()
            simulator.communicate()
        for service in self.services:
            service.kill()
        self._client.close()

    def apply(self, *files: Path) -> None:
        """Write facility files into the registry."""
        applied = tonne(self.database_url, "apply", *files)
        assert applied.code == 0, applied.said

    # -- devices ------------------------------------------------------------------------------

    def simulate(self, *arguments: str) -> str:
        """Run ``tonne-sim`` to its end; return what it printed."""
        done = subprocess.run(
            [str(_PROGRAMS / "tonne-sim"), *arguments],
            env=self._settings | {"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def simulator(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``tonne-sim`` and return the process."""
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", str(_PROGRAMS / "tonne-sim"), *arguments],
            env=self._settings | {"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._simulators.append(process)
        return process

    # -- what people see ----------------------------------------------------------------------

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON body that a call answers with."""
        response = self._client.get(path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def try_get(self, path: str, **parameters: Any) -> Any:
        """The same, or None while the API or its database is away."""
        try:
            response = self._client.get(path, params=parameters)
        except httpx.TransportError:
            return None
        return response.json() if response.status_code == 200 else None

    def ready(self) -> bool:
        """Whether ``/readyz`` says so."""
        return self.try_get("/readyz") is not None

    def settled(self) -> bool:
        """Whether every reading that is stored has been aggregated."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(_WAITING).fetchone()
        return row is not None and row[0] == 0

    def readings(self) -> int:
        """How many readings are stored."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute("SELECT count(*) FROM reading").fetchone()
        return 0 if row is None else int(row[0])

    def _progresses(self, question: str, pid: int) -> bool:
        try:
            with psycopg.connect(self.database_url, connect_timeout=2) as connection:
                row = connection.execute(question.encode(), (f"%:{pid}",)).fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and row[0] == 1


class Device:
    """A plain MQTT client of a well-known library, as a gateway would use it."""

    def __init__(self, mqtt_url: str) -> None:
        host, port = mqtt_url.removeprefix("mqtt://").split(":")
        self._client = MqttClient(CallbackAPIVersion.VERSION2)
        self._client.connect(host, int(port))
        self._client.loop_start()

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.release()

    def publish(self, topic: str, payload: bytes | str) -> None:
        """Publish at QoS 1; returns when the broker has acknowledged."""
        published = self._client.publish(topic, payload, qos=1)
        published.wait_for_publish(PATIENCE_S)
        assert published.is_published(), f"no answer of the broker to a message at {topic}"


@contextmanager
def running_stack(*, database_url: str, mqtt_url: str) -> Iterator[Stack]:
    """Start everything; end every process, also after a failure."""
    with server_directory() as directory:
        stack = Stack(directory, database_url=database_url, mqtt_url=mqtt_url)
        try:
            stack.start()
            yield stack
        finally:
            stack.end()
