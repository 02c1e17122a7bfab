"""``tonne keys``: API keys."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.cli import spans
from services.cli.errors import clear_errors
from services.cli.process import database
from services.cli.say import cell
from services.core.store.operations import keys

app = typer.Typer(no_args_is_help=True, help="API keys: shown once, stored hashed.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="what the key is for")],
    scope: Annotated[list[str] | None, typer.Option(help="read, write, admin; repeat")] = None,
    facility: Annotated[
        list[str] | None, typer.Option(help="only this facility; repeat; default: all")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="a time, a date or such as now+90d; default: never")
    ] = None,
) -> None:
    """Make a key and print it; it cannot be shown again."""
    with clear_errors():
        expires_at = spans.instant("--expires", expires or None)
        with database() as connection:
            typer.echo(
                keys.create(
                    connection,
                    name=name,
                    scopes=scope or ["read"],
                    facilities=facility,
                    expires_at=expires_at,
                )
            )


@app.command("list")
def list_() -> None:
    """List every key ever made; never the keys themselves."""
    table = Table("id", "name", "scopes", "facilities", "created", "expires", "revoked")
    with clear_errors(), database() as connection:
        for key in keys.list_keys(connection):
            table.add_row(
                str(key.id),
                cell(key.name),
                ", ".join(key.scopes),
                ", ".join(key.facilities) if key.facilities is not None else "all",
                *(
                    when.isoformat(timespec="seconds") if when else ""
                    for when in (key.created_at, key.expires_at, key.revoked_at)
                ),
            )
    Console().print(table)


@app.command()
def revoke(key_id: Annotated[int, typer.Argument(help="as `tonne keys list` shows it")]) -> None:
    """Make a key worthless from now on."""
    with clear_errors(), database() as connection:
        keys.revoke(connection, key_id)
    typer.echo(f"key {key_id} is revoked")
