"""A clean Debian with its own systemd, in namespaces of this machine."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import until

RELEASES = {12: "bookworm", 13: "trixie"}
#: What a server has that was installed with tonne in mind, and nothing else.
_PACKAGES = "systemd,systemd-sysv,dbus,python3,ca-certificates,postgresql-client"
_CACHE = Path(__file__).parents[2] / ".tonne" / "debian"
#: They would set the kernel of this machine, or want a terminal.
_MASKED = (
    "systemd-sysctl.service",
    "systemd-binfmt.service",
    "systemd-modules-load.service",
    "proc-sys-fs-binfmt_misc.automount",
    "getty.target",
)
#: Enters a group of processes, so that a namespace of groups begins there, and the namespaces.
_JOIN = """
echo $$ > "$0"
exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child sh -c "$1" enter "$2"
"""
#: Goes into the root and hands over to systemd. ``/sys/fs/cgroup`` is cgroup2 alone, wherever this
#: machine has it: a version that Debian 12's systemd knows, and Debian 13's asks for. Mounts are
#: shared, as a machine's are: units get their credentials by one.
_ENTER = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --rbind /sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
pivot_root . mnt
umount -l mnt
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --show-status=0 systemd.unit=multi-user.target
"""


def _mirror() -> str:
    """Return where this machine gets Debian's packages from; other releases are there, too."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)",
         "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    for line in targets.splitlines():
        release, component, address = line.split()
        if (release, component) == (codename, "main"):
            return address
    raise RuntimeError(f"no source of {codename} in /etc/apt; the test needs a Debian with one")


def _clean_root(release: int) -> Path:
    """Make the root of a clean Debian, once."""
    root = _CACHE / str(release)
    if not root.exists():
        if os.geteuid() != 0 or shutil.which("debootstrap") is None:
            raise RuntimeError("it takes root and debootstrap; run: make packages")
        _CACHE.mkdir(parents=True, exist_ok=True)
        beginning = Path(tempfile.mkdtemp(dir=_CACHE))
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", RELEASES[release],
             beginning, _mirror()],
            check=True,
        )  # fmt: skip
        beginning.chmod(0o755)
        beginning.rename(root)
    return root


class Machine:
    """A Debian that runs; its network is this machine's, so that it reaches servers on loopback."""

    def __init__(self, root: Path, group: Path) -> None:
        self.root = root
        self._group = group
        self._process = subprocess.Popen(
            ["sh", "-c", _JOIN, str(group / "cgroup.procs"), _ENTER, str(root)]
        )
        until(lambda: self.systemd is not None, "systemd begins")
        until(lambda: self.tells("systemctl", "is-system-running") == "running", "it has booted")

    @property
    def systemd(self) -> int | None:
        """Process id of the machine's first process, once it is systemd."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for child in map(int, children.read_text().split()):
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return child
        return None

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine, as root."""
        return subprocess.run(
            ["nsenter", "-t", str(self.systemd), "-m", "-u", "-i", "-p", "-C", "-r", "-w",
             "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
             *command],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def does(self, *command: str) -> str:
        """Run a command that must succeed, and return both streams."""
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def tells(self, *command: str) -> str:
        """Return what a command prints, whatever its end."""
        return self.run(*command).stdout.strip()

    def property_of(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.tells("systemctl", "show", "--value", "-p", name, unit)

    def journal(self, unit: str) -> str:
        """Return the end of a unit's log, for an assertion that fails."""
        return self.tells("journalctl", "-u", unit, "-n", "20", "-o", "cat", "--no-pager")

    def write(self, path: str, text: str, mode: int = 0o600) -> None:
        """Write a file."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def end(self) -> None:
        """End every process of it: systemd's end is the end of its namespace."""
        if self.systemd is not None:
            os.kill(self.systemd, signal.SIGKILL)
        self._process.wait()
        until(lambda: "populated 0" in (self._group / "cgroup.events").read_text(), "all ended")


@contextmanager
def debian(release: int) -> Iterator[Machine]:
    """Boot a clean Debian ``release``; nothing is left of it at the end."""
    clean = _clean_root(release)
    unified = Path("/sys/fs/cgroup/unified")
    group = (unified if unified.is_dir() else unified.parent) / f"tonne-debian-{os.getpid()}"
    with tempfile.TemporaryDirectory(dir=_CACHE) as directory:
        root = Path(directory, "root")
        subprocess.run(["cp", "-a", "--reflink=auto", clean, root], check=True)
        for unit in _MASKED:
            (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
        group.mkdir()
        machine = Machine(root, group)
        try:
            yield machine
        finally:
            machine.end()
            for inner in sorted(group.glob("**/"), reverse=True):
                inner.rmdir()
