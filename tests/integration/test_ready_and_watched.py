"""systemd's view of tonne's processes: ready once they work, fed while their loop turns."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import psycopg
import pytest

from tests.forked import Forked
from tests.integration.every_process import SERVICES
from tests.patience import PATIENCE_S, until
from tests.services import Nats, free_port

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(300)]

_WAITING_FOR_A_LOCK = """
SELECT coalesce(array_agg(DISTINCT split_part(application_name, ' ', 1)), '{}')
FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


_LOOPS = {"tonne.ingest", "tonne.aggregator", "tonne.notify"}


def _waiting(connection: psycopg.Connection[Any]) -> set[str]:
    row = connection.execute(_WAITING_FOR_A_LOCK).fetchone()
    return set() if row is None else set(row[0])


class _Manager:
    """What a process says to the manager's socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.listener.bind(str(path))

    def word(self, timeout_s: float) -> set[str]:
        """The next lines; none within the time: none."""
        self.listener.settimeout(timeout_s)
        try:
            return set(self.listener.recv(1000).decode().split())
        except TimeoutError:
            return set()

    def says_ready(self) -> bool:
        """Whether the next word is that it is ready."""
        return "READY=1" in self.word(1)

    def drain(self) -> None:
        while self.word(0.05):
            pass


@contextmanager
def _running(
    directory: Path, environment: dict[str, str], names: tuple[str, ...]
) -> Iterator[dict[str, _Manager]]:
    ports = {
        f"TONNE_{name}_PORT": str(free_port())
        for name in ("API", "INGEST_METRICS", "AGGREGATOR_METRICS", "NOTIFY_METRICS")
    }
    managers = {}
    with ExitStack() as stack:
        for name in names:
            manager = managers[name] = _Manager(directory / name)
            stack.callback(manager.listener.close)
            output = stack.enter_context(TemporaryFile("w+"))
            process = Forked(
                [name],
                environment={
                    **os.environ,
                    **ports,
                    **environment,
                    "NOTIFY_SOCKET": str(manager.path),
                },
                stdout=output.fileno(),
            )
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(process.terminate)
        yield managers


def test_a_service_is_ready_once_it_works_and_fed_while_its_loop_turns(
    nats: Nats, database_url: str, tmp_path: Path
) -> None:
    environment = {"TONNE_DATABASE_URL": database_url, "TONNE_MQTT_URL": nats.url}
    with _running(tmp_path, environment, SERVICES) as managers:
        for name, manager in managers.items():
            until(manager.says_ready, f"{name} is ready")
            assert "WATCHDOG=1" in manager.word(PATIENCE_S), name
        with (
            psycopg.connect(database_url) as connection,
            psycopg.connect(database_url, autocommit=True) as observer,
        ):
            # the three loops hang at what they write of themselves
            connection.execute("LOCK TABLE process_progress IN ACCESS EXCLUSIVE MODE")
            until(
                lambda: _waiting(observer) >= _LOOPS,
                "the loops hang",
                explain=lambda: str(_waiting(observer)),
            )
            for name in ("ingest", "aggregate", "notify"):
                managers[name].drain()
                assert managers[name].word(1.5) == set(), name
            # its loop is another one
            assert managers["api"].word(PATIENCE_S)
        for manager in managers.values():
            assert "WATCHDOG=1" in manager.word(PATIENCE_S)


def test_ingest_is_not_ready_without_its_broker(database_url: str, tmp_path: Path) -> None:
    environment = {
        "TONNE_DATABASE_URL": database_url,
        "TONNE_MQTT_URL": f"mqtt://127.0.0.1:{free_port()}",
    }
    with _running(tmp_path, environment, ("ingest",)) as managers:
        words = [managers["ingest"].word(PATIENCE_S) for _ in range(2)]
    assert all(any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in word) for word in words)
