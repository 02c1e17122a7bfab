"""``tonne archive``: packed readings as Parquet files, out of the database and back."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli import process
from services.cli.archive_steps import (
    OWN_ERRORS,
    archiving,
    check_known,
    how_to_mend,
    month_of,
    place_of,
    removed,
    state_of,
    written,
)
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show
from services.cli.progress import progress
from services.cli.say import amount, say
from services.core.store.audit.record import record
from services.core.store.readings.archive import months, removal
from services.core.store.readings.archive import restore as restoring
from services.core.store.readings.archive.calendar import month_after

app = typer.Typer(
    help="Write packed readings as Parquet by facility and month to a folder or S3.",
    invoke_without_command=True,
)

Facilities = Annotated[
    list[str] | None, typer.Option("--facility", help="facility id; repeatable; default: all")
]
To = Annotated[
    str | None, typer.Option("--to", help="folder or s3://bucket/prefix; default: TONNE_ARCHIVE")
]


@app.callback(invoke_without_command=True)
def archive(context: typer.Context, facility: Facilities = None, to: To = None) -> None:
    """Write packed readings as Parquet by facility and month to a folder or S3."""
    if context.invoked_subcommand is not None:
        if facility or to:
            raise failure(f"give the options after `tonne archive {context.invoked_subcommand}`")
        return
    with archiving(facility) as (connection, settings):
        target = place_of(settings, to or settings.archive)
        rows, failed = written(connection, settings, target, facility)
    if not rows:
        say(
            "no month can be archived yet: one is once it ended TONNE_PACK_AFTER_DAYS"
            f" ({settings.pack_after_days}) ago and its readings are packed, which begins some"
            " minutes after the aggregator's start"
        )
        return
    show(("facility", "month", "file", "readings", "size", "done"), rows, as_json=False)
    if failed:
        raise typer.Exit(1)


@app.command("list")
def list_(facility: Facilities = None, *, as_json: AsJson = False) -> None:
    """List the files of the archive as the database knows them."""
    with clear_errors(*OWN_ERRORS), process.database() as connection:
        check_known(connection, facility)
        files = months.files(connection, facility)
    show(
        ("facility", "month", "place", "file", "readings", "bytes", "sha256", "archived",
         "in database"),
        [
            (
                file.facility, f"{file.month:%Y-%m}", file.place, file.path, file.readings,
                file.size, file.sha256.hex(), file.archived_at,
                "yes" if file.removed_at is None else "no",
            )
            for file in files
        ],
        as_json=as_json,
    )  # fmt: skip


@app.command()
def verify(facility: Facilities = None) -> None:
    """Read the files of the archive and compare them with the database; exit 1 if one differs."""
    with clear_errors(*OWN_ERRORS), process.database() as connection:
        check_known(connection, facility)
        settings = process.settings("admin")
        files = months.files(connection, facility)
        rows = [
            (file.facility, f"{file.month:%Y-%m}", file.path, state_of(settings, file))
            for file in files
        ]
    show(("facility", "month", "file", "state"), rows, as_json=False)
    if any(state != "as archived" for *_, state in rows):
        raise typer.Exit(1)


@app.command()
def remove(
    before: Annotated[
        str, typer.Option(help="remove the readings of archived months before this one: YYYY-MM")
    ],
    facility: Facilities = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Remove archived readings from the database; totals stay, and `restore` brings them back."""
    end = month_of(before)
    with archiving(facility) as (connection, settings):
        listed = months.files(connection, facility)
        files = [file for file in listed if file.month < end]
        if not files:
            raise failure(f"nothing from before {before} is archived; see `tonne archive list`")
        for file in listed:
            if file.month >= end and file.removed_at is None:
                continue
            # of months that were removed before, days that had to stay may leave now
            state = state_of(settings, file)
            if state != "as archived":
                raise failure(
                    f"{file.place}/{file.path}: {state}; nothing is removed:"
                    f" {how_to_mend(file, state)}"
                )
        if not yes:
            say(f"{amount(len(files), 'month')} of readings will be in the archive alone")
            if not typer.confirm("remove them from the database?"):
                raise failure("nothing was removed")
        rows = removed(connection, files)
    show(("facility", "months", "days removed", "channels that wait"), rows, as_json=False)
    if any(waiting for *_, waiting in rows):
        say(
            "channels wait until the aggregator has computed and closed all that their readings"
            " feed; run the same command again then"
        )


@app.command()
def restore(
    facility: Annotated[str, typer.Argument(help="facility id")],
    month: Annotated[str, typer.Argument(help="month, in UTC: YYYY-MM")],
) -> None:
    """Bring a month's readings back from the archive, each day under its digest."""
    wanted_month = month_of(month)
    with archiving([facility]) as (connection, settings):
        files = months.files(connection, [facility])
        file = next((file for file in files if file.month == wanted_month), None)
        if file is None:
            raise failure(f"{month} of {facility} is not archived; see `tonne archive list`")
        channels = months.channels(connection, file.facility_id)
        wanted, readings = restoring.missing(connection, file.facility_id, channels, wanted_month)
        with progress(f"restoring {facility} {month}", readings) as advance:
            restoring.bring_back(
                connection,
                wanted,
                files,
                lambda each_file: place_of(settings, each_file.place),
                advance,
            )
        removal.keep(
            connection, file.facility_id, [channel.id for channel in channels], wanted_month
        )
        record(
            connection,
            "archive.restore",
            by=process.operator(),
            facility=facility,
            subject=month,
            after={"readings": readings},
        )
    days = sum(map(len, wanted.values()))
    say(
        f"{facility} {month}: {amount(readings, 'reading')} of {amount(days, 'day')} of channels"
        " are back, each as it was archived"
    )
    if days:
        end = month_after(wanted_month)
        say(
            "what the facility file changed for that time meanwhile is computed with"
            f" `tonne recompute --facility {facility} --from {wanted_month} --to {end}`"
        )
