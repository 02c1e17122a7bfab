"""Find and end what a killed start left behind, and nothing else.

Every process is told to end with its starter, so there is rarely anything to find. What is found is
ours beyond doubt: supervisord by its configuration file, its children by the socket in their
environment, PostgreSQL by the data directory in its command line.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

from deploy.local.places import Places

_PATIENCE_S = 30.0


def end_leftovers(places: Places) -> list[str]:
    """End the processes of a stack whose supervisord is gone or deaf.

    :return: what was ended, in words; empty when nothing was left.
    """
    ended = []
    for pid, what in sorted(_found(places)):
        # the handle is opened first and the identity read again: a pid may be given to another
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            handle = os.pidfd_open(pid)
            try:
                if _identity(places, pid) == what:
                    _end(handle, signal.SIGINT if what == "postgres" else signal.SIGTERM)
                    ended.append(f"{what} ({pid})")
            finally:
                os.close(handle)
    return ended


def _end(handle: int, how: signal.Signals) -> None:
    for attempt in (how, signal.SIGKILL):
        signal.pidfd_send_signal(handle, attempt)
        readable, _, _ = select.select([handle], [], [], _PATIENCE_S)
        if readable:
            return


def _found(places: Places) -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            what = _identity(places, int(entry.name))
            if what is not None:
                yield int(entry.name), what


def _identity(places: Places, pid: int) -> str | None:
    process = Path("/proc") / str(pid)
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        environment = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    if os.fsencode(places.supervisor_config) in words:
        return "supervisord"
    if words[0].endswith(b"/postgres") and os.fsencode(places.postgres_dir.resolve()) in words:
        return "postgres"
    socket = b"SUPERVISOR_SERVER_URL=unix://" + os.fsencode(places.supervisor_socket)
    if socket in environment:
        names = [word for word in environment if word.startswith(b"SUPERVISOR_PROCESS_NAME=")]
        return os.fsdecode(names[0].split(b"=", 1)[1]) if names else None
    return None
