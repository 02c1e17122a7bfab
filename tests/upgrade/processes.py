"""Processes of the present version, on one database and at one broker."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.forked import Forked
from tests.patience import PATIENCE_S
from tests.services import Mosquitto, free_port

SERVICES = ("ingest", "aggregate", "notify", "api")


class Processes:
    """Commands that run to their end, and services beside a test."""

    def __init__(self, url: str, mosquitto: Mosquitto, directory: Path) -> None:
        names = ("API", "INGEST_METRICS", "AGGREGATOR_METRICS", "NOTIFY_METRICS")
        ports = {f"TONNE_{name}_PORT": str(free_port()) for name in names}
        self._api = f"http://127.0.0.1:{ports['TONNE_API_PORT']}"
        self._environment = {
            **os.environ,
            "TONNE_DATABASE_URL": url,
            "TONNE_MQTT_URL": mosquitto.url,
            "TONNE_LOCAL_DIR": str(directory),
            "TONNE_API_AUTH": "off",
            **ports,
        }
        self._log = directory / "log"

    @property
    def said(self) -> str:
        """The end of what they logged."""
        return self._log.read_text()[-3000:]

    @contextmanager
    def running(self, *words: str) -> Iterator[Forked]:
        """Run a command until the end of the block, or its own."""
        with self._log.open("ab") as log:
            process = Forked(words, environment=self._environment, stdout=log.fileno())
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    @contextmanager
    def serving(self) -> Iterator[list[Forked]]:
        """Run all services."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.running(service)) for service in SERVICES]

    def run(self, *words: str) -> None:
        """Run a command to its end."""
        with self.running(*words) as process:
            assert process.wait(PATIENCE_S) == 0, self.said

    def get(self, path: str) -> Any:
        """What a call of the API answers; None while it does not, or is not ready."""
        try:
            with urllib.request.urlopen(f"{self._api}{path}", timeout=PATIENCE_S) as answer:  # noqa: S310
                return json.loads(answer.read())
        except OSError:
            return None
