"""``tonne devices``: accounts of devices at the broker."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.device_accounts import (
    Account,
    UnfitIdError,
    for_mosquitto,
    for_nats,
    own_accounts,
    topics,
    user_name,
)
from services.cli.device_names import chosen
from services.cli.errors import clear_errors, failure
from services.cli.process import database
from services.cli.say import say
from services.core.store.registry import read

app = typer.Typer(no_args_is_help=True, help="Devices: their accounts at the broker.")


class Broker(StrEnum):
    """Whose settings are written."""

    NATS = "nats"
    MOSQUITTO = "mosquitto"


@app.callback()
def _group() -> None:
    """Devices: their accounts at the broker."""


@app.command()
def credentials(
    broker: Annotated[Broker, typer.Option(help="whose settings to write")],
    device: Annotated[
        list[str] | None,
        typer.Argument(
            help="facility/device, or an id that only one facility has; default: all, and tonne"
        ),
    ] = None,
    facility: Annotated[
        str | None, typer.Option(help="whose device is meant; without any: all of this facility's")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="write the settings to new files in this directory")
    ] = None,
) -> None:
    """Make passwords, shown once and kept nowhere, and the broker's settings for them."""
    with clear_errors(), database() as connection:
        known = read.devices(connection).by_name
    some = bool(device or facility)
    accounts = [] if some else own_accounts()
    for each in _chosen(device, facility, known):
        account, left_out = _account(each)
        accounts.append(account)
        for topic in left_out:
            say(f"warning: {account.user} gets no right to {topic}", err=True)
    texts = (
        for_nats(accounts)
        if broker is Broker.NATS
        else for_mosquitto(accounts, directory=(into or Path()).absolute())
    )
    if some:
        # for files that are there already
        texts.pop("mosquitto-users.conf", None)
    for name, text in texts.items():
        if into is None:
            say(f"# ---- {name}\n{text}")
        else:
            _write_new(into / name, text)
            say(f"# wrote {into / name}")
    say("# ---- passwords, shown this once")
    for account in accounts:
        say(f"{account.user} {account.password}")


def _chosen(
    typed: list[str] | None, facility: str | None, known: Mapping[tuple[str, str], read.Device]
) -> list[read.Device]:
    if typed:
        # a device that is named twice has one account
        return [known[name] for name in dict.fromkeys(chosen(t, facility, known) for t in typed)]
    names = sorted(name for name in known if facility in (None, name[0]))
    if facility is not None and not names:
        raise failure(f"facility {facility} has no device; apply its facility file first")
    return [known[name] for name in names]


def _account(device: read.Device) -> tuple[Account, list[str]]:
    """Its account, and which topics it gets no right to, each with why."""
    allowed, left_out = topics(device)
    try:
        return Account(user=user_name(device), topics=allowed), left_out
    except UnfitIdError as error:
        raise failure(str(error)) from None


def _write_new(path: Path, text: str) -> None:
    try:
        # of the one who asked alone, from the first byte on
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise failure(
            f"{path} is there already; move it away: its passwords would be lost"
        ) from None
    except OSError as error:
        raise failure(f"{path} cannot be written ({error.strerror})") from None
