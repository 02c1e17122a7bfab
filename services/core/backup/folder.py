"""The folder of backups: one directory for each, and what it holds under digests.

::

    2026-11-30T01-20-00Z/
      backup.json        what it holds: versions, times, and the digest of every file
      database/          base.tar.gz, pg_wal.tar.gz, backup_manifest
      broker/            a snapshot of each stream
      configuration/     files that were named, and the facility files in force
    wal/                 the database's log, which is followed all the time
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from services.core.backup.problem import BackupError
from services.core.runtime.to_disk import to_disk

_ABOUT: Final = "backup.json"
_NAME: Final = "%Y-%m-%dT%H-%M-%SZ"
#: Ends the name of a backup that is not whole yet.
_UNFINISHED: Final = ".partial"

DATABASE: Final = "database"
BROKER: Final = "broker"
CONFIGURATION: Final = "configuration"
#: What a backup may have, each in a directory of its own.
PARTS: Final = (DATABASE, BROKER, CONFIGURATION)
WAL: Final = "wal"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    #: when it began and was whole; UTC
    began_at: datetime
    ended_at: datetime
    tonne: str
    schema: str
    postgresql: str
    timescaledb: str
    #: of the database within the cluster
    database: str
    #: of the log: bytes of a segment, and the name of the first one that recovery needs
    segment_bytes: int
    first_segment: str
    #: streams of the broker, and how many messages waited in them; None: the broker is not in it
    streams: dict[str, int] | None
    #: path within the backup -> SHA-256 and size in bytes
    files: dict[str, tuple[str, int]]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files.values())


def wal_folder(folder: Path) -> Path:
    """Return where the database's log is followed to."""
    return folder / WAL


@contextmanager
def new_backup(folder: Path, began_at: datetime) -> Iterator[Path]:
    """Make a directory for a backup; it gets its name at the end, and is removed after an error.

    :raises BackupError: the folder cannot be written, or there is a backup of this second already.
    """
    path = folder / f"{began_at:{_NAME}}"
    made = path.with_name(path.name + _UNFINISHED)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in folder.glob(f"*{_UNFINISHED}"):
            # of a backup that was killed
            shutil.rmtree(left)
        if path.exists():
            raise BackupError(f"{path} is there already; try again")
        made.mkdir(mode=0o700)
    except OSError as error:
        raise BackupError(
            f"{folder} cannot be written ({error.strerror}); name another folder with --to"
        ) from None
    try:
        yield made
        for part in (*made.rglob("*"), made):
            to_disk(part)
        made.rename(path)
        to_disk(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def backups(folder: Path) -> list[Path]:
    """Return the whole backups of a folder, the oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _is_backup(path))


def _is_backup(path: Path) -> bool:
    return not path.name.endswith(_UNFINISHED) and (path / _ABOUT).is_file()


def chosen(path: Path) -> Path:
    """Return the backup that ``path`` names: itself, or the newest of a folder.

    :raises BackupError: there is none.
    """
    if _is_backup(path):
        return path
    if whole := backups(path):
        return whole[-1]
    raise BackupError(f"there is no backup in {path}; `tonne backup --to {path}` makes one")


def describe(backup: Path, about: About) -> None:
    """Write what a backup holds into it."""
    text = msgspec.json.format(msgspec.json.encode(about), indent=1)
    (backup / _ABOUT).write_bytes(text + b"\n")


def about(backup: Path) -> About:
    """Read what a backup holds.

    :raises BackupError: its description cannot be read.
    """
    try:
        return msgspec.json.decode((backup / _ABOUT).read_bytes(), type=About)
    except (OSError, msgspec.DecodeError) as error:
        raise BackupError(
            f"{backup / _ABOUT} cannot be read ({error}); take another backup"
        ) from None


def digests(backup: Path, parts: Collection[str] = PARTS) -> dict[str, tuple[str, int]]:
    """Return SHA-256 and size of every file in parts of a backup."""
    listed = {}
    for path in sorted(path for part in parts for path in (backup / part).rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            listed[path.relative_to(backup).as_posix()] = (digest, path.stat().st_size)
    return listed


def damage(backup: Path, parts: Collection[str] = PARTS) -> list[str]:
    """Compare files of a backup with their digests; return a sentence for each that differs.

    :raises BackupError: as :func:`about`.
    """
    present = digests(backup, parts)
    stated = {
        name: digest
        for name, digest in about(backup).files.items()
        if name.partition("/")[0] in parts
    }
    sentences = [f"{name} is missing" for name in sorted(stated.keys() - present.keys())]
    sentences += [
        f"{name} does not belong to it" for name in sorted(present.keys() - stated.keys())
    ]
    sentences += [
        f"{name} has changed since it was written"
        for name in sorted(stated.keys() & present.keys())
        if tuple(stated[name]) != present[name]
    ]
    return sentences


def prune(folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest ``keep`` backups; return those removed."""
    old = backups(folder)[:-keep]
    for backup in old:
        # without its description it is none any more, whatever happens next
        (backup / _ABOUT).unlink()
        shutil.rmtree(backup)
    return old


def now() -> datetime:
    """Return the time, to the second: the name of a backup."""
    return datetime.now(UTC).replace(microsecond=0)
