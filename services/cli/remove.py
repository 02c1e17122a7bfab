"""``tonne remove`` and ``tonne removed``: facilities that are retired, or deleted for ever."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from sqlalchemy import Engine

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show
from services.cli.options import DryRun, check_line
from services.cli.say import say
from services.core.store.database.connect import engine
from services.core.store.operations.purge_facility import (
    NotRetiredError,
    PurgeCandidate,
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

#: Names told one by one.
_MOST_NAMED: Final = 10

#: 40 CFR 75.57(a) and 98.3(g); Implementing Regulation (EU) 2018/2066, Art. 67(1).
RETENTION: Final = (
    "A rule may forbid it: records are to be kept for 3 years under 40 CFR 75.57(a) and 98.3(g),"
    " for 10 years under Article 67 of Regulation (EU) 2018/2066. Whoever reports by one keeps"
    " them elsewhere first."
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
) -> None:
    """Retire a facility: its history stays readable, and applying its file brings it back.

    Messages of its devices go to quarantine, its thresholds are no longer evaluated, and it leaves
    live totals. With --purge, a retired facility is deleted permanently; this needs the login of
    the database owner.
    """
    check_line("--reason", reason)
    with clear_errors():
        try:
            if purge_it:
                _purge(facility, reason=reason, confirm=confirm, dry_run=dry_run)
            else:
                _retire(facility, reason=reason, dry_run=dry_run)
        except (UnknownFacilityError, NotRetiredError) as error:
            raise failure(str(error)) from None


def removed(*, as_json: AsJson = False) -> None:
    """List retired and purged facilities."""
    with clear_errors(), process.session() as connection:
        found = removed_facilities(connection)
    columns = ("facility", "name", "state", "since", "by", "reason", "rows deleted")
    rows = [
        (each.facility, each.name, each.state, each.since, each.by, each.reason, each.rows)
        for each in found
    ]
    show(columns, rows, as_json=as_json)


@contextmanager
def _owners_database() -> Iterator[Engine]:
    """Open the database with its owner's login, for many short transactions."""
    bind = engine(process.settings("migrate").database, process="admin")
    try:
        yield bind
    finally:
        bind.dispose()


def _retire(facility: str, *, reason: str | None, dry_run: bool) -> None:
    with process.transaction() as connection:
        before = look_up(connection, facility)
        if before.retirement is not None:
            say(f"{facility} is retired since {_told(before)}; nothing to do")
        elif dry_run:
            stored = stored_rows(connection, before.id)
            say(f"{facility} ({before.name}) would be retired")
            _say_what_ends(before)
            say(f"  stays readable: {stored.readings} readings, {stored.hours} hours of emissions")
            say("nothing was changed")
        else:
            by = f"user {getpass.getuser()}"
            found = retire_facility(connection, facility, by=by, reason=reason)
            say(f"{facility} ({found.name}) is retired")
            _say_what_ends(found)
            say(
                f"  its history stays readable; its file, `tonne export {facility}` prints it,"
                " brings it back with `tonne apply`"
            )


def _told(facility: RetiredFacility) -> str:
    found = facility.retirement
    assert found is not None  # noqa: S101 - whoever asks has looked
    why = "" if found.reason is None else f" ({found.reason})"
    return f"{found.at:%Y-%m-%dT%H:%MZ} by {found.by}{why}"


def _say_what_ends(facility: RetiredFacility) -> None:
    say(f"  devices whose messages go to quarantine: {_named(facility.devices)}")
    say(f"  sources whose running hours are closed: {_named(facility.sources)}")
    say(f"  thresholds that are evaluated no longer: {_named(facility.thresholds)}")
    say(f"  open alerts that end: {facility.open_alerts}")


def _named(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = len(names) - _MOST_NAMED
    listed = ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{len(names)} ({listed})"


def _purge(facility: str, *, reason: str | None, confirm: str | None, dry_run: bool) -> None:
    # the services' logins may delete no history: this is for the one that migrates
    with _owners_database() as bind:
        with bind.connect() as connection:
            found = candidate(connection, facility)
            counted = stored_by_table(connection, facility)
        _say_what_is_lost(found, counted)
        if dry_run:
            say("nothing was changed")
            return
        if reason is None:
            raise failure("say why with --reason: it is all that stays of the facility")
        _ask(facility, confirm)
        by = f"user {getpass.getuser()}, login {found.login}"
        gone = purge(bind, facility, by=by, reason=reason)
    say(f"{facility} is deleted: {sum(gone.values())} rows; `tonne removed` lists that it was")


def _say_what_is_lost(found: PurgeCandidate, counted: Mapping[str, int]) -> None:
    say(
        f"{found.slug} ({found.name}), retired since {found.retirement.at:%Y-%m-%dT%H:%MZ}, is"
        " deleted for ever: its readings, its emissions with every restatement, its alerts, what"
        " of it is in quarantine, its configuration. Totals of all facilities over the past lack"
        " it from then on. Nothing but a backup brings it back."
    )
    say(RETENTION)
    for name, rows in counted.items():
        say(f"  {name}: {rows} rows")
    if found.begun_at is not None:
        say(f"its purge began at {found.begun_at:%Y-%m-%dT%H:%MZ} and goes on")


def _ask(facility: str, confirm: str | None) -> None:
    if confirm is None:
        if not sys.stdin.isatty():
            raise failure(f"nothing was purged: nobody can be asked; add --confirm {facility}")
        confirm = typer.prompt("type its id to delete it", default="", show_default=False)
    if confirm != facility:
        raise failure(f"nothing was purged: that is not {facility}")
