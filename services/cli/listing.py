"""Listings: a table for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from services.cli.say import cell, say
from services.core.timeline.instants import rfc3339

#: The option of every listing command.
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, an array of flat objects")]

#: Width of a line that is neither wrapped nor cut.
_UNCUT: Final = 100_000


def console() -> Console:
    """Return the console for tables; lines are only wrapped in a terminal."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_UNCUT, soft_wrap=True)


def below(text: str) -> Padding:
    """Indent what is said about the line above it, without filling its line with spaces."""
    return Padding(cell(text), (0, 0, 0, 4), expand=False)


def show(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, as_json: bool) -> None:
    """Print rows as a table, or as JSON with the columns' names as keys."""
    if as_json:
        show_json([dict(zip(map(_key, columns), row, strict=True)) for row in rows])
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(cell(_text(value)) for value in row))
    console().print(table if rows else "none")


def show_rest(rows: Sequence[object], limit: int, *, which: str, as_json: bool) -> None:
    """Say that there are more rows than shown; on stderr where a program reads JSON."""
    if len(rows) > limit:
        say(f"there are {which} ones; use --limit to show more than {limit}", err=as_json)


def show_json(rows: Sequence[dict[str, Any]]) -> None:
    """Print an array; escape all but ASCII, so that nothing in it can control a terminal."""
    sys.stdout.write(json.dumps(rows, indent=1, default=_plain) + "\n")


def _key(column: str) -> str:
    return column.replace(" ", "_")


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, list | tuple | frozenset | set):
        return ", ".join(map(str, value))
    return str(value)
