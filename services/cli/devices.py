"""``tonne devices``: accounts of devices at the broker."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.cli.device_accounts import (
    Account,
    for_mosquitto,
    for_nats,
    own_accounts,
    topics,
    unfit,
)
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
    device: Annotated[list[str] | None, typer.Argument(help="default: all, and tonne")] = None,
    into: Annotated[
        Path | None, typer.Option(help="write the settings to new files in this directory")
    ] = None,
) -> None:
    """Make passwords, shown once and kept nowhere, and the broker's settings for them."""
    with clear_errors(), database() as connection:
        known = read.devices(connection).by_slug
    unknown = sorted(set(device or ()) - known.keys())
    if unknown:
        raise failure(f"no such device: {', '.join(unknown)}; apply its facility file first")
    accounts = [] if device else own_accounts()
    for name in device or sorted(known):
        if why := unfit(known[name]):
            raise failure(why)
        allowed, left_out = topics(known[name])
        accounts.append(Account(user=name, topics=allowed))
        for each in left_out:
            typer.echo(f"warning: {name} gets no right to {each}", err=True)
    texts = (
        for_nats(accounts)
        if broker is Broker.NATS
        else for_mosquitto(accounts, directory=(into or Path()).absolute())
    )
    if device:
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
