"""``tonne users``: accounts of people."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show
from services.cli.say import say
from services.core.store.people import accounts
from services.core.store.people.accounts import Account, AccountError
from services.core.store.people.passwords import PasswordError
from services.core.store.people.roles import ROLES, Role

app = typer.Typer(no_args_is_help=True, help="Manage accounts of people.")

_Name = Annotated[str, typer.Argument(help="account name")]
_RoleName = Annotated[str, typer.Option("--role", help=f"one of {', '.join(ROLES)}")]
_Facilities = Annotated[
    list[str] | None,
    typer.Option("--facility", help="the role holds in this facility; repeatable; default: all"),
]
_PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="read the password from standard input, for programs"),
]

_COLUMNS = ("name", "full name", "roles", "signs in", "created", "last used", "disabled")


@app.command()
def create(
    name: _Name,
    role: _RoleName = "viewer",
    facility: _Facilities = None,
    full_name: Annotated[str | None, typer.Option(help="name as others know it")] = None,
    password_stdin: _PasswordStdin = False,
) -> None:
    """Create a local account; the password is asked for."""
    with clear_errors(AccountError, PasswordError):
        known = _role(role)
        password = _password(from_stdin=password_stdin)
        with process.transaction() as connection:
            accounts.create(
                connection,
                name,
                full_name=full_name,
                password=password,
                role=known,
                facilities=facility,
                by=process.operator(),
            )
    say(f"{accounts.spelled(name)} may sign in as {role}")


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List all accounts with their roles."""
    with clear_errors(), process.transaction() as connection:
        listed = accounts.accounts(connection)
    show(_COLUMNS, [_row(account) for account in listed], as_json=as_json)


@app.command("show")
def show_(name: _Name, *, as_json: AsJson = False) -> None:
    """Show an account."""
    with clear_errors(), process.transaction() as connection:
        listed = accounts.accounts(connection, name)
    if not listed:
        raise failure(f"there is no account {name}; `tonne users list` shows all")
    show(_COLUMNS, [_row(account) for account in listed], as_json=as_json)


@app.command("role")
def role_(
    name: _Name,
    role: Annotated[str, typer.Argument(help=f"one of {', '.join(ROLES)}")],
    facility: _Facilities = None,
    take: Annotated[bool, typer.Option("--take", help="take the role away instead")] = False,
) -> None:
    """Give an account a role, or take it away; it holds from the next request on."""
    with clear_errors(AccountError), process.transaction() as connection:
        known = _role(role)
        if take:
            accounts.take_role(connection, name, known, by=process.operator())
        else:
            accounts.give_role(connection, name, known, facility, by=process.operator())
        (account,) = accounts.accounts(connection, name)
    say(f"{account.name}: {', '.join(_roles(account)) or 'no role'}")


@app.command()
def password(name: _Name, password_stdin: _PasswordStdin = False) -> None:
    """Set a new password; every session of the account ends."""
    with clear_errors(AccountError, PasswordError):
        new = _password(from_stdin=password_stdin)
        with process.transaction() as connection:
            accounts.set_password(connection, name, new, by=process.operator())
    say(f"{accounts.spelled(name)} has a new password")


@app.command()
def disable(name: _Name) -> None:
    """Let somebody in no more: their sessions and keys end at once."""
    with clear_errors(AccountError), process.transaction() as connection:
        accounts.disable(connection, name, by=process.operator())
    say(f"{accounts.spelled(name)} is disabled")


@app.command()
def enable(name: _Name) -> None:
    """Let somebody in again; their sessions stay ended."""
    with clear_errors(AccountError), process.transaction() as connection:
        accounts.enable(connection, name, by=process.operator())
    say(f"{accounts.spelled(name)} may sign in")


def _role(name: str) -> Role:
    for role in ROLES:
        if role == name:
            return role
    raise failure(f"roles are {', '.join(ROLES)}; got {name}")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("password", hide_input=True, confirmation_prompt=True))


def _row(account: Account) -> tuple[Any, ...]:
    return (
        account.name,
        account.full_name,
        _roles(account),
        account.issuer or "here",
        account.created_at,
        account.used_at,
        account.disabled_at,
    )


def _roles(account: Account) -> list[str]:
    return [
        given["role"]
        + ("" if given["facilities"] is None else f" of {', '.join(given['facilities'])}")
        for given in account.roles
    ]
