"""What a command says: nothing in it commands the terminal."""

from __future__ import annotations

import typer
from rich.text import Text

from services.core.runtime.escapes import shown


def say(text: str, *, err: bool = False) -> None:
    """Print lines that may hold text from outside."""
    typer.echo(shown(text, lines=True), err=err)


def cell(text: str) -> Text:
    """Text from outside for a table or a line; it is no markup either."""
    return Text(shown(text, lines=True))
