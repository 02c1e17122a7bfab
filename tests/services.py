"""Real servers for tests, each on a free port of 127.0.0.1, with the settings that tonne ships.

None outlives the test run: each is told to end when the process that started it dies.
"""

from __future__ import annotations

import getpass
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy.local import nats_server, postgres_server
from tests.forked import Forked
from tests.patience import PATIENCE_S, pauses

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the directory within is made by mkdtemp
#: Begins the name of a directory; the process that made it follows.
_OURS = "tonne-test-"
#: Several times what one cluster takes; a container's usual 64 MB is too little.
_ROOM_BYTES = 1 << 30
_MOSQUITTO_SETTINGS = Path(__file__).parent.parent / "deploy" / "mosquitto" / "tonne.conf"


def _ports() -> Iterator[int]:
    """Ports that the system gives to no client, in an order that each process has anew.

    Workers of a run share none: two would find the same one free before either listens on it.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(10_000 + worker, 32_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    return itertools.cycle(random.SystemRandom().sample(ports, len(ports)))


_PORTS = _ports()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on.

    Of those that the system chooses one may be a client's by the time that a server asks for it.
    """
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def accepts_connections(port: int) -> bool:
    """Whether something listens on ``port`` of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def as_login(url: str, login: str) -> str:
    """The URL of a test's database for the login of a process."""
    return url.replace(f"//{postgres_server.SUPERUSER}@", f"//{login}@")


class Server(ABC):
    """A program that is started, stopped and killed at will and keeps its data and port.

    ``stop`` ends it in order, ``kill`` without warning (SIGKILL); ``start`` returns when it answers
    and does nothing while it runs.
    """

    #: What asks the program to stop in order.
    stop_signal = signal.SIGTERM

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.log = directory / "server.log"
        self._process: subprocess.Popen[bytes] | Forked | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Command line that runs the program in the foreground."""

    def environment(self) -> dict[str, str]:
        """Environment variables beside those of the test run."""
        return {}

    def answers(self) -> bool:
        """Whether the program can be used."""
        return accepts_connections(self.port)

    def launched(self, log: int) -> subprocess.Popen[bytes] | Forked:
        """Start the program, which writes into the open file ``log``."""
        return subprocess.Popen(
            self.command(),
            env={**os.environ, **self.environment()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        """Whether the program's process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running program."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the program and wait until it answers."""
        for pause_s in pauses():
            if self.running and self.answers():
                return
            if not self.running:
                with self.log.open("ab") as log:
                    self._process = self.launched(log.fileno())
            time.sleep(pause_s)
        self.kill()
        pytest.fail(f"{self.command()[-1]} did not start: {self.log_tail()}")

    def stop(self) -> None:
        """Stop the program in order; does nothing if it does not run."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the program without warning; does nothing if it does not run."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            pytest.fail(f"process {self._process.args!r} did not stop: {self.log_tail()}")
        self._process = None

    def log_tail(self) -> str:
        """The last lines that the program logged."""
        if not self.log.exists():
            return "it logged nothing"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


class Postgres(Server):
    """A throw-away PostgreSQL cluster with TimescaleDB; what it holds need not survive power loss.

    ``url`` is that of its superuser on the database ``postgres``.
    """

    stop_signal = signal.SIGINT

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._programs = postgres_server.find_programs()
        self._data_dir = directory / "data"
        self._administering: psycopg.Connection[Any] | None = None
        self.make_cluster()

    def make_cluster(self) -> None:
        """Make the files that it runs on."""
        postgres_server.make_cluster(self._programs, self._data_dir)

    @property
    def data_dir(self) -> Path:
        """Directory of the cluster."""
        return self._data_dir

    @property
    def url(self) -> str:
        """URL of the superuser on the database ``postgres``."""
        return self.url_of("postgres")

    def halt(self) -> None:
        """Let all of its processes stand still: it takes connections and answers nothing."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let them go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        # its backends are in sessions of their own
        os.kill(self.pid, number)
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            # one that has ended is gone as soon as its parent goes on
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def url_of(self, database: str) -> str:
        """URL of the superuser on ``database``."""
        return f"postgresql://{postgres_server.SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        """Settings that make many small databases cheap; durable against kill -9 all the same."""
        cheap = [
            "fsync=off",
            "full_page_writes=off",
            "max_connections=200",
            "shared_buffers=128MB",
            # without them no worker of TimescaleDB holds a database that is copied or dropped
            "timescaledb.max_background_workers=0",
        ]
        if self.directory.is_relative_to(_SHARED_MEMORY):
            cheap += ["min_wal_size=32MB", "max_wal_size=256MB"]
        return postgres_server.server_command(
            self._programs, self._data_dir, self.port, settings=cheap
        )

    def answers(self) -> bool:
        """Whether a connection is accepted and answered."""
        try:
            with psycopg.connect(self.url, connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def execute(self, statement: str) -> None:
        """Run one statement as superuser, outside a transaction."""
        # each test asks for a database and drops it: one connection serves them all
        for tried in (False, True):
            if self._administering is None:
                self._administering = psycopg.connect(self.url, autocommit=True)
            try:
                self._administering.execute(statement.encode())
            except psycopg.OperationalError:
                # the server may have been killed since
                alive = not self._administering.broken
                self._leave()
                if tried or alive:
                    raise
            else:
                return

    def _leave(self) -> None:
        if self._administering is not None:
            self._administering.close()
            self._administering = None

    def _end(self, how: signal.Signals) -> None:
        self._leave()
        super()._end(how)

    @contextmanager
    def fresh_database(self, *, template: str = "template1") -> Iterator[str]:
        """A new database, dropped at the end with whoever is connected; yields its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        # as files: a few system calls instead of 11 MB of log
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        try:
            yield self.url_of(name)
        finally:
            if self.running:
                self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def freeze_as_template(self, name: str) -> None:
        """Let nobody connect to a database any more, so that it can be copied at any time."""
        self.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false IS_TEMPLATE true')
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )


