"""A local stack of a test's own, as ``make run`` and ``make up`` start one."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xmlrpc.client import Fault

import pytest

from deploy.local.places import Places
from deploy.local.problem import StackError
from deploy.local.supervision import Supervisor
from services.core.runtime.settings import Settings
from tests.patience import until
from tests.services import free_port

#: For a whole stack to start, to come back, or to end. A start runs a dozen programs one after
#: another, fifteen seconds of a processor together, and a busy machine gives it a fraction of one.
STACK_PATIENCE_S = 300.0

_REPOSITORY = Path(__file__).parent.parent
_PORTS = ("MQTT", "DB", "API", "INGEST_METRICS", "AGGREGATOR_METRICS", "NOTIFY_METRICS")
_LINES_OF_LOG = 8


@dataclass(frozen=True, kw_only=True)
class Local:
    """A local stack with a directory and ports of its own."""

    directory: Path
    environment: dict[str, str]

    @classmethod
    def at(cls, directory: Path) -> Local:
        """A stack whose demo has its history up to now: publishing ninety days is no test's."""
        (directory / "backfilled").write_text(datetime.now(UTC).isoformat())
        return cls(
            directory=directory,
            environment=os.environ
            | {"TONNE_LOCAL_DIR": str(directory)}
            | {f"TONNE_{name}_PORT": str(free_port()) for name in _PORTS},
        )

    def command(self, verb: str) -> list[str]:
        return [sys.executable, "-m", "deploy.local.stack", verb]

    def call(self, verb: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb),
            env=self.environment | settings,
            cwd=_REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=STACK_PATIENCE_S,
        )

    @contextmanager
    def launched(self) -> Iterator[subprocess.Popen[bytes]]:
        """A launcher in the foreground, which does not outlive the block."""
        with self._launcher_log.open("ab") as log:
            launcher = subprocess.Popen(
                self.command("run"),
                env=self.environment,
                cwd=_REPOSITORY,
                stdout=log,
                stderr=log,
            )
        try:
            yield launcher
        finally:
            launcher.kill()
            launcher.wait()

    def until(
        self,
        condition: Callable[[], bool],
        what: str,
        launcher: subprocess.Popen[bytes] | None = None,
    ) -> None:
        """Wait for what a whole stack takes; say how it is if that fails, or its launcher ends."""

        def true_or_never() -> bool:
            ended = launcher is not None and launcher.poll() is not None
            if condition():
                return True
            if ended:
                pytest.fail(f"the launcher ended, so never: {what}\n{self.state()}")
            return False

        until(true_or_never, what, STACK_PATIENCE_S, explain=self.state)

    def ready(self) -> bool:
        url = f"http://127.0.0.1:{self.environment['TONNE_API_PORT']}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except OSError:
            return False

    def pids(self) -> dict[str, int]:
        """Process ids of the services that run, as supervisord itself answers."""
        places = Places(
            local_dir=self.directory, settings=Settings(), own_database=True, own_broker=True
        )
        try:
            states = Supervisor(places).states()
        except (StackError, Fault):
            # it is not there, or about to go
            return {}
        return {
            name: info["pid"] for name, info in states.items() if info["statename"] == "RUNNING"
        }

    def processes(self) -> list[str]:
        """Command lines of whatever works for this stack, found by its directory and ports."""
        port = f"TONNE_MQTT_PORT={self.environment['TONNE_MQTT_PORT']}"
        marks = [os.fsencode(self.directory), port.encode()]
        found = []
        for process in Path("/proc").iterdir():
            if not process.name.isdigit() or int(process.name) == os.getpid():
                continue
            try:
                words = (process / "cmdline").read_bytes()
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            if words and any(mark in words + environment for mark in marks):
                found.append(words.replace(b"\0", b" ").decode())
        return found

    def state(self) -> str:
        """What of it runs, and how each of its logs ends: for a test that fails."""
        status = self.call("status")
        parts = ["status", status.stdout + status.stderr, "processes", *self.processes()]
        for log in (self._launcher_log, *sorted(self.directory.glob("log/*.log"))):
            if log.exists():
                lines = log.read_text(errors="replace").splitlines()[-_LINES_OF_LOG:]
                parts += [f"-- {log.name}", *lines]
        return "\n".join(parts)

    @property
    def _launcher_log(self) -> Path:
        return self.directory / "launcher.log"
