"""Output of commands, without anything that could control the terminal."""

from __future__ import annotations

import typer
from rich.text import Text

from services.core.runtime.escapes import shown


def say(text: str, *, err: bool = False) -> None:
    """Print lines that may contain text from outside."""
    typer.echo(shown(text, lines=True), err=err)


def amount(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 hour`` and ``2 hours``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def cell(text: str) -> Text:
    """Prepare text from outside for a table or a line, without markup."""
    return Text(shown(text, lines=True))