class Nats(Server):
    """The broker that tonne ships with. ``url`` is its MQTT address, ``nats_url`` the other one."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.client_port = free_port()
        self.passwords = nats_server.prepare(directory)

    @property
    def url(self) -> str:
        """MQTT address."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def nats_url(self) -> str:
        """Address for NATS clients, with tonne's account: there is none without."""
        return self.passwords.ingest_at("nats", self.client_port)

    def answers(self) -> bool:
        """Whether both kinds of clients can come: it listens for MQTT a moment sooner."""
        return super().answers() and accepts_connections(self.client_port)

    def command(self) -> list[str]:
        """The shipped settings, as they are."""
        return nats_server.server_command(self.directory)

    def environment(self) -> dict[str, str]:
        """What the shipped settings ask for."""
        return nats_server.server_environment(
            store_dir=self.directory / "store",
            mqtt_port=self.port,
            client_port=self.client_port,
        )


class UnsyncedNats(Nats):
    """With the shipped settings, but that it seldom syncs what it wrote to the disk.

    That matters where a machine loses its power, which no test tries: what a killed server wrote
    the kernel holds. Each server that only waits, of which a run has many, would otherwise spend a
    twentieth of a processor on looking every 10 ms.
    """

    def settings(self) -> str:
        """The settings file's text."""
        *_, shipped = super().command()
        return replaced(r'sync_interval: "\w+"', 'sync_interval: "1m"', Path(shipped).read_text())

    def command(self) -> list[str]:
        """The server with these settings."""
        *words, _ = super().command()
        written = self.directory / "nats.conf"
        written.write_text(self.settings(), encoding="utf-8")
        return [*words, str(written)]


def replaced(pattern: str, by: str, text: str) -> str:
    """Return a text with the one place that a pattern finds replaced."""
    text, count = re.subn(pattern, by, text)
    assert count == 1, pattern
    return text


