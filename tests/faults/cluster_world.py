"""Many machines for a fault run: those of ``make cluster``, with a works and clocks that jump."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg

from deploy.cluster import namespaces, parts
from deploy.cluster.cluster import Cluster
from deploy.cluster.front import Front
from deploy.cluster.machine import Machine, Program
from services.cli.device_accounts import INGEST
from tests.clocks import FakeClock
from tests.contract.ingest.brokers import make_durable
from tests.faults.cluster_reads import Reader
from tests.faults.cluster_watch import Watcher
from tests.faults.facility import FACILITY, file

#: As in the other rounds: how long messages wait that a dead ingest had in hand.
_ACK_WAIT_S: Final = 2
_ANSWER_S: Final = 2

_SLEEP: Final = """\
import threading
import time


def sleep(seconds):
    threading.Event().wait(seconds)


time.sleep = sleep
"""


class ClusterWorld:
    """A cluster whose devices publish by one address, whichever NATS server takes it."""

    def __init__(self, cluster: Cluster, directory: Path, *, clocks: bool) -> None:
        self.cluster = cluster
        self._directory = directory
        self._clocks: dict[str, FakeClock] = {}
        if clocks:
            for machine in cluster.machines:
                self._give_clock(machine)
        self._key = ""
        self._watchers: dict[str, Watcher] = {}
        self._reader: Reader | None = None
        listens = socket.socket()
        listens.bind(("127.0.0.1", 0))
        listens.listen()
        self.devices = Front(
            listens, [(machine.address, parts.MQTT_PORT) for machine in cluster.storing]
        )

    @property
    def servers(self) -> list[Program]:
        """Every program that may end, in the order in which they are to be started."""
        return self.cluster.programs

    @property
    def has_clocks(self) -> bool:
        """Whether clocks can be made to jump."""
        return bool(self._clocks)

    def start(self) -> None:
        """Start everything with a works applied."""
        self.cluster.start(self._prepare)
        self._key = self.cluster.tonne("keys", "create", "rounds").strip()
        self._watchers = {
            machine.name: Watcher(f"http://{machine.address}:{parts.API_PORT}", self._key, FACILITY)
            for machine in self.cluster.working
        }

        self._reader = Reader(
            [f"http://{machine.address}:{parts.API_PORT}" for machine in self.cluster.working],
            self._key,
            FACILITY,
        )

    def close(self) -> None:
        """Watch nothing more, and let no device in."""
        if self._reader is not None:
            self._reader.close()
        for watcher in self._watchers.values():
            watcher.close()
        self.devices.close()

    def _prepare(self) -> None:
        written = self._directory / "faults.yaml"
        written.write_text(file(0))
        self.cluster.tonne("apply", str(written))
        one = self.cluster.places.broker_url("nats", INGEST, at=self.cluster.storing[:1])
        make_durable(one, "tonne-ingest", ack_wait_s=_ACK_WAIT_S)

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection to the primary."""
        return psycopg.connect(
            self.cluster.places.database_url, autocommit=True, connect_timeout=_ANSWER_S
        )

    def heal(self) -> None:
        """Let every machine reach the others, every process run, and every clock be right."""
        for machine in self.cluster.machines:
            machine.join()
            machine.signal(signal.SIGCONT)
            self.jump(machine, "+0s")
        self.cluster.revive()

    # -- clocks -------------------------------------------------------------------------------

    def _give_clock(self, machine: Machine) -> None:
        machine.directory.chmod(0o755)
        clock = self._clocks[machine.name] = FakeClock(machine.directory / "clock")
        by_clock = ["env", *(f"{name}={value}" for name, value in clock.environment().items())]
        for program in machine.programs:
            # the others ask the kernel past every library
            if program.name not in {"etcd", "nats"}:
                # not before it is its own user: the library's semaphores are of who makes them
                words = list(program.command)
                place = words.index("--") + 1 if words[0] == "setpriv" else 0
                program.command = [*words[:place], *by_clock, *words[place:]]
                if program.name == "patroni":
                    program.environment = _with_sleep(program.environment, machine.directory)

    def jump(self, machine: Machine, offset: str) -> None:
        """Let the clock of a machine be so far from the right time, such as ``-90s``."""
        clock = self._clocks.get(machine.name)
        if clock is not None:
            clock.jump_to(offset)

    # -- roles --------------------------------------------------------------------------------

    @property
    def primary(self) -> Machine:
        """The machine of the primary database; while there is none, of either."""
        return self.cluster.primary() or self.cluster.databases[0]

    @property
    def standby(self) -> Machine:
        """The machine of the other database."""
        primary = self.primary
        return next(machine for machine in self.cluster.databases if machine is not primary)

    @property
    def broker_leader(self) -> Machine:
        """The machine whose NATS server leads; while none does, any."""
        return self.cluster.broker_leader() or self.cluster.storing[0]

    @staticmethod
    def database_process(machine: Machine) -> int | None:
        """Process id of the database on a machine; None: it does not run."""
        with suppress(OSError, ValueError, IndexError):
            lines = (parts.data_dir(machine) / "postmaster.pid").read_text().splitlines()
            os.kill(int(lines[0]), 0)
            return int(lines[0])
        return None

    # -- what people see ----------------------------------------------------------------------

    def went_back(self) -> list[str]:
        """What somebody who asked one API and then the other saw as it was before."""
        return [] if self._reader is None else self._reader.taken()

    def reads(self) -> str:
        """What was answered to him, and by which database the APIs that run now have read."""
        lines = [f"answers by status {dict(self._reader.answers) if self._reader else {}}"]
        for machine in self.cluster.working:
            metrics = self.cluster.ask(machine, parts.API_PORT, "/metrics")
            told = [] if metrics is None else metrics.text.splitlines()
            names = ("tonne_api_reads_total", "tonne_api_standby_fallbacks_total",
                     "tonne_api_standby_used")  # fmt: skip
            lines.append(f"{machine.name}: {', '.join(t for t in told if t.startswith(names))}")
        return "\n".join(lines)

    def shown(self) -> list[float | None]:
        """This year's kg CO2 of the works as each API answers and streams; None: not yet."""
        return [self._shown(machine) for machine in self.cluster.working]

    def _shown(self, machine: Machine) -> float | None:
        answer = self.cluster.ask(
            machine, parts.API_PORT, f"/v1/live?facility={FACILITY}", key=self._key
        )
        if answer is None or answer.status_code != 200:
            return None
        body: dict[str, Any] = answer.json()
        kg = float(body["totals"]["year"]["co2_kg"] or 0)
        return kg if self._watchers[machine.name].kg == kg else None


def _with_sleep(environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Let a program of Python's sleep by a wait: libfaketime breaks sleep() now and then.

    The time that it hands to the kernel is none, and Patroni would end by an error of which no
    clock is the reason.
    """
    place = directory / "sleep"
    place.mkdir()
    (place / "sitecustomize.py").write_text(_SLEEP)
    return {**environment, "PYTHONPATH": f"{place}:{environment['PYTHONPATH']}"}


@contextmanager
def running_cluster(log_dir: Path, *, clocks: bool = False) -> Iterator[ClusterWorld]:
    """Start everything, within namespaces of their own; end it, also after a failure."""
    assert namespaces.inside()
    namespaces.prepare()
    cluster = Cluster(namespaces.SCRATCH, log_dir)
    try:
        world = ClusterWorld(cluster, namespaces.SCRATCH, clocks=clocks)
        world.start()
        yield world
        world.close()
    finally:
        cluster.stop()
