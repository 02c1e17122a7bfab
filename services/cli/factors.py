"""``tonne factors``: emission factors that every facility can use."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.cli import process
from services.cli.errors import clear_errors, failure
from services.cli.files import read_file
from services.cli.listing import AsJson, below, show_json, show_rest
from services.cli.listing import console as listing_console
from services.cli.say import amount, cell, say
from services.cli.value_parquet import read_values_of_parquet
from services.core.accounting.builtin_factors import builtin_factors, versions_of
from services.core.accounting.factor_search import search, unknown_words
from services.core.accounting.factors import Factor, FactorError, version_in_force
from services.core.facility import factor_file, value_file
from services.core.facility.value_plausibility import ImplausibleValueError
from services.core.runtime.clock import SystemClock
from services.core.store.answers.factor_versions import factor_versions
from services.core.store.factor_series.bring import bring
from services.core.store.factor_series.names import UnknownSeriesError
from services.core.store.factor_series.record import FutureValueError
from services.core.store.registry.import_factors import import_factors

app = typer.Typer(no_args_is_help=True, help="List and import emission factors.")


@app.command("list")
def list_(
    name: Annotated[str, typer.Argument(help="only ids that contain this text")] = "",
    *,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="list the factors of this release; needs no database")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the factors that every facility can use, each version with its citation."""
    factors = [entry for entry in (_shipped() if shipped else _registered()) if name in entry[0].id]
    if as_json:
        show_json([{**asdict(factor), "imported": imported} for factor, imported in factors])
        return
    console = listing_console()
    if not factors:
        console.print("no factor matches")
    for factor, imported in factors:
        console.print(cell(_headline(factor, imported)))
        console.print(below(factor.citation))


@app.command("search")
def search_(
    words: Annotated[list[str], typer.Argument(help="what, where and of which year")],
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="maximum number of factors")] = 10,
    as_json: AsJson = False,
) -> None:
    """Find a built-in factor by words, the best first; needs no database.

    For example `tonne factors search diesel germany 2026`. Each says what of the question it does
    not answer: a general figure, another country's, an earlier year's.
    """
    now = SystemClock().now()
    matching = search(" ".join(words))
    matches = matching[:limit]
    if as_json:
        show_json([{**asdict(match), **asdict(_for_today(match.id, now))} for match in matches])
        show_rest(matching, limit, which="less fitting", as_json=True)
        return
    console = listing_console()
    if not matches:
        console.print("no factor matches; try fewer words, or `tonne factors list --shipped`")
    elif unknown := unknown_words(" ".join(words)):
        console.print(cell(f"no factor is called {' or '.join(unknown)}: left out"))
    for match in matches:
        factor = _for_today(match.id, now)
        console.print(cell(_headline(factor, imported=False)))
        console.print(below(f"{match.name}; {factor.citation}"))
        if match.note:
            console.print(below(match.note))
    show_rest(matching, limit, which="less fitting", as_json=False)


def _for_today(name: str, now: datetime) -> Factor:
    """Return the version for today, else the last."""
    versions = versions_of(name)
    try:
        return version_in_force(versions, now, now)
    except FactorError:
        return max(versions, key=lambda version: version.valid_from or date.min)


def _headline(factor: Factor, imported: bool) -> str:
    if factor.is_series:
        figure = "by the hour"
    elif factor.co2_kg is None:
        figure = f"{factor.co2e_kg:g} kg CO2e"
    else:
        figure = f"{factor.co2_kg:g} kg CO2"
    if factor.co2_biogenic_kg:
        figure += f" and {factor.co2_biogenic_kg:g} kg of biomass"
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
    return [(factor, False) for versions in builtin_factors().values() for factor in versions]


def _registered() -> list[tuple[Factor, bool]]:
    with clear_errors(), process.session() as connection:
        listed = factor_versions(
            connection, names=None, superseded=True, after=None, limit=sys.maxsize
        )
    return [(entry.factor, entry.imported) for entry in listed]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV file with a header line")],
) -> None:
    """Import factors from a CSV file for every facility: all of it, or nothing."""
    with clear_errors():
        settings = process.settings("import")
    rows = read_file(
        file,
        lambda text: factor_file.read(text, SystemClock().now()),
        max_bytes=settings.file_bytes,
    )
    if rows is None:
        raise failure("nothing was imported; correct the lines above and import again")
    with clear_errors(), process.transaction() as connection:
        changes = import_factors(connection, rows, by=process.operator())
    say(f"{file}: {amount(len(changes), 'change')}" if changes else f"{file}: unchanged")
    for change in changes:
        say(f"  {change}")


@app.command("import-values")
def import_values(
    file: Annotated[
        Path, typer.Argument(help="CSV with a header line, or Parquet: factor, hour, co2_kg")
    ],
    *,
    factor: Annotated[
        str | None, typer.Option(help="the factor, where the file has no column of it")
    ] = None,
    facility: Annotated[
        str | None, typer.Option(help="whose factors they are; default: every facility's")
    ] = None,
) -> None:
    """Import values of factors by the hour: all of the file, or nothing.

    An hour that has a value gets a new version of it; what used the old one is computed again.
    """
    with clear_errors():
        settings = process.settings("import")
    now = SystemClock().now()
    values = (
        read_values_of_parquet(file, now, factor, max_bytes=settings.value_file_bytes)
        if file.suffix == ".parquet"
        else read_file(
            file,
            lambda text: value_file.read_csv(text, now, factor),
            max_bytes=settings.value_file_bytes,
            setting="TONNE_VALUE_FILE_BYTES",
        )
    )
    if values is None:
        raise failure("nothing was imported; correct the lines above and import again")
    with (
        clear_errors(UnknownSeriesError, FutureValueError, ImplausibleValueError),
        process.transaction() as connection,
    ):
        recorded = bring(connection, values, facility=facility, by=process.operator())
    parts = (
        (recorded.added, "added"),
        (recorded.revised, "revised"),
        (recorded.superseded, "older than what holds, kept beside it"),
        (recorded.unchanged, "unchanged"),
    )
    stated = ", ".join(f"{number} {word}" for number, word in parts if number)
    say(f"{file}: {amount(sum(v.hours.size for v in values.values()), 'value')}: {stated}")
    if recorded.requests:
        say(f"  {amount(recorded.requests, 'span')} of sources to be computed again")
