"""``tonne alerts``: whether notifications reach their recipients."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated, Any, Final

import psycopg
import typer
from rich.text import Text

from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, console, show, show_rest
from services.cli.process import database, operator
from services.cli.say import cell
from services.core.facility.recipients import shown
from services.core.store.alerts import outbox
from services.core.store.alerts.outbox import Entry, NotifierAwayError, SentTest

app = typer.Typer(no_args_is_help=True, help="Check whether alerts reach their recipients.")

_LOOK_EVERY_S: Final = 0.1


class Kind(StrEnum):
    """How a recipient is reached."""

    WEBHOOK = "webhook"
    ALERTMANAGER = "alertmanager"
    MQTT = "mqtt"
    EMAIL = "email"


@app.command("test")
def send_test(
    facility: Annotated[str, typer.Argument(help="facility id")],
    to: Annotated[
        list[Kind] | None,
        typer.Option(help="only recipients of this kind; repeatable; default: all"),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=1, max=600, help="seconds to wait for all recipients")
    ] = 30,
) -> None:
    """Send a test message to a facility's recipients; exit 1 if one does not accept it."""
    with clear_errors(), database() as connection:
        try:
            outbox.refuse_without_notifier(connection)
        except NotifierAwayError as error:
            raise failure(str(error)) from None
        message = outbox.enqueue_test(connection, facility, kinds=to or (), by=operator())
        if message is None:
            raise failure(f"there is no facility {facility}; create it with `tonne apply`")
        if not message.targets:
            raise failure(
                f"{facility} has no such recipient; recipients are listed in its facility file"
            )
        entries = _await(connection, message, wait)
    out = console()
    for entry in entries:
        out.print(_outcome(entry, wait))
    if any(entry.delivered_at is None for entry in entries):
        raise typer.Exit(1)


def _await(connection: psycopg.Connection[Any], message: SentTest, wait_s: float) -> list[Entry]:
    deadline = time.monotonic() + wait_s
    while True:
        entries = outbox.entries_of_test(connection, message)
        if all(entry.delivered_at is not None for entry in entries):
            return entries
        if time.monotonic() > deadline:
            outbox.abandon_test(connection, message)
            return outbox.entries_of_test(connection, message)
        time.sleep(_LOOK_EVERY_S)


def _outcome(entry: Entry, wait_s: float) -> Text:
    if entry.delivered_at is not None:
        took_s = (entry.delivered_at - entry.created_at).total_seconds()
        return cell(f"{shown(entry.target)}: delivered in {took_s:.1f} s")
    reason = entry.reason or "no answer"
    return cell(f"{shown(entry.target)}: not delivered within {wait_s:g} s: {reason}")


@app.command()
def waiting(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="maximum number of messages")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """List notifications that are not delivered yet, and why, oldest first."""
    with clear_errors(), database() as connection:
        entries = outbox.pending(connection, limit + 1)
    columns = ("facility", "threshold", "says", "to", "since", "tries", "next try", "why", "name")
    rows = [
        (
            entry.facility,
            entry.threshold,
            entry.kind,
            shown(entry.target),
            entry.created_at,
            entry.tries,
            entry.next_try_at,
            entry.reason,
            entry.name,
        )
        for entry in entries[:limit]
    ]
    show(columns, rows, as_json=as_json)
    show_rest(entries, limit, which="newer", as_json=as_json)
