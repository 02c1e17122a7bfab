"""All machines: made, started, looked after and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.cluster import parts
from deploy.cluster.machine import Machine, Program, make_bridge
from deploy.local import nats_server
from deploy.local.problem import StackError

#: What the whole of it may take to be ready, of a machine that others use too.
_READY_S: Final = 180.0
_LOOK_S: Final = 0.2
_ANSWER_S: Final = 2.0


class Cluster:
    """Five machines: ``store-1`` to ``store-3`` and ``work-1`` and ``work-2``."""

    def __init__(self, directory: Path, log_dir: Path) -> None:
        """Make the machines; nothing is started yet."""
        log_dir.mkdir(parents=True, exist_ok=True)
        for old in log_dir.glob("*.log"):
            old.unlink()
        for name in parts.without_settings():
            del os.environ[name]
        self.storing = [Machine(f"store-{n}", 10 + n, directory / f"store-{n}") for n in (1, 2, 3)]
        self.working = [Machine(f"work-{n}", 20 + n, directory / f"work-{n}") for n in (1, 2)]
        self.databases = self.storing[:2]
        make_bridge()
        for machine in self.machines:
            machine.plug_in()
        accounts = directory / "accounts"
        self.places = parts.Places(
            storing=self.storing,
            databases=self.databases,
            passwords=nats_server.prepare(accounts),
        )
        password = parts.route_password()
        for machine in self.storing:
            machine.programs = [
                parts.etcd(machine, self.storing, log_dir),
                parts.nats(machine, self.storing, log_dir, accounts, password),
            ]
        packages = parts.patroni_packages(directory)
        for machine in self.databases:
            machine.programs.append(parts.patroni(machine, self.storing, log_dir, packages))
        for machine in self.working:
            machine.programs = [
                parts.service(machine, word, self.places, log_dir) for word in parts.SERVICES
            ]
        self._client = httpx.Client(timeout=_ANSWER_S, trust_env=False)

    @property
    def machines(self) -> list[Machine]:
        """All of them."""
        return [*self.storing, *self.working]

    @property
    def programs(self) -> list[Program]:
        """All of them, in the order in which they are to be started."""
        return [program for machine in self.machines for program in machine.programs]

    # -- start and end ------------------------------------------------------------------------

    def start(self, prepare: Callable[[], object] = lambda: None) -> None:
        """Start everything and wait until it is ready.

        ``prepare`` is called when database and broker are there and tonne's processes are not.

        :raises StackError: something does not become ready.
        """
        for machine in self.storing:
            machine.start()
        self.wait(lambda: self.primary() is not None, "a database becomes the primary")
        self.wait(lambda: self.standby_is_synchronous, "the standby has all of the primary")
        self._create_database()
        self.tonne("migrate")
        self.wait(self.broker_is_ready, "the NATS servers have a leader")
        prepare()
        for machine in self.working:
            machine.start()
        self.wait(self.is_ready, "every API says that it is ready")

    def wait(self, condition: Callable[[], bool], what: str, *, within_s: float = _READY_S) -> None:
        """Wait for a condition, and start again what has ended meanwhile.

        :raises StackError: it did not come about in time.
        """
        until = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > until:
                raise StackError(f"it did not come about in {within_s:.0f} s that {what}")
            self.revive()
            time.sleep(_LOOK_S)

    def revive(self) -> list[Program]:
        """Start what has ended after it was started, as a supervisor does; return it."""
        ended = [program for program in self.programs if program.ended]
        for program in ended:
            program.start()
        return ended

    def stop(self) -> None:
        """End everything, tonne's processes in order."""
        for machine in self.machines:
            machine.join()
            machine.signal(signal.SIGCONT)
        for machine in reversed(self.machines):
            for program in machine.programs:
                program.signal(signal.SIGTERM)
            for program in machine.programs:
                program.stop()
        for machine in self.machines:
            machine.kill()
        self._client.close()

    # -- what it says of itself ---------------------------------------------------------------

    def tonne(self, *words: str, given: str | None = None, any_exit: bool = False) -> str:
        """Run a command of tonne at the primary; return what it printed.

        :raises StackError: it failed, unless ``any_exit`` will do.
        """
        done = subprocess.run(
            [str(Path(sys.executable).with_name("tonne")), *words],
            env={**os.environ, "TONNE_DATABASE_URL": self.places.database_url},
            input=given, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0 and not any_exit:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason given"]
            raise StackError(f"tonne {words[0]} failed: {lines[-1]}")
        return done.stdout

    def _create_database(self) -> None:
        # loads the database's packages
        from services.core.store.database.connect import connect, create_database  # noqa: PLC0415

        url = self.places.database_url.replace(f"/{parts.DATABASE}?", "/postgres?")
        with connect(url, process="test", autocommit=True) as connection:
            create_database(connection, parts.DATABASE)

    def ask(
        self, machine: Machine, port: int, path: str, *, key: str = ""
    ) -> httpx.Response | None:
        """Ask a machine by HTTP, ``key`` in hand; None if it does not answer."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with suppress(httpx.HTTPError):
            return self._client.get(f"http://{machine.address}:{port}{path}", headers=headers)
        return None

    def primary(self) -> Machine | None:
        """Return the machine of the primary database, by Patroni's word; None: no one is."""
        for machine in self.databases:
            answer = self.ask(machine, parts.PATRONI_PORT, "/primary")
            if answer is not None and answer.status_code == httpx.codes.OK:
                return machine
        return None

    @property
    def standby_is_synchronous(self) -> bool:
        """Whether a standby has all that the primary has committed."""
        return any(
            answer is not None and answer.status_code == httpx.codes.OK
            for answer in (
                self.ask(machine, parts.PATRONI_PORT, "/sync") for machine in self.databases
            )
        )

    def broker_is_ready(self) -> bool:
        """Whether every NATS server knows the others and who leads."""
        return all(
            answer is not None and self._leads(answer.json())
            for answer in (
                self.ask(machine, parts.MONITOR_PORT, "/jsz") for machine in self.storing
            )
        )

    def _leads(self, said: Mapping[str, Any]) -> bool:
        meta = said.get("meta_cluster") or {}
        return bool(meta.get("leader")) and meta.get("cluster_size") == len(self.storing)

    def broker_leader(self) -> Machine | None:
        """Return the machine whose NATS server leads; None: none does."""
        for machine in self.storing:
            answer = self.ask(machine, parts.MONITOR_PORT, "/jsz")
            if answer is not None:
                leader = (answer.json().get("meta_cluster") or {}).get("leader")
                for other in self.storing:
                    if other.name == leader:
                        return other
        return None

    def is_ready(self) -> bool:
        """Whether every API says so."""
        return all(
            answer is not None and answer.status_code == httpx.codes.OK
            for answer in (self.ask(machine, parts.API_PORT, "/readyz") for machine in self.working)
        )
