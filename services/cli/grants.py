"""``tonne topics`` and ``tonne secrets``: what a key limited to a facility may name in its file."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.listing import AsJson, show
from services.cli.say import say
from services.core.facility import secret_names
from services.core.facility.fields import STATED, Topic
from services.core.store.database.connect import engine
from services.core.store.registry import grants
from services.core.store.registry.apply import raise_revision

topics = typer.Typer(no_args_is_help=True, help="Topics beyond its own that a facility may name.")
secrets = typer.Typer(no_args_is_help=True, help="Secrets that a facility may sign messages with.")

Found = TypeVar("Found")
_Facility = Annotated[str, typer.Argument(help="id of the facility")]
_Prefix = Annotated[str, typer.Argument(help="the topic; all below it belong to it")]
_Name = Annotated[str, typer.Argument(help="environment variable, TONNE_SECRET_...")]


def _run(work: Callable[[Connection], Found]) -> Found:
    with clear_errors():
        bind = engine(process.settings("admin").database, process="apply")
        try:
            with bind.begin() as connection:
                return work(connection)
        except grants.GrantRequestError as error:
            raise failure(str(error)) from None
        finally:
            bind.dispose()


def _grant(facility: str, kind: grants.Kind, name: str) -> None:
    def work(connection: Connection) -> bool:
        new = grants.grant(connection, facility, kind, name, by=f"user {getpass.getuser()}")
        raise_revision(connection)
        return new

    new = _run(work)
    say(f"{facility} may name {name}" if new else f"{facility} may name {name} already")


def _revoke(facility: str, kind: grants.Kind, name: str) -> None:
    def work(connection: Connection) -> list[str]:
        grants.revoke(connection, facility, kind, name)
        raise_revision(connection)
        return grants.still_named(connection, facility, name) if kind == "topic" else []

    named = _run(work)
    say(f"{facility} may no longer name {name}")
    for topic in named:
        say(f"  its file in force still names {topic}: apply it without", err=True)


def _list(kind: grants.Kind, *, as_json: bool) -> None:
    rows = [
        (each.facility, each.name, each.granted_at, each.granted_by)
        for each in _run(lambda connection: grants.list_grants(connection, kind))
    ]
    show(("facility", kind, "granted", "by"), rows, as_json=as_json)


def _prefix(text: str) -> str:
    """A topic whose whole subtree is meant, checked as facility files' topics are.

    :raises typer.Exit: it cannot be granted.
    """
    prefix = re.sub(r"/(?:#)?\Z", "", text)
    try:
        TypeAdapter(Topic).validate_python(prefix, context=STATED)
    except ValidationError as error:
        raise failure(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    if prefix.startswith("$"):
        raise failure(f"{prefix} begins with $, which brokers keep for themselves")
    if grants.covers("emissions", prefix):
        raise failure("below emissions/ each facility owns what bears its id, and nothing else")
    return prefix


@topics.command("grant")
def grant_topic(facility: _Facility, prefix: _Prefix) -> None:
    """Let a facility's devices use a topic and all below it, whoever applies its file."""
    _grant(facility, "topic", _prefix(prefix))


@topics.command("revoke")
def revoke_topic(facility: _Facility, prefix: _Prefix) -> None:
    """Take a grant back; what the file in force names stays until it is applied without."""
    _revoke(facility, "topic", _prefix(prefix))


@topics.command("list")
def list_topics(*, as_json: AsJson = False) -> None:
    """List the topics that are granted."""
    _list("topic", as_json=as_json)


@secrets.command("grant")
def grant_secret(facility: _Facility, name: _Name) -> None:
    """Let a facility's webhooks be signed with a secret, whoever applies its file."""
    if not secret_names.is_allowed(name):
        raise failure(secret_names.refusal(name))
    _grant(facility, "secret", name)


@secrets.command("revoke")
def revoke_secret(facility: _Facility, name: _Name) -> None:
    """Take a grant back; the notifier signs nothing more of the facility with it."""
    _revoke(facility, "secret", name)


@secrets.command("list")
def list_secrets(*, as_json: AsJson = False) -> None:
    """List the secrets that are granted, by their names."""
    _list("secret", as_json=as_json)
