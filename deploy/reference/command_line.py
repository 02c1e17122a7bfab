"""The page of commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import typer.main

from deploy.reference.markdown import code, page, table
from sensors_sim.cli import app as simulator
from services.cli import app as tonne

_ROOT = Path(__file__).parents[2]
_TARGET = re.compile(r"([a-z]+):.*?## (.+)")


def page_of_commands() -> str:
    """Return the page: each command with its arguments and options."""
    return page(
        "Command line",
        "`tonne` runs the services, one process each, and administers them; `tonne-sim` publishes"
        " what meters and stacks would. Both end with 0 when they did what was asked, with 1 when"
        " they could not, and with 2 when the command line is wrong.",
        _make(),
        *_parts("tonne", tonne),
        *_parts("tonne-sim", simulator),
    )


def _make() -> str:
    lines = (_ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    targets = [found.groups() for line in lines if (found := _TARGET.match(line))]
    return (
        "## `make`\n\nIn the repository. Every verb first installs what the machine lacks.\n\n"
        + table(("verb", "meaning"), [(code(f"make {name}"), said) for name, said in targets])
    )


def _parts(program: str, app: typer.Typer) -> Iterator[str]:
    for path, command in _commands(typer.main.get_command(app), program):
        help_text = " ".join((command.help or "").split())
        yield f"## `{path}`\n\n{help_text}"
        rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            yield table(("argument or option", "default", "meaning"), rows)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")


def _row(parameter: Any) -> tuple[str, str, str]:
    if parameter.param_type_name == "argument":
        name = code(parameter.name.upper() + (" ..." if parameter.nargs == -1 else ""))
    else:
        name = " ".join(code(option) for option in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    shown = "" if default is None or callable(default) or default == () else code(default)
    return name, "needed" if parameter.required else shown, getattr(parameter, "help", "") or ""
