"""``tonne topics`` and ``tonne secrets``: what a facility file may name beyond its own."""

from __future__ import annotations

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
from services.core.facility.topics import ANY
from services.core.store.registry import grants
from services.core.store.registry.apply import raise_revision
from services.ingest.route import ROOT, SHARED_SERIES

topics = typer.Typer(
    no_args_is_help=True, help="Grant facilities the use of topics beyond their own."
)
secrets = typer.Typer(
    no_args_is_help=True, help="Grant facilities the use of secrets to sign messages."
)

Result = TypeVar("Result")
_Facility = Annotated[str, typer.Argument(help="facility id")]
_Prefix = Annotated[str, typer.Argument(help="topic; includes all topics below it")]
_Name = Annotated[str, typer.Argument(help="environment variable, TONNE_SECRET_...")]


def _run(work: Callable[[Connection], Result]) -> Result:
    with clear_errors(grants.GrantRequestError), process.transaction() as connection:
        return work(connection)


def _grant(facility: str, kind: grants.Kind, name: str) -> None:
    def work(connection: Connection) -> bool:
        new = grants.grant(connection, facility, kind, name, by=process.operator())
        raise_revision(connection)
        return new

    new = _run(work)
    say(f"{facility} may name {name}" if new else f"{facility} may name {name} already")


def _revoke(facility: str, kind: grants.Kind, name: str) -> None:
    def work(connection: Connection) -> list[str]:
        grants.revoke(connection, facility, kind, name, by=process.operator())
        raise_revision(connection)
        return grants.still_named(connection, facility, name) if kind == "topic" else []

    named = _run(work)
    say(f"{facility} may no longer name {name}")
    for topic in named:
        say(f"  the applied file still names {topic}: apply it without this topic", err=True)


def _list(kind: grants.Kind, *, as_json: bool) -> None:
    rows = [
        (grant.facility, grant.name, grant.granted_at, grant.granted_by)
        for grant in _run(lambda connection: grants.list_grants(connection, kind))
    ]
    show(("facility", kind, "granted", "by"), rows, as_json=as_json)


def _prefix(text: str) -> str:
    """Check a topic, which includes its subtree, as facility files' topics are checked.

    :raises typer.Exit: it cannot be granted.
    """
    prefix = re.sub(r"/(?:#)?\Z", "", text)
    try:
        TypeAdapter(Topic).validate_python(prefix, context=STATED)
    except ValidationError as error:
        raise failure(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    if prefix.startswith("$"):
        raise failure(f"{prefix} begins with $, which is reserved for brokers")
    levels = prefix.split("/")
    if levels[0] == ANY:
        raise failure(f"{prefix} begins with +, which is everybody's: name the first level")
    is_shared_series = grants.covers(SHARED_SERIES, prefix) and ANY not in levels
    if grants.covers(ROOT, prefix) and not is_shared_series:
        raise failure(
            f"below {ROOT}/ a facility owns its own topics; of others only {SHARED_SERIES} and the"
            " series below it can be granted"
        )
    return prefix


@topics.command("grant")
def grant_topic(facility: _Facility, prefix: _Prefix) -> None:
    """Allow a facility's devices to use a topic and all topics below it."""
    _grant(facility, "topic", _prefix(prefix))


@topics.command("revoke")
def revoke_topic(facility: _Facility, prefix: _Prefix) -> None:
    """Revoke a grant; topics of the applied file stay until it is applied without them."""
    _revoke(facility, "topic", _prefix(prefix))


@topics.command("list")
def list_topics(*, as_json: AsJson = False) -> None:
    """List granted topics."""
    _list("topic", as_json=as_json)


@secrets.command("grant")
def grant_secret(facility: _Facility, name: _Name) -> None:
    """Allow a facility to sign its webhooks with a secret."""
    if not secret_names.is_allowed(name):
        raise failure(secret_names.refusal(name))
    _grant(facility, "secret", name)


@secrets.command("revoke")
def revoke_secret(facility: _Facility, name: _Name) -> None:
    """Revoke a grant; the notifier stops signing the facility's messages with the secret."""
    _revoke(facility, "secret", name)


@secrets.command("list")
def list_secrets(*, as_json: AsJson = False) -> None:
    """List the names of granted secrets."""
    _list("secret", as_json=as_json)
