"""``tonne restore``: a backup onto an empty machine."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.progress import progress
from services.cli.say import amount, say
from services.cli.source_hours import instant
from services.core.backup import base_backup, broker_access, folder, streams, wal
from services.core.backup.problem import BackupError


def restore(
    source: Annotated[
        Path,
        typer.Argument(metavar="BACKUP", help="a backup, or the folder of backups: the newest"),
    ],
    cluster: Annotated[
        Path | None,
        typer.Option(
            "--into", help="empty directory for PostgreSQL's cluster, of the user who runs it"
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="bring the database to this time, such as 2026-11-22T18:00:00Z"),
    ] = None,
    *,
    broker: Annotated[
        bool, typer.Option("--broker", help="bring back the broker's streams, into an empty NATS")
    ] = False,
    configuration: Annotated[
        Path | None, typer.Option(help="directory that the files of the backup are copied to")
    ] = None,
) -> None:
    """Restore a backup onto an empty machine: its database, its broker, its files.

    Each is done where it is asked for; say again what is left.
    """
    if cluster is None and configuration is None and not broker:
        raise failure(
            "say what to restore: --into DIRECTORY, --broker or --configuration DIRECTORY"
        )
    end = instant("--until", until)
    with clear_errors(BackupError):
        chosen = folder.chosen(source.absolute())
        say(f"{chosen.name}: comparing it with its digests", err=True)
        parts = {
            folder.DATABASE: cluster is not None,
            folder.BROKER: broker,
            folder.CONFIGURATION: configuration is not None,
        }
        if damaged := folder.damage(chosen, [part for part, asked in parts.items() if asked]):
            raise BackupError(
                f"{chosen}: {'; '.join(damaged[:5])}; nothing was restored: take another backup"
            )
        if configuration is not None:
            _copy_back(chosen / folder.CONFIGURATION, configuration)
        if broker:
            _restore_broker(chosen)
        if cluster is not None:
            _restore_database(chosen, cluster, end)


def _restore_database(chosen: Path, cluster: Path, until: datetime | None) -> None:
    about = folder.about(chosen)
    major = int(about.postgresql.partition(".")[0])
    base_backup.check_room(cluster)
    log = folder.wal_folder(chosen.parent)
    segments = wal.since(log, about.first_segment, about.segment_bytes)
    reaches = wal.written_at(segments)
    if until is not None:
        if until < about.ended_at:
            raise BackupError(
                f"{chosen.name} is from after {until.isoformat()}; name an older backup"
            )
        if reaches is None:
            raise BackupError(
                f"{log} does not follow on {chosen.name}, which is restored to"
                f" {about.ended_at.isoformat()} alone; leave --until out"
            )
    with progress("restoring the database", None) as advance:
        base_backup.unpack(chosen / folder.DATABASE, cluster, major, advance)
    if reaches is not None:
        base_backup.recover_on_start(cluster, segments, until)
    owner = cluster.stat().st_uid
    if owner == 0 and os.geteuid() == 0:
        say(f"warning: {cluster} belongs to root, as whom PostgreSQL does not start", err=True)
    to = until or (reaches and max(reaches, about.ended_at)) or about.ended_at
    say(
        f"{cluster} holds the cluster of {chosen.name}: start PostgreSQL {about.postgresql} with"
        f" TimescaleDB {about.timescaledb} on it, which brings it to about"
        f" {to.astimezone(UTC).isoformat(timespec='seconds')}; then run `tonne migrate` and"
        " `tonne verify`"
    )


def _restore_broker(chosen: Path) -> None:
    about = folder.about(chosen)
    if about.streams is None:
        raise BackupError(f"{chosen.name} holds nothing of the broker")
    access = broker_access.access(process.settings("backup"))
    if access is None:
        raise BackupError("set TONNE_BACKUP_BROKER_URL to nats://...: the broker to restore to")
    with progress("restoring the broker", None) as advance:
        restored = streams.bring_back(access.url, access.tls, chosen / folder.BROKER, advance)
    for name, count in restored.items():
        say(f"  {name}: {amount(count, 'message')}")


def _copy_back(saved: Path, target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        raise BackupError(f"{target} is not empty; name another directory with --configuration")
    try:
        shutil.copytree(saved, target, symlinks=True, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise BackupError(f"{target} cannot be written ({error})") from None
    say(f"{target} holds the files of the backup")
