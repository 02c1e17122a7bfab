"""``tonne keys``: API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli import source_hours
from services.cli.errors import clear_errors
from services.cli.listing import AsJson, show
from services.cli.process import database, operator
from services.cli.say import say
from services.core.store.operations import keys

app = typer.Typer(no_args_is_help=True, help="Manage API keys.")


Scopes = Annotated[
    list[str] | None, typer.Option(help="read, write or admin; repeatable; default: read")
]
Facilities = Annotated[
    list[str] | None,
    typer.Option(help="limit the key to this facility; repeatable; default: all"),
]
Expires = Annotated[
    str | None,
    typer.Option(help="time of expiry, such as 2027-01-01 or now+90d; default: never"),
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="what the key is for")],
    scope: Scopes = None,
    facility: Facilities = None,
    expires: Expires = None,
    owner: Annotated[
        str | None,
        typer.Option(help="account whose key it is, and with which it ends; default: a machine's"),
    ] = None,
) -> None:
    """Create a key and print it; only its hash is stored, so it is shown once."""
    with clear_errors(keys.KeyRequestError):
        expires_at = source_hours.instant("--expires", expires or None)
        with database() as connection:
            say(
                keys.create(
                    connection,
                    name=name,
                    scopes=scope or ["read"],
                    facilities=facility,
                    expires_at=expires_at,
                    owner=owner,
                    by=operator(),
                )
            )


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List all keys, without the keys themselves."""
    with clear_errors(keys.KeyRequestError), database() as connection:
        rows = [
            (
                key.id,
                key.name,
                list(key.scopes),
                ["all"] if key.facilities is None and not as_json else key.facilities,
                key.created_at,
                key.expires_at,
                key.revoked_at,
                key.owner,
                key.used_at,
                key.address,
            )
            for key in keys.list_keys(connection)
        ]
    columns = (
        "id", "name", "scopes", "facilities", "created", "expires", "revoked", "owner",
        "last used", "from",
    )  # fmt: skip
    show(columns, rows, as_json=as_json)


@app.command()
def revoke(key_id: Annotated[int, typer.Argument(help="key id, from `tonne keys list`")]) -> None:
    """Revoke a key."""
    with clear_errors(keys.KeyRequestError), database() as connection:
        keys.revoke(connection, key_id, by=operator())
    say(f"key {key_id} is revoked")
