"""The database's log, followed to a folder by ``pg_receivewal`` as it is written.

A slot at the server keeps what was not followed yet: nothing is left out when the follower is away
for a while, and it must not be away for long. What the shipped settings let wait is 10 GB; beyond
that the server drops the slot's log, and a new backup is needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from services.core.backup import programs
from services.core.store.operations.backup_facts import SLOT

_SEGMENT: Final = re.compile(r"^([0-9A-F]{8})([0-9A-F]{16})(\.partial)?$")


def make_slot(url: str, major: int) -> None:
    """Let the server keep its log for the follower from now on; does nothing if it does already.

    :raises BackupError: the login may not, or the server has gone.
    """
    parameters, environment = programs.connection(url)
    programs.run(
        [
            programs.program("pg_receivewal", major),
            f"--dbname={parameters}",
            f"--slot={SLOT}",
            "--create-slot",
            "--if-not-exists",
            "--no-password",
        ],
        environment,
        hear=lambda _: None,
    )


def follow(url: str, major: int, target: Path) -> NoReturn:
    """Become the program that follows the log, until it is told to stop; it waits for the server.

    Each piece is on disk before the server hears that it was received.

    :raises BackupError: the program is not installed.
    """
    parameters, environment = programs.connection(url)
    receive = programs.program("pg_receivewal", major)
    os.execve(  # noqa: S606 - a program, no shell
        receive,
        [
            receive,
            f"--dbname={parameters}",
            f"--directory={target}",
            f"--slot={SLOT}",
            "--synchronous",
            "--status-interval=1",
            "--no-password",
            "--verbose",
        ],
        environment,
    )


def written_at(segments: Sequence[Path]) -> datetime | None:
    """Return when the last of contiguous segments was written; None: there is none."""
    return datetime.fromtimestamp(segments[-1].stat().st_mtime, UTC) if segments else None


def since(wal: Path, first_segment: str, segment_bytes: int) -> list[Path]:
    """Return the segments that follow ``first_segment`` without a gap, itself the first.

    Where the database went on by another timeline, after a restore, what an older one has beyond
    does not follow. Before them: how one timeline goes on from another.
    """
    position = _position(first_segment, segment_bytes)
    # of one position the newest timeline, whose segment begins with what the older one has
    written = {_position(path.name, segment_bytes): path for path in _segments(wal)}
    contiguous: list[Path] = []
    while position in written:
        segment = written[position]
        if contiguous and segment.name[:8] < contiguous[-1].name[:8]:
            break
        contiguous.append(segment)
        position += 1
    return contiguous and [*sorted(wal.glob("*.history")), *contiguous]


def prune(wal: Path, first_segment: str, segment_bytes: int) -> int:
    """Remove what recovery from ``first_segment`` on does not need; return how many segments."""
    needed = _position(first_segment, segment_bytes)
    old = [path for path in _segments(wal) if _position(path.name, segment_bytes) < needed]
    for path in old:
        path.unlink()
    return len(old)


def _segments(wal: Path) -> Sequence[Path]:
    if not wal.is_dir():
        return []
    return [path for path in sorted(wal.iterdir()) if _SEGMENT.match(path.name)]


def _position(segment: str, segment_bytes: int) -> int:
    # whatever the timeline: one goes on where another was left
    log, piece = int(segment[8:16], 16), int(segment[16:24], 16)
    return log * ((1 << 32) // segment_bytes) + piece
