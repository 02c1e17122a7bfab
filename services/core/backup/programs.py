"""PostgreSQL's own programs that copy a cluster, of the version that the server has."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from services.core.backup.problem import BackupError
from services.core.runtime.credentials import without_credentials

#: Where Debian and Ubuntu keep each version's programs.
_INSTALLED: Final = Path("/usr/lib/postgresql")


def program(name: str, major: int) -> str:
    """Return the path of PostgreSQL's program ``name`` in the version ``major``.

    :raises BackupError: it is not installed.
    """
    beside = _INSTALLED / str(major) / "bin" / name
    if beside.exists():
        return str(beside)
    on_path = shutil.which(name)
    if on_path is not None and _major(on_path) == major:
        return on_path
    raise BackupError(
        f"{name} of PostgreSQL {major} is not installed; install postgresql-client-{major}, or put"
        " it on PATH"
    )


def _major(path: str) -> int | None:
    done = subprocess.run(  # noqa: S603 - found on PATH
        [path, "--version"], capture_output=True, text=True, check=False
    )
    words = done.stdout.split()
    number = words[2].partition(".")[0] if len(words) > 2 else ""
    return int(number) if number.isdecimal() else None


def connection(url: str) -> tuple[str, dict[str, str]]:
    """Return how a program is told to connect to ``url``: an argument and an environment.

    The password is in the environment alone: arguments can be read by everybody on a machine.
    """
    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    environment = dict(os.environ)
    if password is not None:
        environment["PGPASSWORD"] = str(password)
    return make_conninfo("", **{name: str(value) for name, value in parts.items()}), environment


def run(
    command: Sequence[str], environment: dict[str, str], *, hear: Callable[[str], None]
) -> None:
    """Run a program to its end; ``hear`` gets each line of its progress.

    :raises BackupError: it failed; the message is the program's own.
    """
    last = ""
    with subprocess.Popen(  # noqa: S603 - a program of PostgreSQL, no shell
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # what shows progress ends its lines with a carriage return
        universal_newlines=True,
        errors="replace",
    ) as process:
        try:
            for written in process.stderr or ():
                if line := written.strip():
                    # what it says after its error is how it tidies up
                    last = last if "error: " in last else line
                    hear(line)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise BackupError(without_credentials(f"{Path(command[0]).name} failed: {last}"))
