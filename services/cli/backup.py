"""``tonne backup``: copies of all that an installation would miss."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show
from services.cli.say import amount, say
from services.core.backup import base_backup, broker_access, folder, streams, wal
from services.core.backup.problem import BackupError
from services.core.runtime.settings import Settings
from services.core.store.audit.record import record
from services.core.store.operations import backup_facts

app = typer.Typer(
    help="Back up the database, the broker and files, and follow the database's log.",
    invoke_without_command=True,
)

To = Annotated[
    Path | None, typer.Option("--to", help="folder of the backups; default: TONNE_BACKUP")
]


@app.callback(invoke_without_command=True)
def backup(
    context: typer.Context,
    to: To = None,
    with_: Annotated[
        list[Path] | None,
        typer.Option("--with", help="file or folder that belongs to the backup; repeatable"),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(help="remove all but so many of the newest backups afterwards", min=1),
    ] = None,
) -> None:
    """Back up the database, the broker and files, and follow the database's log."""
    if context.invoked_subcommand is not None:
        if to or with_ or keep:
            raise failure(f"give the options after `tonne backup {context.invoked_subcommand}`")
        return
    with clear_errors(BackupError), process.database("backup") as connection:
        settings = process.settings("backup")
        target = _folder(to, settings)
        made = _take(connection, settings, target, with_ or [])
        removed = folder.prune(target, keep) if keep else []
        if removed:
            oldest = folder.about(folder.backups(target)[0])
            wal.prune(folder.wal_folder(target), oldest.first_segment, oldest.segment_bytes)
        record(
            connection,
            "backup.take",
            by=process.operator(),
            subject=made.name,
            after={"folder": str(target), "removed": [old.name for old in removed]},
        )
    about = folder.about(made)
    say(f"{made}: {about.size / 1e6:.1f} MB, {amount(len(about.files), 'file')}")
    for old in removed:
        say(f"  removed {old.name}")
    if about.streams is None:
        say(
            "warning: what waits at the broker is not in it; set TONNE_BACKUP_BROKER_URL to"
            " nats://..., or name its folder with --with",
            err=True,
        )


@app.command("wal")
def follow(to: To = None) -> None:
    """Follow the database's log, in the foreground until stopped: what a failure costs is seconds.

    Run it beside the other processes, on another machine or disk.
    """
    with clear_errors(BackupError):
        settings = process.settings("backup")
        target = folder.wal_folder(_folder(to, settings))
        with process.database("backup") as connection:
            major = backup_facts.facts(connection).major
            if backup_facts.drop_lost_slot(connection):
                say(
                    "warning: the log was not followed for too long and has a gap now; take a new"
                    " backup with `tonne backup`",
                    err=True,
                )
        try:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise BackupError(f"{target} cannot be written ({error.strerror})") from None
        wal.make_slot(settings.database, major)
        wal.follow(settings.database, major, target)


@app.command("list")
def list_(to: To = None, *, as_json: AsJson = False) -> None:
    """List the backups of a folder, and up to when each can be restored."""
    with clear_errors(BackupError):
        target = _folder(to, process.settings("backup"))
        rows = [_row(target, backup) for backup in folder.backups(target)]
    show(
        ("backup", "began", "recoverable until", "MB", "tonne", "schema", "PostgreSQL", "broker"),
        rows,
        as_json=as_json,
    )


@app.command()
def check(to: To = None) -> None:
    """Read every backup of a folder and compare it with its digests; exit 1 if one differs."""
    with clear_errors(BackupError):
        target = _folder(to, process.settings("backup"))
        rows = [
            (backup.name, folder.damage(backup) or "as it was written")
            for backup in folder.backups(target)
        ]
    show(("backup", "state"), rows, as_json=False)
    if any(isinstance(state, list) for _, state in rows):
        raise typer.Exit(1)


def _folder(to: Path | None, settings: Settings) -> Path:
    chosen = to or settings.backup
    if chosen is None:
        raise BackupError("name the folder of the backups with --to or TONNE_BACKUP")
    return chosen.absolute()


def _take(
    connection: psycopg.Connection[Any], settings: Settings, target: Path, extra: Sequence[Path]
) -> Path:
    for path in extra:
        if not path.exists():
            raise BackupError(f"there is no {path} to back up")
    known = backup_facts.facts(connection)
    began = folder.now()
    with folder.new_backup(target, began) as made:
        _copy_configuration(connection, made / folder.CONFIGURATION, extra)
        # before the database: what NATS has acknowledged by now is in one of the two
        broker = broker_access.access(settings)
        waiting = None
        if broker is not None:
            with _bytes_shown("the broker") as (advance, _):
                waiting = streams.take(broker.url, broker.tls, made / folder.BROKER, advance)
        with _bytes_shown("the database") as (_, so_far):
            base_backup.take(settings.database, known.major, made / folder.DATABASE, so_far)
        folder.describe(
            made,
            folder.About(
                began_at=began,
                ended_at=folder.now(),
                tonne=version("tonne"),
                schema=known.schema,
                postgresql=known.postgresql,
                timescaledb=known.timescaledb,
                database=known.database,
                segment_bytes=known.segment_bytes,
                first_segment=base_backup.first_segment(
                    made / folder.DATABASE, known.segment_bytes
                ),
                streams=waiting,
                files=folder.digests(made),
            ),
        )
    return target / made.name.removesuffix(".partial")


def _copy_configuration(
    connection: psycopg.Connection[Any], target: Path, extra: Sequence[Path]
) -> None:
    facilities = target / "facilities"
    facilities.mkdir(parents=True, mode=0o700)
    for slug, text in backup_facts.facility_files(connection).items():
        (facilities / f"{slug}.yaml").write_text(text, encoding="utf-8")
    for path in extra:
        # by its whole path, so that two of one name do not meet
        copy = target / "files" / path.absolute().relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            if path.is_dir():
                shutil.copytree(path, copy, symlinks=True)
            else:
                shutil.copy2(path, copy)
        except (OSError, shutil.Error) as error:
            raise BackupError(f"{path} cannot be copied ({error})") from None


@contextmanager
def _bytes_shown(label: str) -> Iterator[tuple[Callable[[int], None], Callable[[int, int], None]]]:
    with Progress(
        TextColumn("backing up {task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as shown:
        task = shown.add_task(label, total=None)
        yield (
            lambda count: shown.advance(task, count),
            lambda done, total: shown.update(task, completed=done, total=total),
        )


def _row(target: Path, backup: Path) -> tuple[object, ...]:
    about = folder.about(backup)
    until = wal.written_at(
        wal.since(folder.wal_folder(target), about.first_segment, about.segment_bytes)
    )
    return (
        backup.name,
        about.began_at,
        # without the log a copy is restored to its own end
        max(until, about.ended_at) if until else about.ended_at,
        round(about.size / 1e6, 1),
        about.tonne,
        about.schema,
        about.postgresql,
        "not in it" if about.streams is None else f"{sum(about.streams.values())} messages",
    )
