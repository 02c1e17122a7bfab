"""Drive supervisord: write its configuration, start it, give it orders, read its answers."""

from __future__ import annotations

import configparser
import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.states import SupervisorStates
from supervisor.xmlrpc import Faults, SupervisorTransport

from deploy.local.places import REPOSITORY, Places, program
from deploy.local.problem import StackError

if TYPE_CHECKING:
    from deploy.local.processes import Process

_START_DEADLINE_S = 90.0
_STOP_DEADLINE_S = 120.0
_LINES_OF_LOG = 12


def write_configuration(places: Places, processes: Sequence[Process]) -> None:
    """Write supervisord's configuration: it starts nothing by itself, and restarts what ends."""
    config = configparser.ConfigParser(interpolation=None)
    config["unix_http_server"] = {"file": str(places.supervisor_socket), "chmod": "0700"}
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    config["supervisord"] = {
        "nodaemon": "true",
        "logfile": str(places.log_of("supervisord")),
        "logfile_maxbytes": "1MB",
        "pidfile": str(places.local_dir / "supervisord.pid"),
        "identifier": "tonne",
        "directory": str(REPOSITORY),
    }
    if os.geteuid() == 0:
        config["supervisord"]["user"] = "root"
    for order, process in enumerate(processes):
        config[f"program:{process.name}"] = {
            "command": shlex.join(process.command),
            "priority": str(100 + order),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": "1",
            "startretries": "100",
            "stopsignal": process.stop_signal,
            "stopwaitsecs": str(process.stop_wait_s),
            "redirect_stderr": "true",
            "stdout_logfile": str(places.log_of(process.name)),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "2",
        }
    # supervisord expands %(...)s in what it reads
    for section in config.values():
        for key, value in section.items():
            section[key] = value.replace("%", "%%")
    for process in processes:
        # from its own environment, so that no password stands in this file
        config[f"program:{process.name}"]["environment"] = ",".join(
            f'{name}="%(ENV_{source})s"' for name, source in process.environment.items()
        )
    with places.supervisor_config.open("w", encoding="utf-8") as file:
        config.write(file)


class SupervisorGoneError(StackError):
    """supervisord does not answer on its socket."""


class Supervisor:
    """A running supervisord, addressed through its socket."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._seen_pids: dict[str, set[int]] = {}

    def _call(self, name: str, *arguments: object) -> Any:
        # a connection each: supervisor's transport cannot be used again once it failed
        transport = SupervisorTransport(None, None, f"unix://{self._places.supervisor_socket}")
        try:
            server = ServerProxy("http://127.0.0.1", transport=transport)
            return getattr(server.supervisor, name)(*arguments)
        except (OSError, HTTPException) as error:
            raise SupervisorGoneError(
                f"supervisord does not answer ({error}), and what it ran ends with it;"
                f" see {self._places.log_of('supervisord')} and start again"
            ) from None
        finally:
            transport.close()

    def _state(self) -> int | None:
        """One of supervisor's states; None: it is gone."""
        try:
            return int(self._call("getState")["statecode"])
        except SupervisorGoneError:
            return None
        except Fault:
            # the answer to everything while it stops
            return int(SupervisorStates.SHUTDOWN)

    @property
    def alive(self) -> bool:
        """Whether it is there, be it about to stop."""
        return self._state() is not None

    def await_shutdown_under_way(self) -> None:
        """Return at once, unless a stop is under way: then when all has stopped."""
        if self._state() not in {None, SupervisorStates.RUNNING}:
            self._await_end()

    def states(self) -> dict[str, dict[str, Any]]:
        """Return the state of each process, by name, as supervisord reports it."""
        return {info["name"]: info for info in self._call("getAllProcessInfo")}

    def start(self, name: str) -> bool:
        """Start a process unless it runs; does not wait until it is of use.

        :return: whether it had to be started.
        """
        try:
            self._call("startProcess", name, False)
        except Fault as fault:
            if fault.faultCode != Faults.ALREADY_STARTED:
                raise StackError(f"{name} cannot be started: {fault.faultString}") from None
            return False
        return True

    def end(self, name: str) -> None:
        """Tell a process to end; supervisord starts it again.

        :raises StackError: it does not run, or supervisord does not answer.
        """
        try:
            self._call("signalProcess", name, "TERM")
        except Fault as fault:
            raise StackError(f"{name} cannot be ended: {fault.faultString}") from None

    def check(self, name: str) -> None:
        """Refuse a process that does not stay up.

        :raises StackError: it ended right after its start, or was started again since the first
            call; with the last lines of its log.
        """
        info = self.states()[name]
        if info["pid"]:
            self._seen_pids.setdefault(name, set()).add(info["pid"])
        ended = info["statename"] in {"BACKOFF", "FATAL", "EXITED"}
        if ended or len(self._seen_pids.get(name, ())) > 1:
            raise StackError(f"{name} does not stay up; its log ends with\n{self.log_tail(name)}")

    def log_tail(self, name: str) -> str:
        """Return the last lines of a process' log."""
        log = self._places.log_of(name)
        if not log.exists():
            return f"nothing ({log})"
        lines = log.read_text(errors="replace").splitlines()[-_LINES_OF_LOG:]
        return "\n".join(f"  {line}" for line in lines) + f"\n(from {log})"

    def shut_down(self) -> None:
        """Stop every process, the last started first, and supervisord itself.

        :raises StackError: it is still there after two minutes.
        """
        with contextlib.suppress(SupervisorGoneError, Fault):
            self._call("shutdown")
        self._await_end()

    def _await_end(self) -> None:
        deadline = time.monotonic() + _STOP_DEADLINE_S
        while self.alive:
            if time.monotonic() > deadline:
                raise StackError(
                    "the local stack does not stop; see"
                    f" {self._places.log_of('supervisord')} and run make down again"
                )
            time.sleep(0.1)


def start_supervisor(places: Places, *, stay: bool) -> tuple[Supervisor, subprocess.Popen[bytes]]:
    """Start supervisord in a session of its own, so that a Ctrl-C reaches the launcher alone.

    :param stay: outlive the process that calls; otherwise it stops all when that dies.
    :raises StackError: it does not take orders.
    """
    command = [program("python"), "-m", "deploy.local.supervisord"]
    command += ["-c", str(places.supervisor_config)]
    if not stay:
        command = ["setpriv", "--pdeathsig", "TERM", "--", *command]
    with places.log_of("supervisord-output").open("wb") as output:
        process = subprocess.Popen(
            command,
            env=places.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=REPOSITORY,
        )
    supervisor = Supervisor(places)
    deadline = time.monotonic() + _START_DEADLINE_S
    while not supervisor.alive:
        if process.poll() is not None or time.monotonic() > deadline:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            raise StackError(
                "supervisord does not start; its output ends with\n"
                + supervisor.log_tail("supervisord-output")
            )
        time.sleep(0.05)
    return supervisor, process
