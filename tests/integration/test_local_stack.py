"""The local stack, started for real: in the background, in the foreground, killed, refused."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xmlrpc.client import Fault

import pytest

from deploy.local.places import Places
from deploy.local.problem import StackError
from deploy.local.supervision import Supervisor
from services.core.runtime.settings import Settings
from tests.patience import PATIENCE_S, until
from tests.services import free_port, server_directory

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(600)]

_REPOSITORY = Path(__file__).parent.parent.parent
_SERVICES = (
    "postgres",
    "nats",
    "ingest",
    "aggregator",
    "notifier",
    "api",
    "simulator",
    "broker-watch",
)


@dataclass(frozen=True, kw_only=True)
class Local:
    """A local stack with a directory and ports of its own."""

    directory: Path
    environment: dict[str, str]

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
            timeout=200,
        )

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
        marks = [os.fsencode(self.directory), self.environment["TONNE_MQTT_PORT"].encode()]
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


@pytest.fixture
def local() -> Iterator[Local]:
    with server_directory() as parent:
        # PostgreSQL's user must be able to walk down to the data
        parent.chmod(0o755)
        directory = parent / "tonne"
        directory.mkdir()
        # history up to now is there already: publishing ninety days is not what is tested
        (directory / "backfilled").write_text(datetime.now(UTC).isoformat())
        names = ("MQTT", "DB", "API", "INGEST_METRICS", "AGGREGATOR_METRICS", "NOTIFY_METRICS")
        stack = Local(
            directory=directory,
            environment=os.environ
            | {"TONNE_LOCAL_DIR": str(directory)}
            | {f"TONNE_{name}_PORT": str(free_port()) for name in names},
        )
        yield stack
        if (directory / "supervisord.pid").exists():
            stack.call("down")


def test_up_and_down_can_be_repeated_and_the_killed_come_back(local: Local) -> None:
    for _ in range(2):
        done = local.call("up")
        assert done.returncode == 0, done.stdout + done.stderr
        assert local.ready()

    before = local.pids()
    assert set(before) == set(_SERVICES)
    listed = local.call("status")
    assert listed.returncode == 0, listed.stdout
    words = [line.replace(",", "").split() for line in listed.stdout.splitlines()]
    assert {word[0]: int(word[3]) for word in words if word[1] == "RUNNING"} == before
    for name in _SERVICES:
        os.kill(before[name], signal.SIGKILL)

    def all_came_back() -> bool:
        now = local.pids()
        return set(now) == set(_SERVICES) and not set(now.values()) & set(before.values())

    until(lambda: all_came_back() and local.ready(), "all came back and the stack is ready")

    for _ in range(2):
        assert local.call("down").returncode == 0
        assert local.processes() == []


def test_nothing_outlives_the_launcher(local: Local) -> None:
    def launch() -> subprocess.Popen[bytes]:
        with (local.directory / "launcher.log").open("ab") as log:
            return subprocess.Popen(
                local.command("run"),
                env=local.environment,
                cwd=_REPOSITORY,
                stdout=log,
                stderr=log,
            )

    launcher = launch()
    until(local.ready, "the stack is ready")
    launcher.kill()
    launcher.wait()
    # started at once, it waits for those before it
    launcher = launch()
    until(
        lambda: len(local.pids()) == len(_SERVICES) and local.ready(),
        "one of each service runs, and the stack is ready",
        2 * PATIENCE_S,
    )
    supervisor = int((local.directory / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    assert launcher.wait(PATIENCE_S) == 1
    until(lambda: local.processes() == [], "every process is gone")

    launcher = launch()
    until(local.ready, "the stack is ready")
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(PATIENCE_S) == 0
    assert local.processes() == []


def test_a_port_in_use_is_one_sentence(local: Local) -> None:
    port = local.environment["TONNE_MQTT_PORT"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(port)))
        other.listen()
        done = local.call("up")
    assert done.returncode == 1
    assert done.stderr == (
        f"tonne: port {port} cannot be used (Address already in use);"
        " stop what listens there or set TONNE_MQTT_PORT to another port\n"
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"TONNE_PORT": "1"}, "TONNE_PORT is not a setting of tonne"),
        ({"TONNE_DB_PORT": "many"}, "TONNE_DB_PORT: "),
        ({"TONNE_LOCAL_DIR": "/proc/tonne"}, "/proc/tonne cannot be written"),
        ({"TONNE_LOCAL_DIR": "/tmp/" + "x" * 90}, "set TONNE_LOCAL_DIR to a shorter one"),  # noqa: S108 - never made
    ],
)
def test_a_wrong_setting_is_one_sentence(
    local: Local, settings: dict[str, str], sentence: str
) -> None:
    done = local.call("up", **settings)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tonne: ")
    assert sentence in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_is_one_sentence(local: Local) -> None:
    small = local.directory / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(small)], check=True)
    try:
        done = local.call("up", TONNE_LOCAL_DIR=str(small))
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert done.returncode == 1
    assert "500 MB are needed; free some space" in done.stderr


def test_a_service_that_does_not_start_is_named_with_its_reason(local: Local) -> None:
    done = local.call("up", TONNE_OLDEST_READING="long ago")
    assert done.returncode == 1
    assert "ingest does not stay up" in done.stderr
    assert "TONNE_OLDEST_READING must be a time" in done.stderr
    assert local.processes() == []
