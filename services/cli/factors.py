"""``tonne factors``: the emission factors that every facility may use."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.files import read_file
from services.cli.listing import AsJson, show_json
from services.cli.listing import console as listing_console
from services.cli.say import cell, say
from services.core.accounting.builtin_factors import BUILTIN
from services.core.accounting.factors import Factor
from services.core.facility import factor_file
from services.core.runtime.clock import SystemClock
from services.core.store.database.connect import engine
from services.core.store.registry.import_factors import import_factors
from services.core.store.registry.shared_factors import every_version

app = typer.Typer(no_args_is_help=True, help="Emission factors.")


@app.command("list")
def list_(
    name: Annotated[str, typer.Argument(help="only ids that contain this")] = "",
    *,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="those of this release; needs no database")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the factors that every facility may use, each version with its citation."""
    found = [each for each in (_shipped() if shipped else _registered()) if name in each[0].id]
    if as_json:
        show_json([{**asdict(factor), "imported": imported} for factor, imported in found])
        return
    console = listing_console()
    if not found:
        console.print("there is no such factor")
    for factor, imported in found:
        console.print(cell(_headline(factor, imported)))
        console.print(Padding(cell(factor.citation), (0, 0, 0, 4)))


def _headline(factor: Factor, imported: bool) -> str:
    figure = f"{factor.co2e_kg:g} kg CO2e" if factor.co2_kg is None else f"{factor.co2_kg:g} kg CO2"
    parts = [
        factor.id,
        f"{figure}/{factor.unit}",
        f"{factor.valid_from or 'always'} to {factor.valid_to or 'open'}",
        *([] if factor.basis == "none" else [factor.basis]),
        *(["imported"] if imported else []),
        *([] if factor.known_to is None else ["superseded"]),
    ]
    return "  ".join(parts)


def _shipped() -> list[tuple[Factor, bool]]:
    return [(factor, False) for factor in BUILTIN]


def _registered() -> list[tuple[Factor, bool]]:
    with clear_errors():
        bind = engine(process.settings("admin").database, process="admin")
        with bind.connect() as connection:
            found = every_version(connection)
        bind.dispose()
    return found


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV; its first line names the columns")],
) -> None:
    """Write a CSV of factors into the registry, for every facility: all of it, or nothing."""
    with clear_errors():
        settings = process.settings("import")
    rows = read_file(
        file,
        lambda text: factor_file.read(text, SystemClock().now()),
        most_bytes=settings.file_bytes,
    )
    if rows is None:
        raise failure("nothing was imported; mend the lines above and import again")
    with clear_errors():
        bind = engine(settings.database, process="apply")
        with bind.begin() as connection:
            changes = import_factors(connection, rows, by=f"user {getpass.getuser()}")
        bind.dispose()
    say(f"{file}: {len(changes)} changes" if changes else f"{file}: unchanged")
    for change in changes:
        say(f"  {change}")
