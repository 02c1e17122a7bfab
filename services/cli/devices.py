"""``tonne devices``: unknown devices, example files, and broker accounts."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli import process
from services.cli.chosen_accounts import chosen_accounts
from services.cli.device_accounts import for_mosquitto, for_nats
from services.cli.device_certificates import certificates, issue, revoke
from services.cli.device_examples import examples
from services.cli.device_poll import poll
from services.cli.discovered_devices import adopt, discover, dismiss
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show, show_rest
from services.cli.process import database
from services.cli.say import say
from services.core.store.audit.record import record
from services.core.store.readings.unregistered import Unregistered, select_unregistered

app = typer.Typer(
    no_args_is_help=True,
    help="Discover devices, print examples, poll one, list unregistered ones, and manage broker"
    " accounts.",
)
app.command()(discover)
app.command()(adopt)
app.command()(dismiss)

_COLUMNS: Final = ("facility", "id", "messages", "first", "last", "topic")


class Broker(StrEnum):
    """The brokers that settings can be written for."""

    NATS = "nats"
    MOSQUITTO = "mosquitto"


@app.callback()
def _group() -> None:
    """Discover devices, print examples, poll one, list unregistered ones, manage accounts."""


app.command()(examples)
app.command()(poll)
app.command()(certificates)
app.command()(revoke)


@app.command()
def unknown(
    facility: Annotated[
        list[str] | None, typer.Option("--facility", help="facility id; repeatable")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="maximum number of ids")] = 100,
    as_json: AsJson = False,
) -> None:
    """List devices that were heard of and that nobody registered.

    Each is named by the id in its topic or in its gateway's messages. What they sent waits in
    quarantine, and is stored once a facility file registers them.
    """
    statement = select_unregistered(limit=limit + 1, facilities=facility)
    with clear_errors(), process.session() as connection:
        heard = [Unregistered(**row) for row in connection.execute(statement).mappings()]
    rows = [
        (row.facility, row.id or "(no id)", row.messages, row.first_at, row.last_at, row.topic)
        for row in heard[:limit]
    ]
    if rows or as_json:
        show(_COLUMNS, rows, as_json=as_json)
    else:
        say("every device that was heard of is registered, or its messages were discarded")
    show_rest(heard, limit, which="more", as_json=as_json)


@app.command()
def credentials(
    broker: Annotated[Broker, typer.Option(help="broker to write settings for")],
    device: Annotated[
        list[str] | None,
        typer.Argument(
            help="facility/device, or an id that only one facility has; default: all devices and"
            " tonne itself"
        ),
    ] = None,
    facility: Annotated[
        str | None,
        typer.Option(help="facility of the devices; without devices: all of this facility"),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--into",
            help="write the settings to new files in this directory; with --tls the directory of"
            " the authority",
        ),
    ] = None,
    tls: Annotated[
        bool,
        typer.Option(
            "--tls",
            help="certificates instead of passwords: issue those that are missing or due to be"
            " renewed, for named devices in any case",
        ),
    ] = False,
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="with --tls: how long a certificate is valid")
    ] = 365,
    server: Annotated[
        list[str] | None,
        typer.Option(
            help="with --tls: name or address of the broker, for a certificate of its own;"
            " repeatable"
        ),
    ] = None,
) -> None:
    """Create passwords, shown once and not stored, or certificates; and the broker settings."""
    if tls:
        issue(broker.value, device, facility, directory=directory, days=days, server=server or [])
        return
    if server:
        raise failure("--server is for certificates; add --tls")
    some = bool(device or facility)
    accounts = chosen_accounts(device, facility)
    texts = (
        for_nats(accounts)
        if broker is Broker.NATS
        else for_mosquitto(accounts, directory=(directory or Path()).absolute())
    )
    if some:
        # these go into existing files
        texts.pop("mosquitto-users.conf", None)
    for name, text in texts.items():
        if directory is None:
            say(f"# ---- {name}\n{text}")
        else:
            _write_new(directory / name, text)
            say(f"# wrote {directory / name}")
    with clear_errors(), database() as connection:
        record(
            connection,
            "broker.credentials",
            by=process.operator(),
            facility=facility,
            subject=broker.value,
            after={"users": [account.user for account in accounts]},
        )
    say("# ---- passwords, shown this once")
    for account in accounts:
        say(f"{account.user} {account.password}")


def _write_new(path: Path, text: str) -> None:
    try:
        # readable by its owner alone, from the first byte on
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise failure(
            f"{path} is there already; move it away, or its passwords would be lost"
        ) from None
    except OSError as error:
        raise failure(f"cannot write {path} ({error.strerror})") from None
