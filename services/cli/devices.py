"""``tonne devices``: unknown devices, example files, and broker accounts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli import process
from services.cli.device_accounts import (
    Account,
    UnfitIdError,
    discovery_account,
    factors_account,
    for_mosquitto,
    for_nats,
    heard_topics,
    home_assistant_account,
    own_accounts,
    shared_factors_account,
    sparkplug_account,
    topics,
    user_name,
)
from services.cli.device_examples import examples
from services.cli.device_names import chosen
from services.cli.device_poll import poll
from services.cli.discovered_devices import adopt, discover, dismiss
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show, show_rest
from services.cli.process import database
from services.cli.say import say
from services.core.store.audit.record import record
from services.core.store.readings.unregistered import Unregistered, select_unregistered
from services.core.store.registry import grants, read
from services.ingest.route import SHARED_SERIES

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
        typer.Option("--into", help="write the settings to new files in this directory"),
    ] = None,
) -> None:
    """Create passwords, shown once and not stored, and the broker settings for them."""
    with clear_errors(), database() as connection:
        registered = read.devices(connection)
    known = registered.by_name
    some = bool(device or facility)
    accounts = [] if some else _not_of_devices()
    if not some and any(device.format == "sparkplug" for device in known.values()):
        accounts.append(sparkplug_account())
    if not device:
        accounts += _of_factors(facility, registered)
    for known_device in _chosen(device, facility, known):
        account, left_out = _account(known_device)
        accounts.append(account)
        for topic in left_out:
            say(f"warning: {account.user} gets no access to {topic}", err=True)
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


def _not_of_devices() -> list[Account]:
    return [
        *own_accounts(),
        discovery_account(),
        shared_factors_account(),
        home_assistant_account(),
    ]


def _chosen(
    typed: list[str] | None, facility: str | None, known: Mapping[tuple[str, str], read.Device]
) -> list[read.Device]:
    if typed:
        # a device named twice has one account
        return [known[name] for name in dict.fromkeys(chosen(t, facility, known) for t in typed)]
    names = sorted(name for name in known if facility in (None, name[0]))
    if facility is not None and not names:
        raise failure(f"facility {facility} has no device; apply its facility file first")
    return [known[name] for name in names]


def _of_factors(facility: str | None, registered: read.Devices) -> list[Account]:
    """Create accounts of facilities that state factors by the hour, or may publish shared ones."""
    with clear_errors(), process.transaction() as connection:
        granted = grants.list_grants(connection, "topic")
    topics_of: dict[str, list[str]] = {owner: [] for owner, _ in registered.series if owner}
    for grant in granted:
        if grants.covers(SHARED_SERIES, grant.name):
            topics_of.setdefault(grant.facility, []).append(grant.name)
    owners = [owner for owner in sorted(topics_of) if facility in (None, owner)]
    try:
        return [factors_account(owner, topics_of[owner]) for owner in owners]
    except UnfitIdError as error:
        raise failure(str(error)) from None


def _account(device: read.Device) -> tuple[Account, list[str]]:
    """Create its account; also return the topics it gets no access to, each with why."""
    allowed, left_out = topics(device)
    try:
        return Account(user=user_name(device), topics=allowed, heard=heard_topics(device)), left_out
    except UnfitIdError as error:
        raise failure(str(error)) from None


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
