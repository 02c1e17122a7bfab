"""``tonne factors``: the built-in emission factors."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services.core.accounting.builtin_factors import BUILTIN

app = typer.Typer(no_args_is_help=True, help="Emission factors.")


@app.command("list")
def list_(
    name: Annotated[str, typer.Argument(help="only ids that contain this")] = "",
) -> None:
    """List the built-in factors, each version with its citation."""
    table = Table("id", "per", "basis", "kg CO2", "valid from", "valid to", "citation")
    for factor in BUILTIN:
        if name in factor.id:
            table.add_row(
                factor.id,
                factor.unit,
                factor.basis,
                "" if factor.co2_kg is None else f"{factor.co2_kg:g}",
                str(factor.valid_from or "always"),
                str(factor.valid_to or "open"),
                factor.citation + ("" if factor.known_to is None else " (superseded)"),
            )
    Console().print(table)
