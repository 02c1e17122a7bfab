"""Namespaces of our own for network, mounts and processes: what is in them ends with them.

Nothing of the machine's own network is changed, no file system stays mounted, and no process is
left, however the cluster ends: the first process in them is killed with the command that was
started, and the kernel then ends the rest.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.problem import StackError

#: In memory, and of this mount namespace alone.
SCRATCH: Final = Path("/run/tonne-cluster")

_SCRATCH_SIZE: Final = "6g"
_NETWORKS: Final = Path("/run/netns")

_SEPARATE: Final = ("--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")

#: Where ``deploy/local/bootstrap.sh cluster`` installs Patroni: Debian 12 has one that loses what
#: was committed.
PATRONI: Final = Path(__file__).parents[2] / ".venv" / "patroni"

#: Where programs are that a user need not have on PATH.
_SYSTEM_PATH: Final = "/usr/sbin:/sbin"

_MARK: Final = "CLUSTER_NAMESPACES"

#: Bash as the first process takes leave of every process whose parent has died.
_FIRST: Final = '"$@"; exit $?'

_MISSING: Final = "{} is missing; run deploy/local/bootstrap.sh cluster"

_ADVICE: Final = (
    "a cluster needs network namespaces, which this machine does not let us make ({reason}); run it"
    " as root or with sudo, in a container with --privileged, or on a machine where that is allowed"
)


def inside() -> bool:
    """Whether this process is in namespaces of its own."""
    return _MARK in os.environ


def run_inside(words: Sequence[str], *, keep: Sequence[int] = ()) -> int:
    """Run ``words`` in namespaces of their own and return their exit code.

    A stop that this process is asked for is passed on; with its death they are killed.
    ``keep``: open files that go along, such as sockets that listen in the machine's own network.

    :raises StackError: the machine does not let us, or a program is missing.
    """
    check()
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", "unshare", *_SEPARATE,
         "bash", "-c", _FIRST, "first", *words],
        env=os.environ | {_MARK: str(os.getpid())},
        pass_fds=keep,
        start_new_session=True,
    )  # fmt: skip

    def pass_on(_number: int, _frame: object) -> None:
        # the first two processes do not hear it, and end with what they have started
        os.killpg(process.pid, signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    return process.wait()


def check() -> None:
    """Refuse a machine on which no cluster can be played.

    :raises StackError: says what to do.
    """
    for program in ("unshare", "nsenter", "ip", "nft", "etcd"):
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}") is None:
            raise StackError(_MISSING.format(program))
    if not PATRONI.is_dir():
        raise StackError(_MISSING.format("Patroni"))
    tried = subprocess.run(
        ["unshare", *_SEPARATE, "ip", "link", "set", "lo", "up"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode != 0:
        lines = tried.stderr.strip().splitlines() or ["no reason given"]
        raise StackError(_ADVICE.format(reason=lines[-1]))


def prepare(directory: Path = SCRATCH) -> None:
    """Give these namespaces a loopback, a place for files in memory and one for networks."""
    directory.mkdir(parents=True, exist_ok=True)
    _NETWORKS.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", f"size={_SCRATCH_SIZE},mode=755", "tmpfs", str(directory))
    run("mount", "-t", "tmpfs", "tmpfs", str(_NETWORKS))
    run("ip", "link", "set", "lo", "up")


def run(*words: str, given: str | None = None) -> None:
    """Run a program of the system.

    :raises StackError: it failed; with its last line.
    """
    done = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise StackError(f"{' '.join(words[:4])} failed: {lines[-1]}")
