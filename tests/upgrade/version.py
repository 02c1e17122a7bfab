"""One version of tonne by its code: commands that end, and services beside a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE_S, until
from tests.services import free_port

_MAIN = "from services.cli import main; main()"


@dataclass(frozen=True, kw_only=True)
class Version:
    """Code in a directory, on a database and at a broker."""

    code: Path
    database_url: str
    mqtt_url: str
    directory: Path
    ports: Mapping[str, int] = field(
        default_factory=lambda: {
            name: free_port()
            for name in ("API", "INGEST_METRICS", "AGGREGATOR_METRICS", "NOTIFY_METRICS")
        }
    )

    @property
    def environment(self) -> dict[str, str]:
        """What its processes run in; this test's own settings are none of theirs."""
        clean = {name: value for name, value in os.environ.items() if "TONNE_" not in name}
        return {
            **clean,
            "PYTHONPATH": str(self.code),
            "TONNE_DATABASE_URL": self.database_url,
            "TONNE_MQTT_URL": self.mqtt_url,
            "TONNE_LOCAL_DIR": str(self.directory),
            "TONNE_API_AUTH": "off",
            "TONNE_WEBHOOK_PRIVATE": "allow",
            **{f"TONNE_{name}_PORT": str(port) for name, port in self.ports.items()},
        }

    def run(
        self, *words: str, given: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-c", _MAIN, *words],
            env=self.environment | settings,
            cwd=self.directory,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    @contextmanager
    def serving(self, *services: str, **settings: str) -> Iterator[None]:
        """Run services, and the API until it answers; all of them end with the block."""
        running = []
        try:
            for service in services:
                with (self.directory / f"{service}.log").open("ab") as log:
                    running.append(
                        subprocess.Popen(
                            [sys.executable, "-c", _MAIN, service],
                            env=self.environment | settings,
                            cwd=self.directory,
                            stdout=log,
                            stderr=log,
                        )
                    )
            if "api" in services:
                until(lambda: self.get("/healthz") is not None, "the API answers", 4 * PATIENCE_S)
            yield
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(PATIENCE_S)

    def get(self, path: str) -> Any:
        """What a call of the API answers; None where it has no such call, or does not answer."""
        return self._ask(urllib.request.Request(self._url(path)))  # noqa: S310 - our own server

    def send(
        self, method: str, path: str, body: object, headers: Mapping[str, str] | None = None
    ) -> Any:
        """What a call with a body answers; None as :meth:`get`."""
        return self._ask(
            urllib.request.Request(  # noqa: S310 - our own server
                self._url(path),
                method=method,
                data=json.dumps(body).encode(),
                headers={
                    "Content-Type": "application/json",
                    "X-Tonne-Request": "1",
                    **(headers or {}),
                },
            )
        )

    @property
    def address(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.ports['API']}"

    def _url(self, path: str) -> str:
        return f"{self.address}{path}"

    def _ask(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except (urllib.error.HTTPError, OSError):
            return None
