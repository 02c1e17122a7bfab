"""Options that several commands have, and their checks."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.errors import failure

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="show what would change, without changing it")
]
Note = Annotated[
    str | None, typer.Option(help="reason, shown with the restatement (at most 200 characters)")
]
Wait = Annotated[bool, typer.Option(help="wait until it is done")]


def check_line(option: str, text: str | None, *, max_characters: int = 200) -> None:
    """Refuse a text that no record can hold in one line; None: it was not given."""
    if text is not None and not (1 <= len(text) <= max_characters and text.isprintable()):
        raise failure(f"{option} takes 1 to {max_characters} characters, on one line")
