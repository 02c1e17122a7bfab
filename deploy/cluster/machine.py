"""One machine: a network namespace on a bridge, its programs, and what can be done to it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.cluster.namespaces import run
from deploy.local.problem import StackError

#: Of this namespace alone: nothing outside has a route to it.
_NETWORK: Final = "10.73.0"
#: The address of who started the cluster: devices, people and rounds of faults.
OPERATOR: Final = f"{_NETWORK}.1"
SUBNET: Final = f"{_NETWORK}.0/24"
_BRIDGE: Final = "machines"

_STOP_S: Final = 20.0


def make_bridge() -> None:
    """Make what all machines are plugged into."""
    run("ip", "link", "add", _BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{OPERATOR}/24", "dev", _BRIDGE)
    run("ip", "link", "set", _BRIDGE, "up")


class Program:
    """A program of a machine, which can be started again after it ended."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        command: Sequence[str],
        *,
        log_dir: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.machine = machine
        self.name = name
        self.log = log_dir / f"{machine.name}-{name}.log"
        self.command = command
        self.environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        """Name it, with its machine."""
        return f"{self.name} on {self.machine.name}"

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def ended(self) -> bool:
        """Whether it was started and its process has ended since."""
        return self._process is not None and self._process.poll() is not None

    @property
    def pid(self) -> int:
        """Process id while it runs.

        :raises StackError: it does not.
        """
        if self._process is None or not self.running:
            raise StackError(f"{self} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it; does nothing while it runs."""
        if self.running:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.machine.within, *self.command],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; does nothing if it does not run."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it without warning (SIGKILL) and wait until it is gone."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """End it in order, or without after a while."""
        self.signal(signal.SIGTERM)
        if self._process is not None:
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()


@dataclass(eq=False)
class Machine:
    """A network namespace with one address."""

    name: str
    number: int
    directory: Path
    programs: list[Program] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Its address."""
        return f"{_NETWORK}.{self.number}"

    @property
    def within(self) -> list[str]:
        """What a command line begins with that runs on this machine."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--"]

    def plug_in(self) -> None:
        """Make the namespace and connect it."""
        self.directory.mkdir()
        outside = f"port-{self.number}"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0",
            "netns", self.name)  # fmt: skip
        run("ip", "link", "set", outside, "master", _BRIDGE, "up")
        run(*self.within, "ip", "link", "set", "lo", "up")
        run(*self.within, "ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        run(*self.within, "ip", "link", "set", "eth0", "up")

    def program(self, name: str) -> Program:
        """One of its programs."""
        return next(program for program in self.programs if program.name == name)

    # -- what can go wrong --------------------------------------------------------------------

    def cut_from(self, others: Iterable[Machine] | None = None) -> None:
        """Let no packet through to or from others, or anybody; no connection is told."""
        whom = SUBNET if others is None else ", ".join(other.address for other in others)
        self._filter(
            f"add chain inet cut from {{ type filter hook input priority 0; }}\n"
            f"add chain inet cut to {{ type filter hook output priority 0; }}\n"
            f"add rule inet cut from ip saddr {{ {whom} }} drop\n"
            f"add rule inet cut to ip daddr {{ {whom} }} drop\n"
        )

    def join(self) -> None:
        """Let every packet through again."""
        self._filter("")

    def _filter(self, rules: str) -> None:
        table = f"add table inet cut\ndelete table inet cut\nadd table inet cut\n{rules}"
        run(*self.within, "nft", "-f", "-", given=table)

    def processes(self) -> Iterator[int]:
        """Ids of all processes on it, those included that its programs have started."""
        network = Path(f"/run/netns/{self.name}").stat().st_ino
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    if (entry / "ns" / "net").stat().st_ino == network:
                        yield int(entry.name)

    def signal(self, number: signal.Signals) -> None:
        """Send every process on it a signal."""
        for process in list(self.processes()):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def kill(self) -> None:
        """End every process on it without warning, as when its power fails; its files stay."""
        while list(self.processes()):
            self.signal(signal.SIGKILL)
            for program in self.programs:
                program.kill()
            time.sleep(0.02)

    def start(self) -> None:
        """Start every program that does not run."""
        for program in self.programs:
            program.start()
