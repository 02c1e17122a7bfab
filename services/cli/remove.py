"""``tonne remove`` and ``tonne removed``: retired and purged facilities."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from sqlalchemy import Engine

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show
from services.cli.member_cells import purge_place
from services.cli.options import DryRun, check_line
from services.cli.say import amount, say
from services.core.store.cells.errors import CellError
from services.core.store.database.connect import engine
from services.core.store.operations.purge_facility import (
    NotRetiredError,
    PurgeCandidate,
    StillNamedError,
    candidate,
    purge,
    stored_by_table,
)
from services.core.store.operations.removed_facilities import removed_facilities
from services.core.store.operations.retire_facility import (
    RetiredFacility,
    UnknownFacilityError,
    look_up,
    retire_facility,
    stored_rows,
)

#: How many names are listed.
_MAX_NAMED: Final = 10

#: 40 CFR 75.57(a) and 98.3(g); Implementing Regulation (EU) 2018/2066, Art. 67(1).
RETENTION: Final = (
    "A rule may forbid this: records must be kept for 3 years under 40 CFR 75.57(a) and 98.3(g),"
    " for 10 years under Article 67 of Regulation (EU) 2018/2066. If you report under one of them,"
    " archive the records first."
)

Facility = Annotated[str, typer.Argument(help="facility id")]


def remove(
    facility: Facility,
    *,
    dry_run: DryRun = False,
    reason: Annotated[
        str | None, typer.Option(help="reason, kept with the record; required with --purge")
    ] = None,
    purge_it: Annotated[
        bool,
        typer.Option("--purge", help="delete a retired facility permanently, with all of its data"),
    ] = False,
    confirm: Annotated[
        str | None,
        typer.Option(help="with --purge: the facility id again, instead of typing it"),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(help="with --purge, of several cells: the one that the facility lives in"),
    ] = None,
) -> None:
    """Retire a facility: its history stays readable, and applying its file brings it back.

    Messages of its devices go to quarantine, its thresholds are no longer evaluated, and it leaves
    live totals. With --purge, a retired facility is deleted permanently; this needs the login of
    the database owner.
    """
    check_line("--reason", reason)
    if cell is not None and not purge_it:
        raise failure("--cell is of --purge: to retire a facility, use its cell's database")
    with clear_errors(CellError):
        try:
            if purge_it:
                _purge(facility, cell, reason=reason, confirm=confirm, dry_run=dry_run)
            else:
                _retire(facility, reason=reason, dry_run=dry_run)
        except (UnknownFacilityError, NotRetiredError, StillNamedError) as error:
            raise failure(str(error)) from None


def removed(*, as_json: AsJson = False) -> None:
    """List retired and purged facilities."""
    with clear_errors(), process.session() as connection:
        facilities = removed_facilities(connection)
    columns = ("facility", "name", "state", "since", "by", "reason", "rows deleted")
    rows = [
        (
            facility.facility,
            facility.name,
            facility.state,
            facility.since,
            facility.by,
            facility.reason,
            facility.rows,
        )
        for facility in facilities
    ]
    show(columns, rows, as_json=as_json)


@contextmanager
def _owners_database(url: str) -> Iterator[Engine]:
    """Open the database with its owner's login, for many short transactions."""
    bind = engine(url, process="admin")
    try:
        yield bind
    finally:
        bind.dispose()


def _retire(facility: str, *, reason: str | None, dry_run: bool) -> None:
    with process.transaction() as connection:
        before = look_up(connection, facility)
        if before.retirement is not None:
            say(f"{facility} has been retired since {_since(before)}; nothing to do")
        elif dry_run:
            stored = stored_rows(connection, before.id)
            say(f"{facility} ({before.name}) would be retired")
            _say_what_ends(before)
            say(
                f"  kept: {amount(stored.readings, 'reading')},"
                f" {amount(stored.hours, 'hour')} of emissions"
            )
            say("nothing was changed")
        else:
            retired = retire_facility(connection, facility, by=process.operator(), reason=reason)
            say(f"{facility} ({retired.name}) is retired")
            _say_what_ends(retired)
            say(
                f"  its history stays readable; to bring it back, apply its file, which"
                f" `tonne export {facility}` prints"
            )


def _since(facility: RetiredFacility) -> str:
    retirement = facility.retirement
    assert retirement is not None  # noqa: S101 - the caller has checked
    why = "" if retirement.reason is None else f" ({retirement.reason})"
    return f"{retirement.instant:%Y-%m-%dT%H:%MZ} by {retirement.by}{why}"


def _say_what_ends(facility: RetiredFacility) -> None:
    say(f"  devices whose messages go to quarantine: {_named(facility.devices)}")
    say(f"  sources whose open hours are closed: {_named(facility.sources)}")
    say(f"  thresholds that are no longer evaluated: {_named(facility.thresholds)}")
    say(f"  open alerts that end: {facility.open_alerts}")


def _named(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = len(names) - _MAX_NAMED
    listed = ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{len(names)} ({listed})"


def _purge(
    facility: str, cell: str | None, *, reason: str | None, confirm: str | None, dry_run: bool
) -> None:
    # the logins of services cannot delete history: this needs the login that migrates
    settings = process.settings("migrate")
    place = purge_place(settings, facility, cell)
    with _owners_database(place.url) as bind:
        with bind.connect() as connection:
            doomed = candidate(connection, facility, is_meant=place.is_meant)
            counted = stored_by_table(connection, facility)
        _say_what_is_lost(doomed, counted)
        if dry_run:
            say("nothing was changed")
            return
        if reason is None:
            raise failure("give a reason with --reason: only it and the names are kept")
        _ask(facility, confirm)
        # an organisation of home may count with it since that was looked at
        is_meant = purge_place(settings, facility, cell).is_meant
        by = f"{process.operator()}, login {doomed.login}"
        gone = purge(bind, facility, by=by, reason=reason, is_meant=is_meant)
    say(
        f"{facility} is deleted: {amount(sum(gone.values()), 'row')}; `tonne removed` keeps a"
        " record of it"
    )


def _say_what_is_lost(doomed: PurgeCandidate, counted: Mapping[str, int]) -> None:
    say(
        f"{doomed.slug} ({doomed.name}), retired since {doomed.retirement.instant:%Y-%m-%dT%H:%MZ},"
        " is deleted permanently: its readings, its emissions with every restatement, its alerts,"
        " its entries in quarantine and its configuration. Past totals of all facilities no longer"
        " include it. Only a backup can bring it back."
    )
    say(RETENTION)
    for name, rows in counted.items():
        say(f"  {name}: {amount(rows, 'row')}")
    if doomed.begun_at is not None:
        say(f"its purge began at {doomed.begun_at:%Y-%m-%dT%H:%MZ} and continues")


def _ask(facility: str, confirm: str | None) -> None:
    if confirm is None:
        if not sys.stdin.isatty():
            raise failure(f"nothing was purged: no terminal to ask at; add --confirm {facility}")
        confirm = typer.prompt("type the facility id to delete it", default="", show_default=False)
    if confirm != facility:
        raise failure(f"nothing was purged: that is not {facility}")
