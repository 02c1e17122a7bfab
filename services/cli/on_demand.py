"""Commands whose modules are loaded when they run: none waits for what only others need."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@contextmanager
def loading() -> Iterator[None]:
    """Load modules without the garbage collector, which would look at them again and again.

    What they are made of stays: it is left out of every later look.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@dataclass(frozen=True, slots=True)
class Part:
    """A command, or a group of them: where it stands and what the list of commands says of it."""

    module: str
    #: a function that is the command, or an app that is the group
    attribute: str
    #: as in the function's docstring or the app's help; a test compares them
    summary: str

    def load(self, name: str) -> Any:
        """Import the module and return the command."""
        with loading():
            loaded = getattr(import_module(self.module), self.attribute)
        if isinstance(loaded, typer.Typer):
            loaded.info.cls = Group
            command: Any = get_group(loaded)
            command.name = name
            return command
        alone = typer.Typer()
        alone.command(name)(loaded)
        return get_group(alone).commands[name]


class _Loaded(Mapping[str, Any]):
    """The commands by name, each loaded when it is asked for."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = parts
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._parts[name].load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


class Group(TyperGroup):
    """A group that lists its commands to who asks for one that it does not have."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the command; Typer itself suggests one that is spelled like it."""
        name = args[0]
        if not (name in self.commands or name.startswith("-")) and not get_close_matches(
            name, self.commands
        ):
            ctx.fail(f"No such command {name!r}; there are {', '.join(self.commands)}.")
        return super().resolve_command(ctx, args)


def on_demand(parts: Mapping[str, Part]) -> type[TyperGroup]:
    """Return the class of a group with these commands, in this order."""

    class OnDemand(Group):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands = cast(MutableMapping[str, Any], _Loaded(parts))

        def format_help(self, ctx: Any, formatter: Any) -> None:
            """List the commands without loading one."""
            listing = copy(self)
            listing.commands = {
                name: TyperCommand(name=name, help=part.summary) for name, part in parts.items()
            }
            super(OnDemand, listing).format_help(ctx, formatter)

    return OnDemand
