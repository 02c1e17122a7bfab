"""One container of deploy/compose.yaml as a process under bubblewrap.

It has the image's files and no others, a root that cannot be written, the user, the environment and
the command that compose gives it, and no rights of root. All share one network namespace: a name of
a service is an address of it, so networks do not separate them here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.engine.images import Image, file_set

_USERS = {"postgres": 70, "nobody": 65534}
_PASSWD = """root:x:0:0::/:/bin/sh
postgres:x:70:70::/:/bin/sh
tonne:x:10001:10001::/:/bin/sh
nobody:x:65534:65534::/:/bin/sh
"""
_HEALTH_S = 30


@dataclass(frozen=True, kw_only=True)
class Container:
    """What is run: an image, and what compose says of it, all variables filled in."""

    name: str
    image: Image
    user: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    #: (path here, path there, whether it may be written)
    mounts: Sequence[tuple[Path, str, bool]]
    tmpfs: Sequence[str]

    @property
    def _ids(self) -> tuple[str, str]:
        user, _, group = self.user.partition(":")
        number = str(_USERS.get(user, user))
        return number, group or number

    def _as_user(self) -> list[str]:
        user, group = self._ids
        return [
            *("setpriv", "--reuid", user, "--regid", group, "--clear-groups"),
            *("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"),
        ]

    def _environment(self) -> dict[str, str]:
        plain = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/"}
        return {**plain, **self.image.environment, **self.environment}

    def bubblewrap(self, hosts: Path, info: int) -> list[str]:
        """The whole command line."""
        line = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
        line += ["--hostname", self.name, "--info-fd", str(info), "--clearenv"]
        line += file_set(self.image)
        line += ["--dev", "/dev", "--proc", "/proc", "--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108 - its own
        for entry in self.tmpfs:
            line += ["--perms", "1777", "--tmpfs", entry.partition(":")[0]]
        line += ["--ro-bind", str(hosts), "/etc/hosts"]
        line += ["--ro-bind", str(hosts.with_name("passwd")), "/etc/passwd"]
        line += ["--ro-bind", "/etc/ssl/certs", "/etc/ssl/certs"]
        for source, target, writable in self.mounts:
            line += ["--bind" if writable else "--ro-bind", str(source), target]
        # what changes the user is not among the image's files
        line += ["--ro-bind", "/usr/bin/setpriv", "/.setpriv", "--remount-ro", "/"]
        for name, value in self._environment().items():
            line += ["--setenv", name, value]
        as_user = ["/.setpriv", *self._as_user()[1:]]
        line = _with_open_parents(line)
        line += ["--chdir", "/tmp"]  # noqa: S108 - its own
        return [*line, "--", *as_user, *self.command]

    def inside(self, pid: int, command: Sequence[str]) -> list[str]:
        """Command line that runs a command in the running container, as its user."""
        setting = [f"{name}={value}" for name, value in self._environment().items()]
        return [
            *("nsenter", "-t", str(pid), "-m", "-p", "-i", "-u", "-n", "-r", "-w", "--"),
            *("/.setpriv", *self._as_user()[1:], *self._env_program(), "-i", *setting, *command),
        ]

    def _env_program(self) -> list[str]:
        return ["env"] if self.image.debian else ["/bin/busybox", "env"]


def _with_open_parents(line: Sequence[str]) -> list[str]:
    """Make the directories above each target first: bubblewrap's own are root's alone."""
    whole, made = [], {Path("/")}
    position = 0
    while position < len(line):
        length = {"--ro-bind": 3, "--bind": 3, "--symlink": 3, "--tmpfs": 2}.get(line[position], 1)
        words = line[position : position + length]
        target = Path(words[-1])
        if length > 1 and not (words[0] == "--tmpfs" and whole[-2:-1] == ["--perms"]):
            for parent in reversed(target.parents):
                if parent not in made:
                    whole += ["--perms", "0755", "--dir", str(parent)]
                made.add(parent)
            made.add(target)
        whole += words
        position += length
    return whole


class Running:
    """A started container."""

    def __init__(self, container: Container, *, network: str, hosts: Path, log: Path) -> None:
        self.container = container
        self.log = log
        reading, writing = os.pipe()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", network, *container.bubblewrap(hosts, writing)],
                pass_fds=[writing],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        os.close(writing)
        with os.fdopen(reading) as info:
            self.pid = int(json.loads(info.read() or '{"child-pid": 0}')["child-pid"])

    def healthy(self, test: Sequence[str]) -> bool:
        """Run compose's health check in the container."""
        assert test[0] == "CMD"
        try:
            return self.run(test[1:]).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the container."""
        return subprocess.run(
            self.container.inside(self.pid, command),
            capture_output=True,
            text=True,
            timeout=_HEALTH_S,
            check=False,
        )

    def ended(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the first process that is the service's own."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for child in children or [str(self.pid)]:
            os.kill(int(child), number)

    def stop(self) -> None:
        """End it and all that it started."""
        with suppress(ProcessLookupError, OSError):
            self.signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def write_names(directory: Path, names: Sequence[str]) -> Path:
    """Write the files that name hosts and users; return that of hosts."""
    hosts = directory / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *names)))
    hosts.with_name("passwd").write_text(_PASSWD)
    return hosts
