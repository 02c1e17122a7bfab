"""Client certificates of devices: issued, renewed and revoked, with the broker's settings."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli import authority, process
from services.cli.authority import LONGEST_ACCOUNT, Authority, AuthorityError, Certificate
from services.cli.chosen_accounts import chosen_accounts
from services.cli.device_accounts import (
    INGEST,
    Account,
    certified_for_mosquitto,
    certified_for_nats,
    digest,
)
from services.cli.device_names import spelled
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show
from services.cli.process import database
from services.cli.say import say
from services.core.store.audit.actions import Action
from services.core.store.audit.record import record

_COLUMNS: Final = ("account", "serial", "begins", "ends", "state")

_RELOAD: Final = "# let the broker read its settings again: send it SIGHUP"

Directory = Annotated[Path, typer.Option("--into", help="directory of the authority")]


def issue(
    broker: str,
    device: list[str] | None,
    facility: str | None,
    *,
    directory: Path | None,
    days: int,
    server: list[str],
) -> None:
    """Issue what is missing or due, for named devices in any case; write the broker's settings.

    :raises typer.Exit: a device is not there, or the directory cannot be used.
    """
    if directory is None:
        raise failure("--tls needs --into, the directory of the authority")
    accounts = chosen_accounts(device, facility)
    named = bool(device)
    everybody = chosen_accounts(None, None) if named or facility else accounts
    now = datetime.now(UTC)
    with clear_errors(AuthorityError), authority.opened(directory) as issuer:
        made: list[Certificate] = []
        if server:
            made.append(issuer.issue_server(server, days=days, now=now))
        for account in accounts:
            newest = issuer.newest(account.user)
            if not named and newest is not None and newest.state(now) == "valid":
                continue
            if len(account.user) > LONGEST_ACCOUNT:
                say(
                    f"warning: {account.user} gets no certificate: it is longer than"
                    f" {LONGEST_ACCOUNT} characters; take shorter ids",
                    err=True,
                )
                continue
            made.append(issuer.issue(account.user, days=days, now=now))
        issuer.notes["broker"] = broker
        password = _own_password(issuer, broker)
        issuer.save(now)
        _write_settings(issuer, everybody, now)
    _record(made, "broker.credentials", facility=facility, subject=broker)
    for certificate in made:
        say(f"{certificate.account} {issuer.files(certificate.account)[0].parent}")
    if password is not None:
        say(f"# ---- password for NATS' own protocol, shown this once\n{INGEST} {password}")
    say(_RELOAD)


def certificates(directory: Directory, as_json: AsJson = False) -> None:
    """List the certificates that were issued, with when each ends."""
    now = datetime.now(UTC)
    with clear_errors(AuthorityError), authority.opened(directory) as issuer:
        rows = [
            (entry.account, entry.serial, entry.begins, entry.ends, entry.state(now))
            for entry in issuer.issued
        ]
    show(_COLUMNS, rows, as_json=as_json)


def revoke(
    account: Annotated[str, typer.Argument(help="facility/device, or an account of tonne's own")],
    directory: Directory,
    serial: Annotated[
        str | None, typer.Option(help="this certificate alone; default: all of the account")
    ] = None,
) -> None:
    """Revoke the certificates of a device, which may be gone, and write the broker's settings."""
    user = spelled(account).replace("/", ".", 1)
    now = datetime.now(UTC)
    with clear_errors(AuthorityError), authority.opened(directory) as issuer:
        revoked = issuer.revoke(user, serial=serial, now=now)
        if not revoked:
            raise failure(
                f"{user} has no such valid certificate; `tonne devices certificates` lists all"
            )
        # the list first: it needs no database
        issuer.save(now)
        _write_settings(issuer, chosen_accounts(None, None), now)
    _record(revoked, "broker.revoke", facility=None, subject=user)
    for certificate in revoked:
        say(f"{certificate.account} {certificate.serial}")
    say(_RELOAD)


def _write_settings(issuer: Authority, accounts: list[Account], now: datetime) -> None:
    """Write the settings that let in whoever may come in now."""
    for name, text in _settings(issuer, accounts, now).items():
        authority.write(issuer.directory / name, text.encode(), mode=0o600)


def _settings(issuer: Authority, accounts: list[Account], now: datetime) -> dict[str, str]:
    usable = issuer.usable(now)
    if issuer.notes["broker"] == "nats":
        return certified_for_nats(accounts, usable, ingest=issuer.notes["password"])
    directory = issuer.directory.absolute()
    return certified_for_mosquitto(
        accounts,
        usable,
        directory=directory,
        authority=issuer.certificate_file.absolute(),
        revoked=issuer.revoked_file.absolute(),
    )


def _own_password(issuer: Authority, broker: str) -> str | None:
    """Return tonne's password for NATS' own protocol where it is made now."""
    if broker != "nats" or "password" in issuer.notes:
        return None
    password = secrets.token_urlsafe(24)
    issuer.notes["password"] = digest(password)
    return password


def _record(
    certificates: list[Certificate], action: Action, *, facility: str | None, subject: str
) -> None:
    serials = {certificate.serial: certificate.account for certificate in certificates}
    with clear_errors(), database() as connection:
        record(
            connection,
            action,
            by=process.operator(),
            facility=facility,
            subject=subject,
            after={"certificates": serials},
        )
