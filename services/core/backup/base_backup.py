"""A copy of the whole cluster by ``pg_basebackup``, and a cluster made of it again.

The copy is complete by itself: it brings the log that was written while it was made. With the log
that was followed afterwards (:mod:`.wal`) a cluster is brought to any later time.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from services.core.backup import programs
from services.core.backup.problem import BackupError

_BASE: Final = "base.tar.gz"
_LOG: Final = "pg_wal.tar.gz"
_MANIFEST: Final = "backup_manifest"

#: Of a restored cluster: where recovery finds the log that was followed.
_FOLLOWED: Final = "followed_wal"

#: ``12345/67890 kB (18%), 0/1 tablespace``
_PROGRESS: Final = re.compile(r"^(\d+)/(\d+) kB")

Hear = Callable[[int, int], None]


def take(url: str, major: int, target: Path, hear: Hear) -> None:
    """Copy the cluster that ``url`` leads to into an empty directory.

    :param hear: gets the bytes that are copied, and those that there are; it is called often.
    :raises BackupError: the login may not, the server allows no such connection, or has gone.
    """
    parameters, environment = programs.connection(url)

    def listen(line: str) -> None:
        if match := _PROGRESS.match(line):
            hear(int(match[1]) * 1024, int(match[2]) * 1024)

    command = [
        programs.program("pg_basebackup", major),
        f"--dbname={parameters}",
        f"--pgdata={target}",
        "--format=tar",
        "--compress=client-gzip:1",
        "--wal-method=stream",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--no-password",
        "--progress",
    ]
    try:
        programs.run(command, environment, hear=listen)
    except BackupError as error:
        raise BackupError(_advice(str(error))) from None
    with (target / _MANIFEST).open("rb") as manifest:
        if not manifest.read(1):
            raise BackupError("pg_basebackup wrote an empty manifest; try again")


def _advice(sentence: str) -> str:
    if "no pg_hba.conf entry for replication" in sentence:
        return (
            f"{sentence}; add `host replication tonne_backup ADDRESS scram-sha-256` to the server's"
            " pg_hba.conf"
        )
    if "must be superuser or replication role" in sentence or "permission denied" in sentence:
        return (
            f"{sentence}; use the login tonne_backup in TONNE_DATABASE_URL, or give this one the"
            " right: ALTER ROLE ... REPLICATION"
        )
    return sentence


class _WalRange(msgspec.Struct, rename="kebab"):
    timeline: int = msgspec.field(name="Timeline")
    start: str = msgspec.field(name="Start-LSN")


class _Manifest(msgspec.Struct):
    ranges: list[_WalRange] = msgspec.field(name="WAL-Ranges")


def first_segment(copied: Path, segment_bytes: int) -> str:
    """Return the name of the first segment of the log that recovery from a copy needs.

    :param segment_bytes: size of a segment, the server's ``wal_segment_size``.
    :raises BackupError: the manifest does not say it.
    """
    try:
        manifest = msgspec.json.decode((copied / _MANIFEST).read_bytes(), type=_Manifest)
        earliest = manifest.ranges[-1]
        high, low = (int(part, 16) for part in earliest.start.split("/"))
    except (OSError, msgspec.DecodeError, ValueError, IndexError) as error:
        raise BackupError(f"{copied / _MANIFEST} cannot be read ({error})") from None
    number = (high << 32 | low) // segment_bytes
    per_file = (1 << 32) // segment_bytes
    return f"{earliest.timeline:08X}{number // per_file:08X}{number % per_file:08X}"


def unpack(copied: Path, target: Path, major: int, advance: Callable[[int], None]) -> None:
    """Make a cluster in an empty directory, checked against the digests the server took.

    Its files belong to the owner of the directory.

    :param advance: gets the bytes of the files as they are written.
    :raises BackupError: the directory is not empty, or a file is not as it was backed up.
    """
    check_room(target)
    owner = target.stat()
    for name, place in ((_BASE, target), (_LOG, target / "pg_wal")):
        with tarfile.open(copied / name, mode="r:gz") as archive:
            for member in archive:
                # "data" refuses what would lie outside, and brings no owner
                archive.extract(member, place, filter="data")
                advance(member.size)
    manifest = target / _MANIFEST
    manifest.write_bytes((copied / _MANIFEST).read_bytes())
    _give_to(target, owner)
    try:
        # as PostgreSQL refuses root elsewhere, this program does not
        programs.run(
            [
                programs.program("pg_verifybackup", major),
                "--exit-on-error",
                "--no-parse-wal",
                "--quiet",
                str(target),
            ],
            dict(os.environ),
            hear=lambda _: None,
        )
    except BackupError as error:
        raise BackupError(f"{error}; the copy is damaged: restore another backup") from None


def check_room(target: Path) -> None:
    """See that a directory is there, empty, and not readable by others.

    :raises BackupError: it is not.
    """
    if not target.is_dir() or any(target.iterdir()):
        raise BackupError(
            f"{target} must be an empty directory that belongs to the user who runs PostgreSQL"
        )
    target.chmod(0o700)


def recover_on_start(cluster: Path, segments: Sequence[Path], until: datetime | None) -> None:
    """Let a cluster, when it is started, go on with the log in ``segments``.

    They are copied into the cluster, where the server's user can read them, and are removed at the
    end of the recovery.

    :param until: recovery ends at this time; None: at the end of the log.
    :raises BackupError: a segment cannot be copied.
    """
    log = cluster / _FOLLOWED
    settings = cluster / "postgresql.auto.conf"
    lines = [
        "",
        "# written by tonne restore; PostgreSQL needs it once",
        f"restore_command = 'cp -- {_FOLLOWED}/%f %p'",
        f"recovery_end_command = 'rm -r -- {_FOLLOWED}'",
        "recovery_target_timeline = 'latest'",
        "recovery_target_action = 'promote'",
    ]
    if until is not None:
        lines.append(f"recovery_target_time = '{until.astimezone(UTC).isoformat()}'")
    try:
        log.mkdir(mode=0o700)
        for segment in segments:
            # the last one is not finished, and is as good for what it holds
            shutil.copyfile(segment, log / segment.name.removesuffix(".partial"))
        with settings.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        (cluster / "recovery.signal").touch(mode=0o600)
    except OSError as error:
        raise BackupError(f"the database's log cannot be copied to {log} ({error})") from None
    _give_to(cluster, cluster.stat())


def _give_to(directory: Path, owner: os.stat_result) -> None:
    for path in (directory, *directory.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