class Mosquitto(Server):
    """The other supported broker. ``url`` is its MQTT address."""

    @property
    def url(self) -> str:
        """MQTT address."""
        return f"mqtt://127.0.0.1:{self.port}"

    def listeners(self) -> str:
        """Settings of further listeners."""
        return ""

    def command(self) -> list[str]:
        """The shipped settings with a listener, and data in a directory of its own."""
        program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            pytest.fail("mosquitto is missing; run: deploy/local/bootstrap.sh test")
        settings = self.directory / "mosquitto.conf"
        settings.write_text(
            f"{_MOSQUITTO_SETTINGS.read_text()}\n"
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n{self.listeners()}"
            f"persistence_location {self.directory}/\nuser {getpass.getuser()}\n"
        )
        return ["setpriv", "--pdeathsig", "TERM", "--", program, "-c", str(settings)]


class SeaweedFS(Server):
    """An S3 server. ``url`` is its address, ``key`` and ``secret`` are those of its one account."""

    key, secret = "test-key", "test-secret"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._others = [free_port() for _ in range(7)]
        (directory / "data").mkdir()
        account = {
            "name": "tests",
            "credentials": [{"accessKey": self.key, "secretKey": self.secret}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        (directory / "s3.json").write_text(json.dumps({"identities": [account]}))

    @property
    def url(self) -> str:
        """Address of its API."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """All of its servers in one process."""
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = self._others
        program = Path(sys.executable).with_name("weed")
        settings = {
            "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "dir": self.directory / "data",
            "master.port": master, "master.port.grpc": master_grpc,
            "volume.port": volume, "volume.port.grpc": volume_grpc,
            "filer.port": filer, "filer.port.grpc": filer_grpc,
            "s3.port": self.port, "s3.port.grpc": s3_grpc,
            "s3.config": self.directory / "s3.json",
            "master.volumeSizeLimitMB": 16, "volume.max": 8,
        }  # fmt: skip
        options = [f"-{name}={value}" for name, value in settings.items()]
        words = [str(program), "server", "-filer", "-s3", "-master.telemetry=false", *options]
        return ["setpriv", "--pdeathsig", "KILL", "--", *words]


class Alertmanager(Server):
    """The distribution's Prometheus Alertmanager, which tells one webhook, grouped by facility."""

    def __init__(self, directory: Path, webhook: str) -> None:
        super().__init__(directory)
        self._settings = directory / "alertmanager.yml"
        self._settings.write_text(
            "route: {receiver: hook, group_by: [facility], group_wait: 300ms,"
            " group_interval: 300ms}\n"
            f"receivers: [{{name: hook, webhook_configs: [{{url: '{webhook}'}}]}}]\n"
        )

    @property
    def url(self) -> str:
        """Address of its start page."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Alone, on this machine only; alerts are in its memory."""
        return [
            "setpriv", "--pdeathsig", "KILL", "--", "prometheus-alertmanager",
            f"--config.file={self._settings}",
            f"--storage.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]  # fmt: skip


def _memory() -> Path | None:
    """Where files are kept in memory; None if there is no such place, or a small one."""
    if not _SHARED_MEMORY.is_dir() or not os.access(_SHARED_MEMORY, os.W_OK | os.X_OK):
        return None
    for left in _SHARED_MEMORY.glob(f"{_OURS}[0-9]*-*"):
        # of a run that was killed: it would be taken from memory until the machine starts anew
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    roomy = shutil.disk_usage(_SHARED_MEMORY).free >= _ROOM_BYTES
    return _SHARED_MEMORY if roomy else None


def is_listening(path: Path) -> bool:
    """Say whether who connects to a socket's file is taken; the file is there a moment before."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def server_directory(*, for_postgres: bool = False, in_memory: bool = False) -> Iterator[Path]:
    """A temporary directory for one server, removed at the end.

    :param in_memory: the file system is one in memory where this machine has room on one.
    """
    place = _memory() if in_memory else None
    directory = Path(tempfile.mkdtemp(prefix=f"{_OURS}{os.getpid()}-", dir=place))
    try:
        if for_postgres:
            postgres_server.give_to_server_user(directory)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
